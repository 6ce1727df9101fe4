"""The state-space filter against the textbook, and its order in time."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.replay import Timeline
from pipelines.forecast.statespace import FORGOTTEN, LONGEST_BREAK, SUMMER_DAYS, Dynamics, Series, recall

FULL = Dynamics(
    noise=0.04,
    strength_day=0.0002,
    strength_summer=0.15,
    shrink=0.9,
    promotion=0.08,
    tier_step=-0.8,
    form=0.05,
    form_days=30.0,
    advantage=0.004,
    advantage_day=1e-6,
    level=0.5,
    level_day=5e-6,
    level_summer=0.006,
    control_strength=0.6,
    control_form=0.4,
)
SUM = Dynamics(noise=0.01, sign=1.0, strength=0.05, strength_day=1e-5, strength_summer=0.002, shrink=0.95, level_day=1e-4)
every_kind = pytest.mark.parametrize(
    "dynamics",
    [FULL, SUM, FULL._replace(form=0.0), FULL._replace(advantage=0.0)],
    ids=["difference", "sum", "no form", "no advantage"],
)


def series(timeline: Timeline, dynamics: Dynamics, seed: int = 3) -> Series:
    """Observations, noise and two controls that depend on the match alone, a tenth of them missing."""
    rows = []
    for match_id in timeline.match_id:
        random = np.random.default_rng([seed, *match_id.encode()])
        observed = random.normal(0.5, 0.7) if random.random() > 0.1 else np.nan
        rows.append([observed, random.choice([1.0, 40.0]), random.normal(0.0, 0.05), 0.0])
    values = np.array(rows).reshape(-1, 4)
    return Series(dynamics, values[:, 0], values[:, 1], values[:, 2:])


def textbook(timeline: Timeline, one: Series) -> tuple[np.ndarray, np.ndarray]:  # noqa: PLR0912 - all in one, like the filter
    """The same model with named states, dense matrices, A·P·Aᵀ for every transition and one inverse for every update."""
    k = one.dynamics
    matches, rows = timeline.matches, range(len(timeline.matches))
    expected, variance = np.full(one.control.shape, np.nan), np.full(len(matches), np.nan)
    for country in range(timeline.n_countries):
        mine = [i for i in rows if matches["country"][i] == country]
        names: list[tuple[str, int]] = sorted({("h", int(matches["competition"][i])) for i in mine})
        x = np.full((len(names), one.control.shape[1]), k.level)
        p = np.eye(len(names)) * k.level_variance
        club_season: dict[int, int] = {}
        club_tier: dict[int, float] = {}
        division_season: dict[int, int] = {}
        newest, today = -1, 0
        pending = [i for i in timeline.results if matches["country"][i] == country and not np.isnan(one.observed[i])]

        def weights(i: int, names=names) -> np.ndarray:
            home, away = int(matches["home"][i]), int(matches["away"][i])
            vector = dict.fromkeys(names, 0.0)
            vector["h", int(matches["competition"][i])] = 1.0
            for letter in "sf" if k.form else "s":
                vector[letter, home] += 1.0
                vector[letter, away] += k.sign
            if k.advantage:
                vector["u", home] += 1.0
            return np.array(list(vector.values()))

        groups = defaultdict(list)
        for i in mine:
            groups[timeline.as_of[i]].append(i)
        for now, asked in groups.items():
            batch = [i for i in pending if timeline.known_at[i] < now]
            pending = pending[len(batch) :]
            if batch:
                design = np.array([weights(i, names) for i in batch])
                noise = np.diag([k.noise * one.noise_factor[i] for i in batch])
                gain = p @ design.T @ np.linalg.inv(design @ p @ design.T + noise)
                x = x + gain @ (one.observed[batch][:, None] - design @ x)
                p = p - gain @ design @ p
                for i in batch:
                    for club, sign in ((int(matches["home"][i]), 1.0), (int(matches["away"][i]), k.sign)):
                        x[names.index(("s", club))] += sign * k.control_strength * one.control[i]
                        if k.form:
                            x[names.index(("f", club))] += sign * k.control_form * one.control[i]
            day = now // 86_400_000_000
            if day > today:
                days, today = min(day - today, LONGEST_BREAK), day
                kept = np.exp(-days / k.form_days)
                move = np.array([kept if letter == "f" else 1.0 for letter, _ in names])
                x, p = move[:, None] * x, move[:, None] * p * move
                daily = {"h": k.level_day, "s": k.strength_day, "u": k.advantage_day}
                p += np.diag([k.form * (1 - kept**2) if a == "f" else daily[a] * days for a, _ in names])
            for i in asked:
                season, tier, division = int(matches["season"][i]), matches["tier"][i], int(matches["competition"][i])
                if division_season.get(division, 10**6) < season:
                    at = names.index(("h", division))
                    p[at, at] += k.level_summer
                division_season[division] = max(season, division_season.get(division, season))
                if season > newest:
                    newest = season
                    gone = {club for club, last in club_season.items() if last < season - FORGOTTEN}
                    stay = [j for j, (letter, club) in enumerate(names) if letter == "h" or club not in gone]
                    names, x, p = [names[j] for j in stay], x[stay], p[np.ix_(stay, stay)]
                    for club in gone:
                        del club_season[club], club_tier[club]
                for club in (int(matches["home"][i]), int(matches["away"][i])):
                    if club not in club_season:
                        fresh = [("s", club, k.strength), ("f", club, k.form), ("u", club, k.advantage)]
                        for letter, _, start in fresh:
                            if start > 0:
                                names = [*names, (letter, club)]
                                x = np.vstack([x, np.full(x.shape[1], k.tier_step * (tier - 1) * (letter == "s"))])
                                p = np.block([[p, np.zeros((len(p), 1))], [np.zeros((1, len(p))), np.array([[start]])]])
                    elif season > club_season[club]:
                        summers = season - club_season[club]
                        move, noise = np.eye(len(names)), np.zeros(len(names))
                        peers = [other for other, its in club_tier.items() if its == club_tier[club]]
                        at = names.index(("s", club))
                        left = k.shrink**summers
                        move[at, at] = left
                        for other in peers:
                            move[at, names.index(("s", other))] += (1 - left) / len(peers)
                        noise[at] = k.strength_summer * summers
                        if k.form:
                            at_form, kept = names.index(("f", club)), np.exp(-SUMMER_DAYS / k.form_days)
                            move[at_form, at_form], noise[at_form] = kept, k.form * (1 - kept**2)
                        x, p = move @ x, move @ p @ move.T + np.diag(noise)
                        x[at] += k.promotion * (club_tier[club] - tier)
                    else:
                        continue
                    club_season[club], club_tier[club] = season, tier
            for i in asked:
                vector = weights(i, names)
                expected[i], variance[i] = vector @ x, vector @ p @ vector
    return expected, variance


@pytest.fixture(scope="module")
def comings_and_goings(world):
    """Every fifth match; one result comes a year late, and two clubs stay away long enough to be forgotten."""
    matches = world[0].iloc[::5].copy()
    away = (matches["season"] == 2017) & matches[["home_team_id", "away_team_id"]].isin(["here-club03", "here-club08"]).any(
        axis=1
    )
    matches = matches[~away]
    matches.loc[matches["season"] == 2018, "season"] = 2017 + FORGOTTEN
    matches.loc[matches.index[7], "known_at"] += pd.Timedelta(days=400)
    return matches


@every_kind
def test_it_agrees_with_the_textbook(comings_and_goings, dynamics):
    timeline = Timeline.of(comings_and_goings)
    one = series(timeline, dynamics)
    clubs = set(comings_and_goings.loc[comings_and_goings["season"] > 2017, ["home_team_id", "away_team_id"]].to_numpy().ravel())
    assert {"here-club03", "here-club08"} <= clubs, "the forgotten must return"
    ((expected, variance),) = recall(timeline, [one])
    reference, its_variance = textbook(timeline, one)
    np.testing.assert_allclose(expected, reference, rtol=0, atol=1e-9)
    np.testing.assert_allclose(variance, its_variance, rtol=0, atol=1e-9)
    assert np.isfinite(expected).all()


def test_the_row_order_of_the_matches_does_not_matter(world):
    answers = []
    for matches in (world[0], world[0].sample(frac=1.0, random_state=3)):
        timeline = Timeline.of(matches)
        answers.append(recall(timeline, [series(timeline, FULL)])[0])
    np.testing.assert_array_equal(answers[0][0], answers[1][0])
    np.testing.assert_array_equal(answers[0][1], answers[1][1])


def test_series_do_not_touch_each_other_and_neither_do_countries(world):
    timeline = Timeline.of(world[0])
    both = [series(timeline, FULL), series(timeline, SUM)]
    for one, answer in zip(both, recall(timeline, both), strict=True):
        np.testing.assert_array_equal(answer[0], recall(timeline, [one])[0][0])
    here = Timeline.of(world[0][world[0]["country"] == "here"])
    alone = pd.DataFrame(recall(here, [series(here, FULL)])[0][0], index=here.match_id)
    together = pd.DataFrame(recall(timeline, both)[0][0], index=timeline.match_id)
    pd.testing.assert_frame_equal(alone, together.loc[alone.index], check_exact=True)


def test_nothing_known_after_a_cut_changes_what_was_said_before_it(world):
    matches = world[0]
    timeline = Timeline.of(matches)
    cut = np.quantile(timeline.as_of, 0.6)
    one = series(timeline, FULL)
    late = ~(timeline.known_at < cut)
    random = np.random.default_rng(0)
    nonsense = Series(
        FULL,
        np.where(late, random.normal(0.0, 99.0, len(late)), one.observed),
        np.where(late, random.uniform(0.001, 1.0, len(late)), one.noise_factor),
        np.where(late[:, None], random.normal(0.0, 99.0, one.control.shape), one.control),
    )
    (ours,), (theirs,) = recall(timeline, [one]), recall(timeline, [nonsense])
    earlier = timeline.as_of <= cut
    assert 0 < earlier.sum() < len(earlier)
    np.testing.assert_array_equal(ours[0][earlier], theirs[0][earlier])
    np.testing.assert_array_equal(ours[1][earlier], theirs[1][earlier])
    assert not np.array_equal(ours[0], theirs[0]), "the nonsense must be visible later, or this test proves nothing"


def test_an_observation_counts_only_if_known_strictly_before_the_question(make_match):
    first = make_match(0, "a", "b", (1, 0))
    moments = {"too early": -1, "same moment": 0, "after": 1}
    asked = [
        make_match(1, "a", "b", match_id=name, as_of=first["known_at"] + pd.Timedelta(microseconds=step))
        for name, step in moments.items()
    ]
    timeline = Timeline.of(pd.DataFrame([first, *asked]))
    ((expected, _),) = recall(timeline, [Series(FULL, np.full(4, 2.0), np.ones(4), np.zeros((4, 1)))])
    said = dict(zip(timeline.match_id, expected[:, 0], strict=True))
    assert said["too early"] == said["same moment"] == 0.5
    assert said["after"] > 1.5


def test_a_long_known_pair_is_expected_as_it_was_observed(make_match):
    """Two clubs seen a hundred times at y = 1: the memory says 1, and is far surer than at first."""
    rows = [make_match(day, "a", "b", (1, 0)) for day in range(0, 200, 2)]
    timeline = Timeline.of(pd.DataFrame(rows))
    ((expected, variance),) = recall(timeline, [Series(FULL, np.ones(100), np.ones(100), np.zeros((100, 1)))])
    assert expected[-1, 0] == pytest.approx(1.0, abs=1e-3)
    assert variance[-1] < 0.03
    assert variance[0] > 1.0


def test_no_match_at_all_gives_no_answer(world):
    timeline = Timeline.of(world[0].iloc[:0])
    ((expected, variance),) = recall(timeline, [series(timeline, FULL)])
    assert expected.shape == (0, 2)
    assert variance.shape == (0,)
