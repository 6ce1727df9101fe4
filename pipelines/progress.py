"""A Dagster run as a person follows it in a terminal.

Belongs here: turning a run's events into lines of text. Does not belong here: starting runs (`pipelines.cli`).
"""

import logging
import time

import dagster as dg
from rich.console import Console

_WORDS = {
    "dagster/row_count": "rows",
}


class ProgressHandler(logging.Handler):
    """Prints one line when a step begins, one for what it made, and one when a check or a step fails."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        self.started: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print what the record says, if a person would want to know."""
        meta = getattr(record, "dagster_meta", {})
        event: dg.DagsterEvent | None = meta.get("dagster_event")
        if event is None:
            if record.levelno >= logging.WARNING:
                self.console.print(f"  [yellow]![/] {meta.get('orig_message', record.getMessage())}", highlight=False)
            return
        step = event.step_key or ""
        kind = event.event_type_value
        if kind == "STEP_START":
            self.started[step] = time.monotonic()
            self.console.print(f"  [dim]·[/] {_readable(step)} …", highlight=False)
        elif kind == "STEP_SUCCESS" and "check" not in step:
            self.console.print(
                f"  [green]✓[/] {_readable(step)} [dim]{time.monotonic() - self.started.get(step, time.monotonic()):.1f} s[/]",
                highlight=False,
            )
        elif kind == "STEP_FAILURE":
            self.console.print(f"  [red]✗[/] {_readable(step)} failed", highlight=False)
        elif kind == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed:
                mark = "[red]✗[/]" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "[yellow]![/]"
                said = evaluation.description or ""
                self.console.print(f"  {mark} check {evaluation.check_name.replace('_', ' ')}: {said}", highlight=False)


def _readable(step: str) -> str:
    return step.replace("__", ".")


@dg.logger
def terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """The run's events on standard output, for people."""
    logger = logging.Logger("progress", level=logging.DEBUG)
    logger.addHandler(ProgressHandler(Console(soft_wrap=True)))
    return logger
