"""How well two clubs are known: what must raise the number, and which level it has."""

import numpy as np
import pandas as pd

from pipelines.forecast.features import rate
from pipelines.forecast.firmness import DISAGREED, FIRM, LEVELS, LONG_BREAK, LOOSE, firmness, longest_rest, strength_deviation


def test_levels_are_cut_at_the_stated_values_and_what_is_unknown_is_loose() -> None:
    cut = np.array([FIRM, np.nextafter(FIRM, 1), LOOSE, np.nextafter(LOOSE, 1), np.nan])
    for disagreement in (0.0, DISAGREED, np.nan):
        assert firmness(cut, np.full(5, disagreement), np.full(5, 7.0)) == ["firm", "usual", "usual", "loose", "loose"]
    assert set(firmness(cut, np.zeros(5), np.full(5, np.nan))) == set(LEVELS)


def test_a_model_of_two_minds_is_loose_however_well_the_clubs_are_known() -> None:
    assert firmness(np.array([FIRM, LOOSE, np.nan]), np.full(3, np.nextafter(DISAGREED, 1)), np.zeros(3)) == ["loose"] * 3


def test_after_a_long_break_of_either_club_a_forecast_is_a_level_looser() -> None:
    levels = np.array([FIRM, LOOSE, np.nan])
    before = pd.DataFrame({"home_rest_days": [7.0, LONG_BREAK, np.nan], "away_rest_days": [LONG_BREAK, 7.0, LONG_BREAK]})
    assert firmness(levels, np.zeros(3), longest_rest(before)) == ["usual", "loose", "loose"]
    just = pd.DataFrame({"home_rest_days": [7.0, 29.0, np.nan], "away_rest_days": [29.0, np.nan, np.nan]})
    assert firmness(levels, np.zeros(3), longest_rest(just)) == ["firm", "usual", "loose"]


def deviation_of(rows: list[dict[str, object]]) -> "pd.Series[float]":
    features = rate(pd.DataFrame(rows))
    return pd.Series(strength_deviation(features), index=features.index)


def test_every_match_makes_clubs_better_known(make_match) -> None:
    rounds = [("a", "b"), ("c", "d"), ("a", "c"), ("b", "d"), ("a", "d"), ("b", "c")] * 5
    found = deviation_of([make_match(7 * k, home, away, (1, 0)) for k, (home, away) in enumerate(rounds)])
    meetings = found[[f"{7 * k:03d}-a-b" for k in range(0, len(rounds), 6)]]
    assert (np.diff(meetings) < 0).all()


def test_a_newcomer_a_long_break_and_uncounted_shots_make_them_less_known(make_match) -> None:
    shots = {
        f"{side}_{name}": 5.0 for side in ("home", "away") for name in ("shots", "shots_on_target", "corners", "yellow_cards")
    }
    shots |= {"home_red_cards": 0.0, "away_red_cards": 0.0}
    pairs = [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")] * 3
    played = [make_match(7 * k, home, away, (1, 1)) for k, (home, away) in enumerate(pairs)]
    counted = [row | shots for row in played]

    def next_match(before: list[dict[str, object]], day: int, away: str, **changes: object) -> float:
        return float(deviation_of([*before, make_match(day, "a", away, **changes)])[f"{day:03d}-a-{away}"])

    usual = next_match(played, 133, "b")
    assert next_match(played, 133, "new") > usual
    assert next_match(played, 500, "b", season=2021) > usual
    assert next_match(counted, 133, "b") < usual
