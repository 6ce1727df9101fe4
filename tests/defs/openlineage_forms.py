"""The forms of texts that OpenLineage's specification names: UUIDs, addresses and moments.

Belongs here: how each is told from what is none. Does not belong here: where in an event a text has which (`openlineage` states it,
`openlineage_classes` derives it). A JSON Schema that only names a format checks nothing: so each form here is a pattern too, and
what no pattern can say, which days there are, is asked of the calendar by FORMATS, which a validator has to be given.

Stricter than the standards, for nothing of ours is otherwise: small letters in UUIDs and in an address's scheme, capital `T` and
`Z`, no leap second, no address of a host by its IPv6 number.
"""

from datetime import datetime
from typing import Any, Final

from jsonschema import FormatChecker

_END: Final = r"$(?!\n)"
"""In Python `$` alone stands before a line's end, too."""

_OF_ADDRESSES: Final = "([A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
"""What RFC 3986 lets stand in an address between its scheme and the fragment, and in that."""

UUID: Final = {"format": "uuid", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}" + _END}
URI: Final = {"format": "uri", "pattern": f"^[a-z][a-z0-9+.-]*:{_OF_ADDRESSES}+(#{_OF_ADDRESSES}*)?" + _END}
MOMENT: Final = {
    "format": "date-time",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    + _END,
}

FORMATS: Final = FormatChecker(())


@FORMATS.checks("date-time", raises=ValueError)
def _is_of_the_calendar(text: Any) -> bool:
    return not isinstance(text, str) or bool(datetime.fromisoformat(text))
