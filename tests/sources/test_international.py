"""The file of national teams' matches: what is a match, and what is not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources.http import Web
from pipelines.sources.international import FILE, International, parse
from pipelines.sources.protocol import REASONS, Delivery, Scope

HEADER = "date,home_team,away_team,home_score,away_score,tournament,city,country,neutral"
MATCH = "2001-04-11,Simland,Simstan,31,0,World qualification,Simport,Simland,FALSE"
COMING = "2030-06-11,Simstan,Côte d'Essai,NA,NA,Friendly,Simport,Simland,TRUE"


def content(*lines: str, end: str = "\n") -> bytes:
    return end.join((HEADER, *lines, "")).encode()


def test_a_line_becomes_text_by_column_and_what_is_still_to_come_has_no_goals() -> None:
    parsed = parse(content(MATCH, COMING))
    assert [row.line_number for row in parsed.rows] == [2, 3]
    assert parsed.rows[0].cells["home_score"] == "31", "the records of national teams are higher than those of clubs"
    assert list(parsed.rows[0].cells) == sorted(HEADER.split(","))
    assert parsed.rows[1].cells == {
        "away_team": "Côte d'Essai",
        "city": "Simport",
        "country": "Simland",
        "date": "2030-06-11",
        "home_team": "Simstan",
        "neutral": "TRUE",
        "tournament": "Friendly",
    }
    assert (parsed.layout, parsed.state, parsed.n_lines, parsed.n_header) == ("international", "intact", 3, 1)
    assert parsed.header == tuple(HEADER.split(","))
    assert parsed.unusable == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (MATCH, "duplicate_line"),
        (MATCH.replace("2001-04-11", "2001-02-30"), "bad_date"),
        (MATCH.replace("2001-04-11", "11/04/2001"), "bad_date"),
        (MATCH.replace("2001-04-11", ""), "no_date"),
        (MATCH.replace("Simstan", ""), "no_teams"),
        (MATCH.replace("Simstan", "Simland"), "team_against_itself"),
        (MATCH.replace("31", "41"), "impossible_score"),
        (MATCH.replace("31", "NA"), "impossible_score"),
        (MATCH.replace("31", "-1"), "impossible_score"),
        (MATCH.replace("FALSE", ""), "no_ground"),
        (MATCH.replace("FALSE", "perhaps"), "no_ground"),
        (MATCH.replace(",FALSE", ""), "broken_off"),
        (MATCH + ",more", "too_many_columns"),
        (MATCH.replace("Simport", '"Simport'), "unreadable_quotes"),
        (MATCH.replace("Simport", "Sim\0port"), "nul_bytes"),
    ],
)
def test_what_cannot_be_a_match_is_set_aside_with_its_reason(line: str, reason: str) -> None:
    parsed = parse(content(MATCH, COMING, line))
    assert [row.line_number for row in parsed.rows] == [2, 3]
    (aside,) = parsed.quarantined
    assert (aside.line_number, aside.reason) == (4, reason)
    assert aside.explanation.startswith(REASONS[reason])
    assert parsed.is_reconciled


def test_a_quarantined_line_still_names_its_teams_so_that_an_earlier_good_state_of_it_may_stay() -> None:
    (aside,) = parse(content(COMING, MATCH.replace("31", "41"))).quarantined
    assert aside.teams == ("Simland", "Simstan")


def test_two_matches_of_the_same_teams_on_one_day_are_two_lines() -> None:
    assert len(parse(content(MATCH, MATCH.replace("31,0", "0,2"))).rows) == 2


def test_a_file_cut_short_is_truncated_and_loses_its_last_line_alone() -> None:
    parsed = parse(content(MATCH, COMING)[:-9])
    assert (parsed.state, len(parsed.rows)) == ("truncated", 1)
    assert [line.reason for line in parsed.quarantined] == ["broken_off"]
    assert parsed.is_reconciled


@pytest.mark.parametrize(
    ("whole", "reason"),
    [(b"", "empty"), (b"<html><body>404</body></html>\n", "html"), (b"Div,Date\nE0,11/08/2023\n", "no_header")],
)
def test_what_is_another_file_is_refused_whole(whole: bytes, reason: str) -> None:
    parsed = parse(whole)
    assert parsed.state == "refused"
    assert [line.reason for line in parsed.quarantined] == [reason]
    assert parsed.is_reconciled


@given(st.binary(max_size=400), st.sampled_from([b"", content(), content(MATCH)]))
def test_whatever_the_bytes_are_every_line_is_accounted_for(tail: bytes, head: bytes) -> None:
    assert parse(head + tail).is_reconciled


def test_the_one_file_is_asked_for_whatever_the_scope_and_lists_coming_matches(tmp_path: Path) -> None:
    source = International(tmp_path.as_uri(), Web())
    nothing = Scope(frozenset({"E0"}), frozenset({1999}))
    assert source.list(nothing) == []
    assert source.coming() == (FILE,)
    (tmp_path / FILE).write_bytes(content(MATCH))
    assert source.list(nothing) == [FILE]
    answer = source.fetch(FILE)
    assert isinstance(answer, Delivery)
    assert source.parse(FILE, answer.content).rows
    assert source.coming() == (FILE,)
