"""What is asked of the process that rates all matches: what was begun is what is written."""

import pickle

import adbc_driver_manager
import pandas as pd
import psycopg
import pytest

from deploy.database import Urls
from pipelines import rating
from pipelines.forecast.contract import MATCH_COLUMNS
from pipelines.store import gold
from pipelines.store.warehouse import Warehouse


def matches(*names: str) -> pd.DataFrame:
    """Matches of one day after the other, each won by one goal."""
    noons = pd.Series(pd.date_range("2000-01-01T12:00Z", periods=len(names), freq="D"))
    hour = pd.Timedelta(hours=1)
    said = {
        "match_id": list(names),
        "competition_id": "E0",
        "country": "England",
        "status": "played",
        "home_team_id": "a",
        "away_team_id": "b",
        "kickoff_at": noons,
        "as_of": noons - hour,
        "known_at": noons + 3 * hour,
        "season": 1999,
        "home_goals": 1.0,
        "away_goals": 0.0,
    }
    return pd.DataFrame(dict.fromkeys(MATCH_COLUMNS, 1.0) | said)


@pytest.fixture
def warehouse(database: Urls) -> Warehouse:
    return Warehouse(database.model)


def there_are(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(gold, "matches", lambda _: matches(*names))


def rated(warehouse: Warehouse) -> list[str]:
    return warehouse.read("select match_id from forecast.match_rating order by match_id")["match_id"].tolist()


def test_what_a_run_has_begun_is_written_and_another_run_rates_what_is_there_then(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    there_are(monkeypatch, "1")
    rating._begin(warehouse, "first")
    there_are(monkeypatch, "1", "2")
    assert rating._write(warehouse, "first") == (1, 1)
    assert rated(warehouse) == ["1"]

    there_are(monkeypatch, "1", "2", "3")
    rating._begin(warehouse, "second")  # begun, and broken off before it was written
    there_are(monkeypatch, "1", "2")
    assert rating._write(warehouse, "third") == (2, 1)
    assert rated(warehouse) == ["1", "2"]


def test_begun_once_more_after_a_failure_the_later_matches_count(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    for names in (("1",), ("1", "2")):
        there_are(monkeypatch, *names)
        rating._begin(warehouse, "run")
    assert rating._write(warehouse, "run") == (2, 2)


def test_a_row_is_written_again_where_its_digest_is_another_or_missing(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    there_are(monkeypatch, "1", "2", "3")
    assert rating._write(warehouse, "run") == (3, 3)
    assert rating._write(warehouse, "run") == (3, 0)
    with psycopg.connect(warehouse.url) as connection:
        connection.execute("update forecast.match_rating set digest = null, elo_home = 0 where match_id = '2'")
        connection.execute("update forecast.match_rating set digest = digest + 1 where match_id = '3'")
    assert rating._write(warehouse, "run") == (3, 2)
    assert warehouse.read("select 1 from forecast.match_rating where elo_home = 0").empty


def test_an_error_of_the_database_is_the_same_kind_of_error_in_the_run() -> None:
    refused = adbc_driver_manager.OperationalError("refused", status_code=adbc_driver_manager.AdbcStatusCode.IO)
    with pytest.raises(psycopg.OperationalError, match="refused") as raised, rating._errors_that_travel():
        raise refused
    assert isinstance(pickle.loads(pickle.dumps(raised.value)), psycopg.OperationalError)
