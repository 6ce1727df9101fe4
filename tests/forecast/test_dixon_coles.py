"""The joint fit: it finds what was simulated, is the likeliest by a plain reference, and never sees the future."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from pipelines.forecast import dixon_coles as dc
from pipelines.forecast.grid import flattened, rho_bounds, scoreline_grid

THURSDAY_NOON = pd.Timestamp("2020-01-02T12:00Z")


@pytest.fixture(scope="module")
def small(world) -> pd.DataFrame:
    """One country, two divisions, four seasons, the last round not played."""
    return world[0][world[0]["country"] == "here"]


def known_strengths(n_seasons: int = 5) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Two divisions of 20 with two clubs up and down each year, drawn from strengths that never change."""
    random = np.random.default_rng(5)
    n = 20
    truth = {
        "attack": np.r_[random.normal(0.25, 0.2, n), random.normal(-0.25, 0.2, n)],
        "defence": np.r_[random.normal(0.2, 0.2, n), random.normal(-0.2, 0.2, n)],
    }
    rows = []
    for season in range(n_seasons):
        order = np.arange(2 * n)
        # A different pair changes places every year.
        a, b = [2 * season % n, 2 * season % n + 1], [n + 2 * season % n, n + 2 * season % n + 1]
        order[a], order[b] = order[b].copy(), order[a].copy()
        for tier, clubs in ((1, order[:n]), (2, order[n:])):
            pairs = [(h, w) for h in clubs for w in clubs if h != w]
            random.shuffle(pairs)
            for k, (h, w) in enumerate(pairs):
                kickoff = pd.Timestamp("2015-08-01T15:00Z") + pd.Timedelta(days=360 * season + 7 * (k // (n // 2)))
                level = 0.05 if tier == 1 else 0.15
                rows.append((kickoff, tier, season, h, w, level))
    frame = pd.DataFrame(rows, columns=["kickoff_at", "tier", "season", "home", "away", "level"])
    home = np.exp(frame["level"] + 0.3 + truth["attack"][frame["home"]] - truth["defence"][frame["away"]])
    away = np.exp(frame["level"] + truth["attack"][frame["away"]] - truth["defence"][frame["home"]])
    cells = flattened(scoreline_grid(home, away, -0.15)).cumsum(axis=1)
    drawn = (random.random((len(cells), 1)) > cells).sum(axis=1)
    frame["home_goals"], frame["away_goals"] = drawn // 16.0, drawn % 16.0
    frame["competition_id"] = "tier" + frame["tier"].astype(str)
    frame["home_team_id"], frame["away_team_id"] = (frame[side].map("club{:02d}".format) for side in ("home", "away"))
    frame["match_id"] = [f"{k:05d}" for k in range(len(frame))]
    frame["known_at"], frame["as_of"] = frame["kickoff_at"] + pd.Timedelta(hours=3), frame["kickoff_at"]
    return frame.assign(status="played", country="here"), truth


def test_simulated_strengths_home_advantage_and_dependence_are_found_under_their_names(monkeypatch):
    """A published model read its spreads as home advantage and ρ: everything is looked up by name here."""
    monkeypatch.setattr(dc, "DECAY", 0.0)  # These strengths never change.
    matches, truth = known_strengths()
    strengths = dc.fit(matches, matches["known_at"].max() + pd.Timedelta(days=1))
    assert strengths.home_advantage == pytest.approx(0.3, abs=0.05)
    assert strengths.rho == pytest.approx(-0.15, abs=0.06)
    clubs = strengths.clubs.loc[[f"club{k:02d}" for k in range(40)]]
    for name in ("attack", "defence"):
        true = truth[name] - truth[name].mean()
        found = clubs[name] - clubs[name].mean()
        # The truth is spread by .3; 190 matches of 1.4 goals leave an error of .061.
        assert np.sqrt(np.mean((found - true) ** 2)) == pytest.approx(0.061, abs=0.02)
    # The divisions never meet; promoted and relegated clubs tell how far apart they are.
    for name in ("attack", "defence"):
        gap = truth[name][:20].mean() - truth[name][20:].mean()
        assert clubs[name].iloc[:20].mean() - clubs[name].iloc[20:].mean() == pytest.approx(gap, abs=0.15)
    h, w = (side.ravel() for side in np.meshgrid(np.arange(20), np.arange(20)))
    said = strengths.expected_goals("tier1", [f"club{k:02d}" for k in h], [f"club{k:02d}" for k in w])
    home = 0.05 + 0.3 + truth["attack"][h] - truth["defence"][w]
    away = 0.05 + truth["attack"][w] - truth["defence"][h]
    assert np.sqrt(np.mean((np.log(said) - np.column_stack([home, away])) ** 2, axis=0)) == pytest.approx(
        0.061 * 2**0.5, abs=0.03
    )


def least_penalty(matches: pd.DataFrame, at: pd.Timestamp) -> dict[str, float]:
    """The same model by a general optimiser and dictionaries, match by match."""
    rows = matches[matches["known_at"] < at].sort_values("known_at").to_dict("records")
    division = {club: row["competition_id"] for row in rows for club in (row["home_team_id"], row["away_team_id"])}
    names = [f"{what} {club}" for club in division for what in ("attack", "defence")] + ["home"]
    names += [f"{what} {d}" for d in sorted(set(division.values())) for what in ("level", "attack", "defence")]
    start = {"home": dc.HOME_ADVANTAGE} | {name: dc.LEVEL for name in names if name.startswith("level")}

    def penalty(values: np.ndarray) -> float:
        v = dict(zip(names, values, strict=True))
        total = dc.WEAK / 2 * (v["home"] - dc.HOME_ADVANTAGE) ** 2
        for d in set(division.values()):
            total += dc.WEAK / 2 * ((v[f"level {d}"] - dc.LEVEL) ** 2 + v[f"attack {d}"] ** 2 + v[f"defence {d}"] ** 2)
        for club, d in division.items():
            attack, defence = (v[f"{what} {club}"] - v[f"{what} {d}"] for what in ("attack", "defence"))
            total += dc.STRENGTH_RIDGE / 4 * (attack + defence) ** 2 + dc.OPENNESS_RIDGE / 4 * (attack - defence) ** 2
        for row in rows:
            weight = np.exp(-dc.DECAY * (at - row["known_at"]) / pd.Timedelta(days=1))
            h, a, level = row["home_team_id"], row["away_team_id"], v[f"level {row['competition_id']}"]
            for goals, log_rate in (
                (row["home_goals"], level + v["home"] + v[f"attack {h}"] - v[f"defence {a}"]),
                (row["away_goals"], level + v[f"attack {a}"] - v[f"defence {h}"]),
            ):
                total -= weight * (goals * log_rate - np.exp(log_rate))
        return total

    found = minimize(penalty, [start.get(name, 0.0) for name in names], method="BFGS", options={"gtol": 1e-6}).x
    return dict(zip(names, found, strict=True))


def test_the_fit_is_the_likeliest_by_a_general_optimiser(small):
    first_weeks = small[small["season"] == 2015].groupby("competition_id").head(40)
    clubs = sorted(first_weeks["home_team_id"].unique())[:3]
    few = first_weeks[first_weeks["home_team_id"].isin(clubs) | first_weeks["away_team_id"].isin(clubs)].head(24)
    at = few["known_at"].max() + pd.Timedelta(days=30)
    expected, strengths = least_penalty(few, at), dc.fit(few, at)
    for what in ("attack", "defence"):
        for club in strengths.clubs.index:
            assert strengths.clubs.loc[club, what] == pytest.approx(expected[f"{what} {club}"], abs=1e-4)
        for d in strengths.divisions.index:
            assert strengths.divisions.loc[d, what] == pytest.approx(expected[f"{what} {d}"], abs=1e-4)
            assert strengths.divisions.loc[d, "level"] == pytest.approx(expected[f"level {d}"], abs=1e-4)
    assert strengths.home_advantage == pytest.approx(expected["home"], abs=1e-4)


def test_rho_is_the_likeliest_given_the_rest():
    matches, _ = known_strengths(2)
    at = matches["known_at"].max() + pd.Timedelta(days=1)
    strengths = dc.fit(matches, at)
    weight = np.exp(-dc.DECAY * ((at - matches["known_at"]) / pd.Timedelta(days=1)).to_numpy())
    goals = np.empty((len(matches), 2))
    for division, part in matches.groupby("competition_id"):
        goals[part.index] = strengths.expected_goals(division, part["home_team_id"], part["away_team_id"])
    low, high = (bound.max() if k == 0 else bound.min() for k, bound in enumerate(rho_bounds(*goals.T)))
    score = matches[["home_goals", "away_goals"]].to_numpy().astype(int)

    def likelihood(rho: float) -> float:
        cells = scoreline_grid(*goals.T, rho)[np.arange(len(score)), score[:, 0], score[:, 1]]
        return float((weight * np.log(cells)).sum()) - dc.RHO_PRECISION / 2 * (rho - dc.RHO) ** 2

    assert low < strengths.rho < high
    for other in (strengths.rho - 0.002, strengths.rho + 0.002):
        assert likelihood(other) < likelihood(strengths.rho)


def test_walking_through_time_says_what_a_fit_from_nothing_at_each_thursday_says(small):
    said = dc.rate(small)
    asked = small.set_index("match_id").loc[said.index]
    for match_id, row in asked.iloc[[5, 90, 201, 333, 470, 600, -1]].iterrows():
        weeks = (row["as_of"] - THURSDAY_NOON) // pd.Timedelta(days=dc.REFIT_DAYS)
        strengths = dc.fit(small, THURSDAY_NOON + weeks * pd.Timedelta(days=dc.REFIT_DAYS))
        expected = strengths.expected_goals(row["competition_id"], [row["home_team_id"]], [row["away_team_id"]])[0]
        assert said.loc[match_id, ["expected_home_goals", "expected_away_goals"]].tolist() == pytest.approx(expected, rel=1e-4)
        assert said.loc[match_id, "rho"] == pytest.approx(strengths.rho, abs=1e-4)


def test_what_is_not_asked_about_is_not_fitted_and_what_is_is_told_the_same(small):
    everything = dc.rate(small)
    since = small["as_of"].sort_values().iloc[len(small) // 2]
    later = dc.rate(small, since)
    week = (small.set_index("match_id")["as_of"].loc[later.index] - THURSDAY_NOON) // pd.Timedelta(days=7)
    is_told = (week >= (since - THURSDAY_NOON) // pd.Timedelta(days=7)).to_numpy()
    assert 0 < is_told.sum() < len(is_told)
    assert later[~is_told].isna().all(axis=None)
    # The first fit begins elsewhere: both end where Newton's method stops.
    np.testing.assert_allclose(later[is_told], everything[is_told], rtol=1e-4, atol=1e-4)


def test_pooled_goals_lie_between_both_views_in_their_order(small):
    ours = dc.rate(small).iloc[:3]
    theirs = np.array([[1.0, 1.0], [2.5, 0.4], [0.3, 3.0]])
    np.testing.assert_allclose(np.log(dc.pooled(theirs, ours)), (np.log(theirs) + np.log(ours.iloc[:, :2].to_numpy())) / 2.0)


def test_nothing_known_after_a_cut_changes_what_was_said_before_it(small):
    cut = small["as_of"].quantile(0.6)
    nonsense = small.copy()
    late = ~(nonsense["known_at"] < cut)
    random = np.random.default_rng(1)
    nonsense.loc[late, ["home_goals", "away_goals"]] = random.integers(0, 9, (late.sum(), 2)).astype(float)
    before = small.loc[small["as_of"] <= cut, "match_id"]
    true, false = dc.rate(small), dc.rate(nonsense)
    pd.testing.assert_frame_equal(true.loc[before], false.loc[before], check_exact=True)
    assert (true.drop(before) != false.drop(before)).any(axis=None)


def test_shuffled_input_gives_identical_expected_goals(small):
    pd.testing.assert_frame_equal(dc.rate(small), dc.rate(small.sample(frac=1.0, random_state=3)), check_exact=True)


def test_another_country_changes_nothing(world, small):
    both = dc.rate(world[0])
    pd.testing.assert_frame_equal(both.loc[both.index.isin(small["match_id"])], dc.rate(small), check_exact=True)


def at_week(make_match, moment: str, *rows: dict[str, object]) -> list[float]:
    """What is said of a match asked at a moment, after other matches."""
    asked = make_match(0, "a", "b", match_id="asked", as_of=pd.Timestamp(moment))
    return dc.rate(pd.DataFrame([*rows, asked])).loc["asked"].tolist()


def test_a_result_counts_from_the_first_thursday_after_it_was_known(make_match):
    played = make_match(0, "a", "b", (9, 0), as_of=pd.Timestamp("2019-12-25T12:00Z"))
    nothing = at_week(make_match, "2020-01-09T13:00Z")
    for known_at, asked_at, is_used in (
        ("2020-01-02T11:59Z", "2020-01-02T12:00Z", True),
        ("2020-01-02T12:00Z", "2020-01-02T13:00Z", False),
        ("2020-01-02T12:00Z", "2020-01-09T11:59Z", False),
        ("2020-01-02T12:00Z", "2020-01-09T12:00Z", True),
    ):
        said = at_week(make_match, asked_at, played | {"known_at": pd.Timestamp(known_at)})
        assert (said != nothing) == is_used, (known_at, asked_at)


def test_of_an_unknown_country_the_starting_values_are_said(make_match):
    said = at_week(make_match, "2020-01-01T11:00Z")
    assert said == pytest.approx([np.exp(dc.LEVEL + dc.HOME_ADVANTAGE), np.exp(dc.LEVEL), dc.RHO], abs=1e-6)


def test_results_older_than_the_window_are_forgotten(make_match):
    old = make_match(-dc.WINDOW_DAYS - 10, "a", "b", (9, 0))
    assert at_week(make_match, "2020-01-01T11:00Z", old) == at_week(make_match, "2020-01-01T11:00Z")


def test_a_club_never_seen_stands_in_the_middle_of_the_division_it_enters():
    matches, _ = known_strengths(3)
    strengths = dc.fit(matches, matches["known_at"].max() + pd.Timedelta(days=1))
    for division in ("tier1", "tier2"):
        middle = strengths.divisions.loc[division]
        said = strengths.expected_goals(division, ["new"], ["newer"])[0]
        strength = middle["attack"] - middle["defence"]
        assert np.log(said) == pytest.approx(
            [middle["level"] + strengths.home_advantage + strength, middle["level"] + strength], abs=1e-12
        )
    # Drawn with .25 and −.25, so the second division's newcomer is the weaker one.
    assert strengths.divisions.loc["tier1", "attack"] > strengths.divisions.loc["tier2", "attack"] + 0.2
    cup = strengths.expected_goals("cup", ["new"], ["newer"])[0]
    assert np.log(cup) == pytest.approx([dc.LEVEL + strengths.home_advantage, dc.LEVEL], abs=1e-12)


def test_even_the_wildest_results_give_a_grid_that_is_a_distribution(make_match):
    rows = [make_match(7 * k, "a", "b", (13, 0) if k % 2 else (0, 0)) for k in range(30)]
    said = dc.rate(pd.DataFrame(rows))
    grid = scoreline_grid(*said.to_numpy().T)
    assert (grid > 0.0).all()
    assert grid.sum(axis=(1, 2)) == pytest.approx(1.0)
    assert said.notna().all(axis=None)
