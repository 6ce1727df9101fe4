"""What somebody asks with, as coarsely as a person would name it.

Belongs here: reading `User-Agent`, which anybody may write: it recognises one's own sessions, and proves nothing. Does not belong
here: who asks.
"""

import re
from typing import Final

_BROWSERS: Final = {
    "Edg": "Edge", "EdgA": "Edge", "EdgiOS": "Edge", "OPR": "Opera", "FxiOS": "Firefox", "Firefox": "Firefox",
    "CriOS": "Chrome", "Chrome": "Chrome", "Safari": "Safari",
}  # fmt: skip
"""By the token in which each names itself; those further down stand in the texts of those further up, too."""

_SYSTEMS: Final = {
    "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS X": "macOS", "CrOS": "ChromeOS",
    "Linux": "Linux",
}  # fmt: skip

_PROGRAM: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}(?=/|$)")


def family(user_agent: str) -> str | None:
    """`Firefox on Linux`, or the name of a program: `curl`; None where no name is told."""
    browser = next((name for token, name in _BROWSERS.items() if f"{token}/" in user_agent), None)
    if browser is None:
        program = _PROGRAM.match(user_agent)
        return program.group() if program else None
    system = next((name for token, name in _SYSTEMS.items() if token in user_agent), None)
    return f"{browser} on {system}" if system else browser
