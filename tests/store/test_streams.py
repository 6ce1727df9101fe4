"""A batch of messages is a file: the manifest, the quarantine's replay and a reproduction hold for it as for any other."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.database import Urls
from pipelines.reproduction import load
from pipelines.settings import Settings
from pipelines.sources import registry, stream
from pipelines.sources.stream import Message, delivery, parse
from pipelines.store import basis, file_versions, quarantine, stream_positions
from pipelines.store.landing import FolderLanding
from pipelines.store.stream_positions import Span
from pipelines.store.warehouse import Warehouse

TOPIC = "football.events"
NOW = datetime(2024, 2, 3, 18, tzinfo=UTC)
RESULT = {
    **{"schema": 1, "kind": "result", "competition": "E0", "home": "Ash", "away": "Birch"},
    **{"kickoff_at": "2024-02-03T15:00:00Z", "home_goals": 2, "away_goals": 1, "final_at": "2024-02-03T16:52:30Z"},
}


@pytest.fixture
def landing(tmp_path: Any) -> FolderLanding:
    return FolderLanding(tmp_path)


def take_in(warehouse: Warehouse, landing: FolderLanding, partition: int, first: int, values: Sequence[bytes]) -> str:
    """A batch that follows the one before it; its SHA-256."""
    now = NOW + timedelta(minutes=first)
    file = delivery(TOPIC, partition, [Message(first + k, now, value) for k, value in enumerate(values)], now)
    landing.put(file.content)
    span = Span(TOPIC, partition, first or None, first + len(values))
    stream_positions.take_in(warehouse, span, file, parse(file.content), now)
    return file.sha256


def said(**changes: object) -> bytes:
    return json.dumps(RESULT | changes).encode()


def test_a_partition_is_named_in_the_manifest_by_its_last_batch_for_there_are_many_in_a_year(
    database: Urls, landing: FolderLanding
) -> None:
    warehouse = Warehouse(database.ingest)
    take_in(warehouse, landing, 0, 0, [said()])
    other = take_in(warehouse, landing, 1, 0, [said(), b"poison"])
    last = take_in(warehouse, landing, 0, 1, [said()])
    assert file_versions.manifest(warehouse, 10**9) == {f"stream/{TOPIC}/0": last, f"stream/{TOPIC}/1": other}
    first_only = int(warehouse.read("select min(file_id) as id from bronze.source_file")["id"][0])
    assert file_versions.manifest(warehouse, first_only).keys() == {f"stream/{TOPIC}/0"}
    assert file_versions.reconciliation(warehouse).empty


def test_batches_are_loaded_again_from_the_landing_zone_row_by_row_as_they_were(database: Urls, landing: FolderLanding) -> None:
    """What `football reproduce` does to make a prediction again that rests on them."""
    warehouse = Warehouse(database.ingest)
    take_in(warehouse, landing, 0, 0, [said(), said(home_goals=3)])
    take_in(warehouse, landing, 0, 2, [b"poison", said(away_goals=4)])
    rows = "select key, line_number, cells::text as cells, ingested_at from bronze.stream_message order by row_id"
    before, digest = warehouse.read(rows), basis.files_sha256(warehouse, 10**9)
    versions = basis.versions(warehouse, 10**9)
    with Warehouse(database.owner).connect() as owner:
        owner.execute("truncate bronze.source_file, bronze.stream_message, bronze.quarantine, bronze.unusable_cell cascade")
    load(Settings.read({}), warehouse, landing, versions)
    assert warehouse.read(rows).equals(before)
    assert len(before) == 3
    assert basis.files_sha256(warehouse, 10**9) == digest


def test_what_a_mended_contract_can_read_is_taken_up_from_the_kept_batch(
    database: Urls, landing: FolderLanding, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse(database.ingest)
    take_in(warehouse, landing, 0, 0, [said(), said(home_goals=stream.MAX_GOALS + 1), said(away_goals=3)])

    def replay() -> list[quarantine.Replayed]:
        return quarantine.replay(
            warehouse,
            landing,
            lambda source, key, content: registry.parse(Settings.read({}), source, key, content),
            quarantine.Which(source="stream"),
            NOW,
        )

    assert replay() == []
    usual = stream._decode
    monkeypatch.setattr(stream, "_decode", lambda value: usual(value.replace(f": {stream.MAX_GOALS + 1},", ": 1,")))
    (done,) = replay()
    assert (done.n_added, done.n_withdrawn, done.n_left) == (1, 0, 0)
    offsets = warehouse.read("select cells ->> 'offset' as at from bronze.stream_message where until_version is null order by 1")
    assert offsets["at"].tolist() == ["0", "1", "2"]
    assert file_versions.reconciliation(warehouse).empty


def test_what_was_set_aside_is_told_for_a_week_as_no_later_version_mends_a_batch(database: Urls, landing: FolderLanding) -> None:
    warehouse = Warehouse(database.ingest)
    take_in(warehouse, landing, 0, 0, [b"poison"])
    assert file_versions.in_quarantine(warehouse).empty, f"set aside at {NOW}"
    with Warehouse(database.owner).connect() as owner:
        owner.execute("update bronze.quarantine set quarantined_at = now() - interval '6 days'")
    assert file_versions.in_quarantine(warehouse)["n_lines"].tolist() == [1]
    assert file_versions.latest_versions(warehouse).empty, "a batch is none of the files that may be refused"
