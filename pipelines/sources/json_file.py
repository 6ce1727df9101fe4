"""A JSON document whose list `matches` holds matches: taken apart into those that can be one and those that cannot.

Belongs here: what such files have in common, whoever writes them. A "line" is an entry of the list, counted from 1; its score
after full time is in the cells `ft_home` and `ft_away`. Does not belong here: which members an entry has; each source says that.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipelines.sources.cells import JSON_COUNTS, Watch
from pipelines.sources.fields import fields
from pipelines.sources.protocol import Layout, ParsedFile, QuarantinedLine, Row, Unfit, bounded, is_score, refuse, set_aside

Object = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """What a source's files are like.

    `cells_of` makes flat text of the document and an entry of its list: filled cells only, in ascending order of names. `when`,
    `home` and `away` name the cells that identify a match, `is_when` says whether the first is written as it should be and
    exists, and `needs_score` whether the match is one that has ended.
    """

    layout: Layout
    cells_of: Callable[[Object, Object], dict[str, str]]
    when: str
    home: str
    away: str
    is_when: Callable[[str], bool]
    needs_score: Callable[[dict[str, str]], bool]


def take_apart(content: bytes, shape: Shape) -> ParsedFile:
    """Take a file apart. Whatever the bytes are, every match is accounted for and nothing is raised."""
    try:
        document = _read_document(content)
    except Unfit as fault:
        return refuse(shape.layout, 0, fault, content[:2000].decode("utf-8", errors="replace"))
    rows: list[Row] = []
    quarantined: list[QuarantinedLine] = []
    seen: set[tuple[tuple[str, str], ...]] = set()
    for number, match in enumerate(document["matches"], start=1):
        cells = shape.cells_of(document, match) if isinstance(match, dict) else {}
        identity = tuple(cells.items())
        try:
            _judge(cells, shape)
            if identity in seen:
                raise Unfit("duplicate_line")
        except Unfit as fault:
            home, away = cells.get(shape.home, "").strip(), cells.get(shape.away, "").strip()
            teams = (home, away) if home and away else None
            quarantined.append(set_aside(number, fault, content=json.dumps(match, ensure_ascii=False), teams=teams))
        else:
            seen.add(identity)
            rows.append(Row(number, cells))
    names, kinds = fields(document["matches"])
    watch = Watch(shape.layout, JSON_COUNTS)
    for row in rows:
        watch.take([row.cells.get(name, "") for name in JSON_COUNTS])
    return ParsedFile(
        layout=shape.layout,
        state="intact",
        encoding="utf-8",
        header=names or None,
        rows=rows,
        quarantined=bounded(quarantined),
        n_lines=len(document["matches"]),
        n_header=0,
        n_blank=0,
        unusable=watch.unusable(shape.layout, rows),
        kinds=kinds,
    )


def _read_document(content: bytes) -> Object:
    """The file's object, which has a list of matches. Raises Unfit."""
    if not content.strip():
        raise Unfit("empty")
    if content[:1024].lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise Unfit("html")
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Unfit("unreadable_json", str(error)) from error
    if not isinstance(document, dict) or not isinstance(document.get("matches"), list):
        raise Unfit("no_header", "there is no list called matches")
    return document


def _judge(cells: dict[str, str], shape: Shape) -> None:
    """Raises Unfit if this is not a match."""
    if not cells:
        raise Unfit("not_a_match")
    if any("\0" in value for value in cells.values()):
        raise Unfit("nul_bytes")
    when, home, away = (cells.get(name, "").strip() for name in (shape.when, shape.home, shape.away))
    if not when:
        raise Unfit("no_date")
    if not home or not away:
        raise Unfit("no_teams")
    if not shape.is_when(when):
        raise Unfit("bad_date", when)
    if home == away:
        raise Unfit("team_against_itself", home)
    goals = cells.get("ft_home", ""), cells.get("ft_away", "")
    if (any(goals) or shape.needs_score(cells)) and not is_score(*goals):
        raise Unfit("impossible_score", " to ".join(each or "nothing" for each in goals))
