"""What a person may write as COMPETITIONS and SEASONS."""

from datetime import date

import pytest

from pipelines.sources.protocol import DEFAULT_COMPETITIONS, Scope, current_season

SUMMER = date(2024, 6, 30)


def test_a_season_begins_in_july() -> None:
    assert [current_season(date(2024, 6, 30)), current_season(date(2024, 7, 1))] == [2023, 2024]


def test_nothing_written_means_the_big_five_with_second_tiers_and_ten_seasons() -> None:
    scope = Scope.read("", "", SUMMER)
    assert scope == Scope(DEFAULT_COMPETITIONS, frozenset(range(2014, 2024)))
    assert len(DEFAULT_COMPETITIONS) == 10


def test_all_means_every_competition_and_every_season_since_1993() -> None:
    assert Scope.read("all", "all", SUMMER) == Scope(None, frozenset(range(1993, 2024)))


def test_lists_and_ranges_mix() -> None:
    assert Scope.read("e0, ARG", "2015-2017,2020", SUMMER) == Scope(frozenset({"E0", "ARG"}), frozenset({2015, 2016, 2017, 2020}))


@pytest.mark.parametrize(
    ("competitions", "seasons"),
    [
        ("Premier League", ""),
        ("E0;D1", ""),
        ("", "9394"),
        ("", "2023-2015"),
        ("", "2015-"),
        ("", "1992"),
        ("", "2031"),
        ("", "last ten"),
    ],
)
def test_anything_else_is_refused_with_a_sentence_that_shows_how_to_write_it(competitions: str, seasons: str) -> None:
    with pytest.raises(ValueError, match="takes `all`"):
        Scope.read(competitions, seasons, SUMMER)


def test_a_file_that_holds_all_seasons_is_covered_whatever_the_seasons() -> None:
    scope = Scope.read("ARG", "2020", SUMMER)
    assert (scope.covers("ARG"), scope.covers("ARG", 2019), scope.covers("BRA")) == (True, False, False)
