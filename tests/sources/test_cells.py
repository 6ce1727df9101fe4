"""Cells that hold something, but nothing that their column could mean."""

import re

import pytest

from pipelines.settings import PROJECT_DIR
from pipelines.sources import openfootball
from pipelines.sources.cells import (
    COUNTS,
    INTERNATIONAL_COUNTS,
    JSON_COUNTS,
    judge_count,
    judge_handicap,
    judge_price,
    judge_time,
    rules_of,
)
from pipelines.sources.football_data import expectation_of
from pipelines.sources.football_data_file import Expectation, parse
from pipelines.sources.protocol import CELL_REASONS, MAX_ENTRIES_PER_REASON, ParsedFile, UnusableCell

HEADER = "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HTHG,HTAG,HS,HST,HC,HY,Referee,B365H,B365D,B365A,AHh"
GOOD = "E0,12/08/2023,12:30,Arsenal,Forest,2,1,H,2,0,15,7,8,0,0,1.18,7,15,-2"
STAGING = PROJECT_DIR / "dbt_project/models/silver/staging"


def changed(**cells: str) -> str:
    names, texts = HEADER.split(","), GOOD.split(",")
    return ",".join(cells.get(name, text) for name, text in zip(names, texts, strict=True))


def read(*lines: str, key: str = "mmz4281/2324/E0.csv") -> ParsedFile:
    return parse("".join(f"{line}\r\n" for line in (HEADER, *lines)).encode("cp1252"), expectation_of(key))


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("B365H", "0", "impossible_price"),
        ("B365D", "1", "impossible_price"),
        ("B365A", "-2.5", "impossible_price"),
        ("B365A", "1000.5", "impossible_price"),
        ("B365H", "#", "not_a_number"),
        ("B365D", "-", "not_a_number"),
        ("B365D", "nan", "not_a_number"),
        ("B365A", "2.5\xa0", "not_a_number"),
        ("HS", "-1", "impossible_count"),
        ("HST", "4.5", "impossible_count"),
        ("HC", "40000", "impossible_count"),
        ("HY", "two", "not_a_number"),
        ("HTHG", "-1", "impossible_count"),
        ("AHh", "-0.5,-1".replace(",", ";"), "not_a_number"),
        ("Time", "25:00", "impossible_time"),
        ("Time", "12:60", "impossible_time"),
        ("Time", "evening", "impossible_time"),
        ("Time", "now", "impossible_time"),
    ],
)
def test_a_cell_that_says_nothing_is_on_record_with_its_reason_and_its_line_is_a_match_all_the_same(
    column: str, text: str, reason: str
) -> None:
    parsed = read(GOOD, changed(HomeTeam="Chelsea", **{column: text}))
    assert parsed.unusable == [UnusableCell(3, column, 1, text, reason)]
    assert len(parsed.rows) == 2
    assert parsed.quarantined == []
    assert parsed.rows[1].cells[column] == text


def test_good_cells_empty_ones_and_columns_without_a_meaning_are_not_on_record() -> None:
    assert list(read(GOOD, changed(HomeTeam="Chelsea", Time="", B365H=" ", HS="", Referee="#")).unusable) == []


def test_every_cell_counts_even_where_the_same_text_is_bad_in_one_column_and_good_in_another() -> None:
    parsed = read(*(changed(HomeTeam=f"Club {n}", B365H="0", HTAG="0", AHh="0") for n in range(3)))
    assert [(cell.line_number, cell.column_name) for cell in parsed.unusable] == [(2, "B365H"), (3, "B365H"), (4, "B365H")]


def test_cells_of_lines_set_aside_are_the_quarantines_business() -> None:
    assert list(read(GOOD, changed(HomeTeam="Chelsea", FTHG="99", B365H="0")).unusable) == []


def test_a_score_that_only_looks_whole_is_on_record_because_silver_cannot_read_it() -> None:
    (cell,) = read(changed(FTHG="2\xa0")).unusable
    assert (cell.column_name, cell.reason) == ("FTHG", "not_a_number")


def test_a_column_is_judged_by_the_layout_the_file_turned_out_to_have() -> None:
    """A file dropped by hand whose lines have no score is one of fixtures, whose statistics nobody reads."""
    content = "".join(f"{line}\n" for line in (HEADER, changed(FTHG="", FTAG="", HS="-1", B365H="0")))
    parsed = parse(content.encode(), Expectation())
    assert parsed.layout == "fixtures"
    assert [cell.column_name for cell in parsed.unusable] == ["B365H"]


def test_half_time_goals_of_json_files_are_judged_too() -> None:
    parsed = openfootball.parse(
        b'{"name": "L", "matches": [{"date": "2023-08-12", "team1": "A", "team2": "B", "score": {"ft": [2, 1], "ht": [-1, 0]}}]}'
    )
    assert parsed.unusable == [UnusableCell(1, "ht_home", 1, "-1", "impossible_count")]
    assert len(parsed.rows) == 1


def test_endless_garbage_makes_a_bounded_number_of_entries_and_every_cell_is_counted() -> None:
    parsed = read(*(changed(HomeTeam=f"Club {n}", B365H="#", B365D="#") for n in range(300)))
    assert len(parsed.unusable) == MAX_ENTRIES_PER_REASON + 2
    assert sum(cell.n_cells for cell in parsed.unusable) == 600
    surplus = [cell for cell in parsed.unusable if cell.line_number is None]
    assert surplus == [UnusableCell(None, name, 250, None, "not_a_number") for name in ("B365H", "B365D")]


def test_the_reasons_are_a_closed_set_of_sentences() -> None:
    texts = ("0", "#", "-1", "1.5", "99999", "x", "25:00")
    given = {judge(text) for judge in (judge_price, judge_handicap, judge_count, judge_time) for text in texts}
    assert given - {None} == set(CELL_REASONS)
    assert not any(sentence.endswith(".") for sentence in CELL_REASONS.values())


@pytest.mark.parametrize(
    ("layout", "n_prices"), [("main", 177), ("fixtures", 177), ("new", 25), ("new_fixtures", 18), ("json", 0)]
)
def test_the_columns_of_prices_are_those_of_dbts_seed(layout: str, n_prices: int) -> None:
    assert sum(rule is judge_price for rule in rules_of(layout).values()) == n_prices  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        ("stg_football_data__match", COUNTS),
        ("stg_openfootball__match", JSON_COUNTS),
        ("stg_football_data_org__match", JSON_COUNTS),
        ("stg_international__match", INTERNATIONAL_COUNTS),
    ],
)
def test_the_counts_are_those_that_silver_casts(model: str, columns: tuple[str, ...]) -> None:
    sql = (STAGING / f"{model}.sql").read_text("utf-8")
    named = {
        alias: re.findall(r"cells ->> '(\w+)'", of) for of, alias in re.findall(r"^ +(.*cells ->> .*) as (\w+),?$", sql, re.M)
    }
    cast = re.findall(r"whole_number\((.*)\) }}", sql)
    found = [name for of in cast for name in (re.findall(r"cells ->> '(\w+)'", of) or named[of.strip("'")])]
    assert sorted(found) == sorted(columns)
