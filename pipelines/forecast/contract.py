"""The names on which SQL, learning and storage agree.

Belongs here: column names, their order and their meaning. Does not belong here: any computation or input/output.
`gold.fct_match` and `gold.feat_match` must offer these columns (a contract test compares), the ratings must produce
theirs, and every model is fitted on the `FEATURES` of its information set in this order.
"""

from typing import Final

OUTCOMES: Final = ("home", "draw", "away")
"""The order of every triple of probabilities in this project."""

PROBABILITIES: Final = ("p_home", "p_draw", "p_away")

MATCH_COLUMNS: Final = (
    "match_id",
    "competition_id",
    "country",
    "tier",
    "season",
    "kickoff_at",
    "as_of",
    "known_at",
    "status",
    "home_team_id",
    "away_team_id",
    "home_goals",
    "away_goals",
    "home_shots",
    "away_shots",
    "home_shots_on_target",
    "away_shots_on_target",
    "home_corners",
    "away_corners",
    "home_yellow_cards",
    "away_yellow_cards",
    "home_red_cards",
    "away_red_cards",
)
"""What the ratings read from `gold.fct_match`: one row per match, played or not."""

RATINGS: Final[dict[str, tuple[str, ...]]] = {
    "elo": ("elo_home", "elo_away"),
    "pi": ("pi_home_at_home", "pi_home_away", "pi_away_at_home", "pi_away_away"),
    "goals": ("goals_log_rate_home", "goals_log_rate_away"),
    "shots": ("shots_log_rate_home", "shots_log_rate_away"),
    "experience": ("n_played_home", "n_played_away"),
    "standing": (
        "rounds_left",
        *(
            f"{side}_{name}"
            for side in ("home", "away")
            for name in (
                "place",
                "margin_title",
                "margin_promotion",
                "margin_play_off",
                "margin_safety",
                "margin_last_chance",
                "n_open_lines",
                "at_stake",
                "nearest_line",
            )
        ),
    ),
    "play": ("play_expected", "play_variance"),
}
"""Rating to the columns it gives for each match, all as they stood before the match.

`elo_home` has the home advantage of its country in it, `shots_*` are about the mean of shots and shots on target,
`pi_home_away` is the home team's rating away from home; `n_played_*` counts the team's known matches so far. `home_place` is
a share of the table. `home_margin_…` are the points by which the club is above (or, if negative, below) the place that the name
stands for in the rules of its competition (`places`), as a share of those that it can still win: beyond 1 the place is safe,
or lost. `home_n_open_lines` is how many of them it can still reach or lose, `home_nearest_line` the distance in points to the
nearest of these, `home_at_stake` 1 less the smallest of their margins, 0 where everything is decided. `play_expected` is the
expected performance of home against away (`memory.performance`), `play_variance` how unsure that is. None has seen any odds.
"""

NATIONAL_MATCH_COLUMNS: Final = (
    *("match_id", "competition_id", "season", "kickoff_at", "as_of", "known_at", "status", "is_neutral"),
    *("home_team_id", "away_team_id", "home_goals", "away_goals"),
)
"""What the ratings of national teams read from `gold.fct_international`: one row per match, played or not."""

NATIONAL_RATINGS: Final[dict[str, tuple[str, ...]]] = {
    "national_elo": ("national_elo_home", "national_elo_away"),
    "national_goals": ("national_goals_log_rate_home", "national_goals_log_rate_away"),
}
"""As `RATINGS`, of national teams. The home advantage is in them, on grounds that are not neutral."""

MEMORIES: Final[dict[str, tuple[str, ...]]] = {
    "side": ("memory_side", "memory_side_unsteered", "memory_side_variance"),
    "side_slow": ("memory_side_slow", "memory_side_slow_variance"),
    "side_fast": ("memory_side_fast", "memory_side_fast_variance"),
    "draw": ("memory_draw",),
    "total": ("memory_total", "memory_total_variance"),
    "side_restless": ("memory_side_restless", "memory_side_restless_unsteered", "memory_side_restless_variance"),
    "innovations": (
        *(f"{side}_innovation_{pace}" for side in ("home", "away") for pace in ("fast", "middle", "slow")),
        *(f"{whose}_innovation_{pace}" for whose in ("competition", "country") for pace in ("slow", "fast")),
        *("pair_innovation", "pair_n_met"),
    ),
    "moves": (
        *(f"{side}_move_{pace}" for side in ("home", "away") for pace in ("fast", "middle", "slow")),
        *(f"{whose}_move_{pace}" for whose in ("competition", "country") for pace in ("slow", "fast")),
        *("pair_move", "pair_n_moved"),
    ),
}
"""Memory to the columns it gives for each match: what earlier prices say of this one's, as it stood before the match.

Sides are ln(p_home/p_away), draws ln(p_draw/√(p_home·p_away)), totals the log-odds of more than 2.5 goals; see `memory`.
Innovations are what `innovations.decayed` keeps of what `memory_side_restless` had not expected, moves what it keeps of how
prices went from the average quote before a match to the closing one (Pinnacle's where it is known, else the average).
"""

WAREHOUSE_FEATURES: Final = (
    "home_form_points_5",
    "away_form_points_5",
    "home_form_goal_difference_5",
    "away_form_goal_difference_5",
    "home_form_shots_on_target_difference_5",
    "away_form_shots_on_target_difference_5",
    "home_rest_days",
    "away_rest_days",
    "home_season_points_per_match",
    "away_season_points_per_match",
    "home_season_goal_difference_per_match",
    "away_season_goal_difference_per_match",
    "home_season_n_played",
    "away_season_n_played",
    "month",
    "tier",
)
"""What `gold.feat_match` computes in SQL for the information set `results`."""

