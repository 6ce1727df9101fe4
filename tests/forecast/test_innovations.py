"""What is kept of how far prices were from what had been expected: whose favour, how much, and never before it was known."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.innovations import CLUB, COMPETITION, COUNTRY, PAIR, decayed
from pipelines.forecast.replay import Timeline

NAMES = [
    *("home_fast", "home_middle", "home_slow", "away_fast", "away_middle", "away_slow"),
    *("competition_slow", "competition_fast", "country_slow", "country_fast", "pair", "n_met"),
]


def told(rows: list[dict[str, object]], innovations: dict[str, float]) -> pd.DataFrame:
    timeline = Timeline.of(pd.DataFrame(rows))
    found = np.array([innovations.get(match, np.nan) for match in timeline.match_id])
    return pd.DataFrame(decayed(timeline, found), index=timeline.match_id, columns=NAMES)


def test_a_price_above_what_was_expected_speaks_for_home_and_against_away(make_match):
    rows = [make_match(0, "a", "b", (1, 0), match_id="first"), make_match(7, "b", "a", match_id="return")]
    row = told(rows, {"first": 0.5}).loc["return"]
    assert row[["home_fast", "home_middle", "home_slow"]].tolist() == pytest.approx([-0.2, -0.075, -0.025], abs=1e-12)
    assert row[["away_fast", "away_middle", "away_slow"]].tolist() == pytest.approx([0.2, 0.075, 0.025], abs=1e-12)
    assert row[["competition_slow", "competition_fast"]].tolist() == pytest.approx([0.01, 0.05], abs=1e-12)
    assert row[["country_slow", "country_fast"]].tolist() == pytest.approx([0.001, 0.005], abs=1e-12)
    assert row[["pair", "n_met"]].tolist() == pytest.approx([-0.15, 1.0], abs=1e-12)
    turned = [make_match(0, "b", "a", (1, 0), match_id="first"), make_match(7, "a", "b", match_id="return")]
    assert told(turned, {"first": 0.5}).loc["return", "pair"] == pytest.approx(-0.15, abs=1e-12)


def test_means_decay_with_each_match_and_clubs_competitions_and_pairs_are_apart(make_match):
    rows = [
        make_match(0, "a", "b", (1, 0), match_id="m0"),
        make_match(7, "a", "c", (1, 0), match_id="m1"),
        make_match(14, "a", "b", match_id="m2"),
        make_match(14, "d", "c", match_id="m3", competition_id="elsewhere"),
    ]
    found = told(rows, {"m0": 0.5, "m1": -0.25})
    assert found.loc["m2", "home_fast"] == pytest.approx(0.6 * 0.2 - 0.4 * 0.25, abs=1e-12)
    assert found.loc["m2", ["pair", "n_met"]].tolist() == pytest.approx([0.15, 1.0], abs=1e-12)
    assert found.loc["m3", ["home_fast", "competition_slow", "n_met"]].tolist() == [0.0, 0.0, 0.0]
    assert found.loc["m3", "away_fast"] == pytest.approx(0.1, abs=1e-12)


def test_a_match_without_a_price_and_one_not_yet_known_leave_everything_as_it_was(make_match):
    """`known_at` at the very moment of the question is too late."""
    rows = [make_match(0, "a", "b", (1, 0), match_id="bare"), make_match(7, "a", "b", (1, 0), match_id="late")]
    asked = make_match(14, "a", "b", match_id="asked") | {"as_of": rows[1]["known_at"]}
    assert (told([*rows, asked], {"late": 0.5}).loc["asked"] == 0.0).all()
    earlier = rows[1] | {"known_at": rows[1]["known_at"] - pd.Timedelta(microseconds=1)}
    assert told([rows[0], earlier, asked], {"late": 0.5}).loc["asked", "home_fast"] == pytest.approx(0.2, abs=1e-12)


def test_of_a_random_world_it_is_what_sums_with_weights_say(world):
    """Each mean written out: what was found k matches ago weighs (1 - d)·d^k."""
    matches = world[0].sample(frac=1.0, random_state=3)
    random = np.random.default_rng(4)
    found = {match: x for match, x in zip(matches["match_id"], random.normal(size=len(matches)), strict=True) if x < 1.0}
    events = defaultdict(list)
    for row in matches.sort_values(["known_at", "match_id"]).itertuples():
        if row.status == "played" and row.match_id in found:
            x, home, away = found[row.match_id], row.home_team_id, row.away_team_id
            for whom, favour in ((home, x), (away, -x), (row.competition_id, x), (row.country, x), ((home, away), x)):
                events[whom].append((row.known_at, favour))
            events[away, home].append((row.known_at, -x))

    def mean(whom, before, kept):
        past = [x for known_at, x in events[whom] if known_at < before]
        return sum((1.0 - kept) * kept**k * x for k, x in enumerate(reversed(past)))

    asked = matches.iloc[::5]
    expected = []
    for row in asked.itertuples():
        home, away, pair = row.home_team_id, row.away_team_id, (row.home_team_id, row.away_team_id)
        decays = [(home, CLUB), (away, CLUB), (row.competition_id, COMPETITION), (row.country, COUNTRY), (pair, (PAIR,))]
        n_met = sum(known_at < row.as_of for known_at, _ in events[pair])
        expected.append([*(mean(whom, row.as_of, kept) for whom, each in decays for kept in each), n_met])
    said = told(matches.to_dict("records"), found).loc[asked["match_id"]]
    np.testing.assert_allclose(said, expected, rtol=0, atol=1e-9)
    assert (said.abs().max() > 0.01).all(), "something is said of every column"
