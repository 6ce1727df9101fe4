"""On what occasion a match was played: how far its season was, and whether a promoted club took part.

Belongs here: what groups matches so that forecasts can be judged where they are hard. Does not belong here: features, which
models learn from, or scores.
"""

from typing import Final

import pandas as pd

OCCASIONS: Final = {
    "has_promoted_club": "promoted clubs",
    "is_first_five_rounds": "first 5 rounds",
    "is_last_two_rounds": "last 2 rounds",
}
"""Column to its name for people."""

N_FIRST, N_LAST = 5, 2


def occasions(matches: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Tell the occasions of matches from what was known before them.

    Parameters
    ----------
    matches
        `contract.MATCH_COLUMNS`, one row per match; with the season before, or nobody is promoted.
    features
        (n, …) of some of these matches, index `match_id`, with `home_season_n_played`, `away_season_n_played` and `rounds_left`.

    Returns
    -------
    DataFrame
        Index that of `features`. `month_of_season`: 1 in the calendar month of the competition's first match of the season, then
        counted on. `has_promoted_club`: in the season before, one of the clubs was in a lower division of the same country; a
        club that the data did not have then is not taken for promoted. `is_first_five_rounds`: neither club has played five
        matches yet. `is_last_two_rounds`: at most two rounds are left, by the number of the season before (a first season
        has none).
    """
    matches = matches.set_index("match_id")
    rows = matches.loc[features.index]
    clubs = pd.concat(
        [
            matches[["season", "tier", f"{side}_team_id"]].set_axis(["season", "tier", "team_id"], axis=1)
            for side in ("home", "away")
        ]
    )
    tier = clubs.groupby(["team_id", "season"])["tier"].min()
    before = [
        tier.reindex(pd.MultiIndex.from_arrays([rows[f"{side}_team_id"], rows["season"] - 1])).to_numpy()
        for side in ("home", "away")
    ]
    kickoff = matches["kickoff_at"]
    month = pd.Series(kickoff.dt.year * 12 + kickoff.dt.month, index=matches.index)
    first = month.groupby([matches["competition_id"], matches["season"]]).transform("min")
    n_played = features[["home_season_n_played", "away_season_n_played"]].max(axis=1, skipna=False)
    return pd.DataFrame(
        {
            "month_of_season": (month - first + 1).loc[rows.index],
            "has_promoted_club": (before[0] > rows["tier"]) | (before[1] > rows["tier"]),
            "is_first_five_rounds": n_played < N_FIRST,
            "is_last_two_rounds": features["rounds_left"] <= N_LAST,
        },
        index=features.index,
    )
