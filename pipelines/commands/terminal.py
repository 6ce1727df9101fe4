"""Where commands print tables."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console() -> "Console":
    """The terminal, as wide as it is; in a pipe or a file as wide as a line is read."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 110)
