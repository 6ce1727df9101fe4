"""League tables worked out by hand, and what they know when."""

import math

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.contract import RATINGS
from pipelines.forecast.places import LINES, RULES, UNKNOWN, rule
from pipelines.forecast.standings import DECIDED, standings


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

E2 = {"competition_id": "E2"}
"""Two go up, the next four play off, four go down: among four clubs, three are in a play-off and one is safe."""


def test_places_and_margins_before_a_match(make_match):
    rows = [*season(make_match, 2019, FIRST, **E2), *season(make_match, 2020, {**FIRST, ("a", "d"): None}, **E2)]
    last = standings(pd.DataFrame(rows)).loc["2020-a-d"]
    # Each club has played three matches, as many as in the season before: nothing is left, and nothing is open.
    assert last["rounds_left"] == 0.0
    assert [last["home_place"], last["away_place"]] == [0.25, 1.0]
    margins = [f"margin_{line}" for line in LINES]
    assert last[[f"home_{name}" for name in margins[:4]]].tolist() == [DECIDED] * 4
    assert last[[f"away_{name}" for name in margins[:4]]].tolist() == [-DECIDED] * 4
    assert last[["home_margin_last_chance", "away_margin_last_chance"]].isna().all(), "no play-off against relegation here"
    assert last[["home_n_open_lines", "away_n_open_lines", "home_at_stake", "away_at_stake"]].tolist() == [0.0] * 4
    assert last[["home_nearest_line", "away_nearest_line"]].isna().all()


def test_a_line_is_open_while_the_matches_left_can_close_the_gap(make_match):
    rows = [*season(make_match, 2019, FIRST, **E2), *season(make_match, 2020, FIRST, **E2)]
    last_round = standings(pd.DataFrame(rows)).loc["2020-a-c"]
    # a 6 points, b 3, c 1, d 1, one match each to play, three points to be had. The title: three ahead of b, five behind a.
    assert last_round["rounds_left"] == 1.0
    assert last_round["home_margin_title"] == pytest.approx(3 / 3.5)
    assert last_round["away_margin_title"] == pytest.approx(-5 / 3.5)
    # Promotion: a leads the first below it, d, by five; c is two behind b. Of the play-off c holds the last place on goals.
    assert last_round["home_margin_promotion"] == pytest.approx(5 / 3.5)
    assert last_round["away_margin_promotion"] == pytest.approx(-2 / 3.5)
    # c, last on goals, is level with d, the last in a play-off, and five behind a, the only one safe.
    assert last_round["away_margin_play_off"] == 0.0
    assert last_round["away_margin_safety"] == pytest.approx(-5 / 3.5)
    assert last_round[["home_n_open_lines", "away_n_open_lines"]].tolist() == [2.0, 2.0], "safety of a is that it stays first"
    assert last_round[["home_at_stake", "away_at_stake"]].tolist() == pytest.approx([1 - 3 / 3.5, 1.0])
    assert last_round[["home_nearest_line", "away_nearest_line"]].tolist() == [3.0, 0.0]


def test_in_a_first_season_nobody_knows_how_long_it_is(make_match):
    table = standings(pd.DataFrame(season(make_match, 2020, FIRST, **E2)))
    assert table["rounds_left"].isna().all()
    assert table.loc["2020-a-c"].dropna().index.tolist() == ["home_place", "away_place"]
    assert table.loc["2020-a-c", "home_place"] == 0.25


def test_a_season_that_was_broken_off_is_not_taken_for_the_length_of_the_next(make_match):
    """As 2019/20: what was at stake in the season after would seem decided a quarter before its end."""
    half = dict(list(FIRST.items())[:2])
    rows = [*season(make_match, 2018, FIRST, **E2), *season(make_match, 2019, half, **E2), *season(make_match, 2020, FIRST, **E2)]
    table = standings(pd.DataFrame(rows))
    assert table.loc["2019-a-b", "rounds_left"] == 3.0
    assert table.loc["2020-a-b", "rounds_left"] == 3.0
    assert table.loc["2020-a-c", "home_n_open_lines"] == 2.0


def test_a_smaller_division_plays_fewer_rounds(make_match):
    """Once all clubs have come: three that meet each other once play two matches each, where four played three."""
    smaller = {("a", "b"): (1, 0), ("b", "c"): (2, 0), ("a", "c"): (0, 3), ("c", "b"): (0, 0), ("c", "a"): None}
    rows = [*season(make_match, 2019, FIRST, **E2), *season(make_match, 2020, smaller, **E2)]
    table = standings(pd.DataFrame(rows))
    assert table.loc["2020-b-c", "rounds_left"] == 2.5
    assert table.loc["2020-c-a", "rounds_left"] == 0.0


def test_where_no_rules_are_known_nothing_is_said_of_lines(make_match):
    rows = [*season(make_match, 2019, FIRST), *season(make_match, 2020, FIRST)]
    last_round = standings(pd.DataFrame(rows)).loc["2020-a-c"]
    assert last_round.dropna().index.tolist() == ["rounds_left", "home_place", "away_place"]


