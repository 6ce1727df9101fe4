"""Reading the publication in force on a real PostgreSQL: what it says now, in the numbers that its grids are made of."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from deploy.database import Urls
from pipelines.store import ledger, publication
from pipelines.store.basis import Basis
from pipelines.store.tables import published_prediction
from pipelines.store.warehouse import Warehouse

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def forecasts(information_set: str) -> pd.DataFrame:
    """Two matches, an hour and a day away; the better informed set expects more goals."""
    said = {
        "match_id": ["soon", "later"],
        "information_set": information_set,
        "model_name": "model",
        "model_version": 1,
        "kickoff_at": [NOW + timedelta(hours=1), NOW + timedelta(days=1)],
        "as_of": NOW,
        "issued_at": NOW,
        "p_home": 0.5,
        "p_draw": 0.2,
        "p_away": 0.3,
        "expected_home_goals": 1.25 if information_set == "results" else 1.5,
        "expected_away_goals": 1.0,
        "features_digest": "0" * 64,
        "features": [b"\0" * 8] * 2,
        "feature_names": [("elo_difference",)] * 2,
        "contributions": [[["base", 0.1, 0.2]]] * 2,
        "strength_deviation": 0.6,
        "firmness": "usual",
    }
    return pd.DataFrame(said)


def publish(warehouse: Warehouse, issued: pd.DataFrame, shown_goals: float) -> None:
    """Publish what was issued; shown goals are a tilted grid's, and other than the ledger's."""
    names: dict[str, Any] = {"competition": "C", "country": "X", "home_team": "A", "away_team": "B"}
    ids: dict[str, Any] = {
        "competition_id": "X1",
        "season": 2025,
        "home_team_id": "a",
        "away_team_id": "b",
        "is_time_known": True,
    }
    predictions = issued.assign(**names, **ids, expected_home_goals=shown_goals, book=None, explanation=None)
    predictions["is_best_informed"] = predictions["information_set"] == "history"
    competition = {"competition_id": "X1", "name": "C", "country": "X", "tier": 1, "n_matches": 0, "n_predictions": 2}
    columns = [column.name for column in published_prediction.columns if column.name != "publication_id"]
    content = publication.Content(
        predictions=predictions[columns],
        competitions=pd.DataFrame([competition]).assign(latest_result_on=None),
        is_simulated=True,
        note=None,
        manifest={},
        git_revision=None,
    )
    publication.publish(warehouse, content, NOW, NOW)


def test_coming_matches_are_told_by_the_best_informed_forecast_in_the_ledgers_numbers(database: Urls) -> None:
    warehouse = Warehouse(database.model)
    assert publication.forecasts(warehouse, after=NOW).empty, "before the first publication"
    basis = Basis(NOW - timedelta(hours=1), 7, "f" * 64, None, "Linux", None)
    both = pd.concat([forecasts("results"), forecasts("history")], ignore_index=True)
    issued = ledger.issue(warehouse, both, basis).assign(strength_deviation=0.6, firmness="usual")
    publish(warehouse, issued, shown_goals=2.0)
    publish(warehouse, issued, shown_goals=2.5)
    told = publication.forecasts(warehouse, after=NOW)
    assert told["kickoff_at"].tolist() == [NOW + timedelta(hours=1), NOW + timedelta(days=1)], "of the last publication alone"
    assert told["expected_home_goals"].tolist() == [1.5, 1.5]
    assert told["competition_id"].tolist() == ["X1", "X1"]
    assert told[["season", "home_team_id", "away_team_id"]].to_numpy().tolist() == [[2025, "a", "b"]] * 2
    assert len(publication.forecasts(warehouse, after=NOW + timedelta(hours=1))) == 1, "what has kicked off is not coming"
