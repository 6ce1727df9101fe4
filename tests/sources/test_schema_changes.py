"""Changes of columns: what is announced, and what is the history of thirty seasons and no news."""

from collections import Counter
from pathlib import Path

import pytest

from pipelines.sources import football_data
from pipelines.sources.schema_changes import Change, Header, announced, compare, predecessors, series_of

E0_2223, E0_2324 = "mmz4281/2223/E0.csv", "mmz4281/2324/E0.csv"


def header(names: str, key: str = E0_2324, version: int = 1, source: str = "football_data") -> Header:
    return Header(source, key, version, tuple(names.split(",")))


def told(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return [(change.key, change.compared_with, change.kind, change.column) for change in changes]


def test_new_missing_and_reordered_columns_of_a_later_version_are_announced() -> None:
    changes = announced([header("Div,Date,HS,B365H"), header("Div,Date,B365H,HS,BFEH", version=2)])
    assert told(changes) == [(E0_2324, "version 1", "new", "BFEH"), (E0_2324, "version 1", "re-ordered", "from B365H on")]
    assert told(announced([header("Div,Date,HS"), header("Div,Date", version=2)])) == [(E0_2324, "version 1", "missing", "HS")]


def test_a_new_season_is_compared_with_the_season_before_of_its_own_competition() -> None:
    before, other = header("Div,Date,IWH", E0_2223), header("Div,Date,LBH", "mmz4281/2223/E1.csv")
    assert told(announced([before, other, header("Div,Date,BFEH")])) == [
        (E0_2324, E0_2223, "new", "BFEH"),
        (E0_2324, E0_2223, "missing", "IWH"),
    ]


def test_past_seasons_are_history_and_no_news() -> None:
    seasons = [header(f"Div,Date,C{n}", f"mmz4281/{code}/E0.csv") for n, code in enumerate(("9899", "9900", "0001"))]
    assert {change.key for change in announced(seasons)} == {"mmz4281/0001/E0.csv"}


def test_a_season_that_changed_while_it_ran_is_told_by_its_own_version_before() -> None:
    known = [header("Div,Date,A", E0_2223), header("Div,Date,B"), header("Div,Date,B", version=2)]
    assert announced(known) == []


def test_the_first_file_of_a_competition_has_nothing_to_differ_from() -> None:
    assert announced([header("Div,Date"), header("Country,League", "new/ARG.csv")]) == []


def test_nameless_and_repeated_columns_are_no_news() -> None:
    assert compare(header("Div,Date,LB,LB.2,#5"), ("Div", "Date", "LB"), "before") == []


@pytest.mark.parametrize(
    ("key", "series"),
    [("mmz4281/9900/E0.csv", ("mmz4281//E0.csv", 1999)), ("new/ARG.csv", ("new/ARG.csv", 0)), ("a.csv", ("a.csv", 0))],
)
def test_a_series_is_a_competition_and_its_place_the_season(key: str, series: tuple[str, int]) -> None:
    assert series_of(key) == series


def test_the_real_history_announces_each_season_as_it_came(corpus: Path) -> None:
    folder = corpus / "football-data"
    known = []
    for path in sorted(folder.glob("mmz4281/*/*.csv")):
        key = path.relative_to(folder).as_posix()
        parsed = football_data.parse(path.read_bytes(), football_data.expectation_of(key))
        if parsed.header is not None:
            known.append(Header("football_data", key, 1, parsed.header))
    by_key = {each.key: each for each in known}
    changes = [
        change for (_, key), early in predecessors(known).items() for change in compare(by_key[key], early.names, early.key)
    ]
    # Had the check been there for thirty seasons: 263 of 565 new seasons' files would have been announced, today none.
    assert (len(known), len(predecessors(known)), len({change.key for change in changes})) == (585, 565, 263)
    assert Counter(change.kind for change in changes) == {"new": 2531, "missing": 951, "re-ordered": 5}
    assert announced(known) == []
