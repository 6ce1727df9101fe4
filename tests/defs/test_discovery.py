"""A competition that nobody knows appears by itself: over HTTP by the page that links the files, in a folder by its file."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from deploy.database import Urls
from pipelines.commands.backfill import _scope
from pipelines.defs import alerts
from pipelines.defs.backfill import backfill, file
from pipelines.defs.ingestion import ARE_KNOWN, N_REFUSED, Ingestion, ingestion
from pipelines.defs.partitions import FILES
from pipelines.defs.resources import resources
from pipelines.settings import Settings
from pipelines.sources.listing import MOST, linked
from pipelines.sources.protocol import SourceRefuses
from pipelines.sources.registry import listing_of
from pipelines.store import notifications
from pipelines.store.landing import open_landing
from pipelines.store.warehouse import Warehouse
from tests.defs.conftest import E0, FIXTURES, Site

PAGE = "/data.php"
AUSTRALIA = (
    b"Country,League,Season,Date,Time,Home,Away,HG,AG,Res\nAustralia,A-League,2024/2025,18/10/2024,09:35,Sydney,Perth,3,0,H\n"
)
SECOND = b"Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\nQ1,01/11/2024,A,B,1,0,H\n"
LINKS = b"""<html><body><a href="notes.txt">Notes</a> <A HREF="mmz4281/2425/E0.csv">Premier League</A>
<a href="/mmz4281/2425/Q1.csv?again">Q</a> <a href='new/AUS.csv'>A-League</a> <a href="new/AUS.csv#top">again</a>
<a href="https://elsewhere.example/new/XYZ.csv">elsewhere</a> <a href="new/Latest_Results.csv">latest</a> <a name="x">"""
DEFINITIONS = dg.Definitions(
    assets=[ingestion, file],
    jobs=[backfill, dg.define_asset_job("day", selection=dg.AssetSelection.groups("bronze"))],
    resources=resources().resources,
    executor=dg.in_process_executor,
)


class World:
    """A database, an instance of Dagster, a source that the settings name."""

    def __init__(self, instance: dg.DagsterInstance, environment: pytest.MonkeyPatch, bronze: str) -> None:
        self.instance, self.environment, self.bronze = instance, environment, bronze

    def day(self, url: str, competitions: str = "E0") -> dg.AssetCheckEvaluation:
        """The day's round; what it says of competitions."""
        self.environment.setenv("FOOTBALL_DATA_URL", url)
        self.environment.setenv("COMPETITIONS", competitions)
        result = DEFINITIONS.resolve_job_def("day").execute_in_process(instance=self.instance)
        (found,) = (each for each in result.get_asset_check_evaluations() if each.check_name == ARE_KNOWN.name)
        return found

    def new_partitions(self) -> list[str]:
        return sorted(each for each in self.instance.get_dynamic_partitions(FILES.name or "") if "AUS" in each or "Q1" in each)

    def loaded(self) -> list[tuple[str, str]]:
        with psycopg.connect(self.bronze) as connection:
            return connection.execute(
                "select key, coalesce(cells ->> 'Home', cells ->> 'HomeTeam') from bronze.football_data_match "
                "where key like '%/%' order by key"
            ).fetchall()


@pytest.fixture
def world(database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    values = {
        "SOURCES": "football_data",
        "SEASONS": "2024",
        "STATE_DIR": str(tmp_path / "state"),
        "INGEST_DATABASE_URL": database.ingest,
        "MODEL_DATABASE_URL": database.model,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(instance, monkeypatch, database.ingest)


@pytest.fixture
def listed(site: Site) -> Site:
    site.files |= {PAGE: LINKS, "/new/AUS.csv": AUSTRALIA, "/mmz4281/2425/Q1.csv": SECOND}
    return site


BOTH = ["football_data/mmz4281/2425/Q1.csv", "football_data/new/AUS.csv"]


def test_what_the_page_links_and_nobody_knows_is_a_partition_and_loaded_where_all_competitions_are(
    world: World, listed: Site
) -> None:
    said = world.day(listed.url, "all")
    assert world.new_partitions() == BOTH
    assert world.loaded() == [("mmz4281/2425/E0.csv", "A"), ("mmz4281/2425/Q1.csv", "A"), ("new/AUS.csv", "Sydney")]
    assert (said.passed, said.severity, said.description) == (False, dg.AssetCheckSeverity.WARN, "nobody knows Q1, AUS")
    table = said.metadata["unknown"].value
    assert isinstance(table, dg.MetadataValue | list)
    assert "dbt_project/seeds/competition.csv" in str(table)


def test_a_scope_that_does_not_take_it_in_leaves_it_unloaded_until_somebody_asks_for_it(world: World, listed: Site) -> None:
    assert world.day(listed.url).description == "nobody knows Q1, AUS"
    assert world.new_partitions() == BOTH
    assert "/new/AUS.csv" not in dict(listed.seen())
    assert _scope(Settings.read(), ["AUS"], None, None).competitions == {"AUS"}, "as `football backfill AUS` reads it"
    config = {"ops": {"landing__file": {"config": {"partitions": ["football_data/new/AUS.csv"]}}}}
    assert DEFINITIONS.resolve_job_def("backfill").execute_in_process(instance=world.instance, run_config=config).success
    assert ("new/AUS.csv", "Sydney") in world.loaded()


def test_the_page_is_asked_for_once_a_day_and_costs_a_304_while_it_stays_as_it_is(world: World, listed: Site) -> None:
    def asked_for() -> list[int]:
        return [status for path, status in listed.seen() if path == PAGE]

    world.day(listed.url)
    world.day(listed.url)
    assert asked_for() == [200]
    kept = listing_of(Settings.read())
    yesterday = str(datetime.now(UTC).date() - timedelta(days=1))
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "looked_on": yesterday}))
    assert not world.day(listed.url).passed
    assert asked_for() == [304]


