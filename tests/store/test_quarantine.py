"""Quarantine in a real PostgreSQL: looked at, and taken up again by a parser that has learnt to read what it could not."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from deploy import database as deploy_database
from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from pipelines.commands.quarantine import quarantine_group
from pipelines.sources import football_data, football_data_file
from pipelines.sources.protocol import Delivery, ParsedFile
from pipelines.store import bronze, file_versions, quarantine
from pipelines.store.landing import FolderLanding, Landing
from pipelines.store.quarantine import Replayed, Which
from pipelines.store.warehouse import Warehouse

TEMPLATE = "football_template"
FIRST = datetime(2023, 8, 13, tzinfo=UTC)
LATER = datetime(2024, 1, 1, tzinfo=UTC)
E0, E1 = "mmz4281/2324/E0.csv", "mmz4281/2324/E1.csv"
HEADER = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,B365H"
STRANGE = "2023-08-12"
EVERYTHING = Which()


def line(n: int, score: str = "1,0,H", date: str = "12/08/2023", division: str = "E0", odds: str = "2.5") -> str:
    return f"{division},{date},Home {n},Away {n},{score},{odds}"


def file(*lines: str, header: str = HEADER, final: str = "\n") -> bytes:
    return ("\n".join((header, *lines)) + final).encode()


def parse_as_it_was(_: str, key: str, content: bytes) -> ParsedFile:
    """The parser: dates are day/month/year, and a file says `Date`."""
    return football_data_file.parse(content, football_data.expectation_of(key))


def parse_mended(source: str, key: str, content: bytes) -> ParsedFile:
    """One that also reads a date the other way round, and a column called `Day`."""
    return parse_as_it_was(source, key, content.replace(STRANGE.encode(), b"12/08/2023").replace(b",Day,", b",Date,"))


@pytest.fixture(scope="module")
def shared_database(postgres: PostgresServer, database_template: Secrets) -> Iterator[Urls]:
    name = "football_test_quarantine"
    yield deploy_database.copy(postgres.url(), TEMPLATE, name, database_template)
    deploy_database.drop(postgres.url(), name)


@pytest.fixture
def database(shared_database: Urls) -> Urls:
    empty(shared_database)
    return shared_database


def empty(database: Urls) -> None:
    with psycopg.connect(database.owner) as owner:
        owner.execute("truncate bronze.source_file cascade")


@pytest.fixture
def warehouse(database: Urls) -> Warehouse:
    return Warehouse(database.ingest)


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return FolderLanding(tmp_path / "landing")


def load(warehouse: Warehouse, landing: Landing, *contents: bytes, key: str = E0, parse=parse_as_it_was) -> None:
    """Versions of a file, one a day."""
    for day, content in enumerate(contents):
        landing.put(content)
        at = FIRST + timedelta(days=day)
        with warehouse.connect() as connection:
            bronze.load(
                connection, Delivery("football_data", key, content, None, None, at), parse("football_data", key, content), at
            )


def replay(warehouse: Warehouse, landing: Landing, which: Which = EVERYTHING, parse=parse_mended) -> list[Replayed]:
    return quarantine.replay(warehouse, landing, parse, which, LATER)


def everything(warehouse: Warehouse) -> list[list[tuple[object, ...]]]:
    """All of bronze but surrogate ids, the moments of writing, and the acceptance that is asked for again."""
    tables = (
        "select source, key, version, sha256, state, layout, n_lines, n_header, n_loaded, n_quarantined, n_blank, fetched_at"
        " from bronze.source_file order by key, version",
        "select r.source, r.key, layout, since_version, until_version, line_number, cells,"
        " (select fetched_at from bronze.source_file f where f.file_id = r.file_id)"
        " from bronze.football_data_match r order by r.key, since_version, line_number, cells::text",
        "select version, line_number, q.n_lines, reason, explanation, content"
        " from bronze.quarantine q join bronze.source_file using (file_id) order by key, version, line_number",
        "select version, line_number, column_name, n_cells, content, reason"
        " from bronze.unusable_cell join bronze.source_file using (file_id) order by key, version, line_number, column_name",
    )
    with warehouse.connect() as connection:
        return [connection.execute(query).fetchall() for query in tables]


def test_a_line_that_is_a_match_now_was_known_when_its_file_was_fetched(warehouse: Warehouse, landing: Landing) -> None:
    load(warehouse, landing, file(line(1), line(2, date=STRANGE)))
    assert replay(warehouse, landing) == [Replayed("football_data", E0, 1, n_added=1, n_withdrawn=0, n_left=0)]
    known = warehouse.read(
        "select r.cells ->> 'HomeTeam' as home, f.fetched_at from bronze.football_data_match r join bronze.source_file f using (file_id)"
        " order by 1"
    )
    assert known["home"].tolist() == ["Home 1", "Home 2"]
    assert set(known["fetched_at"]) == {FIRST}
    assert file_versions.reconciliation(warehouse).empty


def test_a_second_replay_changes_nothing(warehouse: Warehouse, landing: Landing) -> None:
    load(warehouse, landing, file(line(1), line(2, date=STRANGE), line(3, score="x,0,H")))
    assert len(replay(warehouse, landing)) == 1
    before = everything(warehouse)
    assert replay(warehouse, landing) == []
    assert everything(warehouse) == before


def test_with_the_parser_as_it_was_nothing_changes(warehouse: Warehouse, landing: Landing) -> None:
    load(warehouse, landing, file(line(1), line(2, date=STRANGE)))
    before = everything(warehouse)
    assert replay(warehouse, landing, parse=parse_as_it_was) == []
    assert everything(warehouse) == before


HISTORIES = {
    "the line stands in every version": [
        file(line(1), line(2, date=STRANGE)),
        file(line(1), line(2, date=STRANGE), line(3)),
    ],
    "the line goes with a later version": [file(*map(line, range(30)), line(50, date=STRANGE)), file(*map(line, range(30)))],
    "the line says something else later": [
        file(line(1), line(2, date=STRANGE)),
        file(line(1), line(2, score="2,2,D", date=STRANGE)),
        file(line(1), line(2, score="3,2,H", date=STRANGE), line(3)),
    ],
    "the source mended the line": [file(line(1), line(2, date=STRANGE)), file(line(1), line(2, score="2,2,D"), line(3))],
    "the line kept an earlier state standing": [
        file(line(1), line(2)),
        file(line(1), line(2, score="2,2,D", date=STRANGE)),
        file(line(1), line(2, score="2,2,D", date=STRANGE), line(3)),
    ],
    "the line was there, went and came back": [
        file(*map(line, range(30)), line(50, date=STRANGE)),
        file(*map(line, range(30))),
        file(*map(line, range(30)), line(50, date=STRANGE)),
    ],
    "the file was refused as a whole": [
        file(line(1), line(2), header=HEADER.replace("Date", "Day")),
        file(line(1), line(2), line(3), header=HEADER.replace("Date", "Day")),
    ],
    "the file was refused as a whole, and shorter the second time": [
        file(*map(line, range(30)), header=HEADER.replace("Date", "Day")),
        file(*map(line, range(10)), header=HEADER.replace("Date", "Day")),
    ],
    "a version is shorter than the one before it, most of which was set aside": [
        file(*map(line, range(30))),
        file(*map(line, range(30)), *(line(n, date=STRANGE) for n in range(30, 90))),
        file(*map(line, range(30)), *(line(n, date=STRANGE) for n in range(30, 45))),
        file(*map(line, range(29)), *(line(n, date=STRANGE) for n in range(30, 50))),
    ],
    "another line of it stays set aside": [file(line(1), line(2, date=STRANGE), line(3, score="x,0,H"))],
    "the line has a cell that says nothing": [file(line(1), line(2, date=STRANGE, odds="#"), line(3, odds="0"))],
    "more lines than are listed one by one": [file(line(0), *(line(n, date=STRANGE) for n in range(1, 131)))],
    "the version was cut short": [file(line(1), line(2, date=STRANGE), "E0,12/08/2023,Ho", final="")],
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_afterwards_bronze_is_as_if_the_mended_parser_had_read_every_version_at_once(
    history: list[bytes], database: Urls, warehouse: Warehouse, landing: Landing
) -> None:
    load(warehouse, landing, *history, parse=parse_mended)
    at_once = everything(warehouse)
    empty(database)
    load(warehouse, landing, *history)
    assert everything(warehouse) != at_once
    assert replay(warehouse, landing)
    assert everything(warehouse) == at_once
    assert replay(warehouse, landing) == []


def test_where_a_later_version_has_the_line_already_both_stand_one_after_the_other(
    warehouse: Warehouse, landing: Landing
) -> None:
    refused = file(line(1), line(2, score="2,2,D"), header=HEADER.replace("Date", "Day"))
    load(warehouse, landing, file(line(1), line(2)), refused, file(line(1), line(2, score="2,2,D"), line(3)))
    assert replay(warehouse, landing) == [Replayed("football_data", E0, 2, n_added=1, n_withdrawn=1, n_left=0)]
    with warehouse.connect() as connection:
        rows = connection.execute(
            "select cells ->> 'FTHG', since_version, until_version from bronze.football_data_match"
            " where cells ->> 'HomeTeam' = 'Home 2' order by since_version"
        ).fetchall()
    assert rows == [("1", 1, 2), ("2", 2, 3), ("2", 3, None)]
    assert file_versions.reconciliation(warehouse).empty


@pytest.mark.parametrize("brought_by", ["the same version", "an earlier one"])
def test_a_line_that_was_loaded_stays_as_it_is_though_the_mended_parser_reads_it_otherwise(
    brought_by: str, warehouse: Warehouse, landing: Landing
) -> None:
    content = file(line(0, odds="2.50"), *(line(n, date=STRANGE) for n in range(1, 131)))
    earlier = [file(line(0, odds="2.50"))] if brought_by == "an earlier one" else []
    load(warehouse, landing, *earlier, content)

    def parse(source: str, key: str, content: bytes) -> ParsedFile:
        return parse_mended(source, key, content.replace(b"2.50", b"2.5"))

    (done,) = replay(warehouse, landing, parse=parse)
    assert (done.n_added, done.n_withdrawn) == (130, 0)
    with warehouse.connect() as connection:
        rows = connection.execute(
            "select cells ->> 'B365H', since_version, until_version from bronze.football_data_match"
            " where cells ->> 'HomeTeam' = 'Home 0'"
        ).fetchall()
    assert rows == [("2.50", 1, None)]
    assert file_versions.reconciliation(warehouse).empty


def test_what_comes_out_of_an_earlier_version_and_stands_is_judged_though_a_later_one_was_accepted(
    warehouse: Warehouse, landing: Landing
) -> None:
    load(warehouse, landing, file(line(1), line(2, date=STRANGE)), file(line(1)) + b"E0,12/08/2023,Ho")
    with warehouse.connect() as connection:
        connection.execute("update bronze.source_file set accepted_at = now()")
    replay(warehouse, landing)
    frame, files = file_versions.unaccepted_rows(warehouse, ["main"], {"home": ["HomeTeam"]})
    assert (sorted(frame["home"]), len(files)) == (["Home 1", "Home 2"], 1)


def test_what_comes_out_of_the_quarantine_meets_the_expectations_like_anything_new(
    warehouse: Warehouse, landing: Landing
) -> None:
    load(warehouse, landing, file(line(1), line(2, date=STRANGE)))
    with warehouse.connect() as connection:
        connection.execute("update bronze.source_file set accepted_at = now()")
    replay(warehouse, landing)
    frame, files = file_versions.unaccepted_rows(warehouse, ["main"], {"home": ["HomeTeam"]})
    assert (sorted(frame["home"]), len(files)) == (["Home 1", "Home 2"], 1)


def test_only_what_is_named_is_taken_up(warehouse: Warehouse, landing: Landing) -> None:
    load(warehouse, landing, file(line(1), line(2, date=STRANGE)))
    load(warehouse, landing, file(line(1, division="E1"), line(2, date=STRANGE, division="E1")), key=E1)
    assert replay(warehouse, landing, Which(reason="broken_off")) == []
    assert replay(warehouse, landing, Which(source="inbox")) == []
    assert [done.key for done in replay(warehouse, landing, Which(key=E1, reason="bad_date"))] == [E1]
    assert quarantine.listing(warehouse, Which())["key"].tolist() == [E0]


def test_one_file_whose_bytes_are_lost_leaves_every_file_as_it_was(warehouse: Warehouse, landing: Landing) -> None:
    load(warehouse, landing, file(line(1), line(2, date=STRANGE)))
    lost = file(line(1, division="E1"), line(2, date=STRANGE, division="E1"))
    load(warehouse, landing, lost, key=E1)
    (path,) = (path for path in landing.root.rglob("*") if path.is_file() and path.read_bytes() == lost)
    path.unlink()
    before = everything(warehouse)
    with pytest.raises(FileNotFoundError):
        replay(warehouse, landing)
    assert everything(warehouse) == before


@pytest.fixture
def command(database: Urls, landing: Landing, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INGEST_DATABASE_URL", database.ingest)
    monkeypatch.setenv("MODEL_DATABASE_URL", database.model)
    monkeypatch.setenv("READER_DATABASE_URL", database.reader)
    monkeypatch.setenv("LANDING_DIR", str(landing.root))

    def run(*arguments: str, exit_code: int = 0) -> str:
        done = CliRunner().invoke(quarantine_group, list(arguments))
        assert done.exit_code == exit_code, done.output
        return done.output

    return run


def test_the_list_counts_by_source_file_and_reason_and_names_an_entry_to_show(
    warehouse: Warehouse, landing: Landing, command
) -> None:
    load(warehouse, landing, file(line(1), line(2, date=STRANGE), line(3, date=STRANGE)), file(line(1), line(3, date=STRANGE)))
    (found,) = json.loads(command("list", "--json"))
    assert {name: found[name] for name in ("source", "key", "reason", "n_lines", "n_versions")} == {
        "source": "football_data",
        "key": E0,
        "reason": "bad_date",
        "n_lines": 3,
        "n_versions": 2,
    }
    shown = json.loads(command("show", str(found["entry"]), "--json"))
    assert (shown["key"], shown["version"], shown["line_number"]) == (E0, 2, 3)
    assert shown["content"] == line(3, date=STRANGE)
    assert shown["explanation"] == f"The date does not exist or is not written as day/month/year: {STRANGE}."
    text = command("show", str(found["entry"]))
    assert f"football_data/{E0}, version 2 of 2023-08-14 00:00 UTC, line 3" in text
    assert line(3, date=STRANGE) in text
    assert "bad_date" in command("list")
    assert json.loads(command("list", "--json", "--reason", "no_date")) == []
    assert "Nothing is set aside." in command("list", "--file", E1)


def test_an_entry_that_is_not_there_is_a_sentence(command) -> None:
    assert "there is no entry 7; `football quarantine list` names one" in command("show", "7", exit_code=1)


def test_a_replay_says_what_it_changed(warehouse: Warehouse, landing: Landing, command, monkeypatch: pytest.MonkeyPatch) -> None:
    load(warehouse, landing, file(line(1), line(2, date=STRANGE)))
    assert "Nothing has changed" in command("replay")
    assert json.loads(command("replay", "--json")) == []
    monkeypatch.setattr("pipelines.sources.registry.parse", lambda _, source, key, content: parse_mended(source, key, content))
    assert f"football_data/{E0} version 1: 1 lines are matches now, 0 earlier states ended, 0 lines stay set aside" in command(
        "replay"
    )
