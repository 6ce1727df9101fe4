"""Forecasts of past seasons beside the market's."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast import dixon_coles
from pipelines.forecast.backtest import as_file, backtest, match_day, score, summarise, with_pooled_goals
from pipelines.forecast.devig import devig
from pipelines.forecast.features import assemble
from pipelines.forecast.metrics import reliability
from pipelines.forecast.models import MODELS, Results
from tests.forecast.conftest import known


class Spy(Results):
    """Remembers what it was fitted on."""

    fitted_on: list[pd.Index]

    def fit(self, features, labels, grown):
        self.fitted_on.append(features.index)
        return super().fit(features, labels, grown)


@pytest.fixture(scope="module")
def frames(world):
    matches, warehouse = world
    return matches, assemble(matches, known(matches, warehouse), warehouse, warehouse), warehouse


@pytest.fixture(scope="module")
def forecasts(frames):
    return backtest(*frames, MODELS["results-logit"], [2017, 2018])


def test_every_played_match_of_the_seasons_is_forecast_once(frames, forecasts):
    matches = frames[0]
    due = matches.loc[matches["season"].isin([2017, 2018]) & (matches["status"] == "played"), "match_id"]
    assert sorted(forecasts.index) == sorted(due)
    assert np.abs(forecasts[["p_home", "p_draw", "p_away"]].sum(axis=1) - 1).max() < 1e-12
    assert (forecasts[["expected_home_goals", "expected_away_goals"]] > 0).all(axis=None)


def test_expected_goals_are_pooled_with_the_fits_of_each_week_as_they_are_published(frames, forecasts):
    weekly = dixon_coles.rate(frames[0], since=forecasts["as_of"].min()).loc[forecasts.index]
    own, published = (
        part[["expected_home_goals", "expected_away_goals"]] for part in (forecasts, with_pooled_goals(forecasts, frames[0]))
    )
    np.testing.assert_allclose(published, np.sqrt(own * weekly[own.columns]), rtol=1e-12)
    assert not np.isclose(published, own).any(axis=1).all()


def test_the_model_of_a_season_has_seen_only_earlier_ones(frames):
    Spy.fitted_on = []
    backtest(*frames, replace(MODELS["results-logit"], make=lambda: Spy(use_trees=False)), [2017, 2018])
    seasons = frames[0].set_index("match_id")["season"]
    assert [seasons.loc[ids].max() for ids in Spy.fitted_on] == [2016, 2017]


def test_leagues_that_begin_in_autumn_are_forecast_by_a_model_that_saw_the_spring_before(frames):
    """One country plays from March, the other from November to March: two models, and forecasts in the order of the features."""
    matches, features, market = frames
    moved = matches.copy()
    of_spring = moved["country"] == moved["country"].iloc[0]
    times = ["kickoff_at", "as_of", "known_at"]
    moved.loc[of_spring, times] -= pd.Timedelta(days=150)
    moved.loc[~of_spring, times] += pd.Timedelta(days=100)
    Spy.fitted_on = []
    forecasts = backtest(moved, features, market, replace(MODELS["results-logit"], make=lambda: Spy(use_trees=False)), [2018])
    rows = moved.set_index("match_id")
    begins = rows.loc[forecasts.index].groupby("competition_id")["as_of"].min()
    assert {*begins.dt.month} == {3, 11}
    first, second = (rows.loc[ids, "known_at"].max() for ids in Spy.fitted_on)
    assert first < begins.min() < second < begins.max()
    assert all(rows.loc[ids, "season"].max() == 2017 for ids in Spy.fitted_on)
    due = features.index[features.index.isin(moved.loc[(moved["season"] == 2018) & (moved["status"] == "played"), "match_id"])]
    assert forecasts.index.tolist() == due.tolist()


def test_outcome_and_market_stand_beside_the_forecast_of_their_match(frames, forecasts):
    matches, market = frames[0].set_index("match_id"), frames[2].set_index("match_id")
    one = forecasts.iloc[17]
    row = matches.loc[one.name]
    assert one["outcome"] == 1 - np.sign(row["home_goals"] - row["away_goals"])
    odds = market.loc[[one.name], ["closing_odds_home", "closing_odds_draw", "closing_odds_away"]].to_numpy()
    assert one[["market_p_home", "market_p_draw", "market_p_away"]].tolist() == pytest.approx(devig(odds)[0].tolist())


def test_row_order_of_the_input_does_not_change_a_forecast(frames, forecasts):
    matches, features, market = frames
    again = backtest(
        matches.sample(frac=1, random_state=1),
        features,
        market.sample(frac=1, random_state=2),
        MODELS["results-logit"],
        [2017, 2018],
    )
    pd.testing.assert_frame_equal(forecasts, again, check_exact=True)


def test_a_match_without_closing_odds_is_forecast_but_not_compared(frames, forecasts):
    matches, features, market = frames
    some = backtest(matches, features, market.iloc[::2], MODELS["results-logit"], [2017, 2018])
    assert len(some) == len(forecasts)
    assert 0 < score(some)["n"] == some["market_p_home"].notna().sum() < len(some)


def test_without_any_odds_the_distance_is_not_known_and_the_rest_is(frames):
    matches, features, market = frames
    figures = score(backtest(matches, features, market.iloc[:0], MODELS["results-logit"], [2018]))
    assert math.isnan(figures["difference"])
    assert math.isnan(figures["market_log_loss"])
    assert figures["log_loss"] < figures["base_log_loss"]


def test_the_summary_has_everything_each_season_occasion_month_and_league(forecasts):
    table = summarise(forecasts)
    assert table.index.tolist() == [
        ("all", "all"),
        ("leagues", "main"),
        ("season", "2017"),
        ("season", "2018"),
        *(("occasion", name) for name in ("promoted clubs", "first 5 rounds", "last 2 rounds")),
        *(("month_of_season", str(month)) for month in range(1, forecasts["month_of_season"].max() + 1)),
        *(("competition_id", name) for name in ("here1", "here2", "there1", "there2")),
    ]
    assert table.loc[("all", "all"), "n"] == table.loc["season", "n"].sum() == table.loc["competition_id", "n"].sum()
    row = table.loc[("all", "all")]
    assert row["difference"] == pytest.approx(row["log_loss"] - row["market_log_loss"])
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    way = row["base_log_loss"] - row["market_log_loss"]
    assert row["skill_share"] == pytest.approx((row["base_log_loss"] - row["log_loss"]) / way)
    assert row["difference"] > 0, "the simulated market knows the true strengths"


def test_leagues_that_go_by_a_country_are_told_apart_because_their_source_has_no_statistics(forecasts):
    renamed = forecasts.assign(competition_id=forecasts["competition_id"].map({"here1": "ARG", "here2": "ARG-COPA"}).fillna("EC"))
    table = summarise(renamed)
    assert table.loc[("leagues", "new"), "n"] == table.loc["competition_id", "n"][["ARG", "ARG-COPA"]].sum()
    assert table.loc[("leagues", "main"), "n"] == table.loc[("competition_id", "EC"), "n"]


def test_an_occasion_is_scored_on_its_own_matches_and_left_out_without_any(forecasts):
    table = summarise(forecasts)
    assert table.loc[("occasion", "promoted clubs"), "n"] == forecasts["has_promoted_club"].sum() > 0
    part = forecasts[forecasts["has_promoted_club"]]
    assert table.loc[("occasion", "promoted clubs")].to_dict() == score(part)
    assert ("occasion", "promoted clubs") not in summarise(forecasts[~forecasts["has_promoted_club"]]).index


def test_a_score_tells_calibration_and_sharpness_beside_the_markets(forecasts):
    figures = score(forecasts)
    p, outcomes = forecasts[["p_home", "p_draw", "p_away"]].to_numpy(), forecasts["outcome"].to_numpy()
    lines = reliability(p, outcomes)
    for outcome in ("home", "draw", "away"):
        assert figures[f"slope_{outcome}"] == lines.loc[outcome, "slope"]
        assert figures[f"intercept_{outcome}"] == lines.loc[outcome, "intercept"]
    assert figures["sharpness"] == pytest.approx(p.var(axis=0).sum())
    market = forecasts[["market_p_home", "market_p_draw", "market_p_away"]].to_numpy()
    assert figures["market_sharpness"] == pytest.approx(market.var(axis=0).sum())


def test_the_file_spells_each_match_as_its_source_does_but_for_blanks_and_is_ordered_by_day(frames, forecasts):
    matches = frames[0].assign(
        source_division=" X1",
        source_date=frames[0]["kickoff_at"].dt.tz_localize(None).dt.normalize(),
        source_home=frames[0]["home_team_id"] + " ",
        source_away=" " + frames[0]["away_team_id"],
    )
    file = as_file(forecasts, matches, "results", "results-logit")
    assert file.columns.tolist() == [
        *("source_division", "match_date", "source_home", "source_away", "p_home", "p_draw", "p_away"),
        *("information_set", "model", "as_of"),
    ]
    rows = matches.set_index("match_id").loc[file.index]
    assert file["source_home"].tolist() == rows["home_team_id"].tolist()
    assert file["source_away"].tolist() == rows["away_team_id"].tolist()
    assert file["match_date"].tolist() == rows["kickoff_at"].dt.strftime("%Y-%m-%d").tolist() == sorted(file["match_date"])
    assert set(file["source_division"]) == {"X1"}
    assert set(file["model"]) == {"results-logit"}
    assert set(file["information_set"]) == {"results"}
    pd.testing.assert_series_equal(file["p_draw"], forecasts.loc[file.index, "p_draw"], check_exact=True)


def test_matches_of_one_day_share_it(forecasts):
    assert match_day(forecasts).nunique() < forecasts["kickoff_at"].nunique()


def test_a_season_without_matches_is_said_so(frames):
    with pytest.raises(ValueError, match="none of the seasons has a played match"):
        backtest(*frames, MODELS["results-logit"], [1950])