def test_the_rules_are_those_of_the_season(make_match):
    """France's second division sends two up instead of three from 2016 on."""
    rows = [row for year in range(2014, 2018) for row in season(make_match, year, FIRST, competition_id="F2")]
    table = standings(pd.DataFrame(rows))
    # Three up: a leads d, the fourth, by five. Two up: the third, by as much.
    assert table.loc["2015-a-c", ["home_margin_promotion", "away_margin_promotion"]].tolist() == pytest.approx([5 / 3.5, 0.0])
    assert table.loc["2017-a-c", ["home_margin_promotion", "away_margin_promotion"]].tolist() == pytest.approx(
        [5 / 3.5, -2 / 3.5]
    )
    assert table["home_margin_last_chance"].notna().groupby(table.index.str[:4]).any().to_dict() == {
        "2014": False,
        "2015": False,
        "2016": True,
        "2017": True,
    }


def test_rules_name_places_from_the_top_down():
    assert rule("nowhere", 2020) == UNKNOWN
    assert rule("D1", 1999) == rule("D1", 2007) == (1, 3, 6, -3, 0)
    assert rule("D1", 2008) == rule("D1", 2010) == (1, 3, 6, -3, -2)
    assert rule("D1", 2030) == (1, 4, 6, -3, -2)
    for rules in RULES.values():
        assert list(rules) == sorted(rules), "in the order of the seasons"
        for each in rules.values():
            above = [line for line in each[:3] if line]
            below = [line for line in each[3:] if line]
            assert above == sorted(set(above))
            assert min(above) > 0
            assert below == sorted(set(below))
            assert max(below, default=-1) < 0
    columns = [f"{side}_margin_{line}" for side in ("home", "away") for line in LINES]
    assert [name for name in RATINGS["standing"] if "margin" in name] == columns


def test_without_a_result_this_season_there_is_no_place(make_match):
    table = standings(pd.DataFrame([*season(make_match, 2019, FIRST, **E2), *season(make_match, 2020, FIRST, **E2)]))
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
    known = {"here1": "E1", "here2": "E2", "there1": "D1", "there2": "D2"}
    matches = world[0].replace({"competition_id": known})
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
    assert ours.notna().any().all(), "something is said of every column"


def reckoned(matches: pd.DataFrame, match_id: str) -> list[float]:
    """What `standings` says of one match, from nothing."""
    at = matches.set_index("match_id").loc[match_id]
    league = matches[matches["competition_id"] == at["competition_id"]]
    known = league[(league["status"] == "played") & (league["known_at"] < at["as_of"])]

    def table(season: int) -> dict[str, list[int]]:
        """Points, goal difference and matches of each club that is ever host there."""
        clubs = {club: [0, 0, 0] for club in league.loc[league["season"] == season, "home_team_id"]}
        for row in known[known["season"] == season].itertuples():
            lead = int(row.home_goals - row.away_goals)
            for club, own in ((row.home_team_id, lead), (row.away_team_id, -lead)):
                gained = 3 if own > 0 else 1 if own == 0 else 0
                clubs[club] = [old + new for old, new in zip(clubs[club], (gained, own, 1), strict=True)]
        return clubs

    asked = league[league["season"] == at["season"]].sort_values(["as_of", "match_id"])
    asked = asked.iloc[: asked["match_id"].tolist().index(match_id) + 1]
    present, now = {*asked["home_team_id"], *asked["away_team_id"]}, table(at["season"])
    sides = [now[at[f"{side}_team_id"]] for side in ("home", "away")]
    lengths = []
    for past in map(table, sorted(season for season in set(league["season"]) if season < at["season"])[-3:]):
        n_clubs = len(present) if min(side[2] for side in sides) >= 2 else len(past)
        lengths.append(round(max(row[2] for row in past.values()) / (len(past) - 1) * (n_clubs - 1)))
    rounds = max(lengths, default=math.nan)
    said = [max(rounds - (sides[0][2] + sides[1][2]) / 2, 0.0)]
    if not all(side[2] for side in sides):
        return said + [math.nan] * (len(RATINGS["standing"]) - 1)
    ranked = sorted((now[club][:2] for club in present), reverse=True)
    for points, difference, n_played in sides:
        place = 1 + sum(other > [points, difference] for other in ranked)
        left = 3 * max(rounds - n_played, 0)
        margins, open_gaps, stakes = [], [], [0.0]
        for line in rule(at["competition_id"], at["season"]):
            last_above = min(max(line if line > 0 else len(ranked) + line, 1), len(ranked) - 1)
            gap = points - ranked[last_above if place <= last_above else last_above - 1][0]
            margins.append(max(-DECIDED, min(gap / (left + 0.5), DECIDED)) if line else math.nan)
            if line and abs(gap) <= left:
                open_gaps.append(abs(gap))
                stakes.append(1 - abs(margins[-1]))
        lines = [*margins, len(open_gaps), max(stakes), min(open_gaps, default=math.nan)]
        said += [place / len(ranked), *(lines if lengths else [math.nan] * len(lines))]
    return said


def test_of_a_random_world_it_is_what_a_plain_reckoning_says(world):
    matches = world[0].replace({"competition_id": {"here1": "E1", "here2": "E2", "there1": "D1", "there2": "D2"}})
    asked = matches["match_id"].iloc[::19]
    said = standings(matches).loc[asked]
    np.testing.assert_allclose(said, [reckoned(matches, match_id) for match_id in asked], rtol=0, atol=1e-9)
    assert said.notna().any().all(), "something is said of every column"
