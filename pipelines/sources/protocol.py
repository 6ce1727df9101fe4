"""What every source of match files offers, and the plain values it hands over.

Belongs here: the `Source` protocol, what a fetch and a parse give back, the scope of a load, the reasons for setting
a line aside and for counting a cell as empty, and the errors for which a source is to blame. Does not belong here:
anything about one provider.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Protocol, Self

Layout = Literal["main", "new", "fixtures", "new_fixtures", "json", "international", "football_data_org", "stream"]
State = Literal["intact", "truncated", "refused"]

FIRST_SEASON: Final = 1993
"""Start year of the oldest season any source has."""

DEFAULT_COMPETITIONS: Final = frozenset({"E0", "E1", "D1", "D2", "I1", "I2", "SP1", "SP2", "F1", "F2"})
"""The big five leagues and their second tiers."""

DEFAULT_N_SEASONS: Final = 10

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bad_date": "The date does not exist or is not written as day/month/year",
        "broken_off": "The line is cut short, so its last value may be half of what was meant",
        "duplicate_line": "The same line stands in the file once already",
        "empty": "The file has no content",
        "html": "The file is a web page, not data: the provider has no such file or is in trouble",
        "impossible_moment": "It cannot have happened at the moment that the message tells",
        "impossible_score": "The score is not two whole numbers within reason",
        "no_date": "The line has no date",
        "no_ground": "The line does not say whether the ground is neutral",
        "no_header": "The first line does not name the columns a match needs",
        "no_teams": "One team or both are missing",
        "not_a_match": "The line is not a match",
        "not_the_contract": "The message does not say what the contract of the stream asks for",
        "nul_bytes": "The line holds NUL bytes, a trace of damaged storage or transfer",
        "other_competition": "The line belongs to a competition that this file is not about",
        "other_season": "The date lies outside the season that this file is about",
        "team_against_itself": "Home and away team are the same",
        "too_many_columns": "There are more columns than any file of this kind has",
        "unknown_schema": "The message follows another version of the contract than those that are known",
        "unreadable_json": "The file is not JSON, or breaks off",
        "unreadable_message": "The message is not JSON in UTF-8",
        "unreadable_quotes": "Quotation marks open and close where they cannot",
    }
)
"""Why a line or a file was set aside: short code to a sentence for a person, without its full stop."""

CELL_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "impossible_count": "Goals, shots, corners, fouls and cards are whole numbers from 0 up",
        "impossible_price": "A decimal price is more than 1 and at most 1000",
        "impossible_time": "The time is not an hour and a minute of the day, such as 20:45",
        "not_a_number": "A number should stand here",
    }
)
"""Why a filled cell of a match counts as empty, in the same form."""

MAX_GOALS: Final = 20
"""The highest score of one team in thirty seasons is 13."""

MAX_CONTENT: Final = 2000
"""Characters of a quarantined line that are kept."""

MAX_ENTRIES_PER_REASON: Final = 100
"""Quarantined lines, or unusable cells, listed one by one; further ones with the same reason share an entry."""


_GOALS: Final = frozenset(str(goals) for goals in range(MAX_GOALS + 1))


def is_score(home: str, away: str) -> bool:
    """Whether two texts are the goals of a match."""
    return home in _GOALS and away in _GOALS


class Unfit(Exception):
    """Raised within a parser for a line or a file that cannot be used; `reason` is a key of REASONS."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class SourceError(Exception):
    """A source could not give what was asked; the message is a sentence for a person."""


class SourceUnreachable(SourceError):
    """Nothing came back in spite of patience: no connection, time-outs, or the server says it cannot."""


class SourceSilent(SourceUnreachable):
    """Nobody answers, or the server says that it is out of order: whatever else it is asked for would most likely fare alike."""


def has_none(source: str, keys: Sequence[str]) -> SourceUnreachable:
    """What a source is whose server answers, and has none of the files that were loaded of it before."""
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return SourceUnreachable(
        f"{source} has none of the files that were loaded before and asked for now ({keys[0]}{more}): it answers, and is out of "
        "reach all the same, as if its address had moved."
    )


class QuotaUsedUp(SourceUnreachable):
    """The provider allows no more requests for now."""


