"""Which of the forms of an answer a client likes best.

Belongs here: reading `Accept` (RFC 9110, 12.5.1). Litestar's reader raises at weights such as `inf`, and takes a weight of 0 for
a wish. Does not belong here: encodings (`answers`), what is offered where.
"""

import re
from functools import lru_cache
from typing import Final

_WEIGHT: Final = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


@lru_cache(1024)
def preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    """Of these media types the one that this value of `Accept` likes best; None where it takes none of them.

    Among equals the first that the client names, then our first. What cannot be read, or is empty, takes everything.
    """
    ranges: dict[str, tuple[float, int]] = {}
    for position, part in enumerate(accept.lower().split(",")):
        name, *parameters = (each.strip() for each in part.split(";"))
        weight = next((each.removeprefix("q=") for each in parameters if each.startswith("q=")), "1")
        if "/" not in name or not _WEIGHT.fullmatch(weight):
            return offered[0]
        ranges.setdefault(name, (float(weight), -position))
    found = [(_of(each, ranges), each) for each in offered]
    (weight_of_best, _), best = max(found, key=lambda each: each[0])
    return best if weight_of_best > 0 else None


def _of(media_type: str, ranges: dict[str, tuple[float, int]]) -> tuple[float, int]:
    """Weight and place of the range that fits the media type most closely."""
    for name in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return 0.0, 0
