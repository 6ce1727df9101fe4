"""File versions in a real PostgreSQL, under the role that ingests."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from deploy import database as deploy_database
from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from pipelines.sources import football_data, football_data_file, football_data_org, international, openfootball
from pipelines.sources.protocol import Delivery, ParsedFile
from pipelines.store import bronze, file_versions
from pipelines.store.bronze import LoadResult
from pipelines.store.warehouse import Warehouse
from tests.sources.football_data_org import answer, match

TEMPLATE = "football_template"
NOW = datetime(2024, 1, 1, tzinfo=UTC)
E0 = "mmz4281/2324/E0.csv"
HEADER = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,B365H"


def line(n: int, score: str = "1,0,H", odds: str = "2.5") -> str:
    return f"E0,12/08/2023,Home {n},Away {n},{score},{odds}"


def file(*lines: str, final: str = "\n") -> bytes:
    return ("\n".join((HEADER, *lines)) + final).encode()


def delivered(
    content: bytes, key: str = E0, etag: str | None = None, source: str = "football_data"
) -> tuple[Delivery, ParsedFile]:
    parse = (
        openfootball.parse if key.endswith(".json") else lambda c: football_data_file.parse(c, football_data.expectation_of(key))
    )
    return Delivery(source, key, content, etag, None, NOW), parse(content)


@pytest.fixture(scope="module")
def shared_database(postgres: PostgresServer, database_template: Secrets) -> Iterator[Urls]:
    name = "football_test_bronze"
    yield deploy_database.copy(postgres.url(), TEMPLATE, name, database_template)
    deploy_database.drop(postgres.url(), name)


@pytest.fixture
def database(shared_database: Urls) -> Urls:
    """One database for all tests of this file, emptied before each: a fresh one each time would take longer than the test."""
    with psycopg.connect(shared_database.owner) as owner:
        owner.execute("truncate bronze.source_file cascade")
    return shared_database


@pytest.fixture
def warehouse(database: Urls) -> Warehouse:
    return Warehouse(database.ingest)


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[psycopg.Connection]:
    with warehouse.connect() as open_connection:
        yield open_connection


def load(connection: psycopg.Connection, content: bytes, key: str = E0, etag: str | None = None) -> LoadResult:
    return bronze.load(connection, *delivered(content, key, etag), NOW)


def standing(warehouse: Warehouse) -> list[str]:
    frame = warehouse.read(
        "select cells ->> 'HomeTeam' as home from bronze.football_data_match where until_version is null order by line_number"
    )
    return frame["home"].tolist()


def everything(warehouse: Warehouse) -> list[list[object]]:
    """All of bronze but surrogate ids and moments."""
    tables = (
        "select source, key, version, sha256, state, n_lines, n_loaded, n_quarantined from bronze.source_file order by 1, 2, 3",
        "select source, key, since_version, until_version, line_number, cells from bronze.football_data_match order by 2, 3, 5",
        "select line_number, n_lines, reason, explanation, content from bronze.quarantine order by 1, 3, 5",
        "select line_number, column_name, n_cells, content, reason from bronze.unusable_cell order by 1, 2, 4",
    )
    return [warehouse.read(table).astype(str).to_numpy().tolist() for table in tables]


def test_a_file_is_kept_line_by_line_with_its_facts(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    content = file(line(1), line(2, score="-1,0,A"), ",,,")
    result = load(connection, content, etag='"1"')
    assert (result.version, result.state, result.is_new, result.n_inserted, result.n_quarantined) == (1, "intact", True, 1, 1)
    kept = warehouse.read("select * from bronze.source_file").iloc[0]
    assert kept[["n_lines", "n_header", "n_loaded", "n_quarantined", "n_blank"]].tolist() == [4, 1, 1, 1, 1]
    assert (kept["size_bytes"], kept["encoding"], kept["etag"]) == (len(content), "ascii", '"1"')
    assert kept["header"] == '["Div", "Date", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "FTR", "B365H"]'
    row = warehouse.read("select *, cells ->> 'B365H' as odds from bronze.football_data_match").iloc[0]
    assert (row["layout"], row["line_number"], row["since_version"], row["odds"]) == ("main", 2, 1, "2.5")
    waiting = warehouse.read("select line_number, n_lines, reason, content from bronze.quarantine")
    assert waiting.to_numpy().tolist() == [[3, 1, "impossible_score", line(2, "-1,0,A")]]


def test_text_that_copy_could_misread_arrives_as_it_was(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    home = 'Back\\slash\tTab "quoted" \x0b Köln’s \\N \\.'
    content = file('E0,12/08/2023,"{}",Away,1,0,H,2'.format(home.replace('"', '""'))).decode()
    load(connection, content.encode("utf-8"))
    load(connection, content.encode("utf-8"), key="od\\d\tke\ny.csv")
    assert standing(warehouse) == [home, home]


def test_the_same_bytes_twice_change_nothing(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    content = file(line(1), line(2))
    load(connection, content)
    before = everything(warehouse)
    result = load(connection, content)
    assert (result.is_new, result.version, result.n_inserted) == (False, 1, 0)
    assert everything(warehouse) == before


def test_known_bytes_may_come_with_new_validators(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    load(connection, file(line(1)), etag='"1"')
    load(connection, file(line(1)), etag='"2"')
    connection.commit()
    assert file_versions.latest(warehouse, "football_data")[E0].etag == '"2"'


def test_a_new_version_stores_only_what_is_new_and_closes_what_is_gone(
    connection: psycopg.Connection, warehouse: Warehouse
) -> None:
    load(connection, file(line(1), line(2, score=",,")))
    result = load(connection, file(line(1), line(2), line(3)))
    assert (result.version, result.n_inserted, result.n_withdrawn) == (2, 2, 1)
    connection.commit()
    frame = warehouse.read(
        "select cells ->> 'HomeTeam' as home, since_version, until_version from bronze.football_data_match order by row_id"
    ).fillna(0)
    assert frame.to_numpy().tolist() == [["Home 1", 1, 0], ["Home 2", 1, 2], ["Home 2", 2, 0], ["Home 3", 2, 0]]


def test_columns_that_change_place_change_no_row(connection: psycopg.Connection) -> None:
    load(connection, b"Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,B365H\nE0,12/08/2023,A,B,1,0,H,2\n")
    result = load(connection, b"Div,Date,B365H,HomeTeam,AwayTeam,FTHG,FTAG,FTR,New\nE0,12/08/2023,2,A,B,1,0,H,\n")
    assert (result.is_new, result.n_inserted, result.n_withdrawn) == (True, 0, 0)


def test_a_line_that_leaves_a_file_and_comes_back_is_a_new_row(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    whole = [line(n) for n in range(30)]
    for content in (file(*whole), file(*whole[1:]), file(*whole)):
        load(connection, content)
    connection.commit()
    frame = warehouse.read(
        "select since_version, until_version from bronze.football_data_match where cells ->> 'HomeTeam' = 'Home 0' order by 1"
    ).fillna(0)
    assert frame.to_numpy().tolist() == [[1, 2], [3, 0]]


def test_a_truncated_version_adds_but_never_withdraws(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    load(connection, file(line(1), line(2), line(3)))
    result = load(connection, file(line(1), line(4), line(2)[:20], final=""))
    assert (result.state, result.n_inserted, result.n_withdrawn) == ("truncated", 1, 0)
    connection.commit()
    assert sorted(standing(warehouse)) == ["Home 1", "Home 2", "Home 3", "Home 4"]


def test_a_refused_version_changes_no_row_and_the_next_good_one_goes_on(
    connection: psycopg.Connection, warehouse: Warehouse
) -> None:
    load(connection, file(line(1)))
    assert load(connection, b"<html>busy</html>").state == "refused"
    result = load(connection, file(line(1), line(2)))
    assert (result.version, result.state, result.n_inserted, result.n_withdrawn) == (3, "intact", 1, 0)
    connection.commit()
    assert standing(warehouse) == ["Home 1", "Home 2"]
    assert file_versions.in_quarantine(warehouse).empty


def test_a_league_that_lost_rows_is_shrunk_and_withdraws_none(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    whole = [line(n) for n in range(40)]
    load(connection, file(*whole))
    assert load(connection, file(*whole[:37])).state == "shrunk"
    # Measured against the last intact version, not against the shrunk one.
    assert load(connection, file(*whole[:36])).state == "shrunk"
    assert load(connection, file(*whole[:38])).state == "intact"
    connection.commit()
    assert len(standing(warehouse)) == 38


def test_fixtures_come_and_go(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    load(connection, file(*[line(n, score=",,") for n in range(20)]), key="fixtures.csv")
    assert load(connection, file(line(20, score=",,")), key="fixtures.csv").state == "intact"
    connection.commit()
    assert standing(warehouse) == ["Home 20"]


def test_a_line_that_went_bad_leaves_its_last_good_state_standing(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    others = [line(n) for n in range(2, 30)]
    load(connection, file(line(1), *others))
    result = load(connection, file(line(1, score="99,0,H"), *others))
    assert (result.state, result.n_withdrawn) == ("intact", 0)
    assert standing(warehouse)[0] == "Home 1"
    assert file_versions.reconciliation(warehouse).empty
    assert load(connection, file(line(1, score="9,0,H"), *others)).n_withdrawn == 1


def test_json_goes_to_its_own_table(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    content = b'{"name": "L", "matches": [{"date": "2023-08-12", "team1": "A", "team2": "B"}]}'
    assert load(connection, content, key="2023-24/en.1.json").n_inserted == 1
    connection.commit()
    assert warehouse.read("select cells ->> 'team1' as team from bronze.openfootball_match")["team"].tolist() == ["A"]


def test_national_teams_go_to_their_own_table_and_a_line_that_went_bad_leaves_its_last_good_state_standing(
    connection: psycopg.Connection, warehouse: Warehouse
) -> None:
    header = "date,home_team,away_team,home_score,away_score,tournament,city,country,neutral"
    lines = [f"2024-01-{day:02},Home {day},Away {day},1,0,Friendly,Here,There,FALSE" for day in range(1, 30)]

    def deliver(*lines: str) -> LoadResult:
        content = "\n".join([header, *lines, ""]).encode()
        delivery = Delivery("international", "results.csv", content, None, None, NOW)
        return bronze.load(connection, delivery, international.parse(content), NOW)

    assert deliver(*lines).n_inserted == 29
    assert deliver(lines[0].replace("1,0", "99,0"), *lines[1:]).n_withdrawn == 0
    assert deliver(lines[0].replace("1,0", "9,0"), *lines[1:]).n_withdrawn == 1
    found = warehouse.read("select cells ->> 'home_score' as goals from bronze.international_match where until_version is null")
    assert sorted(found["goals"]) == [*["1"] * 28, "9"]
    assert file_versions.reconciliation(warehouse).empty


def test_football_data_org_goes_to_its_own_table_whose_lines_no_other_table_s_number_means(
    connection: psycopg.Connection, warehouse: Warehouse
) -> None:
    matches = [match(f"2023-09-{day:02}T14:00:00Z", f"Home {day}", f"Away {day}", (1, 0)) for day in range(1, 30)]

    def deliver(*matches: object) -> LoadResult:
        content = answer(*matches)
        delivery = Delivery("football_data_org", "2023/PL.json", content, None, None, NOW)
        return bronze.load(connection, delivery, football_data_org.parse(content), NOW)

    assert deliver(*matches).n_inserted == 29
    later = [{**each, "lastUpdated": "2023-12-01T00:00:00Z"} for each in matches]
    assert (deliver(*later).n_inserted, deliver(*later[:20]).state) == (0, "shrunk")
    wrong = match("2023-09-01T14:00:00Z", "Home 1", "Away 1", (99, 0))
    assert deliver(wrong, *later[1:]).n_withdrawn == 0  # a line that went bad leaves its last good state standing
    found = warehouse.read("select row_id, until_version from bronze.football_data_org_match order by row_id")
    assert (found["row_id"].min(), found["until_version"].isna().sum()) == (10**12, 29)
    assert file_versions.reconciliation(warehouse).empty


def test_a_file_of_another_form_under_the_same_name_takes_the_place_of_the_first(
    connection: psycopg.Connection, warehouse: Warehouse
) -> None:
    """An inbox knows names only: what was dropped as a table of lines may come again as a document."""
    load(connection, file(line(1), line(2)), key="dropped")
    match = b'{"date": "2023-08-12", "team1": "A", "team2": "B", "score": {"ft": [1, 0]}}'
    document = b'{"name": "2023/24", "matches": [%b, %b]}' % (match, match.replace(b"12", b"13"))
    json = (Delivery("football_data", "dropped", document, None, None, NOW), openfootball.parse(document))
    assert bronze.load(connection, *json, NOW).n_withdrawn == 2
    assert standing(warehouse) == []
    assert file_versions.reconciliation(warehouse).empty
    assert load(connection, file(line(1), line(3)), key="dropped").n_withdrawn == 2
    assert standing(warehouse) == ["Home 1", "Home 3"]


def test_many_files_need_few_transactions_and_one_file_may_come_twice(
    connection: psycopg.Connection, warehouse: Warehouse
) -> None:
    keys = [f"mmz4281/{season}{season + 1}/E0.csv" for season in range(10, 20)]
    files = [
        delivered(b"Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\nE0,01/01/%s,A,B,1,0,H\n" % key[10:12].encode(), key) for key in keys
    ]
    again = delivered(files[0][0].content + b"E0,02/01/11,C,D,1,0,H\n", keys[0])
    results = list(bronze.load_many(connection, iter([*files, again]), NOW))
    assert [(result.key, result.version) for result in results] == [*((key, 1) for key in keys), (keys[0], 2)]
    assert file_versions.reconciliation(warehouse).empty


def test_what_came_before_an_error_stays(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    def files() -> Iterator[tuple[Delivery, ParsedFile]]:
        yield delivered(file(line(1)))
        yield delivered(file(line(1), line(2)))
        raise ConnectionError("the source went away")

    with pytest.raises(ConnectionError):
        list(bronze.load_many(connection, files(), NOW))
    assert standing(warehouse) == ["Home 1", "Home 2"]


def test_a_connection_in_a_transaction_is_refused(connection: psycopg.Connection) -> None:
    connection.execute("select 1")
    with pytest.raises(ValueError, match="not in a transaction"):
        load(connection, file(line(1)))


def test_validators_are_given_for_intact_versions_only(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    load(connection, file(line(1)), etag='"1"')
    load(connection, file(line(1), final=""), key="mmz4281/2223/E0.csv", etag='"2"')
    connection.commit()
    known = file_versions.latest(warehouse, "football_data")
    assert {key: (latest.state, latest.etag) for key, latest in known.items()} == {
        E0: ("intact", '"1"'),
        "mmz4281/2223/E0.csv": ("truncated", None),
    }
    assert file_versions.latest(warehouse, "openfootball") == {}


def test_the_manifest_names_the_latest_bytes_of_use(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    good = delivered(file(line(1)))
    loaded = bronze.load(connection, *good, NOW)
    refused = load(connection, b"<html></html>")
    connection.commit()
    assert file_versions.manifest(warehouse, refused.file_id) == {f"football_data/{E0}": good[0].sha256}
    load(connection, file(line(1), line(2)))
    connection.commit()
    assert file_versions.manifest(warehouse, loaded.file_id) == {f"football_data/{E0}": good[0].sha256}


def test_quarantine_is_told_for_the_latest_versions_only(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    load(connection, b"<html></html>")
    load(connection, file(line(1), line(2, score="-1,0,A"), line(3, score="99,0,H")))
    assert file_versions.in_quarantine(warehouse)[["key", "reason", "n_lines"]].to_numpy().tolist() == [
        [E0, "impossible_score", 2]
    ]
    assert file_versions.latest_versions(warehouse)[["key", "version", "state"]].to_numpy().tolist() == [[E0, 2, "intact"]]


def test_cells_that_say_nothing_are_kept_with_their_reason_beside_the_line_that_holds_them(
    connection: psycopg.Connection, warehouse: Warehouse
) -> None:
    result = load(connection, file(line(1), line(2, odds="#"), line(3, odds="0"), line(4, score="99,0,H", odds="0")))
    assert (result.n_unusable, result.n_inserted, result.n_quarantined) == (2, 3, 1)
    kept = warehouse.read(
        "select line_number, column_name, n_cells, content, reason, file_id from bronze.unusable_cell order by 1"
    )
    assert kept.to_numpy().tolist() == [
        [3, "B365H", 1, "#", "not_a_number", result.file_id],
        [4, "B365H", 1, "0", "impossible_price", result.file_id],
    ]
    assert (
        load(connection, file(line(1), line(2, odds="#"), line(3, odds="0"), line(4, score="99,0,H", odds="0"))).n_unusable == 0
    )
    assert len(warehouse.read("select 1 as one from bronze.unusable_cell")) == 2


def test_unusable_cells_are_told_for_the_versions_in_force_only(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    def told() -> list[list[object]]:
        cells = file_versions.unusable_cells(warehouse)
        return cells[["key", "column_name", "content", "reason", "n_cells"]].to_numpy().tolist()

    assert told() == []
    load(connection, file(line(1, odds="#"), line(2, odds="0"), line(3, odds="0")))
    zeros = [E0, "B365H", "0", "impossible_price", 2]
    assert told() == [zeros, [E0, "B365H", "#", "not_a_number", 1]]
    load(connection, file(line(1), line(2, odds="0"), line(3, odds="0")))
    assert told() == [zeros]
    load(connection, b"<html>busy</html>")
    assert told() == [zeros], "a refused version leaves the lines before it standing, with what they lack"
    load(connection, file(line(1), line(2), line(3)))
    assert told() == []


def test_rows_wait_for_the_expectations_until_their_version_is_accepted(
    connection: psycopg.Connection, warehouse: Warehouse
) -> None:
    first = load(connection, file(line(1)))
    second = load(connection, b"Div,Date,HT,AT,FTHG,FTAG,FTR\nG1,20/08/00,Aris,PAOK,1,1,D\n", key="mmz4281/0001/G1.csv")
    load(connection, file(line(2, score=",,")), key="fixtures.csv")
    columns = {"home": ["HomeTeam", "HT"], "odds": ["B365H"]}
    frame, file_ids = file_versions.unaccepted_rows(warehouse, ["main"], columns)
    assert sorted(frame.fillna("").to_numpy().tolist()) == [
        ["football_data/mmz4281/0001/G1.csv", 2, "Aris", ""],
        [f"football_data/{E0}", 2, "Home 1", "2.5"],
    ]
    assert sorted(file_ids) == [first.file_id, second.file_id]
    file_versions.accept(warehouse, [first.file_id], NOW)
    frame, file_ids = file_versions.unaccepted_rows(warehouse, ["main"], columns)
    assert (frame["home"].tolist(), file_ids) == (["Aris"], [second.file_id])


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("update bronze.source_file set n_lines = n_lines + 1", "lines are not header"),
        ("delete from bronze.quarantine", "the quarantine holds another number"),
        ("delete from bronze.football_data_match where line_number = 2", "rows are missing"),
    ],
)
def test_reconciliation_finds_what_got_lost(
    connection: psycopg.Connection, warehouse: Warehouse, database: Urls, damage: str, fault: str
) -> None:
    load(connection, file(line(1), line(2), "E0,31/02/2024,A,B,1,0,H"))
    assert file_versions.reconciliation(warehouse).empty
    with psycopg.connect(database.owner) as owner:
        owner.execute(damage)
    (failing,) = file_versions.reconciliation(warehouse).to_dict("records")
    assert (failing["key"], failing["version"]) == (E0, 1)
    assert fault in failing["fault"]


def test_killed_at_any_moment_only_whole_versions_are_there_and_a_second_run_completes_them(
    database: Urls, warehouse: Warehouse, tmp_path: Path
) -> None:
    files = [(f"mmz4281/{code}/E0.csv", season) for code, season in (("1011", 10), ("1112", 11), ("1213", 12), ("1314", 13))]
    for key, season in files:
        path = tmp_path / key
        path.parent.mkdir(parents=True)
        rows = "".join(f"E0,01/09/{season},Home {n},Away {n},1,0,H\n" for n in range(300))
        path.write_text("Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\n" + rows)
    program = """
        import os, signal, sys
        from datetime import UTC, date, datetime
        from pipelines.sources.football_data import FootballData
        from pipelines.sources.http import Web
        from pipelines.sources.protocol import Scope
        from pipelines.store import bronze, file_versions
        from pipelines.store.warehouse import Warehouse

        url, folder, n_alive = sys.argv[1], sys.argv[2], int(sys.argv[3])
        bronze.ROWS_PER_TRANSACTION = 300
        copy, source = bronze._copy, FootballData(folder, Web())

        def copy_and_die(cursor, table, lines):
            global n_alive
            copy(cursor, table, lines)
            n_alive -= 1
            if n_alive == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        bronze._copy = copy_and_die
        answers = [source.fetch(key) for key in source.list(Scope.read("all", "all", date(2024, 6, 30)))]
        with Warehouse(url).connect() as connection:
            pairs = [(answer, source.parse(answer.key, answer.content)) for answer in answers]
            for result in bronze.load_many(connection, pairs, datetime.now(UTC)):
                pass
    """
    for n_alive, code, n_versions in ((2, -signal.SIGKILL, 1), (2, -signal.SIGKILL, 2), (0, 0, 4)):
        command = [sys.executable, "-c", textwrap.dedent(program), database.ingest, tmp_path.as_uri(), str(n_alive)]
        assert subprocess.run(command, check=False).returncode == code
        assert file_versions.reconciliation(warehouse).empty
        counts = warehouse.read("select key, count(*) as n from bronze.football_data_match group by key")
        assert counts["n"].tolist() == [300] * n_versions
        assert len(warehouse.read("select 1 as one from bronze.source_file")) == n_versions
