"""What an issue rests on, on a real PostgreSQL: every file version, in its order and at its moment, and none that came later."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.database import Urls
from pipelines.reproduction import load
from pipelines.settings import Settings
from pipelines.sources import football_data
from pipelines.sources.protocol import Delivery
from pipelines.store import basis, bronze
from pipelines.store.landing import FolderLanding
from pipelines.store.warehouse import Warehouse

KEY = "mmz4281/2324/E0.csv"
HEADER = "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR\n"
NOW = datetime(2024, 1, 1, 6, 0, 0, 123456, tzinfo=UTC)
CONTENTS = [
    f"{HEADER}E0,12/08/2023,15:00,A,B,1,0,H\n",
    f"{HEADER}E0,12/08/2023,15:00,A,B,1,0,H\nE0,19/08/2023,15:00,C,D,0,0,D\nE0,19/08/2023,15:00,E,F,0,",  # cut short
    "<html></html>",
    f"{HEADER}E0,12/08/2023,15:00,A,B,2,0,H\nE0,19/08/2023,15:00,C,D,0,0,D\n",
]


def deliver(warehouse: Warehouse, content: str, day: int) -> None:
    moment = NOW + timedelta(days=day)
    delivery = Delivery("football_data", KEY, content.encode(), None, None, moment + timedelta(seconds=1))
    with warehouse.connect() as connection:
        bronze.load(connection, delivery, football_data.FootballData("", None).parse(KEY, delivery.content), moment)  # type: ignore[arg-type]


ROWS = """
    select f.version, f.state, f.sha256, f.fetched_at, r.since_version, r.until_version, r.cells::text as cells, r.ingested_at
    from bronze.source_file as f left join bronze.football_data_match as r using (file_id)
    order by f.file_id, r.row_id
"""


@pytest.fixture
def original(database: Urls) -> Warehouse:
    warehouse = Warehouse(database.ingest)
    for day, content in enumerate(CONTENTS):
        deliver(warehouse, content, day)
    return warehouse


def test_loaded_from_the_landing_zone_bronze_is_as_it_was(
    original: Warehouse, database: Urls, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same tables emptied and filled again: bad versions in between decide which lines stand, and since when."""
    landing = FolderLanding(tmp_path_factory.mktemp("landing"))
    for content in CONTENTS:
        landing.put(content.encode())
    before, versions = original.read(ROWS), basis.versions(Warehouse(database.reader), through=10**9)
    digest = basis.files_sha256(original, through=10**9)
    with Warehouse(database.owner).connect() as owner:
        owner.execute("truncate bronze.source_file, bronze.football_data_match, bronze.quarantine, bronze.unusable_cell cascade")
    load(Settings.read({}), original, landing, versions)
    after = original.read(ROWS)
    assert after.drop(columns="fetched_at").equals(before.drop(columns="fetched_at"))
    assert basis.files_sha256(original, through=10**9) == digest


def test_what_came_later_is_no_part_of_it(original: Warehouse) -> None:
    ids = original.read("select file_id from bronze.source_file order by file_id")["file_id"].tolist()
    first = basis.files_sha256(original, ids[0])
    deliver(original, CONTENTS[0] + "E0,26/08/2023,15:00,G,H,3,3,D\n", day=9)
    assert basis.files_sha256(original, ids[0]) == first
    assert basis.files_sha256(original, ids[1]) != first
    assert [version.ingested_at for version in basis.versions(original, ids[1])] == [NOW, NOW + timedelta(days=1)]
