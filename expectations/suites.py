"""What is expected of each frame that Python writes, as plain data.

Belongs here: the suites, their columns and their tolerances. Does not belong here: anything that knows Great
Expectations' API (`run`), or what dbt's own tests look after in silver and gold.

The frames of bronze hold text as delivered, the standing lines of one layout after quarantine took what cannot be a
match. A suite therefore does not hunt for single bad cells, which silver turns into nulls: it stops the run where the
*schema* is not what we know, or where more than `TOLERATED` of what makes a match (day, names, score) is of another kind than
its column. Of a small file a single cell may be more than that: what a match can do without (its prices, its time of day) is
a warning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from pipelines.forecast.contract import PROBABILITIES

TOLERATED: Final = 0.05
"""Share of a delivered column's filled cells (of all rows, where a cell must be filled) that may be wrong without a word."""


@dataclass(frozen=True)
class Rule:
    """One expectation: Great Expectations' class name and its arguments."""

    kind: str
    arguments: Mapping[str, Any]
    severity: Literal["critical", "warning"] = "critical"
    """Great Expectations' word for what a failure means: a critical one stops the run, a warning is shown."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the rule reads; none for a rule about the table as a whole."""
        named = [self.arguments[name] for name in ("column", "column_A", "column_B") if name in self.arguments]
        return (*named, *self.arguments.get("column_list", ()))


@dataclass(frozen=True)
class Suite:
    """The rules for one kind of frame."""

    name: str
    describes: str
    columns: Mapping[str, tuple[str, ...]]
    """Column of the frame to the names it has had at the source, the first one that is filled being meant."""
    rules: tuple[Rule, ...]
    derived: Mapping[str, str] = field(default_factory=dict)
    """Columns computed for the rules alone: name to a `DataFrame.eval` expression."""


def _filled(column: str, tolerated: float = TOLERATED) -> Rule:
    return Rule("ExpectColumnValuesToNotBeNull", {"column": column, "mostly": 1 - tolerated})


def _like(column: str, regex: str, severity: Literal["critical", "warning"] = "critical") -> Rule:
    return Rule("ExpectColumnValuesToMatchRegex", {"column": column, "regex": regex, "mostly": 1 - TOLERATED}, severity)