MARKET_COLUMNS: Final = (
    "pre_match_odds_home",
    "pre_match_odds_draw",
    "pre_match_odds_away",
    "pre_match_odds_over",
    "pre_match_odds_under",
    "closing_odds_home",
    "closing_odds_draw",
    "closing_odds_away",
    "closing_odds_over",
    "closing_odds_under",
    "pinnacle_closing_odds_home",
    "pinnacle_closing_odds_draw",
    "pinnacle_closing_odds_away",
)
"""Quotes carried by `gold.feat_market`, raw: average ones for the outcomes and for more or fewer than 2.5 goals, and Pinnacle's
closing ones. The average closing ones are the benchmark. What later matches may learn from is Pinnacle's where they are known,
else the average; of their own match closing quotes are never a feature."""

MOVEMENT_COLUMNS: Final = tuple(f"{end}_quote_odds_{outcome}" for end in ("first", "last") for outcome in OUTCOMES)
"""Where the price began and ended that a stream told before the match's `as_of`, raw, in `gold.feat_market`; null without one."""

BOOKMAKERS: Final = ("pinnacle", "maximum", "bet365", "bwin", "interwetten", "vc_bet", "william_hill")
"""Whose quotes before the match are told apart; `maximum` is the source's best price over all bookmakers."""

QUOTES: Final[dict[str, tuple[str, str, str, str]]] = {
    **{
        f"{bookmaker}_odds_{outcome}": (bookmaker, "pre_match", "1x2", f"odds_{outcome}")
        for bookmaker in BOOKMAKERS
        for outcome in OUTCOMES
    },
    "handicap_line": ("average", "pre_match", "asian_handicap", "line"),
    "handicap_odds_home": ("average", "pre_match", "asian_handicap", "odds_home"),
    "handicap_odds_away": ("average", "pre_match", "asian_handicap", "odds_away"),
}
"""Columns of quotes beside `MARKET_COLUMNS` to bookmaker, moment, market and column in `gold.fct_odds`.

A quote of a match before it that was not known before the match's `as_of` counts as absent.
"""

DERIVED_FEATURES: Final = (
    "elo_difference",
    "pi_expected_goal_difference",
    "goals_log_rate_difference",
    "shots_log_rate_difference",
    "at_stake_difference",
    "has_stake_difference",
)
"""What `assemble` computes from the ratings; a club has something at stake while a line is open to it."""

RESTLESS_FEATURES: Final = (
    *MEMORIES["side_restless"],
    *MEMORIES["innovations"],
    *(f"innovation_{pace}_lead" for pace in ("fast", "middle", "slow")),
    *(f"restless_{name}_lead" for name in ("slow", "fast", "unsteered", "play")),
)
"""The memory in which clubs change faster, what prices had in them that it did not expect, home's lead of that over away, and by
how much other views of the sides exceed this memory."""

MOVE_FEATURES: Final = MEMORIES["moves"]
"""How the prices of earlier matches moved says how this one's will: of use only beside its quotes."""

MEMORY_FEATURES: Final = (
    *(name for names in MEMORIES.values() for name in names if name not in RESTLESS_FEATURES + MOVE_FEATURES),
    "memory_side_slow_lead",
    "memory_side_fast_lead",
    "memory_side_unsteered_lead",
    "play_lead",
    *RESTLESS_FEATURES,
)
"""The memories, and by how much other views of the sides exceed `memory_side` and `memory_side_restless`."""

QUOTE_FEATURES: Final = (
    "pre_match_side",
    "pre_match_draw",
    "pre_match_total",
    "pre_match_overround",
    *(f"{bookmaker}_side_lead" for bookmaker in BOOKMAKERS),
    *(f"{bookmaker}_draw_lead" for bookmaker in BOOKMAKERS),
    "pinnacle_overround",
    "maximum_overround",
    "handicap_side_lead",
    "movement_side",
    "movement_draw",
)
"""What `assemble` computes from the quotes before the match; a lead is the excess over `pre_match_side` or `_draw`, a
movement that of the last streamed price over the first."""

_RESULTS: Final = (*DERIVED_FEATURES, *(name for names in RATINGS.values() for name in names), *WAREHOUSE_FEATURES)

FEATURES: Final[dict[str, tuple[str, ...]]] = {
    "results": _RESULTS,
    "history": (*_RESULTS, *MEMORY_FEATURES),
    "market": (*_RESULTS, *MEMORY_FEATURES, *MOVE_FEATURES, *QUOTE_FEATURES),
}
"""Information set to the columns of its feature matrix, in order, every one float64 with NaN for "not known"."""

_RESULT_LABELS: Final = ("season", "asked_at", "known_at", "home_goals", "away_goals", "performance", "performance_weight")

LABELS: Final[dict[str, tuple[str, ...]]] = {
    "results": _RESULT_LABELS,
    "history": (*_RESULT_LABELS, "price_side", "price_draw"),
    "market": (*_RESULT_LABELS, "price_side", "price_draw", "closing_side", "closing_draw"),
}
"""Information set to what its models may learn of a match once it is over.

`asked_at` and `known_at` are the match's `as_of` and the moment at which all the others are known, in days since 1970.
`performance` is how much better home played (`memory.performance`), `price_*` what the market thought at last (closing, else
before the match), `closing_*` the same of closing quotes alone: NaN where there were none.
"""
