"""Filled cells of a match that say nothing usable: those which silver will turn into nulls.

Belongs here: which columns have a meaning in which layout, and for each kind of value the rule by which
`dbt_project/macros/casts.sql` takes a text for one. Does not belong here: casting; cells stay as delivered and are cast in
SQL. This only says beforehand which of them will be lost, so that no loss goes unsaid. `tests/dbt/test_casts.py` holds both
sides to the same verdicts.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from typing import Final

from pipelines.settings import PROJECT_DIR
from pipelines.sources.protocol import MAX_CONTENT, MAX_ENTRIES_PER_REASON, Layout, Row, UnusableCell

Rule = Callable[[str], str | None]
"""A text to the reason, a key of CELL_REASONS, why it is no value of its kind; None if it is one."""

QUOTE_COLUMNS: Final = PROJECT_DIR / "dbt_project/seeds/quote_column.csv"
"""dbt's list of what the columns of prices mean: the only one there is."""

# fmt: off
COUNTS: Final = (
    "FTHG", "FTAG", "HG", "AG", "HTHG", "HTAG",
    "HS", "AS", "HST", "AST", "HC", "AC", "HF", "AF", "HFKC", "AFKC", "HY", "AY", "HR", "AR",
)
"""Goals and match statistics of football-data.co.uk's results."""
# fmt: on

JSON_COUNTS: Final = ("ft_home", "ft_away", "ht_home", "ht_away")

INTERNATIONAL_COUNTS: Final = ("home_score", "away_score")

# What PostgreSQL's float8 and smallint take for a number: more than people write, such as 0x1F or 1_000.
_BLANK: Final = "[ \\t\\n\\v\\f\\r]*"
_NUMBER: Final = re.compile(
    f"{_BLANK}[+-]?(?:(0[xX](?:[0-9a-fA-F]+[.]?[0-9a-fA-F]*|[.][0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?)"
    f"|(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?){_BLANK}"
)
_WHOLE: Final = re.compile(
    f"{_BLANK}([+-]?)(?:(0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+)|([0-9](?:_?[0-9])*)){_BLANK}"
)
_HANDICAP: Final = re.compile("[ ]*[+-]?[0-9]{1,3}(?:[.][0-9]{1,9})?[ ]*")
_TIME: Final = re.compile("[ ]*(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?[ ]*")

_MAX_SMALLINT: Final = 32_767


@lru_cache(maxsize=100_000)
def judge_price(text: str) -> str | None:
    """As the macro `price`: a number above 1, at most 1000."""
    number = _NUMBER.fullmatch(text)
    if number is None:
        return "not_a_number"
    try:
        price = float.fromhex(text) if number[1] else float(text)
    except OverflowError:
        price = float("inf")
    return None if 1 < price <= 1000 else "impossible_price"


@lru_cache(maxsize=10_000)
def judge_handicap(text: str) -> str | None:
    """As the macro `handicap`: a decimal number of a few digits. Two lines at once (`-0.5,-1`) are none."""
    return None if _HANDICAP.fullmatch(text) else "not_a_number"


@lru_cache(maxsize=10_000)
def judge_count(text: str) -> str | None:
    """As the macro `whole_number`: a smallint, not negative."""
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        return "impossible_count" if _NUMBER.fullmatch(text) else "not_a_number"
    # A float takes any number of digits, and is exact where it matters.
    size = int(whole[2], 0) if whole[2] else float(whole[3])
    return None if size == 0 or (whole[1] != "-" and size <= _MAX_SMALLINT) else "impossible_count"


@lru_cache(maxsize=10_000)
def judge_time(text: str) -> str | None:
    """As the macro `time_of_day`: hour and minute, seconds at will."""
    return None if _TIME.fullmatch(text) else "impossible_time"


@cache
def rules_of(layout: Layout) -> Mapping[str, Rule]:
    """The columns that silver casts from files of this layout, each with its rule."""
    if layout in ("json", "football_data_org"):
        return dict.fromkeys(JSON_COUNTS, judge_count)
    if layout == "international":
        return dict.fromkeys(INTERNATIONAL_COUNTS, judge_count)
    rules: dict[str, Rule] = {"Time": judge_time}
    if layout in ("main", "new"):
        rules |= dict.fromkeys(COUNTS, judge_count)
    with QUOTE_COLUMNS.open(encoding="utf-8", newline="") as file:
        for quote in csv.DictReader(file):
            if quote["layout"] == layout:
                prices = (quote["first_column"], quote["draw_column"], quote["second_column"])
                rules |= dict.fromkeys(filter(None, prices), judge_price)
                rules |= dict.fromkeys(filter(None, [quote["line_column"]]), judge_handicap)
    return rules


class Watch:
    """Gathers the different texts of a file's columns, a few dozen each: only where one is bad are its lines looked at again.

    The texts of a line are taken while they are at hand; going through the whole file a second time would cost more.
    """

    def __init__(self, layout: Layout, names: Sequence[str]) -> None:
        places: dict[Rule, list[int]] = {}
        for place, name in enumerate(names):
            if rule := rules_of(layout).get(name):
                places.setdefault(rule, []).append(place)
        # Of a single place itemgetter gives no tuple: naming one twice does no harm.
        self._seen: list[tuple[Rule, set[str], Callable[[Sequence[str]], tuple[str, ...]]]] = [
            (rule, set(), itemgetter(found[0], *found)) for rule, found in places.items()
        ]

    def take(self, cells: Sequence[str]) -> None:
        """Note the texts of one line; there is a cell for each name."""
        for _, texts, pick in self._seen:
            texts.update(pick(cells))

    def unusable(self, layout: Layout, rows: Iterable[Row]) -> list[UnusableCell]:
        """The cells of the rows that silver will not understand; `layout` is what the file turned out to have."""
        bad = {rule: reasons for rule, texts, _ in self._seen if (reasons := _reasons(rule, texts))}
        if not bad:
            return []
        suspects = [(name, bad[rule]) for name, rule in rules_of(layout).items() if rule in bad]
        return _bounded(
            UnusableCell(row.line_number, name, 1, text[:MAX_CONTENT], reasons[text])
            for row in rows
            for name, reasons in suspects
            if (text := row.cells.get(name, "")) in reasons
        )


def _reasons(rule: Rule, texts: Iterable[str]) -> dict[str, str]:
    return {text: reason for text in texts if (reason := rule(text)) and text and not text.isspace()}


def _bounded(cells: Iterable[UnusableCell]) -> list[UnusableCell]:
    """The surplus of each reason gathered by column, so that garbage stays small."""
    kept: list[UnusableCell] = []
    seen: Counter[str] = Counter()
    surplus: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        seen[cell.reason] += 1
        if seen[cell.reason] <= MAX_ENTRIES_PER_REASON:
            kept.append(cell)
        else:
            surplus[cell.column_name, cell.reason] += 1
    return kept + [UnusableCell(None, name, n, None, reason) for (name, reason), n in surplus.items()]
