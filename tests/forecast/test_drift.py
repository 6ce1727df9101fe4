"""The drift rule on made-up records: as rare a false alarm as is stated, and an alarm soon after skill is lost.

In these records the market knows two things of a match, the model one of them; both say exactly what follows from what they know.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from pipelines.forecast.drift import (
    MATCHES_PER_FALSE_ALARM,
    calibration_factors,
    detect,
    distance_factors,
    running_evidence,
)
from pipelines.forecast.metrics import Array, log_loss

START = pd.Timestamp("2025-08-01", tz="UTC")
PER_DAY = 10
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
HIDDEN = 0.4
"""Standard deviation of what only the market knows, on the scale of the logistic of the difference in strength."""
PROMISED = 0.0201
"""The model's distance to the market that follows from it, in nats; see the first test."""


def ordered(strength: Array) -> Array:
    """(..., 3) home, draw, away of a difference in strength."""
    home, not_away = expit(strength - 0.3), expit(strength + 0.85)
    return np.stack([home, not_away - home, 1 - not_away], axis=-1)


def season(n: int, seed: int, lost: float = 0.0, sharpened: float = 1.0) -> pd.DataFrame:
    """A record of n matches.

    Args:
        lost: share of the matches in which the model takes the clubs for others; it goes on as sure as it was.
        sharpened: exponent by which its forecasts are too sharp.
    """
    random = np.random.default_rng(seed)
    seen, hidden = random.normal(0, 0.7, n), random.normal(0, HIDDEN, n)
    market = ordered(seen + hidden)
    outcome = (random.random((n, 1)) >= market.cumsum(axis=1)[:, :2]).sum(axis=1)
    believed = np.where(random.random(n) < lost, random.permutation(seen), seen)
    p = np.einsum("nkj,k->nj", ordered(believed[:, None] + HIDDEN * NODES), WEIGHTS / WEIGHTS.sum()) ** sharpened
    p /= p.sum(axis=1, keepdims=True)
    kickoff = START + pd.to_timedelta(np.arange(n) // PER_DAY, unit="D")
    return pd.DataFrame(
        {
            "information_set": "results",
            "match_id": [f"m{i:06}" for i in range(n)],
            "kickoff_at": kickoff,
            "issued_at": kickoff - pd.Timedelta(days=1),
            "model_name": "model",
            "outcome": outcome,
            "p_home": p[:, 0],
            "p_draw": p[:, 1],
            "p_away": p[:, 2],
            "log_loss": log_loss(p, outcome),
            "market_log_loss": log_loss(market, outcome),
            "promised_difference": PROMISED,
        }
    )


NO_PROMOTION = pd.DataFrame({"model_name": [], "promoted_at": pd.to_datetime([], utc=True)})


def promoted(*days: int) -> pd.DataFrame:
    return pd.DataFrame({"model_name": "model", "promoted_at": [START + pd.Timedelta(days=day) for day in days]})


def test_the_made_up_model_keeps_what_is_promised_of_it() -> None:
    record = season(400_000, seed=0)
    excess = record["log_loss"] - record["market_log_loss"]
    assert excess.mean() == pytest.approx(PROMISED, abs=3 * excess.std() / 400_000**0.5)


def test_false_alarms_are_no_more_frequent_than_stated() -> None:
    """Two hundred records of 4,000 matches, a season of ten leagues: in at most 4,000 / 100,000 of them an alarm."""
    records = [season(4_000, seed) for seed in range(200)]
    alarms = [drift.alarmed_at for record in records for drift in detect(record, NO_PROMOTION) if drift.alarmed_at]
    assert len(alarms) <= 200 * 4_000 / MATCHES_PER_FALSE_ALARM


def test_the_statistics_grow_by_no_more_than_one_a_match_on_average_while_nothing_drifts() -> None:
    """What the stated rate follows from: a mean factor of 1, of every single bet."""
    record = season(400_000, seed=1)
    for factors in (calibration_factors(record), distance_factors(record)):
        error = factors.std(axis=0) / len(factors) ** 0.5
        assert (factors.mean(axis=0) <= 1 + 3 * error).all()


@pytest.mark.parametrize(
    ("what", "within"),
    [({"lost": 1.0}, 400), ({"lost": 0.5}, 1_200), ({"sharpened": 1.5}, 1_000)],
    ids=["the clubs are mixed up", "half of them are", "over-confident"],
)
def test_where_skill_is_lost_an_alarm_comes_within_the_stated_number_of_matches(what: dict[str, float], within: int) -> None:
    """After a season without drift, in nine of ten records."""
    delays = []
    for seed in range(20):
        good, bad = season(4_000, seed), season(3_000, 1_000 + seed, **what)
        record = pd.concat([good, bad], ignore_index=True)
        record["kickoff_at"] = START + pd.to_timedelta(record.index // PER_DAY, unit="D")
        (drift,) = detect(record, NO_PROMOTION)
        delays.append(np.inf if drift.alarmed_at is None else ((drift.alarmed_at - START).days + 1) * PER_DAY - len(good))
    assert np.quantile(delays, 0.9, method="higher") <= within


def test_an_alarm_stands_until_a_model_is_promoted_and_then_only_newer_forecasts_count() -> None:
    bad, good = season(1_000, seed=2, lost=1.0), season(1_000, seed=3)
    good[["kickoff_at", "issued_at"]] += pd.Timedelta(days=100)
    record = pd.concat([bad, good], ignore_index=True)
    (standing,) = detect(record, promoted(-1))
    assert standing.alarmed_at is not None
    assert (standing.alarmed_at, standing.n) == (detect(bad, NO_PROMOTION)[0].alarmed_at, 2_000)
    # A training between the kick-off that raised it and its result has not seen the alarm, and does not end it.
    assert standing.alarmed_at is not None
    too_soon = pd.DataFrame({"model_name": ["model"], "promoted_at": [pd.Timestamp(standing.alarmed_at) + pd.Timedelta(hours=1)]})
    (unheard,) = detect(record, too_soon)
    assert unheard.alarmed_at == standing.alarmed_at
    (after,) = detect(record, promoted(-1, 99))
    assert (after.alarmed_at, after.since) == (None, START + pd.Timedelta(days=99))
    assert after.n == 1_000, "all of the second part were issued on that day or later, and none of the first"


def test_each_information_set_is_judged_by_itself() -> None:
    record = pd.concat([season(500, 4), season(500, 5, lost=1.0).assign(information_set="market")])
    assert {drift.information_set: drift.alarmed_at is not None for drift in detect(record, NO_PROMOTION)} == {
        "market": True,
        "results": False,
    }


def test_without_a_closing_price_or_a_promise_only_calibration_is_judged() -> None:
    record = season(300, 6, lost=1.0).assign(market_log_loss=np.nan)
    assert (distance_factors(record) == 1).all()
    (drift,) = detect(record, NO_PROMOTION)
    assert np.isnan(drift.recent.mean)
    assert drift.distance == pytest.approx(300 / (2 * MATCHES_PER_FALSE_ALARM))
    assert "results" in str(drift)


def test_an_empty_record_shows_nothing() -> None:
    assert detect(season(0, 0), NO_PROMOTION) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 0.98), min_size=2, max_size=2).filter(lambda p: sum(p) < 0.99))
def test_a_calibrated_forecast_has_factors_with_a_mean_of_exactly_one(p: list[float]) -> None:
    """Over the three outcomes, each with its own probability."""
    probabilities = [*p, 1 - sum(p)]
    rows = pd.DataFrame(
        [dict(zip(("p_home", "p_draw", "p_away"), probabilities, strict=True)) | {"outcome": k} for k in range(3)]
    )
    assert np.average(calibration_factors(rows), axis=0, weights=probabilities) == pytest.approx(np.ones(6))


def test_the_statistic_is_the_sum_over_every_match_at_which_a_change_may_have_begun() -> None:
    """R after three matches = f3 + f2·f3 + f1·f2·f3, Shiryaev and Roberts' own definition."""
    assert running_evidence(np.array([[2.0], [0.5], [3.0]])).tolist() == [2.0, 1.5, 7.5]
