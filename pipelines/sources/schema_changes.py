"""What changed in the columns of a source's files: new, missing, in another order, of another kind, or needed and not there.

Of JSON the fields of its records are compared like columns (`fields`); of a stream's messages those that are not the contract's.
An object of JSON has no order, so that nothing there is ever re-ordered.

What a file has had for a week (`USUAL_AFTER`) is its usual: its newest version is compared with the one that was in force then,
whatever came between, and a change is news for as long.

Belongs here: which file's columns a new one's are compared with, and the comparison. Does not belong here: what a file needs to
be read at all; a parser knows that, and refuses a file without it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Final, Literal, cast

from pipelines.sources import football_data_file, football_data_org, international, openfootball, stream
from pipelines.sources.football_data import season_of
from pipelines.sources.protocol import Layout

Kind = Literal["new", "missing", "re-ordered", "re-typed", "required"]

USUAL_AFTER: Final = timedelta(days=7)
"""What a file has had for so long is no news any more, whether the source meant it or not."""

_SEASON: Final = re.compile(r"(.*/)(\d{4})(/[^/]+)")
_JSON_SEASON: Final = re.compile(r"(\d{4})(?:-\d{2})?(/[^/]+\.json)")

_NEEDED: Final = {"json": openfootball.NEEDED, "football_data_org": football_data_org.NEEDED}
"""Layouts whose records are JSON, and what none of these can do without."""

_OF_A_RESULT: Final = re.compile(r"score(\.|$)")
"""What a match of JSON may lack until it is played."""


@dataclass(frozen=True)
class Header:
    """The column names of a file version, in the file's order, its layout, and the kinds of its columns' values that are told.

    One that `is_usual` was of use, and in force `USUAL_AFTER` before the comparison, or still earlier.
    """

    source: str
    key: str
    version: int
    names: tuple[str, ...]
    layout: str = "main"
    kinds: Mapping[str, str] = field(default_factory=dict)
    is_usual: bool = False


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
    if match := _SEASON.fullmatch(key):
        return match[1] + match[3], season_of(match[2])
    match = _JSON_SEASON.fullmatch(key)
    return (match[2], int(match[1])) if match else (key, 0)


def announced(headers: Iterable[Header]) -> list[Change]:
    """The changes to be told, of each file's newest version by the latest that is usual.

    A file that has none yet is compared with the season before it, if it is the newest of its competition: the columns of past
    seasons are history, and no news; else with its own first version. What a season of JSON has of its first results is no news
    either, if the season before had it too; nor does it lack that as long as there are none. Of a stream what is not the
    contract's is news for a week: of each partition the newer of two batches is told, without what the older one had.
    """
    versions: dict[tuple[str, str], list[Header]] = {}
    for header in sorted(headers, key=lambda each: each.version):
        versions.setdefault((header.source, header.key), []).append(header)
    newest = {file: known[-1] for file, known in versions.items()}
    before = predecessors(newest.values())
    followed = {(each.source, each.key) for each in before.values()}
    changes: list[Change] = []
    for file, header in sorted(newest.items()):
        usual = next((each for each in reversed(versions[file]) if each.is_usual), None)
        if header.layout == "stream":
            known_before = {(each.kind, each.column) for batch in versions[file][:-1] for each in _beside_the_contract(batch)}
            changes += [each for each in _beside_the_contract(header) if (each.kind, each.column) not in known_before]
        elif usual is None and file in before and file not in followed:
            has_results = header.layout not in _NEEDED or any(map(_OF_A_RESULT.match, header.names))
            told = compare(header, before[file], before[file].key)
            changes += [each for each in told if has_results or each.kind != "missing" or not _OF_A_RESULT.match(each.column)]
        else:
            earlier = usual or versions[file][0]
            had_before = before[file].names if file in before and header.layout in _NEEDED else ()
            told = compare(header, earlier, "no file before" if earlier is header else f"version {earlier.version}")
            changes += [each for each in told if each.kind != "new" or each.column not in had_before]
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
    whole = header
    if header.layout in _NEEDED or header.layout == "stream":
        header, before = _aligned(header, before), _aligned(before, header)
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
    return changes + _required(whole, compared_with)


def _aligned(header: Header, other: Header) -> Header:
    """Of JSON: what is one value on the other side is one here, too, namely an object; each of its members would else be news."""
    leaves = set(other.names)
    names, kinds = set(), dict(header.kinds)
    for name in header.names:
        above = next((name[:end] for end, letter in enumerate(name) if letter == "." and name[:end] in leaves), None)
        if above is not None:
            kinds[above] = "object"
        names.add(above or name)
    return replace(header, names=tuple(sorted(names)), kinds=kinds)


def _beside_the_contract(header: Header) -> list[Change]:
    expected = stream.contract_of(header.names)
    contract = replace(header, names=tuple(expected), kinds=expected)
    return compare(header, contract, f"the contract, schema {stream.SCHEMA}")


def _required(header: Header, compared_with: str) -> list[Change]:
    return [Change(header.source, header.key, compared_with, "required", column) for column in _lacking(header)]


def _lacking(header: Header) -> list[str]:
    if header.layout == "international":
        return international.lacking(header.names)
    if header.layout == "stream":
        return []  # what lacks a field of the contract is set aside, and named there
    if header.layout in _NEEDED:
        return [name for name in _NEEDED[header.layout] if name not in header.names]
    return football_data_file.lacking(header.names, cast("Layout", header.layout))


def _named(names: Sequence[str]) -> list[str]:
    return [name for name in names if not name.startswith("#") and not re.search(r"\.\d+$", name)]
