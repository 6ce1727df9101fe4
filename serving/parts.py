"""Answers of several parts, some of which may not be known while the database is away.

Belongs here: asking for the parts, and which of them nobody knows. Does not belong here: what is said in their place.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

from serving.store.database import StoreUnavailable


async def known(**questions: Awaitable[Any]) -> tuple[dict[str, Any], list[str]]:
    """What is answered to each question by its name, and the names of those that nobody can answer now: they have None.

    All are asked at once, so that a database that does not answer is waited for once.
    """
    unknown: list[str] = []

    async def ask(name: str, question: Awaitable[Any]) -> Any:
        try:
            return await question
        except StoreUnavailable:
            unknown.append(name)
            return None

    answers = await asyncio.gather(*(ask(name, question) for name, question in questions.items()))
    return dict(zip(questions, answers, strict=True)), sorted(unknown)
