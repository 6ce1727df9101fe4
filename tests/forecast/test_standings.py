"""League tables worked out by hand, and what they know when."""

import math

import numpy as np
import pandas as pd

from pipelines.forecast.standings import standings


def season(
    make_match, year: int, results: dict[tuple[str, str], tuple[int, int] | None], **changes: object
) -> list[dict[str, object]]:
    """Matches of one season, one a day, in the order given."""
    start = (year - 2020) * 365
    return [
        make_match(start + day, home, away, goals, season=year, match_id=f"{year}-{home}-{away}", **changes)
        for day, ((home, away), goals) in enumerate(results.items())
    ]


FIRST = {("a", "b"): (1, 0), ("c", "d"): (0, 0), ("b", "c"): (2, 0), ("d", "a"): (0, 1), ("a", "c"): (0, 3), ("b", "d"): (1, 1)}
"""After these: a 6 points (−1), c 4 (+1), b 4 (+1), d 2 (−1)."""


def test_places_and_distances_before_a_match(make_match):
    rows = [*season(make_match, 2019, FIRST), *season(make_match, 2020, {**FIRST, ("a", "d"): None})]
    last = standings(pd.DataFrame(rows)).loc["2020-a-d"]
    # Each club has played three matches, as many as in the season before: nothing is left, and nothing is open.
    assert last["rounds_left"] == 0.0
    assert [last["home_place"], last["away_place"]] == [0.25, 1.0]
    # Two above the second; of promotion (two places) two above the third; no play-off below the third; one above the last.
    lines = ["points_to_title", "points_to_promotion", "points_to_play_off", "points_to_safety"]
    assert last[[f"home_{line}" for line in lines]].tolist() == [2.0, 2.0, 4.0, 2.0]
    assert last[[f"away_{line}" for line in lines]].tolist() == [-4.0, -2.0, -2.0, -4.0]
    assert last["home_n_open_lines"] == last["away_n_open_lines"] == 0.0


def test_a_line_is_open_while_the_matches_left_can_close_the_gap(make_match):
    rows = [*season(make_match, 2019, FIRST), *season(make_match, 2020, FIRST)]
    table = standings(pd.DataFrame(rows))
    before_last_round = table.loc["2020-a-c"]
    # a has 6 points and one match to play; c has 1: the title is five away for c, with three to be had.
    assert before_last_round["home_points_to_title"] == 3.0
    assert before_last_round["away_points_to_title"] == -5.0
    assert before_last_round["rounds_left"] == 1.0
    assert before_last_round["home_n_open_lines"] == 2.0
    assert before_last_round["away_n_open_lines"] == 2.0


def test_in_a_first_season_nobody_knows_how_long_it_is(make_match):
    table = standings(pd.DataFrame(season(make_match, 2020, FIRST)))
    assert table["rounds_left"].isna().all()
    assert table["home_n_open_lines"].isna().all()
    assert table.loc["2020-a-c", "home_place"] == 0.25


def test_without_a_result_this_season_there_is_no_place(make_match):
    table = standings(pd.DataFrame([*season(make_match, 2019, FIRST), *season(make_match, 2020, FIRST)]))
    assert table.loc[["2020-a-b", "2020-c-d"]].drop(columns="rounds_left").isna().all(axis=None)
    assert table.loc["2020-a-b", "rounds_left"] == 3.0


def test_two_divisions_have_two_tables(make_match):
    one = season(make_match, 2020, FIRST)
    two = [row | {"match_id": f"two-{row['match_id']}", "competition_id": "two"} for row in one]
    table = standings(pd.DataFrame([*one, *two]))
    np.testing.assert_array_equal(table.loc[[r["match_id"] for r in one]], table.loc[[r["match_id"] for r in two]])


def test_a_result_counts_only_when_known_before_the_question(make_match):
    late = make_match(0, "a", "b", (1, 0), known_at=pd.Timestamp("2020-01-02T11:00Z"))
    rows = [late, make_match(1, "a", "b", match_id="same moment"), make_match(2, "a", "b", match_id="after")]
    place = standings(pd.DataFrame(rows))["home_place"]
    assert math.isnan(place["same moment"])
    assert place["after"] == 0.5


def test_nothing_known_after_a_cut_changes_an_earlier_table(world):
    matches = world[0]
    cut = matches["as_of"].quantile(0.6)
    late = ~(matches["known_at"] < cut)
    nonsense = matches.copy()
    nonsense.loc[late, ["home_goals", "away_goals"]] = np.random.default_rng(1).integers(0, 9, (late.sum(), 2)).astype(float)
    # Later matches, and with them clubs, are gone altogether: a table must not know who is still to come.
    nonsense = nonsense[(matches["as_of"] <= cut) | (np.arange(len(matches)) % 3 > 0)]
    earlier = matches.loc[matches["as_of"] <= cut, "match_id"]
    ours, theirs = standings(matches), standings(nonsense.sample(frac=1.0, random_state=2))
    pd.testing.assert_frame_equal(ours.loc[earlier], theirs.loc[earlier], check_exact=True)
    assert not ours.loc[theirs.index].equals(theirs)
