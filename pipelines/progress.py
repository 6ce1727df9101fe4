"""A Dagster run as a person follows it in a terminal.

Belongs here: turning a run's events into lines of text. Does not belong here: starting runs (`pipelines.commands.launch`).
"""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO
from uuid import uuid4

import dagster as dg
from rich.console import Console

_terminal: TextIO = sys.stdout
"""Where people read: standard output, also while everything else goes to a log."""


@contextmanager
def chatter_in(log: Path) -> Iterator[None]:
    """Send what libraries and child processes print to a log file, so that the terminal shows progress alone.

    Works on the file descriptors: dbt is another process, and MLflow and LightGBM print past Python's streams.
    """
    global _terminal  # noqa: PLW0603 - the process has one terminal
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    kept = [os.dup(1), os.dup(2)]
    _terminal = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, saved in zip((1, 2), kept, strict=True):
            os.dup2(saved, descriptor)
            os.close(saved)
        _terminal.close()
        _terminal = sys.stdout


class ProgressHandler(logging.Handler):
    """Prints one line when a step begins, one for what it made, and one when a check or a step fails."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        self.started: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print what the record says, if a person would want to know."""
        meta = getattr(record, "dagster_meta", {})
        self.show(meta.get("dagster_event"), record.created, record.levelno, meta.get("orig_message", record.getMessage()))

    def show(self, event: dg.DagsterEvent | None, at: float, level: int, message: str) -> None:
        """The same of an event, or of a message without one, at a Unix time."""
        if event is None:
            if level >= logging.WARNING:
                self.console.print(f"  [yellow]![/] {message}", highlight=False)
            return
        step = event.step_key or ""
        kind = event.event_type_value
        if kind == "STEP_START":
            self.started[step] = at
            self.console.print(f"  [dim]·[/] {_readable(step)} …", highlight=False)
        elif kind == "STEP_SUCCESS" and "check" not in step:
            self.console.print(
                f"  [green]✓[/] {_readable(step)} [dim]{at - self.started.get(step, at):.1f} s[/]",
                highlight=False,
            )
        elif kind == "STEP_FAILURE":
            self.console.print(f"  [red]✗[/] {_readable(step)} failed", highlight=False)
        elif kind == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed:
                mark = "[red]✗[/]" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "[yellow]![/]"
                said = evaluation.description or "see the Dagster UI"
                self.console.print(f"  {mark} check {evaluation.check_name.replace('_', ' ')}: {said}", highlight=False)


def _readable(step: str) -> str:
    return step.replace("__", ".")


@dg.logger
def terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """The run's events on standard output, for people."""
    logger = logging.Logger("progress", level=logging.DEBUG)
    logger.addHandler(ProgressHandler(Console(file=_terminal, soft_wrap=True)))
    return logger


FOLLOWED: Final = "football/followed"
"""The tag of a run that somebody follows."""

LOOK_EVERY_SECONDS: Final = 0.5


@contextmanager
def following(instance: dg.DagsterInstance) -> Iterator[dict[str, str]]:
    """Print what the steps of a run note in the instance's log: other processes execute them, whose loggers reach no terminal.

    Gives the tags by which the run is found that is executed within.
    """
    tags = {FOLLOWED: uuid4().hex}
    handler = ProgressHandler(Console(file=_terminal, soft_wrap=True))
    is_over = threading.Event()

    def follow() -> None:
        cursor = None
        while True:
            was_last = is_over.wait(LOOK_EVERY_SECONDS)
            for run in instance.get_runs(dg.RunsFilter(tags=tags), limit=1):
                has_more = True
                while has_more:
                    page = instance.get_records_for_run(run.run_id, cursor=cursor)
                    cursor, has_more = page.cursor, page.has_more
                    for entry in (record.event_log_entry for record in page.records):
                        handler.show(entry.dagster_event, entry.timestamp, int(entry.level), entry.user_message)
            if was_last:
                return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield tags
    finally:
        is_over.set()
        follower.join()
