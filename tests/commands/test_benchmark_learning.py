"""Learning is timed on what it is said to be timed on, and a peer that is not there is said so."""

import importlib.util
from datetime import timedelta

import pandas as pd
import pytest

from pipelines import benchmark_learning
from pipelines.benchmark_learning import _fitter, compare_dixon_coles
from pipelines.forecast import dixon_coles
from pipelines.forecast.contract import MARKET_COLUMNS
from pipelines.forecast.features import assemble, rate
from pipelines.forecast.models import MODELS
from tests.forecast.conftest import simulate


def test_without_penaltyblog_it_is_said_so_and_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said: list[str] = []
    assert compare_dixon_coles(None, said.append) is None  # type: ignore[arg-type]
    assert "penaltyblog is not installed" in said[0]


def test_a_routine_refit_learns_from_a_week_that_the_fit_before_it_had_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    matches, warehouse = simulate()
    features = assemble(matches, rate(matches), warehouse)
    rows = matches.set_index("match_id").loc[features.index].reset_index()
    quotes = pd.DataFrame(float("nan"), index=features.index, columns=list(MARKET_COLUMNS))
    learnt: list[int] = []
    usual = MODELS["results-logit"].make().__class__

    def fit(self: object, features: pd.DataFrame, labels: pd.DataFrame, grown: object) -> object:
        learnt.append(len(features))
        return self

    monkeypatch.setattr(usual, "fit", fit)
    run = _fitter((rows, features, quotes), "results-logit")
    run({}, timedelta(days=7))
    run({}, None)
    known_at = rows["known_at"].dropna()
    assert learnt == [int((known_at < known_at.max() - timedelta(days=7)).sum()), len(known_at)]
    assert learnt[0] < learnt[1]


def test_the_decay_that_both_fits_share_is_ours() -> None:
    assert benchmark_learning.N_SEASONS * 365 < dixon_coles.WINDOW_DAYS, "no match is outside the window of one of them"
