"""openfootball's JSON: what is a match, and what is not."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.http import Web
from pipelines.sources.openfootball import OpenFootball, parse
from pipelines.sources.protocol import Scope

MATCH = {
    "round": "Final",
    "date": "2019-06-01",
    "time": "21:00",
    "team1": "Tottenham",
    "team2": "Liverpool",
    "score": {"ft": [0, 2], "ht": [0, 1], "et": [0, 3], "p": [4, 5]},
}


def content(*matches: Any) -> bytes:
    return json.dumps({"name": "A League 2018/19", "matches": matches}).encode()


def test_a_match_becomes_flat_text() -> None:
    parsed = parse(content(MATCH, {"date": "2019-06-02", "team1": "Ajax", "team2": "PSV"}))
    assert [(row.line_number, row.cells) for row in parsed.rows] == [
        (
            1,
            {
                "date": "2019-06-01",
                "et_away": "3",
                "et_home": "0",
                "ft_away": "2",
                "ft_home": "0",
                "ht_away": "1",
                "ht_home": "0",
                "name": "A League 2018/19",
                "p_away": "5",
                "p_home": "4",
                "round": "Final",
                "team1": "Tottenham",
                "team2": "Liverpool",
                "time": "21:00",
            },
        ),
        (2, {"date": "2019-06-02", "name": "A League 2018/19", "team1": "Ajax", "team2": "PSV"}),
    ]
    assert (parsed.layout, parsed.state, parsed.n_lines, parsed.n_header) == ("json", "intact", 2, 0)


@pytest.mark.parametrize(
    ("match", "reason"),
    [
        ("Tottenham 0-2 Liverpool", "not_a_match"),
        ({**MATCH, "date": "2019-02-31"}, "bad_date"),
        ({**MATCH, "date": "1 June"}, "bad_date"),
        ({**MATCH, "date": None}, "no_date"),
        ({**MATCH, "team2": " "}, "no_teams"),
        ({**MATCH, "team2": "Tottenham"}, "team_against_itself"),
        ({**MATCH, "team2": "Liver\0pool"}, "nul_bytes"),
        ({**MATCH, "score": {"ft": [-1, 2]}}, "impossible_score"),
        ({**MATCH, "score": {"ft": [99, 2]}}, "impossible_score"),
        ({**MATCH, "score": {"ft": [2]}}, "impossible_score"),
        (MATCH, "duplicate_line"),
    ],
)
def test_what_is_no_match_is_set_aside_with_its_reason(match: Any, reason: str) -> None:
    parsed = parse(content(MATCH, match))
    assert parsed.is_reconciled
    assert [(line.line_number, line.reason) for line in parsed.quarantined] == [(2, reason)]
    assert len(parsed.rows) == 1


@pytest.mark.parametrize(
    ("given_bytes", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "html"),
        (content(MATCH)[:-20], "unreadable_json"),
        (b"[" * 100_000, "unreadable_json"),
        (b'{"clubs": []}', "no_header"),
        (b"[]", "no_header"),
    ],
)
def test_a_file_of_which_nothing_can_be_used_is_one_explained_entry(given_bytes: bytes, reason: str) -> None:
    parsed = parse(given_bytes)
    assert (parsed.state, [line.reason for line in parsed.quarantined]) == ("refused", [reason])
    assert parsed.is_reconciled


_LEAF = st.none() | st.booleans() | st.floats() | st.text(max_size=5)
_NAME = st.sampled_from(["date", "team1", "team2", "score", "ft", "ht", "other"])


@settings(max_examples=150, deadline=None)
@given(st.recursive(_LEAF, lambda x: st.lists(x, max_size=3) | st.dictionaries(_NAME, x, max_size=3), max_leaves=6))
def test_any_value_in_place_of_a_match_is_accounted_for(value: Any) -> None:
    assert parse(content(MATCH, value, {**MATCH, "score": value}, {**MATCH, "round": value})).is_reconciled


def test_the_scope_is_written_in_football_datas_codes(tmp_path: Path) -> None:
    for name in ("2018-19/en.1.json", "2018-19/uefa.cl.json", "2020/br.1.json", "2020-21/en.1.json", "README.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content())
    folder = OpenFootball(tmp_path.as_uri(), Web())
    today = date(2024, 6, 30)
    assert folder.list(Scope.read("E0,BRA", "all", today)) == ["2018-19/en.1.json", "2020-21/en.1.json", "2020/br.1.json"]
    assert folder.list(Scope.read("all", "2018", today)) == ["2018-19/en.1.json", "2018-19/uefa.cl.json"]
    server = OpenFootball("https://raw.githubusercontent.com/openfootball/football.json/master", Web())
    assert server.list(Scope.read("E0,BRA", "2020", today)) == ["2020/br.1.json", "2020-21/en.1.json"]
    assert folder.coming() == server.coming() == []