@pytest.mark.parametrize("trouble", ["missing", "refused", "garbage"])
def test_without_a_page_the_day_goes_on_with_what_it_knows(world: World, listed: Site, trouble: str) -> None:
    if trouble == "refused":
        listed.refused.add(PAGE)
    listed.files = {E0: listed.files[E0]} | ({PAGE: b"\xff\x00<a href=><a href='new/\x00.csv'>"} if trouble == "garbage" else {})
    assert world.day(listed.url).passed
    assert world.loaded() == [("mmz4281/2425/E0.csv", "A")]
    world.day(listed.url)
    assert [path for path, _ in listed.seen()].count(PAGE) == 1, "and is asked for no second time that day"


def test_a_page_that_went_away_is_believed_as_it_was_and_what_cannot_be_read_of_it_is_asked_anew(
    world: World, listed: Site
) -> None:
    world.day(listed.url)
    kept = listing_of(Settings.read())
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "looked_on": ""}))
    del listed.files[PAGE]
    assert world.day(listed.url).description == "nobody knows Q1, AUS"
    kept.write_text("{")
    assert world.day(listed.url).passed


def test_a_folder_shows_what_it_has_without_a_page(world: World, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    for name, content in {"new/AUS.csv": AUSTRALIA, "mmz4281/2425/Q1.csv": SECOND}.items():
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).write_bytes(content)
    assert world.day(mirror.as_uri(), "all").description == "nobody knows Q1, AUS"
    assert world.new_partitions() == BOTH
    assert world.loaded() == [("mmz4281/2425/Q1.csv", "A"), ("new/AUS.csv", "Sydney")]
    assert not listing_of(Settings.read()).exists()


def test_people_are_told_of_each_once_with_what_to_add_where(world: World, listed: Site) -> None:
    assert alerts.competition_sensor().skip_message == "every competition is known, or was told of"
    world.day(listed.url)
    assert alerts.competition_sensor().skip_message == "told of Q1, AUS"
    assert alerts.competition_sensor().skip_message == "every competition is known, or was told of"
    australia, second = notifications.recent(Warehouse(Settings.read().model_url), 9)
    assert (australia.severity, australia.title) == (
        "warning",
        f"football-data.co.uk has a competition that nobody knows: AUS ({Settings.read().edition})",
    )
    assert "Add AUS to NEW_LEAGUES, with the text of its column Country, in pipelines/sources/football_data.py" in australia.body
    assert "Add Q1 to DIVISIONS in pipelines/sources/football_data.py" in second.body


def test_refused_files_of_competitions_that_nobody_knows_are_faults_of_theirs_and_no_outage(world: World, site: Site) -> None:
    unknown = [f"/new/{code}.csv" for code in ("AUS", "CHL", "IND", "KOR", "NZL")]
    assert len(unknown) > N_REFUSED
    site.files[PAGE] = "".join(f'<a href="{path}">' for path in unknown).encode()
    site.refused = {*unknown}
    world.day(site.url, "all")
    assert {path for path, status in site.seen() if status == 403} == {*unknown}
    assert world.loaded() == [("mmz4281/2425/E0.csv", "A")]


def test_a_competition_that_nobody_knows_and_is_not_there_hides_no_outage_of_what_is_known(world: World, site: Site) -> None:
    site.files[PAGE] = b'<a href="new/AUS.csv">'
    site.refused = {E0, FIXTURES, "/new_league_fixtures.csv"}
    assert len(site.refused) == N_REFUSED, "no more than may be out of reach while others come"
    world.environment.setenv("FOOTBALL_DATA_URL", site.url)
    world.environment.setenv("COMPETITIONS", "E0,AUS")
    settings = Settings.read()
    ingestion = Ingestion(settings, Warehouse(settings.ingest_url), open_landing(settings.landing))
    assert ingestion.look() is None
    with pytest.raises(SourceRefuses, match=r"refuses to give mmz4281/2425/E0\.csv"):
        ingestion.run()
    assert ("/new/AUS.csv", 404) in site.seen()


def test_only_csv_files_below_the_source_are_links_to_files() -> None:
    root = "http://here.example/mirror"
    page = LINKS.decode() + '<a href="../secret.csv"> <a href="//there.example/a.csv"> <a href="new/NZL.CSV">'
    assert linked(page, f"{root}/data.php", root) == [
        "mmz4281/2425/E0.csv",
        "new/AUS.csv",
        "new/Latest_Results.csv",
        "new/NZL.CSV",
    ]
    many = "".join(f'<a href="{k}.csv">' for k in range(MOST + 1))
    assert len(linked(many, f"{root}/data.php", root)) == MOST