def _among(column: str, values: tuple[str | bool, ...], tolerated: float = TOLERATED) -> Rule:
    return Rule("ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values), "mostly": 1 - tolerated})


def _between(column: str, low: float, high: float, *, strictly: bool) -> Rule:
    limits = {"min_value": low, "max_value": high, "strict_min": strictly, "strict_max": strictly}
    return Rule("ExpectColumnValuesToBeBetween", {"column": column, **limits})


def _not_before(later: str, earlier: str, *, strictly: bool) -> Rule:
    return Rule("ExpectColumnPairValuesAToBeGreaterThanB", {"column_A": later, "column_B": earlier, "or_equal": not strictly})


def _suite(
    name: str,
    describes: str,
    columns: Mapping[str, tuple[str, ...]],
    *rules: Rule,
    at_least: int,
    derived: Mapping[str, str] | None = None,
) -> Suite:
    every = (
        Rule("ExpectTableColumnsToMatchSet", {"column_set": list(columns), "exact_match": False}),
        Rule("ExpectTableRowCountToBeBetween", {"min_value": at_least}),
    )
    return Suite(name, describes, columns, (*every, *rules), derived or {})


# Blanks and digits are spelt out: pandas hands `\s` and capturing groups to Python's own regular expressions, which take
# ten times as long over a column as Arrow's.
_DAY: Final = "^ *[0-9]{1,2}/[0-9]{1,2}/(?:[0-9]{2}|[0-9]{4}) *$"
_ISO_DAY: Final = "^ *[0-9]{4}-[0-9]{2}-[0-9]{2} *$"
_TIME: Final = "^ *[0-9]{1,2}:[0-9]{2} *$"
_SEASON: Final = "^ *[0-9]{4}(?:/[0-9]{4})? *$"
_GOALS: Final = "^ *[0-9]{1,2} *$"
_PRICE: Final = "^ *[0-9]+(?:[.][0-9]+)? *$"
_DIVISION: Final = "^ *[A-Z]{1,3}[0-9C]? *$"
_NAME: Final = "[^0-9 .,:;/()_-]"
"""A name holds at least one character that is no digit, blank or punctuation, of whatever alphabet."""
_RESULTS: Final = ("H", "D", "A")


def _named(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: (name,) for name in names}


def _matches(day: str, home: str, away: str, *, day_like: str = _DAY) -> tuple[Rule, ...]:
    return (_filled(day), _like(day, day_like), _filled(home), _like(home, _NAME), _filled(away), _like(away, _NAME))


def _prices(*columns: str) -> tuple[Rule, ...]:
    return tuple(_like(column, _PRICE, "warning") for column in columns)


FOOTBALL_DATA_MAIN: Final = _suite(
    "football_data_main",
    "Results of the main leagues, mmz4281/<season>/<division>.csv",
    {
        **_named("Div", "Date", "Time"),
        "HomeTeam": ("HomeTeam", "HT"),
        "AwayTeam": ("AwayTeam", "AT"),
        **_named("FTHG", "FTAG", "FTR"),
        **{f"Avg{outcome}": (f"Avg{outcome}", f"BbAv{outcome}") for outcome in "HDA"},
        **_named("PSCH", "PSCD", "PSCA"),
    },
    *_matches("Date", "HomeTeam", "AwayTeam"),
    *(_filled("Div"), _like("Div", _DIVISION), _like("Time", _TIME, "warning")),
    *(_filled("FTHG"), _like("FTHG", _GOALS), _filled("FTAG"), _like("FTAG", _GOALS), _filled("FTR"), _among("FTR", _RESULTS)),
    *_prices("AvgH", "AvgD", "AvgA", "PSCH", "PSCD", "PSCA"),
    at_least=1,
)

FOOTBALL_DATA_NEW: Final = _suite(
    "football_data_new",
    'Results of the "new" leagues, new/<country>.csv',
    {
        **_named("Country", "League", "Season", "Date", "Time", "Home", "Away", "HG", "AG", "Res"),
        **{f"AvgC{outcome}": (f"AvgC{outcome}", f"Avg{outcome}") for outcome in "HDA"},
    },
    *_matches("Date", "Home", "Away"),
    *(_filled("Country"), _filled("League"), _filled("Season"), _like("Season", _SEASON), _like("Time", _TIME, "warning")),
    *(_filled("HG"), _like("HG", _GOALS), _filled("AG"), _like("AG", _GOALS), _filled("Res"), _among("Res", _RESULTS)),
    *_prices("AvgCH", "AvgCD", "AvgCA"),
    at_least=1,
)

FOOTBALL_DATA_FIXTURES: Final = _suite(
    "football_data_fixtures",
    "Coming matches with their odds, fixtures.csv and new_league_fixtures.csv; there may be none",
    {
        "Competition": ("Div", "Country"),
        **_named("Date", "Time"),
        "HomeTeam": ("HomeTeam", "Home"),
        "AwayTeam": ("AwayTeam", "Away"),
        **_named("AvgH", "AvgD", "AvgA"),
    },
    *_matches("Date", "HomeTeam", "AwayTeam"),
    *(_filled("Competition"), _like("Competition", _NAME), _like("Time", _TIME, "warning")),
    *_prices("AvgH", "AvgD", "AvgA"),
    at_least=0,
)

OPENFOOTBALL: Final = _suite(
    "openfootball",
    "Matches of openfootball's JSON files",
    _named("name", "date", "team1", "team2", "ft_home", "ft_away"),
    *_matches("date", "team1", "team2", day_like=_ISO_DAY),
    *(_filled("name"), _like("ft_home", _GOALS), _like("ft_away", _GOALS)),
    at_least=1,
)

INTERNATIONAL: Final = _suite(
    "international",
    "Matches of national teams, results.csv; those still to come have no score",
    _named("date", "home_team", "away_team", "home_score", "away_score", "tournament", "neutral"),
    *_matches("date", "home_team", "away_team", day_like=_ISO_DAY),
    *(_like("home_score", _GOALS), _like("away_score", _GOALS), _filled("tournament"), _like("tournament", _NAME)),
    *(_filled("neutral"), _among("neutral", ("TRUE", "FALSE"))),
    at_least=1,
)

_MOMENT: Final = "^ *[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z *$"
_STATUSES: Final = (
    *("SCHEDULED", "TIMED", "IN_PLAY", "PAUSED", "EXTRA_TIME", "PENALTY_SHOOTOUT", "FINISHED"),
    *("SUSPENDED", "POSTPONED", "CANCELLED", "AWARDED"),
)

FOOTBALL_DATA_ORG: Final = _suite(
    "football_data_org",
    "football-data.org's lists of matches, <season>/<competition>.json",
    _named("utcDate", "status", "stage", "season", "competition", "homeTeam", "awayTeam", "ft_home", "ft_away"),
    *_matches("utcDate", "homeTeam", "awayTeam", day_like=_MOMENT),
    *(_filled("status"), _among("status", _STATUSES), _filled("stage")),
    *(_filled("season"), _like("season", _ISO_DAY), _filled("competition"), _like("competition", "^ *[A-Z0-9]+ *$")),
    *(_like("ft_home", _GOALS), _like("ft_away", _GOALS)),
    at_least=1,
)

_UTC_MOMENT: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]+)?[+]00:00$"
_COMPETITION: Final = "^[A-Z]{1,3}[0-9C]?(?:-[a-z]+)?$"
_STREAMED_PRICES: Final = ("odds_home", "odds_draw", "odds_away", "odds_over", "odds_under")

