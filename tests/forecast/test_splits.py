"""Divisions by time, and only by time."""

import pandas as pd
import pytest

from pipelines.forecast.splits import begins_late, is_played, judged_seasons, walk_forward


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


@pytest.fixture
def spring_and_autumn(make_match) -> pd.DataFrame:
    """Two seasons of a league that plays from March on and of one that plays from August to May; days count from January 2020."""
    autumn = {"competition_id": "autumn"}
    rows = [
        make_match(-150, "a", "b", (1, 0), season=2019, match_id="autumn 2019, first half", **autumn),
        make_match(65, "c", "d", (1, 0), season=2020, match_id="spring 2020, first half", competition_id="spring"),
        make_match(100, "b", "a", (1, 0), season=2019, match_id="autumn 2019, second half", **autumn),
        make_match(216, "a", "b", (1, 0), season=2020, match_id="autumn 2020", **autumn),
        make_match(250, "d", "c", (1, 0), season=2020, match_id="spring 2020, second half", competition_id="spring"),
    ]
    matches = pd.DataFrame(rows)
    assert matches["kickoff_at"].dt.month.tolist() == [8, 3, 4, 8, 9], "as the names say"
    return matches


def test_a_season_begins_late_where_its_first_match_is_after_june_whatever_the_month_of_a_match(spring_and_autumn):
    assert begins_late(spring_and_autumn).tolist() == [True, False, True, True, False]


def test_leagues_that_begin_in_autumn_learn_what_became_known_since_those_of_spring_began(spring_and_autumn):
    matches = spring_and_autumn
    (both,) = walk_forward(matches, [2020])
    assert matches["match_id"][both.train].tolist() == ["autumn 2019, first half"]
    spring, autumn = walk_forward(matches, [2020], apart=begins_late(matches))
    assert matches["match_id"][spring.test].tolist() == ["spring 2020, first half", "spring 2020, second half"]
    assert matches["match_id"][spring.train].tolist() == ["autumn 2019, first half"]
    assert matches["match_id"][autumn.test].tolist() == ["autumn 2020"]
    assert matches["match_id"][autumn.train].tolist() == ["autumn 2019, first half", "autumn 2019, second half"]


def test_of_its_own_season_no_part_learns_anything_though_it_was_known(spring_and_autumn):
    """The first half of spring's season 2020 was known when autumn's began: it is judged, and stays out."""
    autumn = list(walk_forward(spring_and_autumn, [2020], apart=begins_late(spring_and_autumn)))[1]
    known = spring_and_autumn["known_at"] < spring_and_autumn["as_of"][autumn.test].min()
    assert (known & (spring_and_autumn["season"] == 2020)).sum() == 1
    assert not (autumn.train & (spring_and_autumn["season"] == 2020).to_numpy()).any()


def test_a_result_known_at_the_first_question_of_its_own_part_is_not_learnt(spring_and_autumn):
    matches = spring_and_autumn.set_index("match_id")
    matches.loc["autumn 2019, second half", "known_at"] = matches.loc["autumn 2020", "as_of"]
    autumn = list(walk_forward(matches, [2020], apart=begins_late(matches)))[1]
    assert matches.index[autumn.train].tolist() == ["autumn 2019, first half"]


def test_a_part_without_anything_to_forecast_is_no_split(world):
    matches = world[0]
    assert begins_late(matches).all()
    ((one,), (whole,)) = walk_forward(matches, [2018], apart=begins_late(matches)), walk_forward(matches, [2018])
    assert (one.train == whole.train).all()
    assert (one.test == whole.test).all()


def test_the_window_limits_how_many_seasons_are_learnt_from(world):
    matches = world[0]
    (split,) = walk_forward(matches, [2018], n_seasons=2)
    assert sorted(matches["season"][split.train].unique()) == [2016, 2017]


@pytest.mark.parametrize(
    ("moment", "n_played", "judged"),
    [
        ("a season has ended", {2021: 900, 2022: 1000, 2023: 1000}, [2022, 2023]),
        ("August: what has begun is judged besides", {2021: 900, 2022: 1000, 2023: 1000, 2024: 120}, [2022, 2023, 2024]),
        ("spring: leagues of the calendar year alone", {2021: 900, 2022: 1000, 2023: 700, 2024: 9}, [2022, 2023, 2024]),
        ("just less than half", {2021: 900, 2022: 1000, 2023: 499}, [2021, 2022, 2023]),
        ("half is enough", {2021: 900, 2022: 1000, 2023: 500}, [2022, 2023]),
        ("fewer than are wanted", {2023: 1000, 2024: 1}, [2023, 2024]),
        ("nothing was played", {}, []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_two_seasons_that_are_half_played_are_judged_and_what_has_begun_since(moment, n_played, judged):
    assert judged_seasons(n_played, 2) == judged
