"""Which issued forecast of a match counts, and how the scores are summed up."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.record import (
    CALIBRATION_COLUMNS,
    HORIZONS,
    SCORE_COLUMNS,
    SCOREBOARD_COLUMNS,
    calibration,
    score,
    scoreboard,
)

KICKOFF = datetime(2026, 3, 7, 15, tzinfo=UTC)


def predictions(*issued: tuple[str, float, float], information_set: str = "results") -> pd.DataFrame:
    """Match, hours before kick-off at which it was issued, p_home; in the order of the ledger."""
    frame = pd.DataFrame(
        [
            {
                "prediction_id": f"p{k}",
                "sequence": k,
                "match_id": match,
                "information_set": information_set,
                "issued_at": KICKOFF - timedelta(hours=hours),
                "p_home": p_home,
                "p_draw": 0.25,
                "p_away": 0.75 - p_home,
                "firmness": "loose" if match == "m2" else None,
            }
            for k, (match, hours, p_home) in enumerate(issued)
        ]
    )
    frame["issued_at"] = pd.to_datetime(frame["issued_at"], utc=True)
    return frame


def results(**changes: object) -> pd.DataFrame:
    rows = [
        {"match_id": "m1", "competition_id": "E0", "season": 2025, "kickoff_at": KICKOFF, "home_goals": 2, "away_goals": 0}
        | {"closing_odds_home": 2.0, "closing_odds_draw": 4.0, "closing_odds_away": 4.0},
        {"match_id": "m2", "competition_id": "D1", "season": 2025, "kickoff_at": KICKOFF, "home_goals": 0, "away_goals": 1}
        | {"closing_odds_home": np.nan, "closing_odds_draw": np.nan, "closing_odds_away": np.nan},
    ]
    frame = pd.DataFrame(rows).assign(**changes)
    frame["kickoff_at"] = pd.to_datetime(frame["kickoff_at"], utc=True)
    return frame


def counted(scores: pd.DataFrame, match: str) -> dict[int, str]:
    of = scores[scores["match_id"] == match]
    return dict(zip(of["horizon_hours"], of["prediction_id"], strict=True))


def test_the_last_forecast_before_each_horizon_counts() -> None:
    scores = score(predictions(("m1", 100, 0.4), ("m1", 72, 0.45), ("m1", 30, 0.5), ("m1", 1, 0.55)), results())
    assert counted(scores, "m1") == {72: "p1", 24: "p2", 0: "p3"}
    assert tuple(scores.columns) == SCORE_COLUMNS


def test_a_match_forecast_late_has_no_score_at_the_earlier_horizons() -> None:
    assert counted(score(predictions(("m1", 5, 0.4)), results()), "m1") == {0: "p0"}


def test_a_match_brought_forward_counts_by_when_it_was_really_played() -> None:
    """Issued an hour before the announced kick-off, which was two hours after the real one: that was no forecast."""
    told = predictions(("m1", 3, 0.4), ("m1", 1, 0.7))
    early = results(kickoff_at=KICKOFF - timedelta(hours=2))
    assert counted(score(told, early), "m1") == {0: "p0"}


def test_a_forecast_issued_at_the_very_kickoff_is_none() -> None:
    assert score(predictions(("m1", 0, 0.4)), results()).empty


def test_scores_are_those_of_the_definitions() -> None:
    scores = score(predictions(("m1", 1, 0.5), ("m2", 1, 0.25)), results()).set_index("match_id")
    assert scores.loc["m1", "log_loss"] == pytest.approx(np.log(2), abs=1e-12)
    assert scores.loc["m1", "rps"] == pytest.approx((0.5**2 + 0.25**2) / 2, abs=1e-12)
    assert scores.loc["m1", "brier"] == pytest.approx(0.25 + 2 * 0.0625, abs=1e-12)
    assert scores.loc["m1", "market_log_loss"] == pytest.approx(np.log(2), abs=1e-12)
    assert scores.loc["m2", "log_loss"] == pytest.approx(np.log(2), abs=1e-12)
    assert np.isnan(scores.loc["m2", "market_log_loss"])
    assert scores["outcome"].to_dict() == {"m1": 0, "m2": 2}


def test_information_sets_are_scored_apart() -> None:
    told = pd.concat(
        [predictions(("m1", 1, 0.5)), predictions(("m1", 1, 0.6), information_set="market").assign(prediction_id="q")]
    )
    scores = score(told, results())
    assert scores.set_index("information_set")["prediction_id"].to_dict() == {"results": "p0", "market": "q"}
    assert scores["score_id"].is_unique


def test_the_board_counts_every_forecast_and_compares_only_where_there_is_a_market() -> None:
    board = scoreboard(score(predictions(("m1", 30, 0.6), ("m2", 1, 0.25)), results())).set_index("scoreboard_id")
    whole = board.loc["results|0|all|all"]
    assert (whole["n"], whole["n_market"]) == (2, 1)
    assert whole["difference"] == pytest.approx(-np.log(0.6) - np.log(2), abs=1e-12)
    assert (whole["difference_low"], whole["difference_high"]) == pytest.approx((whole["difference"],) * 2)
    assert np.isnan(board.loc["results|0|competition|D1", "difference"])
    assert board.loc["results|24|month|2026-03", "n"] == 1
    assert board.loc["results|0|season|2025", "n"] == 2
    assert board.loc["results|0|competition_season|E0 2025", ["n", "difference"]].tolist() == [1, whole["difference"]]
    assert ["scoreboard_id", *board.columns] == list(SCOREBOARD_COLUMNS)
    assert set(board["horizon_hours"]) == {0, 24} < set(HORIZONS)


def test_the_board_has_a_line_for_each_firmness_that_was_stated() -> None:
    board = scoreboard(score(predictions(("m1", 1, 0.6), ("m2", 1, 0.25)), results()))
    by_level = board[board["group_by"] == "firmness"].set_index("group_name")
    assert list(by_level["n"]) == [1], "m1 was issued before there were levels"
    assert by_level.loc["loose", "log_loss"] == pytest.approx(np.log(2), abs=1e-12)


def test_nothing_issued_is_an_empty_record() -> None:
    nothing = predictions(("m1", 1, 0.5)).iloc[:0]
    assert score(nothing, results().iloc[:0]).empty
    assert scoreboard(score(nothing, results().iloc[:0])).empty


def test_the_calibration_says_how_often_the_last_forecasts_came_true_with_wilsons_interval() -> None:
    told = predictions(("m1", 30, 0.1), ("m1", 1, 0.4), ("m2", 1, 0.5))
    table = calibration(told, score(told, results()))
    assert tuple(table.columns) == CALIBRATION_COLUMNS
    assert table["calibration_id"].is_unique
    home = table[table["outcome"] == "home"]
    # The one superseded does not count; of two forecasts each is a bin: m1 was won at home, m2 was not.
    assert home[["n", "p_mean", "frequency"]].to_numpy().tolist() == [[1, 0.4, 1.0], [1, 0.5, 0.0]]
    # One of one: from 1/(1 + z²) up, none of one: down to its mirror image.
    assert home["frequency_low"].to_numpy() == pytest.approx([0.2065493143772375, 0.0], abs=1e-12)
    assert home["frequency_high"].to_numpy() == pytest.approx([1.0, 0.7934506856227625], abs=1e-12)


def test_there_is_no_calibration_before_the_first_result() -> None:
    none = score(predictions(("m1", 1, 0.4)), results().iloc[:0])
    table = calibration(predictions(("m1", 1, 0.4)), none)
    assert (len(table), tuple(table.columns)) == (0, CALIBRATION_COLUMNS)
