"""How all present seasons may end.

Belongs here: which seasons are under way, how many clubs go down, and putting goals, grids and simulation together for each.
Does not belong here: the simulation (`season`) or the model of goals (`dixon_coles`).

A match that is forecast is played by its forecast's own grid: a table agrees with what was published when it was made. Months
ahead nothing is published: those pairings are played by what Dixon and Coles' model says of the clubs today.
"""

import json
from typing import Final

import pandas as pd

from pipelines.forecast import dixon_coles
from pipelines.forecast.book import grids
from pipelines.forecast.grid import Array, scoreline_grid
from pipelines.forecast.places import UNKNOWN, rule
from pipelines.forecast.season import NotSimulated, Outlook, Schedule, schedule, simulate
from pipelines.forecast.splits import is_played

UNDER_WAY: Final = pd.Timedelta(days=75)
"""A season is no longer under way when nothing was played for so long and nothing is announced: the longest winter breaks
last two months."""

OUTLOOK_COLUMNS: Final = (
    "outlook_id", "competition_id", "season", "team_id", "points", "expected_points", "n_left",
    "p_title", "p_top_four", "p_relegated", "n_relegated", "places",
)  # fmt: skip


def outlooks(
    matches: pd.DataFrame, at: pd.Timestamp, n_seasons: int = 10_000, forecasts: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Simulate the rest of every season that is under way.

    Parameters
    ----------
    matches
        `contract.MATCH_COLUMNS`, any order.
    at
        The moment, with a time zone: only results known before it count.
    n_seasons
        How often each season is played to its end.
    forecasts
        Of coming matches: `competition_id, season, home_team_id, away_team_id` and what `book.grids` wants. Where a pairing is
        left more than once, its forecast is that of the first.

    Returns
    -------
    table : DataFrame
        `OUTLOOK_COLUMNS`, one row for each club of a simulated season, the most expected points first.
    not_simulated : dict
        Competition to the reason why its season has no outlook.
    """
    parts, reasons = [], {}
    for _, country in matches.sort_values(["kickoff_at", "match_id"]).groupby("country", sort=True):
        strengths = None
        for competition_id, season in _under_way(country, at).items():
            plan = schedule(country, competition_id, season, at)
            if isinstance(plan, NotSimulated):
                reasons[competition_id] = plan.reason
                continue
            strengths = strengths or dixon_coles.fit(country, at)
            grid = _grids(plan, strengths, competition_id)
            if forecasts is not None:
                is_of = (forecasts["competition_id"] == competition_id) & (forecasts["season"] == season)
                _put(forecasts[is_of], plan, grid)
            down = n_relegated(country, competition_id, season)
            simulated = simulate(plan, grid, down, n_seasons)
            parts.append(_rows(simulated, plan, competition_id, season, down))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(OUTLOOK_COLUMNS))
    return table[list(OUTLOOK_COLUMNS)], reasons


def n_relegated(matches: pd.DataFrame, competition_id: str, season: int) -> int:
    """How many clubs go down without a play-off.

    As the season's rule has it (`places`), else as many as after the season before: those that now play neither here nor in a
    higher division.
    """
    if (known := rule(competition_id, season)) != UNKNOWN:
        *_, safety, last_chance = known
        return -(last_chance or safety)  # all below the play-off, or where there is none, below safety
    league = matches[(matches["competition_id"] == competition_id).to_numpy(dtype=bool)]
    tier = league["tier"].min()
    now = matches[(matches["season"] == season).to_numpy() & (matches["tier"] <= tier).to_numpy(dtype=bool)]
    before = league[league["season"] == season - 1]
    clubs_now = set(now["home_team_id"]) | set(now["away_team_id"])
    return len((set(before["home_team_id"]) | set(before["away_team_id"])) - clubs_now)


def _under_way(country: pd.DataFrame, at: pd.Timestamp) -> dict[str, int]:
    """Competition to the season that is being played there."""
    is_known = is_played(country) & (country["known_at"] < at).to_numpy(dtype=bool)
    is_announced = (country["status"] == "scheduled").to_numpy() & (country["kickoff_at"] >= at).to_numpy(dtype=bool)
    alive = country[(is_known | is_announced) & (country["kickoff_at"] > at - UNDER_WAY).to_numpy(dtype=bool)]
    return {str(name): int(season) for name, season in alive.groupby("competition_id", sort=True)["season"].max().items()}


def _pairings(plan: Schedule) -> tuple[list[str], list[str]]:
    """Home and away of each pairing that is left."""
    return [plan.clubs[club] for club in plan.home], [plan.clubs[club] for club in plan.away]


def _grids(plan: Schedule, strengths: dixon_coles.Strengths, competition_id: str) -> Array:
    """(m, 16, 16) by which the pairings that are left would be played today."""
    goals = strengths.expected_goals(competition_id, *_pairings(plan))
    return scoreline_grid(goals[:, 0], goals[:, 1], strengths.rho)


def _put(forecasts: pd.DataFrame, plan: Schedule, grid: Array) -> None:
    """Put the grids of what is forecast in the place of those of the same pairings."""
    pairings = pd.MultiIndex.from_arrays(_pairings(plan))
    first = pd.Series(range(len(pairings)), index=pairings)[~pairings.duplicated()]
    told = forecasts.sort_values("kickoff_at").drop_duplicates(["home_team_id", "away_team_id"])
    places = first.reindex(pd.MultiIndex.from_frame(told[["home_team_id", "away_team_id"]]))
    is_left = places.notna().to_numpy()
    if is_left.any():
        grid[places[is_left].to_numpy(dtype="int64")] = grids(told[is_left])


def _rows(simulated: Outlook, plan: Schedule, competition_id: str, season: int, down: int) -> pd.DataFrame:
    """`OUTLOOK_COLUMNS` of one season."""
    home, away = _pairings(plan)
    table, places = simulated.table.reset_index(), simulated.places.round(4)
    left = pd.Series([*home, *away], dtype=object).value_counts()
    return table.assign(
        outlook_id=competition_id + "|" + str(season) + "|" + table["team_id"],
        competition_id=competition_id,
        season=season,
        n_left=table["team_id"].map(left).fillna(0).astype("int64"),
        n_relegated=down,
        places=[json.dumps(row) for row in places.to_numpy().tolist()],
    )
