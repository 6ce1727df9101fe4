"""What each suite lets pass and what it stops, on small frames with a known number of wrong cells."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from expectations.cli import commands
from expectations.docs import build_data_docs
from expectations.offline import stand_alone
from expectations.run import MOST_KEPT, N_KEPT, Outcome, validate
from expectations.suites import SUITES, find

N = 20
"""Rows of the good frames: one wrong cell is 5 % and tolerated, two are not."""

MAIN = {"Div": "E0", "Date": "11/08/2023", "Time": "20:00", "HomeTeam": "Sim Ashcombe", "AwayTeam": "Sim Wrenmoor"}
MAIN |= {
    "FTHG": "2",
    "FTAG": "1",
    "FTR": "H",
    "AvgH": "1.9",
    "AvgD": "3.4",
    "AvgA": "4",
    "PSCH": "1.95",
    "PSCD": "3.5",
    "PSCA": "4.1",
}
NEW = {
    "Country": "Brazil",
    "League": "Serie A ",
    "Season": "2012/2013",
    "Date": "03/08/2012",
    "Time": "23:00",
    "Home": "Sim A",
    "Away": "Sim B",
}
NEW |= {"HG": "1", "AG": "1", "Res": "D", "AvgCH": "1.76", "AvgCD": "3.3", "AvgCA": "4.74"}
FIXTURE = {"Competition": "E2", "Date": "14/11/2020", "Time": "15:00", "HomeTeam": "Sim A", "AwayTeam": "Sim B"}
FIXTURE |= {"AvgH": "2.8", "AvgD": "3.27", "AvgA": "2.49"}
OPEN = {
    "name": "Simulated League 2020/21",
    "date": "2020-09-12",
    "team1": "Sim Ärnby",
    "team2": "Sim Œuf",
    "ft_home": "0",
    "ft_away": "3",
}
INTERNATIONAL = {"date": "2020-09-12", "home_team": "Simland", "away_team": "Simstan", "home_score": "0", "away_score": "31"}
INTERNATIONAL |= {"tournament": "Friendly", "neutral": "FALSE"}
LISTED = {"utcDate": "2020-09-12T14:00:00Z", "status": "FINISHED", "stage": "REGULAR_SEASON", "season": "2020-09-12"}
LISTED |= {"competition": "PL", "homeTeam": "Sim A FC", "awayTeam": "Sim B FC", "ft_home": "0", "ft_away": "3"}
QUOTE = {"kind": "quote", "competition": "E0", "home": "Sim A", "away": "Sim B", "kickoff_at": "2024-02-03T15:00:00+00:00"}
QUOTE |= {"bookmaker": "pinnacle", "market": "1x2", "odds_home": "2.0", "odds_draw": "3.4", "odds_away": "3.75"}
QUOTE |= {"quoted_at": "2024-02-03T11:30:00.250000+00:00"}
MESSAGE: dict[str, str | None] = {name: QUOTE.get(name) for name in SUITES["stream"].columns}
RESULT = MESSAGE | dict.fromkeys(("bookmaker", "market", "odds_home", "odds_draw", "odds_away", "quoted_at"))
RESULT |= {"kind": "result", "home_goals": "2", "away_goals": "1", "final_at": "2024-02-03T16:52:30+00:00"}
GOOD: dict[str, dict[str, str] | dict[str, str | None]] = {
    "stream": MESSAGE,
    "international": INTERNATIONAL,
    "football_data_org": LISTED,
    "football_data_main": MAIN,
    "football_data_new": NEW,
    "football_data_fixtures": FIXTURE,
    "openfootball": OPEN,
}


def texts(suite: str, n: int = N) -> pd.DataFrame:
    return pd.DataFrame([GOOD[suite]] * n, dtype="str")


def predictions(n: int = N) -> pd.DataFrame:
    kickoff = pd.Timestamp("2026-11-28T15:00Z")
    return pd.DataFrame(
        {
            "match_id": [f"e0-2026-sim-a-sim-b-{number}" for number in range(n)],
            "information_set": "results",
            "model_name": "match_result",
            "model_version": 1,
            "kickoff_at": kickoff,
            "as_of": kickoff - pd.Timedelta(days=2),
            "issued_at": kickoff - pd.Timedelta(days=1),
            "p_home": 0.5,
            "p_draw": 0.3,
            "p_away": 0.2,
            "expected_home_goals": 1.6,
            "expected_away_goals": 1.1,
        }
    )


def only_failure(outcome: Outcome) -> tuple[str, str, int | None, list[int]]:
    (failure,) = outcome.failures
    assert not outcome.passed
    assert outcome.summary["n_failed"] == 1
    return failure["expectation"].removeprefix("expect_"), failure["column"], failure["n_failing"], failure["rows"]


@pytest.mark.parametrize("suite", GOOD)
def test_a_good_frame_passes(suite: str) -> None:
    outcome = validate(suite, texts(suite))
    assert (outcome.passed, outcome.is_blocking) == (True, False), outcome.failures
    expected = {"suite": suite, "n_rows": N, "n_expectations": len(SUITES[suite].rules), "n_failed": 0, "n_tolerated": 0}
    assert outcome.summary == expected
    assert outcome.failures == []


def test_good_predictions_pass() -> None:
    assert validate("predictions", predictions()).passed


@pytest.mark.parametrize("suite", ["football_data_fixtures", "stream", "predictions"])
def test_no_coming_match_is_not_an_error(suite: str) -> None:
    frame = predictions(0) if suite == "predictions" else texts(suite).iloc[:0]
    assert validate(suite, frame).passed


@pytest.mark.parametrize(
    "suite", ["football_data_main", "football_data_new", "openfootball", "international", "football_data_org"]
)
def test_results_without_a_row_are_an_error(suite: str) -> None:
    outcome = validate(suite, texts(suite).iloc[:0])
    assert only_failure(outcome) == ("table_row_count_to_be_between", "", None, [])
    assert outcome.failures[0]["explanation"] == "found 0"


NULL, REGEX, SET = "column_values_to_not_be_null", "column_values_to_match_regex", "column_values_to_be_in_set"


@pytest.mark.parametrize(
    ("suite", "wrong"),
    [
        (
            "football_data_main",
            {
                "Date": {None: NULL, "2023-08-11": REGEX},
                "Time": {"evening": REGEX},
                "Div": {None: NULL, "<html>": REGEX},
                "HomeTeam": {None: NULL},
                "AwayTeam": {None: NULL, "1.95": REGEX},
                "FTHG": {None: NULL, "99x": REGEX},
                "FTAG": {"-1": REGEX},
                "FTR": {None: NULL, "X": SET},
                "AvgH": {"#": REGEX},
                "PSCA": {"-": REGEX},
            },
        ),
        (
            "football_data_new",
            {
                "Country": {None: NULL},
                "League": {None: NULL},
                "Season": {None: NULL, "12/13": REGEX},
                "HG": {"1.5": REGEX},
                "Res": {"W": SET},
                "AvgCD": {"3,3": REGEX},
            },
        ),
        ("football_data_fixtures", {"Competition": {None: NULL}, "Date": {"tomorrow": REGEX}, "AvgA": {"evens": REGEX}}),
        (
            "openfootball",
            {"name": {None: NULL}, "date": {"12/09/2020": REGEX}, "team2": {"42": REGEX}, "ft_home": {"w.o.": REGEX}},
        ),
        (
            "international",
            {
                "date": {None: NULL, "12/09/2020": REGEX},
                "home_team": {None: NULL, "42": REGEX},
                "away_score": {"w.o.": REGEX},
                "tournament": {None: NULL},
                "neutral": {None: NULL, "perhaps": SET},
            },
        ),
        (
            "football_data_org",
            {
                "utcDate": {None: NULL, "2020-09-12": REGEX},
                "status": {None: NULL, "OVER": SET},
                "stage": {None: NULL},
                "season": {None: NULL, "2020": REGEX},
                "competition": {None: NULL, "Premier League": REGEX},
                "homeTeam": {None: NULL, "42": REGEX},
                "ft_away": {"w.o.": REGEX},
            },
        ),
        (
            "stream",
            {
                "competition": {None: NULL, "Premier League": REGEX},
                "home": {None: NULL, "1.95": REGEX},
                "kickoff_at": {None: NULL, "2024-02-03T15:00:00": REGEX},
                "away_goals": {"-1": REGEX},
                "market": {"asian_handicap": SET},
                "odds_draw": {"evens": REGEX},
            },
        ),
    ],
)
def test_more_wrong_cells_than_tolerated_fail_and_are_named(suite: str, wrong: dict[str, dict[str | None, str]]) -> None:
    frame = texts(suite)
    expected = set()
    for column, kinds in wrong.items():
        for place, (cell, expectation) in enumerate(kinds.items()):
            rows = [2 + place, 11 + place]
            frame.loc[rows, column] = cell
            expected.add((expectation, column, 2, *rows, *([] if cell is None else [cell, cell])))
    outcome = validate(suite, frame)
    assert not outcome.passed
    found = {
        (f["expectation"].removeprefix("expect_"), f["column"], f["n_failing"], *f["rows"], *f["examples"])
        for f in outcome.failures
    }
    assert found == expected


@pytest.mark.parametrize(
    ("suite", "column", "wrong", "is_blocking"),
    [
        ("football_data_main", "AvgH", "#", False),
        ("football_data_main", "PSCA", "-", False),
        ("football_data_main", "Time", "evening", False),
        ("football_data_new", "AvgCD", "3,3", False),
        ("football_data_fixtures", "AvgA", "evens", False),
        ("football_data_fixtures", "Time", "soon", False),
        ("football_data_main", "Date", "2023-08-11", True),
        ("football_data_main", "HomeTeam", "1.95", True),
        ("football_data_main", "FTHG", "99x", True),
        ("football_data_new", "League", None, True),
        ("stream", "competition", "Premier League", False),
        ("stream", "away", "42", False),
        ("stream", "quoted_at", "2024-02-03T11:30:00Z", True),
        ("stream", "odds_home", "2,0", True),
    ],
)
def test_one_bad_cell_in_a_first_round_of_ten_matches_stops_the_run_only_where_a_match_needs_it(
    suite: str, column: str, wrong: str | None, is_blocking: bool
) -> None:
    frame = texts(suite, 10)
    frame.loc[3, column] = wrong
    outcome = validate(suite, frame)
    (failure,) = outcome.failures
    assert (outcome.passed, outcome.is_blocking) == (False, is_blocking)
    assert failure["severity"] == ("critical" if is_blocking else "warning")


def test_a_warning_does_not_excuse_what_is_critical() -> None:
    frame = texts("football_data_main", 10)
    frame.loc[3, ["AvgH", "FTR"]] = ["#", "X"]
    outcome = validate("football_data_main", frame)
    assert outcome.is_blocking
    assert {failure["column"]: failure["severity"] for failure in outcome.failures} == {"AvgH": "warning", "FTR": "critical"}


def test_a_missing_column_of_prices_is_a_fault_of_the_schema_and_stops_the_run() -> None:
    assert validate("football_data_main", texts("football_data_main").drop(columns="AvgH")).is_blocking


def test_results_and_quotes_share_a_batch_and_each_says_when() -> None:
    frame = pd.DataFrame([MESSAGE, RESULT] * 20, dtype="str")
    assert validate("stream", frame).passed
    frame.loc[7, "final_at"] = None
    frame.loc[8, "kind"] = "result"
    outcome = validate("stream", frame)
    assert outcome.is_blocking
    assert only_failure(outcome) == ("column_values_to_be_in_set", "says_when", 2, [7, 8])


def test_a_failure_is_explained_in_a_sentence() -> None:
    frame = texts("football_data_main")
    frame.loc[[3, 11], "FTR"] = "X"
    (failure,) = validate("football_data_main", frame).failures
    assert failure["explanation"] == "2 values of FTR (10.00%) fail, such as 'X', 'X'; 5% would be tolerated"
    assert (failure["share_failing"], failure["share_tolerated"]) == (0.1, 0.05)


def test_one_wrong_cell_in_twenty_is_left_to_silver_which_turns_it_into_a_null() -> None:
    frame = texts("football_data_main")
    frame.loc[3, "AvgH"] = "#"
    outcome = validate("football_data_main", frame)
    assert outcome.passed
    assert outcome.summary["n_tolerated"] == 1


def test_a_season_before_a_column_existed_passes() -> None:
    frame = texts("football_data_main")
    for column in ("Time", "AvgH", "PSCH"):
        frame[column] = pd.Series([None] * N, dtype="str")
    assert validate("football_data_main", frame).passed


def test_blanks_around_a_cell_are_as_delivered_and_no_fault() -> None:
    frame = texts("football_data_main")
    frame[["HomeTeam", "Date", "FTHG"]] = ["Sim Ashcombe ", " 11/08/23", "2 "]
    assert validate("football_data_main", frame).passed


@pytest.mark.parametrize("suite", SUITES)
def test_a_missing_column_is_said_once_by_name(suite: str) -> None:
    frame = predictions() if suite == "predictions" else texts(suite)
    column = list(SUITES[suite].columns)[-1]
    outcome = validate(suite, frame.drop(columns=column))
    assert only_failure(outcome) == ("table_columns_to_match_set", "", None, [])
    assert outcome.failures[0]["explanation"] == f"the table lacks {column}"


@pytest.mark.parametrize(
    ("column", "wrong", "expectation", "judged"),
    [
        ("p_home", None, "column_values_to_not_be_null", "p_home"),
        ("expected_home_goals", 0.0, "column_values_to_be_between", "expected_home_goals"),
        ("expected_away_goals", 10.0, "column_values_to_be_between", "expected_away_goals"),
        ("information_set", "hindsight", "column_values_to_be_in_set", "information_set"),
        ("kickoff_at", pd.Timestamp("2026-11-27T15:00Z"), "column_pair_values_a_to_be_greater_than_b", "kickoff_at, issued_at"),
        ("as_of", pd.Timestamp("2026-11-27T15:01Z"), "column_pair_values_a_to_be_greater_than_b", "issued_at, as_of"),
        ("p_draw", 0.3 + 1e-6, "column_values_to_be_between", "p_total"),
    ],
)
def test_a_single_wrong_prediction_stops_the_publication(column: str, wrong: object, expectation: str, judged: str) -> None:
    frame = predictions()
    frame.loc[[7], column] = wrong
    assert only_failure(validate("predictions", frame)) == (expectation, judged, 1, [7])


def test_a_certain_prediction_is_none_because_football_is_not_certain() -> None:
    frame = predictions()
    frame.loc[[4], ["p_home", "p_draw", "p_away"]] = [1.0, 0.0, 0.0]
    failures = validate("predictions", frame).failures
    assert [(failure["column"], failure["rows"]) for failure in failures] == [("p_home", [4]), ("p_draw", [4]), ("p_away", [4])]


def test_two_predictions_of_one_match_in_one_information_set_stop_the_publication() -> None:
    frame = pd.concat([predictions(), predictions(1)], ignore_index=True)
    expectation, column, n_failing, rows = only_failure(validate("predictions", frame))
    assert (expectation, column, n_failing) == ("compound_columns_to_be_unique", "match_id, information_set", 2)
    assert rows == [0, 20]


def test_one_match_may_be_predicted_in_two_information_sets() -> None:
    frame = pd.concat([predictions(), predictions().assign(information_set="market")], ignore_index=True)
    assert validate("predictions", frame).passed


def test_the_frame_itself_is_left_alone() -> None:
    frame = predictions()
    before = frame.copy()
    validate("predictions", frame)
    pd.testing.assert_frame_equal(frame, before)


def test_an_unknown_suite_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(KeyError, match="there is no suite 'odds'; there are football_data_main, football_data_new"):
        find("odds")


def test_data_docs_show_every_suite_and_its_results_of_the_last_days_but_no_older_ones(tmp_path: Path) -> None:
    bad = texts("football_data_main")
    bad.loc[[3, 11], "FTR"] = "X"
    begin = datetime(2026, 11, 1, 6, tzinfo=UTC)
    validate("football_data_main", bad).save(tmp_path / "results", begin)
    validate("football_data_main", texts("football_data_main")).save(tmp_path / "results", begin + timedelta(days=1))
    daily = validate("predictions", predictions())
    for day in range(N_KEPT + 3):
        daily.save(tmp_path / "results", begin + timedelta(days=day))
    stale = tmp_path / "pages" / "stale.html"
    stale.parent.mkdir()
    stale.write_text("of an earlier build")
    index = build_data_docs(tmp_path / "results", tmp_path / "pages").read_text("utf-8")
    assert sorted(path.stem for path in (tmp_path / "pages" / "expectations").glob("*.html")) == sorted(SUITES)
    pages = [path.relative_to(tmp_path / "pages") for path in (tmp_path / "pages" / "validations").rglob("*.html")]
    days = {suite: sorted(path.parts[3][6:8] for path in pages if path.parts[1] == suite) for suite in SUITES}
    assert days["football_data_main"] == ["01", "02"]
    assert days["predictions"] == [f"{day:02}" for day in range(4, N_KEPT + 4)]
    assert all(path.as_posix() in index for path in pages)
    assert not stale.exists()
    they_stand_alone(tmp_path / "pages")


def test_a_fortnight_of_results_is_kept_of_a_suite_that_is_judged_every_few_minutes(tmp_path: Path) -> None:
    daily = validate("predictions", predictions())
    begin = datetime(2026, 11, 1, 6, tzinfo=UTC)
    for day in range(N_KEPT + 3):
        for n in range(20):
            daily.save(tmp_path, begin + timedelta(days=day, minutes=5 * n))
    kept = sorted(path.stem for path in (tmp_path / "predictions").iterdir())
    assert [stem[6:13] for stem in kept[: N_KEPT - 1]] == [f"{day:02}T0735" for day in range(4, N_KEPT + 3)]
    assert {stem[6:8] for stem in kept[N_KEPT - 1 :]} == {f"{N_KEPT + 3}"}
    assert (len(kept), len(kept) <= MOST_KEPT) == (2 * N_KEPT - 1, True)


def they_stand_alone(pages: Path) -> None:
    """Made so, the pages ask no server for anything, and the start page shows every suite and result with its verdict."""
    stand_alone(pages)
    for page in pages.rglob("*.html"):
        asks = r'<script|<(?:img|iframe)[^>]+https?:|<link[^>]+https?:|@import|url\(["\']?https?:'
        assert re.findall(asks, page.read_text("utf-8")) == [], page
    start = (pages / "index.html").read_text("utf-8")
    results = [path.relative_to(pages).as_posix() for path in (pages / "validations").rglob("*.html")]
    links = ["../index.html", *results, *(f"expectations/{name}.html" for name in SUITES)]
    assert sorted(re.findall('href="([^"]+)"', start)) == sorted(links)
    verdicts = [start.count(f"<td>{verdict}</td>") for verdict in ("failed", "succeeded", "not yet")]
    assert verdicts == [1, len(results) - 1, len(SUITES) - 2]


def test_data_docs_before_the_first_result_show_the_suites(tmp_path: Path) -> None:
    assert build_data_docs(tmp_path / "none", tmp_path / "pages").exists()


def test_importing_the_package_and_its_commands_does_not_import_great_expectations() -> None:
    modules = ", ".join(f"expectations.{name}" for name in ("cli", "docs", "run", "suites"))
    program = f"import sys, {modules}; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_command_lists_every_suite() -> None:
    (group,) = commands
    output = CliRunner().invoke(group, ["list"], env={"COLUMNS": "200"}).output
    assert all(name in output for name in SUITES)