STREAM: Final = _suite(
    "stream",
    "Results and quotes of a stream, batch by batch; of a batch all may be set aside",
    _named(
        *("kind", "competition", "home", "away", "kickoff_at", "home_goals", "away_goals", "final_at"),
        *("bookmaker", "market", *_STREAMED_PRICES, "quoted_at"),
    ),
    # No later version mends a batch: what stops a run is only what the contract cannot have let through. What a sender may say
    # wrongly within it is a warning.
    *(_filled("kind", tolerated=0), _among("kind", ("result", "quote"), tolerated=0), _among("says_when", (True,), tolerated=0)),
    *(_filled(column, tolerated=0) for column in ("competition", "home", "away", "kickoff_at")),
    *(_like(column, _UTC_MOMENT) for column in ("kickoff_at", "final_at", "quoted_at")),
    *(_like("home_goals", _GOALS), _like("away_goals", _GOALS), _among("market", ("1x2", "over_under_25"))),
    *(_like(column, _PRICE) for column in _STREAMED_PRICES),
    *(_like("competition", _COMPETITION, "warning"), _like("home", _NAME, "warning"), _like("away", _NAME, "warning")),
    at_least=0,
    # A result since when it was final, a quote when it was made: a cell equals itself where it is filled.
    derived={
        "says_when": "((final_at == final_at) == (kind == 'result')) & ((quoted_at == quoted_at) == (kind == 'quote'))",
    },
)

_PREDICTION: Final = ("match_id", "information_set", "model_name", "model_version", "kickoff_at", "as_of", "issued_at")
_EXPECTED_GOALS: Final = ("expected_home_goals", "expected_away_goals")

PREDICTIONS: Final = _suite(
    "predictions",
    "Forecasts about to be published; there may be none",
    _named(*_PREDICTION, *PROBABILITIES, *_EXPECTED_GOALS),
    # What we say ourselves is either right or not said: nothing is tolerated here.
    *(_filled(column, tolerated=0) for column in (*_PREDICTION, *PROBABILITIES, *_EXPECTED_GOALS)),
    *(_between(column, 0, 1, strictly=True) for column in PROBABILITIES),
    _between("p_total", 1 - 1e-9, 1 + 1e-9, strictly=False),
    *(_between(column, 0, 10, strictly=True) for column in _EXPECTED_GOALS),
    _among("information_set", ("results", "history", "market"), tolerated=0),
    _not_before("kickoff_at", "issued_at", strictly=True),
    _not_before("issued_at", "as_of", strictly=False),
    Rule("ExpectCompoundColumnsToBeUnique", {"column_list": ["match_id", "information_set"]}),
    at_least=0,
    derived={"p_total": " + ".join(PROBABILITIES)},
)

SUITES: Final[Mapping[str, Suite]] = MappingProxyType(
    {
        suite.name: suite
        for suite in (
            *(FOOTBALL_DATA_MAIN, FOOTBALL_DATA_NEW, FOOTBALL_DATA_FIXTURES),
            *(OPENFOOTBALL, INTERNATIONAL, FOOTBALL_DATA_ORG, STREAM, PREDICTIONS),
        )
    }
)


def find(name: str) -> Suite:
    """The suite of this name. Raises KeyError, naming those there are."""
    try:
        return SUITES[name]
    except KeyError:
        raise KeyError(f"there is no suite {name!r}; there are {', '.join(SUITES)}") from None
