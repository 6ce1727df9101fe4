"""Great Expectations in a process of its own, which can be started before there is anything to judge.

Belongs here: that process. Importing Great Expectations takes longer than most judging; beside a run that has other
things to do first, nobody waits for it.
"""

from typing import Final

import pandas as pd

from expectations.run import Outcome, validate
from pipelines.beside import Beside

_PROCESS: Final = Beside()


def prepare() -> None:
    """Start the process, and do not wait until it is ready."""
    _PROCESS.begin(_import)


def judge(suite_name: str, frame: pd.DataFrame) -> Outcome:
    """As `run.validate`, in the process.

    Raises:
        KeyError: there is no such suite.
        BesideStopped: no verdict within ten minutes, or the process was ended.
    """
    return _PROCESS.ask(validate, suite_name, frame)


def _import() -> None:
    import great_expectations  # noqa: F401