class SourceRefuses(SourceUnreachable):
    """The server is there, and says that it does not give what was asked for."""


class DownloadTooLarge(SourceError):
    """A file is larger than any file of this kind should be; it was not read to its end."""


@dataclass(frozen=True)
class Scope:
    """Which competitions and seasons to load.

    `competitions` are football-data.co.uk's codes, None = every one there is; `seasons` are start years.
    """

    competitions: frozenset[str] | None
    seasons: frozenset[int]

    @classmethod
    def read(cls, competitions: str, seasons: str, today: date) -> Self:
        """Read what a person wrote: `all`, or a list such as `E0,ARG`; `all`, `2015-2023`, `2019,2021-2023`.

        Empty text means the default: the big five and their second tiers, the last ten seasons.
        Raises ValueError, with a sentence, for anything else.
        """
        return cls(_read_competitions(competitions), _read_seasons(seasons, current_season(today)))

    def covers(self, competition: str | None, season: int | None = None) -> bool:
        """Whether a file of this competition and season is wanted; None = not bound to one."""
        is_wanted = self.competitions is None or competition in self.competitions
        return is_wanted and (season is None or season in self.seasons)


def current_season(today: date) -> int:
    """Start year of the season under way; a new one counts from July."""
    return today.year if today.month >= 7 else today.year - 1


def _read_competitions(text: str) -> frozenset[str] | None:
    codes = [code.upper() for code in re.split(r"[\s,]+", text) if code]
    if not codes:
        return DEFAULT_COMPETITIONS
    if codes == ["ALL"]:
        return None
    if wrong := [code for code in codes if not re.fullmatch(r"[A-Z]{1,3}\d?", code)]:
        raise ValueError(f"COMPETITIONS takes `all` or codes such as E0,D1,ARG, not “{wrong[0]}”.")
    return frozenset(codes)


def _read_seasons(text: str, current: int) -> frozenset[int]:
    parts = [part.lower() for part in re.split(r"[\s,]+", text) if part]
    if not parts:
        return frozenset(range(current - DEFAULT_N_SEASONS + 1, current + 1))
    if parts == ["all"]:
        return frozenset(range(FIRST_SEASON, current + 1))
    seasons: set[int] = set()
    for part in parts:
        years = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", part)
        first, last = (int(years[1]), int(years[2] or years[1])) if years else (0, 0)
        if not FIRST_SEASON <= first <= last <= current + 1:
            raise ValueError(
                f"SEASONS takes `all`, start years between {FIRST_SEASON} and {current + 1}, "
                f"and ranges such as 2015-2023, not “{part}”."
            )
        seasons.update(range(first, last + 1))
    return frozenset(seasons)


@dataclass(frozen=True)
class Delivery:
    """The bytes of one file as they came, with the validators for asking again."""

    source: str
    key: str
    content: bytes
    etag: str | None
    last_modified: str | None
    fetched_at: datetime

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class NotModified:
    """The file is still what the validators stand for."""

    source: str
    key: str


@dataclass(frozen=True)
class Missing:
    """The source has no such file: ordinary for a season that has not begun, see `Source.is_due`."""

    source: str
    key: str


Fetched = Delivery | NotModified | Missing


class Row(NamedTuple):
    """A line that is a match: column name to text as delivered, empty cells left out, names in ascending order."""

    line_number: int
    cells: dict[str, str]


class QuarantinedLine(NamedTuple):
    """A line (or a whole file: `line_number` None) set aside, and why.

    `teams` are the home and away names where the line still gives them: an earlier good state of that line may
    then stay.
    """

    line_number: int | None
    n_lines: int
    reason: str
    explanation: str
    content: str | None
    teams: tuple[str, str] | None = None


class UnusableCell(NamedTuple):
    """A filled cell of a match that counts as empty, and why: `reason` is a key of CELL_REASONS.

    An entry for the surplus of a column has neither `line_number` nor `content`.
    """

    line_number: int | None
    column_name: str
    n_cells: int
    content: str | None
    reason: str


