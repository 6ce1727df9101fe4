"""Earlier states of real files first and the final ones after, where there are any."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from deploy.database import Urls
from pipelines.sources.football_data import FootballData
from pipelines.sources.http import Web
from pipelines.sources.protocol import Delivery, ParsedFile, Scope
from pipelines.store import bronze, encoding, file_versions
from pipelines.store.warehouse import Warehouse

NOW = datetime(2024, 7, 1, tzinfo=UTC)
CURRENT = (
    "select key, encode(row_digest, 'hex') as digest from bronze.football_data_match where until_version is null order by 1, 2"
)


def files(folder: Path, keys: frozenset[str] | None = None) -> Iterator[tuple[Delivery, ParsedFile]]:
    source = FootballData(folder.as_uri(), Web())
    for key in source.list(Scope.read("all", "all", date(2024, 6, 30))):
        if keys is None or key in keys:
            answer = source.fetch(key)
            assert isinstance(answer, Delivery)
            yield answer, source.parse(key, answer.content)


@pytest.fixture
def loaded_in_steps(database: Urls, corpus: Path) -> Warehouse:
    """Both snapshots, then the final state of the files they hold."""
    warehouse = Warehouse(database.ingest)
    root = corpus / "football-data"
    snapshots = [root / "snapshots/2017-04", root / "snapshots/2018-09"]
    keys = frozenset(answer.key for folder in snapshots for answer, _ in files(folder))
    with warehouse.connect() as connection:
        for folder in snapshots:
            list(bronze.load_many(connection, files(folder), NOW))
        list(bronze.load_many(connection, files(root, keys), NOW))
    return warehouse


def test_earlier_states_leave_no_trace_in_the_current_rows_and_every_trace_in_the_versions(
    loaded_in_steps: Warehouse, corpus: Path
) -> None:
    warehouse = loaded_in_steps
    current = warehouse.read(CURRENT)
    expected = [
        (answer.key, digest.hex())
        for answer, parsed in files(corpus / "football-data", frozenset(current["key"]))
        for digest in encoding._encode_rows(parsed.rows)
    ]
    assert list(zip(current["key"], current["digest"], strict=True)) == sorted(expected)
    assert file_versions.reconciliation(warehouse).empty
    states = warehouse.read("select key, state from bronze.source_file where state <> 'intact' order by key")
    assert states.to_numpy().tolist() == [
        ["mmz4281/0809/E1.csv", "truncated"],
        ["mmz4281/1718/E2.csv", "truncated"],
        ["mmz4281/9596/D1.csv", "truncated"],
    ]
    osasuna = warehouse.read(
        """
        select cells ->> 'PSCH' as odds, since_version, coalesce(until_version, 0) as until_version
        from bronze.football_data_match
        where key = 'mmz4281/1617/SP1.csv' and cells ->> 'Date' = '18/09/16'
            and 'Osasuna' in (cells ->> 'HomeTeam', cells ->> 'AwayTeam')
        order by since_version
        """
    )
    assert osasuna.to_numpy().tolist() == [["2.5", 1, 2], ["3.5", 2, 0]]
