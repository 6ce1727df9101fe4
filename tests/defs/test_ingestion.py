"""A round through the files of a source, where the source itself is in trouble."""

import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from deploy.database import Urls
from pipelines.defs.ingestion import N_REFUSED, Ingestion
from pipelines.settings import Settings
from pipelines.sources.protocol import Source, SourceUnreachable
from pipelines.store.landing import open_landing
from pipelines.store.warehouse import Warehouse
from tests.defs.conftest import E0, Site, coming, played
from tests.sources.test_football_data_org import Api


class Dead:
    """A source of many files that takes its time to say that it cannot be reached."""

    name = "football_data"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def list(self, scope: object) -> list[str]:
        return [f"mmz4281/{k:04}/E0.csv" for k in range(200)]

    def fetch(self, key: str) -> None:
        self.asked.append(key)
        time.sleep(0.05)
        raise SourceUnreachable(f"{key} is out of reach")


def test_a_dead_source_is_given_up_after_a_few_files_not_asked_for_each_of_hundreds(
    database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"STATE_DIR": str(tmp_path), "INGEST_DATABASE_URL": database.ingest, "SOURCES": "football_data"}.items():
        monkeypatch.setenv(name, value)
    settings, dead = Settings.read(), Dead()
    ingestion = Ingestion(settings, Warehouse(settings.ingest_url), open_landing(settings.landing))
    monkeypatch.setattr(ingestion, "sources", cast(Mapping[str, Source], {"football_data": cast(Any, dead)}))
    with pytest.raises(SourceUnreachable, match=r"mmz4281/0003/E0\.csv is out of reach"):
        ingestion.run()
    assert N_REFUSED < len(dead.asked) < 100  # some more than decided it, for the threads go on meanwhile


