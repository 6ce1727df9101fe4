"""The fields of JSON records: their paths, such as `score.fullTime.home`, and of what kind their values are.

Belongs here: telling them from the records of a file or a batch. Does not belong here: which fields a record needs, or what a
change of them means (`schema_changes`). Their order is none: JSON's objects have none.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pipelines.sources.kinds import ENOUGH, MOST, kind_of

MAX_FIELDS: Final = 300
"""Of one file; more are somebody's data in place of names."""

MAX_PATH: Final = 120
"""Characters of a path; what lies deeper, or is called so that it cannot be shown, is passed over."""


def fields(records: Iterable[object]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The paths that records have, in ascending order, and the kind of nearly all values of a path, where there are enough.

    What fewer than `ENOUGH` records have, and not all, is something that was said of these, and no field. A list is one value,
    whatever is in it; a null is a value whose kind is not told, and where others have an object in its place that object's
    members alone are fields. What is no object is no record.
    """
    n_records = 0
    found: dict[str, Counter[str | None]] = {}
    for record in records:
        if isinstance(record, Mapping):
            n_records += 1
            for path, kind in _values(record):
                found.setdefault(path, Counter())[kind] += 1
    kept = {path: kinds for path, kinds in found.items() if kinds.total() >= min(ENOUGH, n_records)}
    objects = {path[:end] for path in kept for end, letter in enumerate(path) if letter == "."}
    names = tuple(sorted(path for path, kinds in kept.items() if path not in objects or set(kinds) != {None}))[:MAX_FIELDS]
    told = {}
    for path in names:
        filled = Counter({kind: n for kind, n in kept[path].items() if kind is not None})
        if filled.total() >= ENOUGH:
            ((kind, n),) = filled.most_common(1)
            if n >= MOST * filled.total():
                told[path] = kind
    return names, told


def _values(record: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str | None]]:
    for name, value in record.items():
        path = f"{above}{name}"
        if len(path) > MAX_PATH or not path.isprintable():
            continue
        if isinstance(value, Mapping) and value:
            yield from _values(value, f"{path}.")
        else:
            yield path, _kind_of(value)


def _kind_of(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        kind = kind_of(value)
        return "number in quotation marks" if kind == "number" else kind
    return "list" if isinstance(value, list) else "object"
