"""Of what kind the values of a column are: numbers, days in one form or another, times, text.

Belongs here: telling it from some lines of a file. Does not belong here: what a single cell is worth (`cells`), or what a change
of kind means (`schema_changes`).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

N_LINES: Final = 30
"""About as many lines of a file, spread over it evenly, are looked at: columns change as a whole, cells are watched anyhow."""

ENOUGH: Final = 5
"""Filled cells among those lines without which a column's kind is not told."""

MOST: Final = 0.8
"""Share of them that has to be of one kind."""

_FORMS: Final = (
    ("number", re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)),
    ("number with a comma", re.compile(r"[+-]?\d+,\d+", re.ASCII)),
    ("day/month/year", re.compile(r"\d{1,2}/\d{1,2}/\d{4}", re.ASCII)),
    ("day/month/year of two digits", re.compile(r"\d{1,2}/\d{1,2}/\d{2}", re.ASCII)),
    ("year-month-day", re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)),
    ("moment", re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[+-]\d{2}:?\d{2})", re.ASCII)),
    ("time of day", re.compile(r"\d{1,2}:\d{2}(?::\d{2})?", re.ASCII)),
)


@lru_cache(maxsize=100_000)
def kind_of(text: str) -> str | None:
    """The kind of one cell, `text` where it has no other form; None where it is empty."""
    if not (bare := text.strip()):
        return None
    return next((kind for kind, form in _FORMS if form.fullmatch(bare)), "text")


def kinds(names: Sequence[str], lines: Iterable[Sequence[str]]) -> dict[str, str]:
    """Column to the kind of nearly all of its filled cells; a column with too few of them, or mixed ones, is left out.

    Args:
        names: the columns.
        lines: the cells of each line, at least one for each name; those beyond have no name.
    """
    told: dict[str, str] = {}
    for name, column in zip(names, zip(*lines, strict=False), strict=False):
        found = Counter(kind for kind in map(kind_of, column) if kind is not None)
        if found.total() >= ENOUGH:
            ((kind, n),) = found.most_common(1)
            if n >= MOST * found.total():
                told[name] = kind
    return told


def stride(n_lines: int) -> int:
    """Every how manieth of so many lines is looked at."""
    return max(1, n_lines // N_LINES)