def test_a_source_that_has_none_of_the_files_that_it_had_is_out_of_reach_and_one_file_alone_is_not(
    database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    asked = {"SOURCES": "football_data", "FOOTBALL_DATA_URL": site.url, "COMPETITIONS": "E0", "SEASONS": "2024"}
    for name, value in {"STATE_DIR": str(tmp_path), "INGEST_DATABASE_URL": database.ingest, **asked}.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read()
    rounds = [Ingestion(settings, Warehouse(settings.ingest_url), open_landing(settings.landing)) for _ in range(3)]
    rounds[0].run()
    del site.files[E0]
    rounds[1].run()
    assert [str(each.fault) for each in rounds[1].faults] == ["football_data has mmz4281/2425/E0.csv no more."]
    site.files.clear()
    with pytest.raises(SourceUnreachable, match="football_data has none of the files that were loaded before"):
        rounds[2].run()


def test_a_source_whose_only_file_is_gone_is_out_of_reach_like_one_that_has_none_of_its_files(
    database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    header = "date,home_team,away_team,home_score,away_score,tournament,city,country,neutral"
    site.files = {"/results.csv": f"{header}\n2024-06-14,A,B,1,0,Friendly,C,D,FALSE\n".encode()}
    asked = {"SOURCES": "international", "INTERNATIONAL_URL": site.url, "COMPETITIONS": "all", "SEASONS": "all"}
    for name, value in {"STATE_DIR": str(tmp_path), "INGEST_DATABASE_URL": database.ingest, **asked}.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read()
    rounds = [Ingestion(settings, Warehouse(settings.ingest_url), open_landing(settings.landing)) for _ in range(2)]
    rounds[0].run()
    assert rounds[0].n_inserted == {"international": 1}
    site.files.clear()
    with pytest.raises(
        SourceUnreachable, match=r"international has none of the files that were loaded before .*\(results\.csv\)"
    ):
        rounds[1].run()
    assert [each.key for each in rounds[1].faults] == ["results.csv"], "and its partition says so"


HEADER = "date,home_team,away_team,home_score,away_score,tournament,city,country,neutral"
MATCH = b'{"name": "", "matches": [{"date": "2024-08-16", "team1": "A", "team2": "B"}]}'
MIRRORED = {
    "football_data": {"mmz4281/2425/E0.csv": played(1), "fixtures.csv": coming(2.0)},
    "openfootball": {"2024-25/en.1.json": MATCH, "2024-25/de.1.json": MATCH},
    "international": {"results.csv": f"{HEADER}\n2024-06-14,A,B,1,0,Friendly,C,D,FALSE\n".encode()},
}


@pytest.mark.parametrize("source", MIRRORED)
def test_a_mirror_whose_folder_is_there_and_empty_is_out_of_reach_like_a_server_that_has_none_of_its_files(
    source: str, database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its disk is not mounted: it listed nothing, and that was taken for nothing new."""
    mirror, files = tmp_path / "mirror", MIRRORED[source]
    for key, content in files.items():
        (mirror / key).parent.mkdir(parents=True, exist_ok=True)
        (mirror / key).write_bytes(content)
    asked = {"SOURCES": source, f"{source.upper()}_URL": mirror.as_uri(), "COMPETITIONS": "E0,D1", "SEASONS": "2024"}
    for name, value in {"STATE_DIR": str(tmp_path), "INGEST_DATABASE_URL": database.ingest, **asked}.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read()
    rounds = [Ingestion(settings, Warehouse(settings.ingest_url), open_landing(settings.landing)) for _ in range(3)]
    rounds[0].run()
    assert rounds[0].n_new == len(files)
    if len(files) > 1:
        (mirror / next(iter(files))).unlink()
        rounds[1].run()
        assert [str(each.fault) for each in rounds[1].faults] == [f"{source} has {next(iter(files))} no more."]
    shutil.rmtree(mirror)
    mirror.mkdir()
    with pytest.raises(SourceUnreachable, match=f"{source} has none of the files that were loaded before"):
        rounds[2].run()
    monkeypatch.setenv("SEASONS", "2023")
    monkeypatch.setenv("COMPETITIONS", "F1")
    if source == "openfootball":  # the others have files that are asked for whatever the scope
        elsewhere = Ingestion(Settings.read(), Warehouse(settings.ingest_url), open_landing(settings.landing))
        elsewhere.run()
        assert elsewhere.faults == []


def test_a_key_that_has_run_out_is_a_warning_and_the_other_sources_are_loaded(
    database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    """The source that wants it is optional, and asked first here."""
    api = Site()
    api.is_out_of_order = True  # it answers 403
    asked = {
        "SOURCES": "football_data_org,football_data",
        "FOOTBALL_DATA_URL": site.url,
        "FOOTBALL_DATA_ORG_URL": api.url,
        "FOOTBALL_DATA_ORG_TOKEN": "of last year",
        "COMPETITIONS": "E0,E1,D1,I1,SP1,F1",
        "SEASONS": f"2024-{datetime.now(UTC).year}",
    }
    for name, value in {"STATE_DIR": str(tmp_path), "INGEST_DATABASE_URL": database.ingest, **asked}.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read()
    ingestion = Ingestion(settings, Warehouse(settings.ingest_url), open_landing(settings.landing))
    ingestion.run()
    api.close()
    assert ingestion.n_inserted == {"football_data": 2}
    faults = [str(each.fault) for each in ingestion.faults if each.source == "football_data_org"]
    assert len(faults) == N_REFUSED + 1
    assert all("HTTP 403" in each for each in faults)
    (note,) = ingestion.notes
    assert note.startswith("football_data_org is out of reach, and the others go on without it: 127.0.0.1:")
    assert "of last year" not in note


def test_a_round_asks_a_keyed_source_for_its_lists_and_loads_their_matches_once(
    database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api()
    asked = {
        "SOURCES": "football_data_org",
        "FOOTBALL_DATA_ORG_URL": api.url,
        "FOOTBALL_DATA_ORG_TOKEN": "the key",
        "COMPETITIONS": "E0",
    }
    for name, value in {"STATE_DIR": str(tmp_path), "INGEST_DATABASE_URL": database.ingest, **asked}.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read()
    rounds = [Ingestion(settings, Warehouse(settings.ingest_url), open_landing(settings.landing)) for _ in range(2)]
    for each in rounds:
        each.run()
    api.close()
    assert [each.n_inserted["football_data_org"] for each in rounds] == [1, 0]
    assert [each.faults for each in rounds] == [[], []]
    ((path, key), _) = api.asked
    assert (path.startswith("/v4/competitions/PL/matches?season="), key) == (True, "the key")
    found = Warehouse(database.reader).read("select source, cells ->> 'homeTeam' as home from bronze.football_data_org_match")
    assert found.to_numpy().tolist() == [["football_data_org", "Burnley FC"]]
