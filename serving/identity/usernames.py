"""What an account may be called.

Belongs here: the one rule for whoever logs in (JSON and the form) and whoever makes an account (the API and the command line), so
that no account is made that could not log in. Does not belong here: whether there is an account of a name (`store.accounts`).
"""

from typing import Annotated, Final

from msgspec import Meta, ValidationError, json

LONGEST: Final = 100
RULE: Final = f"A name has 1 to {LONGEST} characters, and no control characters among them."

_CHARACTER: Final = r"[^\x00-\x1f\x7f-\x9f]"
_END: Final = r"(?!\n)$"  # Python's `$` alone lets a last line break pass, and its own `\Z` is none to the document's readers

Username = Annotated[str, Meta(min_length=1, max_length=LONGEST, pattern=f"^{_CHARACTER}+{_END}", examples=["ann"])]
UsernameOrNone = Annotated[str, Meta(max_length=LONGEST, pattern=f"^{_CHARACTER}*{_END}")]
"""What a form sends whose field was perhaps left empty: it is shown again, not refused as nonsense."""


def is_possible(name: str) -> bool:
    """Whether an account of this name could log in: asked as a login would, by JSON."""
    try:
        json.decode(json.encode(name), type=Username)
    except (ValidationError, UnicodeEncodeError):  # the latter: an argument of a command whose bytes are no text
        return False
    return True