@dataclass(frozen=True)
class ParsedFile:
    """One file taken apart. Every line is header, row, quarantined or blank: `is_reconciled` says that none got lost.

    `n_lines` is counted on the bytes, independently of the rest. `header` holds the keys of `cells` in file order, of JSON the
    paths of its records' fields, of a stream's batch those where they are not the contract's.
    `unusable` are cells of the rows: their lines are matches all the same. `kinds` tells of what kind the values of a column
    are, by lines whether they are matches or not. A refused file has a `header` if it is a table that lacks what a match needs.
    """

    layout: Layout
    state: State
    encoding: str | None
    header: tuple[str, ...] | None
    rows: Sequence[Row]
    quarantined: Sequence[QuarantinedLine]
    n_lines: int
    n_header: int
    n_blank: int
    unusable: Sequence[UnusableCell] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_quarantined(self) -> int:
        return sum(line.n_lines for line in self.quarantined)

    @property
    def is_reconciled(self) -> bool:
        return self.n_lines == self.n_header + len(self.rows) + self.n_quarantined + self.n_blank


class Source(Protocol):
    """A provider of match files."""

    @property
    def name(self) -> str:
        """As it stands in `bronze.source_file.source`."""

    def list(self, scope: Scope) -> list[str]:
        """Keys of the files to ask for. Raises SourceUnreachable, or ValueError for a scope that means nothing here."""

    def is_missed(self, key: str, scope: Scope) -> bool:
        """Whether a file that was loaded before, and is not listed for the scope, ought to be: a folder lists what it has, and
        one whose disk is not mounted has nothing. Of a server's files none is, for every file it could have is listed."""

    def fetch(self, key: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        """Get one file unless it is still what the validators stand for. Raises SourceError."""

    def coming(self) -> Sequence[str]:
        """Keys of the files that list coming matches: few and small enough to be asked for every half hour.

        Raises SourceUnreachable.
        """

    def is_due(self, key: str, today: date) -> bool:
        """Whether the file has to be there on that day even if nobody has seen it yet: its absence then is an outage."""

    def parse(self, key: str, content: bytes) -> ParsedFile:
        """Take a file apart. Never raises for what the bytes hold: that is what quarantine is for."""


def keys_to_ask(source: Source, scope: Scope, loaded: Iterable[str]) -> list[str]:
    """Keys to ask a source for: what it lists, and what it ought to list of those loaded before. Raises as `list`."""
    listed = source.list(scope)
    return [*listed, *sorted(key for key in set(loaded).difference(listed) if source.is_missed(key, scope))]


def set_aside(
    line_number: int | None, fault: Unfit, *, content: str | None = None, teams: tuple[str, str] | None = None, n_lines: int = 1
) -> QuarantinedLine:
    """A quarantine entry whose explanation is the reason's sentence and, after a colon, what was found."""
    explanation = REASONS[fault.reason] + (f": {fault.detail[:200]}." if fault.detail else ".")
    # PostgreSQL text cannot hold NUL; the symbol for it keeps the line legible.
    shown = None if content is None else content[:MAX_CONTENT].replace("\0", "\N{SYMBOL FOR NULL}")
    return QuarantinedLine(line_number, n_lines, fault.reason, explanation.replace("\0", "\N{SYMBOL FOR NULL}"), shown, teams)


def refuse(
    layout: Layout, n_lines: int, fault: Unfit, content: str | None = None, header: tuple[str, ...] | None = None
) -> ParsedFile:
    """A file of which nothing can be used: one entry stands for all its lines."""
    entry = set_aside(None, fault, content=content, n_lines=n_lines)
    return ParsedFile(layout, "refused", None, header, (), (entry,), n_lines, 0, 0)


def bounded(lines: Iterable[QuarantinedLine]) -> list[QuarantinedLine]:
    """The entries of one file, with the surplus of each reason gathered into one, so that garbage stays small."""
    kept: list[QuarantinedLine] = []
    seen: Counter[str] = Counter()
    for line in lines:
        seen[line.reason] += 1
        if seen[line.reason] <= MAX_ENTRIES_PER_REASON:
            kept.append(line)
    surplus = {reason: n - MAX_ENTRIES_PER_REASON for reason, n in seen.items() if n > MAX_ENTRIES_PER_REASON}
    return kept + [
        set_aside(None, Unfit(reason, "further lines with the same fault"), n_lines=n) for reason, n in surplus.items()
    ]
