"""Which matches a routine refit is compared on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.defs.training import N_UNSEEN, _unseen
from pipelines.forecast.contract import PROBABILITIES

START = datetime(2024, 1, 1, tzinfo=UTC)


class Served:
    """Says of every match what its only feature says."""

    def predict_proba(self, features: pd.DataFrame) -> Any:
        home = features["x"].to_numpy()
        return np.column_stack([home, np.full(len(home), 0.2), 0.8 - home])


@pytest.fixture
def challenger() -> pd.DataFrame:
    n = 2 * N_UNSEEN
    frame = pd.DataFrame(
        {"as_of": [START + timedelta(hours=k) for k in range(n)], "outcome": 0}, index=[f"m{k}" for k in range(n)]
    )
    frame["as_of"] = pd.to_datetime(frame["as_of"], utc=True)
    frame[list(PROBABILITIES)] = [0.4, 0.3, 0.3]
    return frame


@pytest.fixture
def features(challenger: pd.DataFrame) -> pd.DataFrame:
    # In another order: rows are found by their match.
    return pd.DataFrame({"x": np.linspace(0.1, 0.7, len(challenger))}, index=challenger.index).iloc[::-1]


def test_only_matches_forecast_after_the_served_model_had_learnt_count(challenger: pd.DataFrame, features: pd.DataFrame) -> None:
    learnt_until = START + timedelta(hours=N_UNSEEN)
    unseen = _unseen(challenger, features, Served(), learnt_until.isoformat())  # type: ignore[arg-type]
    assert unseen is not None
    assert list(unseen.index) == [f"m{k}" for k in range(N_UNSEEN, 2 * N_UNSEEN)]
    assert unseen["p_home"].tolist() == features.loc[unseen.index, "x"].tolist()
    assert challenger["p_home"].unique().tolist() == [0.4], "the challenger's own forecasts stay"


def test_too_few_of_them_show_nothing(challenger: pd.DataFrame, features: pd.DataFrame) -> None:
    one_too_few = START + timedelta(hours=N_UNSEEN + 1)
    assert _unseen(challenger, features, Served(), one_too_few.isoformat()) is None  # type: ignore[arg-type]


def test_a_model_that_does_not_tell_how_far_it_learnt_is_not_compared(challenger: pd.DataFrame, features: pd.DataFrame) -> None:
    assert _unseen(challenger, features, Served(), None) is None  # type: ignore[arg-type]
