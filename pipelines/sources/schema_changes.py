"""What changed in the columns of a source's files: new, missing, in another order, of another kind, or needed and not there.

Belongs here: which file's columns a new one's are compared with, and the comparison. Does not belong here: what a file needs to
be read at all; a parser knows that, and refuses a file without it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, cast

from pipelines.sources import football_data_file, international
from pipelines.sources.football_data import season_of
from pipelines.sources.protocol import Layout

Kind = Literal["new", "missing", "re-ordered", "re-typed", "required"]

_SEASON: Final = re.compile(r"(.*/)(\d{4})(/[^/]+)")


@dataclass(frozen=True)
class Header:
    """The column names of a file version, in the file's order, its layout, and the kinds of its columns' values that are told."""

    source: str
    key: str
    version: int
    names: tuple[str, ...]
    layout: str = "main"
    kinds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A column of `key` that is not as in `compared_with`: an earlier version of it, or the season before of its competition.

    A `required` one no match can do without: the file is refused, and what stood before it stands.
    """

    source: str
    key: str
    compared_with: str
    kind: Kind
    column: str


def series_of(key: str) -> tuple[str, int]:
    """The files that follow one another, by name, and the place of this one among them: a competition's, by season."""
    match = _SEASON.fullmatch(key)
    return (match[1] + match[3], season_of(match[2])) if match else (key, 0)


def announced(headers: Iterable[Header]) -> list[Change]:
    """The changes to be told, of each file's newest version by the one before it.

    A file that has one version only is compared with the season before it, if it is the newest of its competition: the columns
    of past seasons are history, and no news.
    """
    versions: dict[tuple[str, str], list[Header]] = {}
    for header in sorted(headers, key=lambda each: each.version):
        versions.setdefault((header.source, header.key), []).append(header)
    newest = {file: known[-1] for file, known in versions.items()}
    before = predecessors(newest.values())
    followed = {(each.source, each.key) for each in before.values()}
    changes: list[Change] = []
    for file, header in sorted(newest.items()):
        if len(versions[file]) > 1:
            earlier = versions[file][-2]
            changes += compare(header, earlier, f"version {earlier.version}")
        elif file in before and file not in followed:
            changes += compare(header, before[file], before[file].key)
        else:
            changes += _required(header, "no file before")
    return changes


def predecessors(headers: Iterable[Header]) -> Mapping[tuple[str, str], Header]:
    """Source and key of a file to the header of the latest season before it, of those that have one."""
    series: dict[tuple[str, str], list[tuple[int, Header]]] = {}
    for header in headers:
        name, place = series_of(header.key)
        series.setdefault((header.source, name), []).append((place, header))
    before = {}
    for members in series.values():
        in_order = [header for _, header in sorted(members, key=lambda member: member[0])]
        before.update({(late.source, late.key): early for early, late in pairwise(in_order)})
    return before


def compare(header: Header, before: Header, compared_with: str) -> list[Change]:
    """What differs. Nameless columns and further ones of a name already there are leftovers of spreadsheets, and no news."""
    now, then = _named(header.names), _named(before.names)

    def change(kind: Kind, column: str) -> Change:
        return Change(header.source, header.key, compared_with, kind, column)

    changes = [change("new", name) for name in now if name not in then]
    changes += [change("missing", name) for name in then if name not in now]
    kept_now, kept_then = [name for name in now if name in then], [name for name in then if name in now]
    if kept_now != kept_then:
        moved = next(new for new, old in zip(kept_now, kept_then, strict=True) if new != old)
        changes.append(change("re-ordered", f"from {moved} on"))
    changes += [
        change("re-typed", f"{name}, from {before.kinds[name]} to {header.kinds[name]}")
        for name in kept_now
        if name in header.kinds and header.kinds[name] != before.kinds.get(name, header.kinds[name])
    ]
    return changes + _required(header, compared_with)


def _required(header: Header, compared_with: str) -> list[Change]:
    lacking = international.lacking(header.names) if header.layout == "international" else _lacking(header)
    return [Change(header.source, header.key, compared_with, "required", column) for column in lacking]


def _lacking(header: Header) -> list[str]:
    return football_data_file.lacking(header.names, cast("Layout", header.layout))


def _named(names: Sequence[str]) -> list[str]:
    return [name for name in names if not name.startswith("#") and not re.search(r"\.\d+$", name)]
