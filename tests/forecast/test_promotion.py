"""The gate: each rule stops what it is there for, and says why."""

import json

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.backtest import score
from pipelines.forecast.promotion import Decision, Kind, Rival
from pipelines.forecast.promotion import decide as decide_on

P = ["p_home", "p_draw", "p_away"]
MARKET = ["market_p_home", "market_p_draw", "market_p_away"]


KEPT = "the walk-forward forecasts that were kept with version 3"


def decide(
    challenger: pd.DataFrame,
    champion: pd.DataFrame | None,
    market: pd.DataFrame | None = None,
    *,
    kind: Kind | None = None,
    told_by: str = KEPT,
    is_odds_free: bool = True,
) -> Decision:
    """With a champion of a recipe that was changed since, if nothing else is said."""
    kind = kind or (Kind.FIRST if champion is None else Kind.CHANGED)
    rival = Rival(kind, champion, told_by, "The recipe differs in K." if kind is Kind.CHANGED else "")
    return decide_on(challenger, rival, market, is_odds_free=is_odds_free)


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def truth() -> tuple[pd.DataFrame, np.ndarray]:
    """(frame without forecasts, true scores) of 8,000 matches in ten leagues."""
    random = np.random.default_rng(0)
    n = 8000
    scores = random.normal(0, 0.5, (n, 3)) + np.array([0.4, 0.0, 0.0])
    outcomes = (random.random((n, 1)) > softmax(scores).cumsum(axis=1)[:, :2]).sum(axis=1)
    frame = pd.DataFrame(
        {
            "season": 2022,
            "competition_id": [f"L{i % 10}" for i in range(n)],
            "kickoff_at": pd.Timestamp("2022-08-01T15:00Z") + pd.to_timedelta(np.arange(n) // 20, unit="D"),
            "outcome": outcomes,
        },
        index=pd.Index([f"m{i}" for i in range(n)], name="match_id"),
    )
    return frame, scores


@pytest.fixture
def forecast(truth):
    """Forecasts of a stated quality: the truth blurred by noise, beside a market blurred less."""

    def make(noise: float, market_noise: float = 0.05, seed: int = 1, spoil: str | None = None) -> pd.DataFrame:
        frame, scores = truth[0].copy(), truth[1]
        random = np.random.default_rng(seed)
        # Blurred and shrunk, as a fitted model would be: otherwise it were over-confident.
        share = 0.25 / (0.25 + noise**2)
        mean = np.array([0.4, 0.0, 0.0])
        blurred = mean + share * (scores - mean + random.normal(0, noise, scores.shape))
        if spoil is not None:
            league = (frame["competition_id"] == spoil).to_numpy()
            blurred[league] = mean - 0.5 * (blurred[league] - mean)
        frame[P] = softmax(blurred)
        frame[MARKET] = softmax(scores + np.random.default_rng(9).normal(0, market_noise, scores.shape))
        return frame

    return make


def test_the_first_model_needs_no_champion(forecast):
    decision = decide(forecast(0.3), None)
    assert decision.promote
    assert any("no champion yet" in reason for reason in decision.reasons)
    assert decision.figures["challenger"]["n"] == 8000


def test_the_first_model_must_beat_the_base_rate(forecast):
    frame = forecast(0.3)
    frame[P] = [0.2, 0.2, 0.6]
    decision = decide(frame, None)
    assert not decision.promote
    assert "plain frequencies" in decision.reasons[0]


def test_a_better_recipe_replaces_the_champion(forecast):
    decision = decide(forecast(0.1), forecast(0.6))
    assert decision.promote, decision.reasons
    assert decision.figures["difference"]["high"] < 0
    assert any("Challenger better than the champion" in reason for reason in decision.reasons)


def test_a_recipe_whose_gain_could_be_chance_does_not(forecast):
    champion = forecast(0.3, seed=1)
    decision = decide(forecast(0.3, seed=2), champion)
    assert not decision.promote
    assert "not shown to be better" in decision.reasons[0]


def test_a_worse_recipe_does_not(forecast):
    assert not decide(forecast(0.6), forecast(0.1)).promote


def test_a_refit_of_the_same_recipe_need_only_not_be_worse(forecast):
    champion = forecast(0.3)
    assert decide(champion, champion, kind=Kind.REFIT).promote
    assert not decide(champion, champion).promote
    worse = decide(forecast(0.6), champion, kind=Kind.REFIT)
    assert not worse.promote
    assert "perhaps worse" in worse.reasons[0]


def test_a_refit_is_compared_where_the_served_model_has_not_learnt_and_judged_everywhere(forecast):
    challenger = forecast(0.3)
    decision = decide(challenger, challenger.tail(500), kind=Kind.REFIT)
    assert decision.promote
    assert decision.figures["difference"]["n"] == 500
    assert decision.figures["distance_to_market"]["n"] == len(challenger)
    spoilt = challenger.copy()
    spoilt[P] = [0.2, 0.2, 0.6]
    assert not decide(spoilt, spoilt.tail(500), kind=Kind.REFIT).promote


def test_a_refit_with_nothing_to_compare_it_on_leaves_the_champion_there(forecast):
    decision = decide(forecast(0.1), None, kind=Kind.REFIT, told_by="no forecasts were kept with version 3")
    assert not decision.promote
    assert decision.reasons[0] == "No comparison could be made: no forecasts were kept with version 3. So the champion stays."


def test_a_refit_must_be_calibrated(forecast):
    challenger = forecast(0.0)
    sharp = challenger[P].to_numpy() ** 1.6
    challenger[P] = sharp / sharp.sum(axis=1, keepdims=True)
    decision = decide(challenger, challenger, kind=Kind.REFIT)
    assert not decision.promote
    assert decision.reasons[0].startswith("Calibration error")


def test_a_changed_recipe_that_cannot_be_compared_with_a_champion_that_can_be_served_leaves_it_there(forecast):
    decision = decide(forecast(0.1), None, kind=Kind.CHANGED, told_by="no forecasts were kept with version 3")
    assert not decision.promote
    assert decision.reasons[0] == (
        "The recipe differs in K. No comparison could be made: no forecasts were kept with version 3. So the champion stays."
    )
    assert decision.figures["compared_with"] is None


def test_what_meets_no_champion_by_order_says_so_and_must_have_skill_be_calibrated_and_leak_nothing(forecast):
    challenger = forecast(0.6)
    decision = decide(challenger, None, kind=Kind.UNOPPOSED)
    assert decision.promote
    assert decision.reasons[-1] == "Compared with no champion, as was ordered: a model that passes these checks is served."
    assert decision.figures["kind"] == "unopposed, by order"
    sharp = forecast(0.0)
    sharpened = sharp[P].to_numpy() ** 1.6
    sharp[P] = sharpened / sharpened.sum(axis=1, keepdims=True)
    challenger[P] = [0.2, 0.2, 0.6]
    leaking = forecast(0.3)
    leaking[P] = 0.9 * np.eye(3)[leaking["outcome"]] + 0.1 / 3
    assert not any(decide(spoilt, None, kind=Kind.UNOPPOSED).promote for spoilt in (sharp, challenger, leaking))


def test_a_changed_recipe_is_judged_on_all_its_matches_and_compared_on_those_that_the_champion_s_forecasts_are_kept_of(forecast):
    challenger = forecast(0.1)
    decision = decide(challenger, forecast(0.6).head(5000))
    assert decision.promote
    assert (decision.figures["n_judged"], decision.figures["difference"]["n"]) == (8000, 5000)
    assert "On the 5,000 matches that both were compared on:" in decision.as_markdown("results").splitlines()
    spoilt = challenger.copy()
    spoilt.loc[spoilt.index[5000:], P] = [0.1, 0.1, 0.8]
    assert not decide(spoilt, forecast(0.6).head(5000)).promote, "where nothing was compared it must have skill all the same"


def test_no_league_may_pay_for_the_others(forecast):
    decision = decide(forecast(0.05, spoil="L3"), forecast(0.6))
    assert not decision.promote
    assert decision.figures["difference"]["high"] < 0, "better on the whole, which is the point"
    assert decision.reasons[0].startswith("Worse beyond its own noise in L3 (")


def test_a_refit_is_told_of_a_league_that_got_worse_and_passes_because_the_recipe_is_the_same(forecast):
    decision = decide(forecast(0.05, spoil="L3"), forecast(0.6), kind=Kind.REFIT)
    assert decision.promote, decision.reasons
    assert any(reason.startswith("Worse beyond its own noise in L3 (") for reason in decision.reasons)


def test_a_league_of_few_matches_cannot_stop_a_promotion(forecast):
    challenger, champion = forecast(0.05, spoil="L3"), forecast(0.6)
    few = champion.index[(champion["competition_id"] != "L3") | (np.arange(len(champion)) < 2000)]
    assert decide(challenger.loc[few], champion).promote


def test_an_overconfident_forecast_fails_its_calibration(forecast):
    challenger = forecast(0.0)
    sharp = challenger[P].to_numpy() ** 1.6
    challenger[P] = sharp / sharp.sum(axis=1, keepdims=True)
    decision = decide(challenger, forecast(0.9))
    assert not decision.promote
    assert decision.reasons[0].startswith("Calibration error")
    assert decision.figures["calibration"]["reliability"]["home"]["slope"] < 0.8


def test_the_first_model_must_be_calibrated_too(forecast):
    first = forecast(0.0)
    assert decide(first, None).promote
    sharp = first[P].to_numpy() ** 1.6
    first[P] = sharp / sharp.sum(axis=1, keepdims=True)
    decision = decide(first, None)
    assert not decision.promote
    assert decision.reasons[0].startswith("Calibration error")


def test_beating_the_closing_price_without_odds_is_a_leak_not_a_success(forecast):
    leaking = forecast(0.0, market_noise=0.5)
    decision = decide(leaking, forecast(0.6, market_noise=0.5))
    assert not decision.promote
    assert decision.reasons[0].startswith("Leak alarm")
    assert decide(leaking, forecast(0.6, market_noise=0.5), is_odds_free=False).promote


def test_a_forecast_that_saw_the_results_sets_off_the_alarm_even_as_the_first(forecast):
    frame = forecast(0.3)
    frame[P] = 0.9 * np.eye(3)[frame["outcome"]] + 0.1 / 3
    decision = decide(frame, None)
    assert not decision.promote
    assert decision.reasons[0].startswith("Leak alarm")


def test_without_odds_it_is_said_first_that_the_alarm_could_not_listen_but_for_what_stops_a_promotion(forecast):
    frame = forecast(0.3)
    frame[MARKET] = np.nan
    decision = decide(frame, None)
    assert decision.promote
    assert decision.reasons[0].startswith("Warning: there are no closing odds, so the leak alarm could not listen")
    stopped = decide(frame, frame)
    assert not stopped.promote
    assert [reason.partition(":")[0] for reason in stopped.reasons[1:2]] == ["Warning"]
    with_odds = decide(frame, None, is_odds_free=False).reasons
    assert "No closing odds: the distance to the market is not known." in with_odds, "where it would not listen anyway"


def test_odds_given_apart_replace_those_of_the_frame(forecast):
    frame = forecast(0.3)
    market = pd.DataFrame(
        0.95 / frame[MARKET].to_numpy(), index=frame.index, columns=[f"closing_odds_{o}" for o in ("home", "draw", "away")]
    )
    frame[MARKET] = np.nan
    usable = (market > 1.0).all(axis=1).sum()
    assert decide(frame, None, market).figures["distance_to_market"]["n"] == usable
    assert decide(frame, None, market.reset_index()).figures["distance_to_market"]["n"] == usable


def test_only_matches_that_both_were_judged_on_count(forecast):
    decision = decide(forecast(0.1).iloc[:5000], forecast(0.6).iloc[1000:])
    assert decision.figures["difference"]["n"] == 4000
    assert decision.figures["challenger"]["n"] == decision.figures["champion"]["n"] == 4000


def test_nothing_in_common_is_an_error_not_a_decision(forecast):
    with pytest.raises(ValueError, match="no match that both were judged on"):
        decide(forecast(0.1).iloc[:10], forecast(0.6).iloc[10:20])
    with pytest.raises(ValueError, match="no match to judge by"):
        decide(forecast(0.1).iloc[:0], None)


def test_figures_and_reasons_can_be_stored_as_json(forecast):
    frame = forecast(0.3)
    frame[MARKET] = np.nan
    decision = decide(frame, forecast(0.6))
    assert json.loads(json.dumps(decision.figures, allow_nan=False))["challenger"]["market_log_loss"] is None
    assert all(reason.endswith((".", ").")) for reason in decision.reasons)


def test_a_person_reads_what_was_decided_why_and_on_what(forecast):
    champion = forecast(0.3)
    lines = decide(forecast(0.6), champion).as_markdown("results").splitlines()
    assert lines[0] == "**results: not promoted** (changed recipe), judged on 8,000 matches of 2022"
    said = f"- The recipe differs in K. Challenger not shown to be better than the champion (compared with {KEPT}): difference in log loss +0."
    assert lines[2].startswith(said)
    table = {line.split(" | ")[0]: line.split(" | ")[1:] for line in lines if line.startswith("| c")}
    assert list(table) == ["| challenger", "| champion", "| closing odds"]
    assert float(table["| champion"][0]) == pytest.approx(score(champion)["log_loss"], abs=5e-5)
    assert float(table["| closing odds"][0]) == pytest.approx(score(champion)["market_log_loss"], abs=5e-5)
    assert len(lines) < 20


def test_of_a_refit_a_person_reads_on_how_many_it_was_judged_and_on_how_many_compared_and_through_what(forecast):
    challenger = forecast(0.3)
    lines = decide(challenger, challenger.tail(500), kind=Kind.REFIT).as_markdown("results").splitlines()
    assert lines[0] == "**results: promoted** (routine refit), judged on 8,000 matches of 2022"
    assert "On the 500 matches that both were compared on:" in lines
    assert any("a walk-forward stand-in speaks" in line for line in lines)
    whole = decide(challenger, challenger, kind=Kind.REFIT).as_markdown("results")
    assert "compared on" not in whole
    assert "a walk-forward stand-in speaks" in whole


def test_without_champion_and_odds_the_table_says_what_is_known(forecast):
    frame = forecast(0.3)
    frame[MARKET] = np.nan
    text = decide(frame, None).as_markdown("results")
    assert "| closing odds |  |  |  |  |" in text
    assert "champion |" not in text
