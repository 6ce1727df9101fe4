"""What the checks of bronze say in the Dagster UI, on small files in a real database."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import psycopg
import pytest

from deploy.database import Urls
from pipelines.defs import (
    alerts,
    anomalies,
    ingestion,
    outlook,
    predictions,
    publication,
    quality,
    record,
    schema_changes,
    training,
)
from pipelines.forecast.anomalies import SUMS, Judgement
from pipelines.settings import Settings
from pipelines.sources import football_data, football_data_file, football_data_org, stream
from pipelines.sources.protocol import Delivery
from pipelines.sources.schema_changes import Change
from pipelines.store import bronze, notifications
from pipelines.store.silver import Silver
from pipelines.store.warehouse import Warehouse
from tests.sources.football_data_org import answer, match

NOW = datetime(2024, 1, 1, tzinfo=UTC)
TODAY = datetime.now(UTC)
HEADER = "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HS,B365H,AvgH,AvgD,AvgA"
E0 = "mmz4281/2324/E0.csv"
Columns = Callable[[], dg.AssetCheckResult]


def first_round(changes: Mapping[int, Mapping[str, str]]) -> list[str]:
    """Ten matches; some cells of some of them with another text."""
    lines = []
    for n in range(10):
        cells = f"E0,12/08/2023,15:00,Home {n},Away {n},1,0,H,9,2.1,2,3.4,4".split(",")
        named = dict(zip(HEADER.split(","), cells, strict=True)) | dict(changes.get(n, {}))
        lines.append(",".join(named.values()))
    return lines


@pytest.fixture
def warehouse(database: Urls) -> Warehouse:
    return Warehouse(database.ingest)


@pytest.fixture
def columns(database: Urls) -> Columns:
    """The check of columns, asked once more."""

    def ask() -> dg.AssetCheckResult:
        settings = Settings.read({"MODEL_DATABASE_URL": database.model})
        result = schema_changes.columns_are_as_they_were(settings=settings, bronze=Warehouse(database.ingest))
        assert isinstance(result, dg.AssetCheckResult)
        return result

    return ask


def load(
    warehouse: Warehouse, changes: Mapping[int, Mapping[str, str]], key: str = E0, more: Sequence[str] = (), days_ago: int = 0
) -> None:
    content = "".join(f"{','.join((line, *more))}\n" for line in (HEADER, *first_round(changes))).encode()
    parsed = football_data_file.parse(content, football_data.expectation_of(key))
    at = TODAY - timedelta(days=days_ago)
    with warehouse.connect() as connection:
        bronze.load(connection, Delivery("football_data", key, content, None, None, at), parsed, at)


def later(database: Urls, days: int) -> None:
    """So many days go by: what was fetched and told is as much older."""
    with psycopg.connect(database.owner) as owner:
        owner.execute("update bronze.source_file set fetched_at = fetched_at - make_interval(days => %s)", [days])
        owner.execute(
            "update operations.notification set noticed_at = noticed_at - make_interval(days => %s),"
            " subject = regexp_replace(subject, '^\\d{4}', '2000')",
            [days],
        )


def table(value: Any) -> list[dict[str, Any]]:
    return [dict(record.data) for record in value.records]


def test_cells_that_say_nothing_are_told_by_file_column_and_text_with_a_sentence(warehouse: Warehouse) -> None:
    load(warehouse, {1: {"B365H": "0", "HS": "-1"}, 2: {"B365H": "0"}})
    result = ingestion.every_filled_cell_says_something(bronze=warehouse)
    assert isinstance(result, dg.AssetCheckResult)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.description == "3 cells of 1 files say nothing usable: they count as empty, the rest of their lines is in use"
    assert table(result.metadata["cells"].value) == [
        {
            "file": f"football_data/{E0}",
            "column": column,
            "text": text,
            "reason": reason,
            "count": count,
        }
        for column, text, reason, count in (
            ("B365H", "0", "A decimal price is more than 1 and at most 1000", "2"),
            ("HS", "-1", "Goals, shots, corners, fouls and cards are whole numbers from 0 up", "1"),
        )
    ]


def test_where_every_cell_says_something_the_check_passes(warehouse: Warehouse) -> None:
    load(warehouse, {})
    result = ingestion.every_filled_cell_says_something(bronze=warehouse)
    assert isinstance(result, dg.AssetCheckResult)
    assert (result.passed, result.description) == (True, "every filled cell says something")


def test_one_bad_price_in_a_first_round_is_shown_as_a_warning_and_stops_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    load(warehouse, {3: {"AvgH": "#"}})
    settings = Settings.read({"STATE_DIR": str(tmp_path)})
    result = quality.checks[0](settings=settings, bronze=warehouse)
    assert isinstance(result, dg.AssetCheckResult)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.description == "football_data_main, warnings only: AvgH (expect_column_values_to_match_regex)"
    (failure,) = table(result.metadata["failures"].value)
    assert (failure["severity"], failure["n_failing"], failure["examples"]) == ("warning", "1", "['#']")
    (row,) = table(result.metadata["failing rows"].value)
    shown = ("fails", "file", "line_number", "HomeTeam", "AvgH")
    assert [row[name] for name in shown] == [
        *("AvgH: expect_column_values_to_match_regex", f"football_data/{E0}", "5", "Home 3", "#")
    ]
    again = quality.checks[0](settings=settings, bronze=warehouse)
    assert isinstance(again, dg.AssetCheckResult)
    assert again.description == "no file changed"


def test_a_first_round_without_results_letters_stops_the_run_and_is_judged_again(warehouse: Warehouse, tmp_path: Path) -> None:
    load(warehouse, {3: {"FTR": "X"}})
    settings = Settings.read({"STATE_DIR": str(tmp_path)})
    for _ in range(2):
        result = quality.checks[0](settings=settings, bronze=warehouse)
        assert isinstance(result, dg.AssetCheckResult)
        assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.ERROR)


@pytest.mark.parametrize(
    "step", [training.training, predictions.prediction, publication.publication, record.record, outlook.season_outlook]
)
def test_nothing_is_learnt_or_published_of_a_file_whose_check_failed_whoever_made_silver_of_it(
    database: Urls, tmp_path: Path, step: dg.AssetsDefinition
) -> None:
    load(Warehouse(database.ingest), {3: {"FTR": "X"}})
    settings = Settings.read({"STATE_DIR": str(tmp_path)})
    result = quality.checks[0](settings=settings, bronze=Warehouse(database.ingest))
    assert isinstance(result, dg.AssetCheckResult)
    assert not result.passed
    Silver(database.transform).end("a1")
    given = {"settings": settings, "warehouse": Warehouse(database.model), "registry": None, "turn": None}
    done = dg.materialize([step], resources={name: dg.ResourceDefinition.hardcoded_resource(it) for name, it in given.items()},
                          raise_on_error=False)  # fmt: skip
    (failed,) = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    assert failed.user_failure_data is not None
    assert f"made of files that the checks of bronze have not accepted: football_data/{E0}." in (
        failed.user_failure_data.description or ""
    )
    kinds = failed.user_failure_data.metadata
    assert kinds["class"].value == "data"


def test_a_corrected_file_is_published_once_it_is_judged_and_silver_is_made_of_it(database: Urls, tmp_path: Path) -> None:
    ingest, model, silver = Warehouse(database.ingest), Warehouse(database.model), Silver(database.transform)
    settings = Settings.read({"STATE_DIR": str(tmp_path)})
    load(ingest, {3: {"FTR": "X"}})
    silver.end("a1")
    load(ingest, {})
    quality.checks[0](settings=settings, bronze=ingest)
    with pytest.raises(dg.Failure, match="have not accepted"):
        quality.require_accepted(model)
    silver.end("a1")
    assert quality.require_accepted(model) == 2
    load(ingest, {4: {"FTR": "X"}})
    assert quality.require_accepted(model) == 2, "what a backfill loads meanwhile is in nothing yet"
    lost = Delivery("football_data", E0, b"lost", None, None, NOW)
    with ingest.connect() as connection:
        bronze.load(connection, lost, football_data_file.parse(lost.content, football_data.expectation_of(E0)), NOW)
    silver.end("a1")
    with pytest.raises(dg.Failure, match="have not accepted"):
        quality.require_accepted(model)


@pytest.mark.parametrize("is_judged_first", [True, False])
def test_nothing_is_published_of_a_file_whose_lines_are_not_accounted_for_whichever_check_says_its_word_first(
    database: Urls, tmp_path: Path, is_judged_first: bool
) -> None:
    ingest, model, silver = Warehouse(database.ingest), Warehouse(database.model), Silver(database.transform)
    settings = Settings.read({"STATE_DIR": str(tmp_path)})
    load(ingest, {})
    load(ingest, {}, "mmz4281/2223/E0.csv")
    if is_judged_first:
        quality.checks[0](settings=settings, bronze=ingest)
    silver.end("a1")
    with psycopg.connect(database.owner) as owner:
        lost = "delete from bronze.football_data_match where key = %s and line_number = 2 returning *"
        owner.execute("create table lost as select * from bronze.football_data_match limit 0")
        owner.execute(f"with lost as ({lost}) insert into lost overriding system value select * from lost", [E0])
    verdict = ingestion.every_line_is_accounted_for(ingest)
    assert isinstance(verdict, dg.AssetCheckResult)
    assert not verdict.passed
    quality.checks[0](settings=settings, bronze=ingest)
    with pytest.raises(dg.Failure, match=f"have not accepted: football_data/{E0}. "):
        quality.require_accepted(model)
    with psycopg.connect(database.owner) as owner:
        owner.execute("insert into bronze.football_data_match overriding system value select * from lost; drop table lost")
    quality.checks[0](settings=settings, bronze=ingest)
    assert quality.require_accepted(model) == 2


def test_nothing_is_published_of_silver_that_was_made_while_too_many_files_were_refused(database: Urls, tmp_path: Path) -> None:
    ingest, model, silver = Warehouse(database.ingest), Warehouse(database.model), Silver(database.transform)
    load(ingest, {})
    quality.checks[0](settings=Settings.read({"STATE_DIR": str(tmp_path)}), bronze=ingest)
    silver.end("a1")
    lost = Delivery("football_data", E0, b"lost", None, None, NOW)
    with ingest.connect() as connection:
        bronze.load(connection, lost, football_data_file.parse(lost.content, football_data.expectation_of(E0)), NOW)
    assert quality.require_accepted(model) == 1, "what is loaded meanwhile is in nothing yet"
    silver.end("a1")
    with pytest.raises(dg.Failure, match="made while 1 of 1 files were refused, more than 10%"):
        quality.require_accepted(model)


def test_a_batch_of_a_stream_is_judged_once_and_what_its_sender_says_wrongly_is_a_warning(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """No later version mends a batch: one that stopped the run would stop every run after it."""
    match = {"schema": 1, "competition": "Premier League", "home": "Ash", "away": "42", "kickoff_at": "2023-12-30T15:00:00Z"}
    result = match | {"kind": "result", "home_goals": 2, "away_goals": 1, "final_at": "2023-12-30T16:52:00Z"}
    quote = match | {"kind": "quote", "bookmaker": "pinnacle", "market": "1x2", "quoted_at": "2023-12-30T13:30:00Z"}
    sent = ["poison", json.dumps(result), json.dumps(quote | {"odds": {"home": 2, "draw": 3.4, "away": 3.75}})]
    settings, judge = Settings.read({"STATE_DIR": str(tmp_path)}), quality.checks[-1]
    said = []
    for first, values in ((0, ["poison"]), (1, sent)):
        batch = [stream.Message(first + k, NOW, value.encode()) for k, value in enumerate(values)]
        file = stream.delivery("football.events", 0, batch, NOW)
        with warehouse.connect() as connection:
            bronze.load(connection, file, stream.parse(file.content), NOW)
        for _ in range(2):
            verdict = judge(settings=settings, bronze=warehouse)
            assert isinstance(verdict, dg.AssetCheckResult)
            said.append((verdict.passed, verdict.severity, verdict.description))
    warned = (
        "stream, warnings only: competition (expect_column_values_to_match_regex), away (expect_column_values_to_match_regex)"
    )
    error, warning = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    assert said == [
        (True, warning, "0 rows meet the suite stream"),
        (True, error, "no file changed"),
        (False, warning, warned),
        (True, error, "no file changed"),
    ]


def test_a_column_that_is_new_in_a_version_is_shown_as_a_warning_for_a_week_whatever_versions_follow(
    warehouse: Warehouse, columns: Columns, database: Urls
) -> None:
    load(warehouse, {})
    before = columns()
    assert (before.passed, before.description) == (True, "all columns are as usual")
    content = "".join(f"{line}{more}\n" for line, more in zip((HEADER, *first_round({})), (",BFEH", *[",2.2"] * 10), strict=True))
    parsed = football_data_file.parse(content.encode(), football_data.expectation_of(E0))
    with warehouse.connect() as connection:
        bronze.load(connection, Delivery("football_data", E0, content.encode(), None, None, TODAY), parsed, TODAY)
    for _ in range(2):
        result = columns()
        assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert result.description == "columns of 1 files differ from before: 1 new"
        assert table(result.metadata["changes"].value) == [
            {"source": "football_data", "key": E0, "compared_with": "version 1", "kind": "new", "column": "BFEH"}
        ]
        load(warehouse, {0: {"HS": "8"}}, more=["BFEH"])
    later(database, 8)
    assert columns().passed


def test_a_file_without_the_home_teams_is_announced_and_withdraws_nothing(warehouse: Warehouse, columns: Columns) -> None:
    load(warehouse, {})
    lacking = "".join(f"{line.replace('HomeTeam', 'Home team')}\n" for line in (HEADER, *first_round({}))).encode()
    parsed = football_data_file.parse(lacking, football_data.expectation_of(E0))
    with warehouse.connect() as connection:
        loaded = bronze.load(connection, Delivery("football_data", E0, lacking, None, None, TODAY), parsed, TODAY)
    assert (loaded.state, loaded.n_withdrawn) == ("refused", 0)
    standing = warehouse.read("select count(*) as n from bronze.football_data_match where until_version is null")
    assert standing["n"].tolist() == [10]
    result = columns()
    assert result.description == "columns of 1 files differ from before: 1 missing, 1 new, 1 required"
    assert [(row["kind"], row["column"]) for row in table(result.metadata["changes"].value)] == [
        *(("new", "Home team"), ("missing", "HomeTeam"), ("required", "HomeTeam or HT"))
    ]
    # The mended file is compared with the last one that was of use.
    load(warehouse, {}, more=["Season"])
    mended = columns()
    assert mended.description == "columns of 1 files differ from before: 1 new"


def test_statistics_that_became_text_are_announced(warehouse: Warehouse, columns: Columns) -> None:
    load(warehouse, {})
    load(warehouse, {n: {"HS": "nine"} for n in range(10)})
    result = columns()
    assert result.description == "columns of 1 files differ from before: 1 re-typed"
    assert [row["column"] for row in table(result.metadata["changes"].value)] == ["HS, from number to text"]


def test_of_columns_that_were_told_of_those_that_stay_are_no_news(database: Urls) -> None:
    """Of two that were told of one is as it was again: nobody is told once more of the other, until a third joins it."""
    settings, noon = Settings.read({"MODEL_DATABASE_URL": database.model}), datetime(2024, 1, 8, 12, tzinfo=UTC)
    one, two, three = (Change("football_data", E0, "version 1", "re-typed", name) for name in ("HS", "AS", "HST"))
    for minutes, changes, n_told in ((0, [one, two], 1), (70, [two], 1), (140, [two, three], 2), (210, [three], 2)):
        alerts.announce_columns(settings, changes, noon + timedelta(minutes=minutes))
        assert len(notifications.recent(Warehouse(database.model), 9)) == n_told, minutes


def test_another_kind_of_column_is_told_by_the_check_itself_once_a_day_before_silver_and_so_is_its_end(
    warehouse: Warehouse, columns: Columns, database: Urls
) -> None:
    model = Warehouse(database.model)
    load(warehouse, {})
    columns()
    assert notifications.recent(model, 9) == []
    load(warehouse, {n: {"HS": "nine"} for n in range(10)})
    for _ in range(2):
        columns()
    (told,) = notifications.recent(model, 9)
    assert (told.severity, told.title) == ("warning", "Columns of 1 file differ from before (live)")
    assert told.body.startswith(f"football_data/{E0}: re-typed HS, from number to text (compared with version 1)\nNoted before")
    later(database, 2)
    columns()
    assert len(notifications.recent(model, 9)) == 2, "another day's"
    load(warehouse, {n: {"HS": "ten"} for n in range(10)})
    columns()
    assert len(notifications.recent(model, 9)) == 2, "another version with the same fault ends nothing, and is no news"
    load(warehouse, {0: {"HS": "8"}})
    for _ in range(2):
        columns()
    told, *before = notifications.recent(model, 9)
    assert (told.severity, told.title, len(before)) == ("success", "All columns are as they were again (live)", 2)


def test_columns_that_a_source_keeps_for_a_week_are_told_to_be_usual_and_not_to_be_as_they_were(
    warehouse: Warehouse, columns: Columns, database: Urls
) -> None:
    """One file stays different while another comes and goes: the end of the latter is not told as that of both."""
    model, other = Warehouse(database.model), "mmz4281/2324/E1.csv"
    of_other = {n: {"Div": "E1"} for n in range(10)}
    load(warehouse, {}, days_ago=30)
    load(warehouse, of_other, other, days_ago=30)
    load(warehouse, {n: {"HS": "nine"} for n in range(10)})
    columns()
    later(database, 5)
    load(warehouse, {n: {"Div": "E1", "HS": "nine"} for n in range(10)}, other)
    columns()
    later(database, 3)
    columns()
    assert [each.severity for each in notifications.recent(model, 9)] == ["warning"] * 3
    load(warehouse, of_other | {0: {"Div": "E1", "HS": "8"}}, other)
    for _ in range(2):
        columns()
    told, *before = notifications.recent(model, 9)
    assert (told.severity, len(before)) == ("info", 3)
    assert told.title == "Columns of 1 file stay different, and are the usual from now on (live)"
    assert told.body.startswith(f"football_data/{E0}: re-typed HS, from number to text (compared with version 1)\nSo it has been")
    load(warehouse, {})
    columns()
    assert notifications.recent(model, 1)[0].severity == "warning", "from then on the other way round is the change"


def test_a_field_of_json_that_is_gone_is_announced_by_its_path(warehouse: Warehouse, columns: Columns) -> None:
    matches = [match(f"2024-01-{1 + n:02}T15:00:00Z", f"A{n} FC", "B FC", (n, 1)) for n in range(8)]
    mended = [{**each, "score": {"final": each["score"]["fullTime"]}} for each in matches]
    for content in (answer(*matches), answer(*mended)):
        with warehouse.connect() as connection:
            delivered = Delivery("football_data_org", "2023/PL.json", content, None, None, TODAY)
            bronze.load(connection, delivered, football_data_org.parse(content), TODAY)
    result = columns()
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    changes = {(row["compared_with"], row["kind"], row["column"]) for row in table(result.metadata["changes"].value)}
    assert {("version 1", "missing", "score.fullTime.home"), ("version 1", "new", "score.final.home")} <= changes


def test_fields_of_a_stream_beside_its_contract_are_announced_for_a_week_under_their_partition(
    warehouse: Warehouse, columns: Columns
) -> None:
    today = datetime.now(UTC)
    event = {"schema": 1, "kind": "result", "competition": "E0", "home": "A", "away": "B", "kickoff_at": "2023-12-30T15:00:00Z"}
    event |= {"home_goals": 2, "away_goals": 1, "final_at": "2023-12-30T16:52:00Z"}

    def announced(first: int, days_ago: int, **more: object) -> list[tuple[str, str, str]]:
        at = today - timedelta(days=days_ago)
        batch = [stream.Message(first + k, at, json.dumps(event | more).encode()) for k in range(6)]
        file = stream.delivery("football.events", 0, batch, at)
        with warehouse.connect() as connection:
            bronze.load(connection, file, stream.parse(file.content), at)
        result = columns()
        return [(row["key"], row["kind"], row["column"]) for row in table(result.metadata["changes"].value)]

    assert announced(0, 20, stadium="X") == [], "no news any more"
    assert announced(10, 2) == []
    assert announced(20, 1, stadium="X") == [], "nor where it goes on"
    assert announced(30, 0, stadium="X", city="Y") == [("football.events/0", "new", "result.city")]


@pytest.mark.parametrize(("goes_on", "severity"), [(True, "info"), (False, "success")])
def test_a_field_of_a_stream_that_stays_is_told_to_be_usual_and_one_that_came_to_an_end_to_have_ended(
    warehouse: Warehouse, columns: Columns, database: Urls, goes_on: bool, severity: str
) -> None:
    event = {"schema": 1, "kind": "result", "competition": "E0", "home": "A", "away": "B", "kickoff_at": "2023-12-30T15:00:00Z"}
    event |= {"home_goals": 2, "away_goals": 1, "final_at": "2023-12-30T16:52:00Z"}
    for first, more in ((0, {"stadium": "X"}), (10, {"stadium": "X"} if goes_on else {})):
        batch = [stream.Message(first + k, TODAY, json.dumps(event | more).encode()) for k in range(6)]
        file = stream.delivery("football.events", 0, batch, TODAY)
        with warehouse.connect() as connection:
            bronze.load(connection, file, stream.parse(file.content), TODAY)
        columns()
        if first == 0:
            later(database, 8)
    assert [each.severity for each in notifications.recent(Warehouse(database.model), 9)] == [severity, "warning"]


def test_a_season_unlike_those_before_is_a_warning_with_its_limits_and_others_are_left_out() -> None:
    few = Judgement("E0", 2023, "matches so far", 190.0, 247.0, 570.0, n_matches=190, n_earlier=10)
    usual = Judgement("D1", 2023, "goals a match", 3.1, 2.4, math.inf, n_matches=150, n_earlier=10)
    result = anomalies.told("seasons_are_like_those_before", [few, usual])
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.description == "E0 2023: matches so far 190, expected at least 247"
    assert table(result.metadata["anomalies"].value) == [
        {
            **{"competition": "E0", "season": "2023", "what": "matches so far", "found": "190", "at least": "247"},
            **{"at most": "570", "matches": "190", "seasons before": "10"},
        }
    ]


def test_a_season_that_fell_silent_is_told_until_another_begins_and_a_complete_one_once_that_is_overdue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of both the last result is older than a season counts as recent for."""
    n_rounds = {(league, season): 38 for league in ("D1", "E0") for season in (2020, 2021, 2022)} | {
        ("D1", 2023): 32,
        ("E0", 2023): 25,
    }
    rounds = [
        (league, season, pd.Timestamp(season, 8, 1) + pd.Timedelta(days=7 * n))
        for (league, season), until in n_rounds.items()
        for n in range(until)
    ]
    none = dict.fromkeys(SUMS, 0.0)
    days = pd.DataFrame(rounds, columns=["competition_id", "season", "match_on"]).assign(**{**none, "n_matches": 10.0})
    monkeypatch.setattr(anomalies.season_days, "recent", lambda *_: [])
    monkeypatch.setattr(anomalies.season_days, "newest", lambda *_: [("D1", 2023), ("E0", 2023)])
    monkeypatch.setattr(anomalies.season_days, "sums", lambda *_: days)
    settings = Settings.read({"DATA_CUTOFF": "2024-07-20T12:00Z"})
    likeness, silence = anomalies.season_checks(settings=settings, warehouse=Warehouse("postgresql://nowhere"))
    assert silence.description == "E0 2023: days since the last result 186, expected at most 28"
    assert likeness.description == "1 seasons are like those before"

    later = Settings.read({"DATA_CUTOFF": "2024-08-20T12:00Z"})
    likeness, silence = anomalies.season_checks(settings=later, warehouse=Warehouse("postgresql://nowhere"))
    assert silence.description == (
        "D1 2023: days since the season ended 168, expected at most 141; "
        "E0 2023: days since the last result 217, expected at most 28"
    )
    assert likeness.description == "1 seasons are like those before"
