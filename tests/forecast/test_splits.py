"""Divisions by time, and only by time."""

import pandas as pd

from pipelines.forecast.splits import is_played, walk_forward


def test_everything_learnt_was_known_before_the_first_question_of_the_season(world):
    matches = world[0]
    splits = list(walk_forward(matches, range(2015, 2019)))
    # The first season has nothing before it to learn from, and says so by an empty training part.
    assert [split.train.any() for split in splits] == [False, True, True, True]
    for split in splits[1:]:
        assert matches["known_at"][split.train].max() < matches["as_of"][split.test].min()
        assert not (split.train & split.test).any()
        assert matches["season"][split.train].max() < split.season


def test_a_season_that_ended_after_the_next_began_loses_its_late_matches(make_match):
    matches = pd.DataFrame(
        [
            make_match(0, "a", "b", (1, 0), season=2019),
            make_match(100, "a", "b", (1, 0), season=2019, match_id="ended in the summer of the pandemic"),
            make_match(90, "c", "d", (1, 0), season=2020, competition_id="two"),
        ]
    )
    (split,) = walk_forward(matches, [2020])
    assert split.train.tolist() == [True, False, False]
    assert split.test.tolist() == [False, False, True]


def test_a_result_known_at_the_very_moment_of_the_first_question_is_not_learnt(make_match):
    first = make_match(0, "a", "b", (1, 0), season=2019)
    second = make_match(1, "a", "b", (1, 0), season=2020, as_of=first["known_at"])
    (split,) = walk_forward(pd.DataFrame([first, second]), [2020])
    assert not split.train.any()


def test_only_played_matches_take_part_and_empty_seasons_are_passed_over(make_match):
    matches = pd.DataFrame(
        [make_match(0, "a", "b", (1, 0)), make_match(1, "a", "b"), make_match(2, "a", "b", (1, 0), status="void")]
    )
    assert is_played(matches).tolist() == [True, False, False]
    assert [split.season for split in walk_forward(matches, [2019, 2020, 2021])] == [2020]
