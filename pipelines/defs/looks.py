"""What the sensors decide by: what is new at a source, which files are left alone, whether to ask for a run, when to look.

Belongs here: those decisions, which know neither the wall clock nor Dagster; the time is always an argument. Does not belong
here: the sensors (`sensors`), or how a file is asked for (`pipelines.sources`).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from pipelines.sources.protocol import (
    Delivery,
    DownloadTooLarge,
    Missing,
    QuotaUsedUp,
    Source,
    SourceError,
    SourceRefuses,
    SourceSilent,
    has_none,
)
from pipelines.store.file_versions import Latest

AT_MOST_FOR_ONE_STATE: Final = 3
"""Runs asked for because of one and the same state: the first, and two more where that failed."""

PAUSE: Final = timedelta(hours=1)
"""At least this lies between a run that failed and the next, whatever that is for."""

RESTS: Final = tuple(timedelta(hours=hours) for hours in (1, 2, 4, 8))
"""How long a file is left alone after it could not be had once, twice in a row, and so on; the last holds for all that follow. So
it is asked for six times in the first 24 hours, and three times in the next."""

N_FAULTS: Final = 3
"""So many files of a source that answers may be out of reach in one look; with one more the rest of them is left to the next
look, which finds those at rest. Of one that answers nothing at all, the first file suffices."""

N_NAMED: Final = 3
"""Files that a person is told by name; the rest are counted."""

LOOKS_AFTER: Final = tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60, 120))
"""When results are looked for, counted from the full time that is expected."""

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Rest:
    """Of a file that could not be had: how often in a row, until when it is left alone, and why. It is owed a look."""

    n_times: int
    until: datetime
    why: str


News = Callable[[Delivery, Latest | None], str]
"""What stands for what is new in an answer, beside the version that is loaded; empty if nothing is. Raises SourceError where
nothing of the answer can be used."""


def other_content(answer: Delivery, loaded: Latest | None) -> str:
    """The SHA-256 of a file that is not the one that is loaded."""
    return "" if loaded is not None and answer.sha256 == loaded.sha256 else answer.sha256


@dataclass
class Look:
    """What is found at the sources at one moment.

    `rests` are those of the looks before it, and become those that the next one is to know; `found` is `source/key` to what
    stands for the news of each file that has some.
    """

    now: datetime
    rests: dict[str, Rest] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)
    n_answered: int = 0
    faults: list[SourceError] = field(default_factory=list)
    """Of files that could be had before."""
    pauses: tuple[timedelta, ...] = RESTS
    is_over: Callable[[], bool] = lambda: False
    """Whether the time for the look is up: what was not asked for by then is left to the next one."""

    def at(self, source: Source, keys: Iterable[str], loaded: Mapping[str, Latest], news: News = other_content) -> None:
        """Look at these files, but for those at rest. One that cannot be had keeps nobody from the others.

        An unchanged file costs a 304, as the validators are those of the version that is loaded; one that was not intact has none
        and is read in full. A file that is gone, or larger than any file may be, is no news: a run would not take it. Where all
        that were loaded are gone, and nothing else of the source is had, it is out of reach, though it answers.

        A source that is silent when it is asked first, or allows no more requests, is not asked again: the rest of its files is
        left to the next look.
        """
        n_faults, is_there, left = 0, False, ""
        missing: list[str] = []
        n_had = 0
        for key in self._in_turn(source.name, keys):
            name = f"{source.name}/{key}"
            rest, known = self.rests.get(name), loaded.get(key)
            n_before = rest.n_times if rest else 0
            left = left or ("not asked for, as the look took too long" if self.is_over() else "")
            if left:
                self.rests[name] = Rest(n_before, self.now, left)
                continue
            try:
                answer = source.fetch(key, known.etag, known.last_modified) if known else source.fetch(key)
                is_missing = isinstance(answer, Missing)
                new = news(answer, known) if isinstance(answer, Delivery) else ""
            except DownloadTooLarge:
                is_missing, new = False, ""
            except SourceError as error:
                n_faults += 1
                left = _why_leave_the_rest(error, n_faults, is_there=is_there)
                if isinstance(error, QuotaUsedUp) and is_there:  # the others', not its own fault
                    self.rests[name] = Rest(n_before, self.now, left)
                    continue
                is_there |= isinstance(error, SourceRefuses)
                self._rest(name, error)
                continue
            is_there = True
            if is_missing:
                missing.append(key)
                continue
            n_had += 1
            self.rests.pop(name, None)
            if new:
                self.found[name] = new
        self._count(source.name, n_had, missing, loaded)

    def _count(self, source: str, n_had: int, missing: list[str], loaded: Mapping[str, Latest]) -> None:
        gone = [key for key in missing if key in loaded]
        if n_had or not gone:
            self.n_answered += n_had + len(missing)
            for key in missing:
                self.rests.pop(f"{source}/{key}", None)
            return
        error = has_none(source, gone)
        for key in gone:
            self._rest(f"{source}/{key}", error)

    def _rest(self, name: str, error: SourceError) -> None:
        rest = self.rests.get(name)
        n_before = rest.n_times if rest else 0
        pause = self.pauses[min(n_before, len(self.pauses) - 1)]
        self.rests[name] = Rest(n_before + 1, self.now + pause, str(error)[:200])
        self.faults += [error] if rest is None else []

    def _in_turn(self, source: str, keys: Iterable[str]) -> list[str]:
        """Those that are not at rest: first what failed least often, and of those another one first at each look.

        The first one's silence is taken for the source's. Were it always the same one, a fault of its own would be an outage for
        ever, whose ticks fail and remember nothing.
        """

        places: dict[str, tuple[int, bytes]] = {}
        for key in keys:
            rest = self.rests.get(f"{source}/{key}")
            if rest is None or rest.until <= self.now:
                places[key] = rest.n_times if rest else 0, hashlib.sha256(f"{self.now.isoformat()} {key}".encode()).digest()
        return sorted(places, key=places.__getitem__)

    def require_an_answer(self) -> None:
        """Tell an outage from a file: where nothing answered, it must not look like nothing new.

        Files that are known to be out of reach are none: they are named, and rest.

        Raises:
            SourceError: a file could not be had, and nothing else answered.
        """
        if self.faults and not self.n_answered:
            raise self.faults[0]

    @property
    def kept(self) -> dict[str, Rest]:
        """The rests to remember. One that is over, of a file that nobody wanted now, is not among them."""
        return {name: rest for name, rest in self.rests.items() if rest.until >= self.now}

    @property
    def not_had(self) -> str:
        """A sentence that names what could not be had, and when it is asked for again; empty where everything could."""
        if not self.kept:
            return ""
        named = [
            f"{name} ({rest.why.rstrip('.')}; again from {rest.until:%H:%M} UTC)" for name, rest in sorted(self.kept.items())
        ]
        more = len(named) - N_NAMED
        return f"could not be had: {', '.join(named[:N_NAMED])}" + (f" and {more} more" if more > 0 else "")


def _why_leave_the_rest(error: SourceError, n_faults: int, *, is_there: bool) -> str:
    """Why a source's other files are not asked for behind this error; empty where they are. `is_there`: it has answered."""
    if isinstance(error, QuotaUsedUp):
        return "not asked for, as the provider allows no more requests"
    if isinstance(error, SourceSilent) and not is_there:
        return "not asked for, as the first that was had no answer"
    return "not asked for, as too many others could not be had" if n_faults > N_FAULTS else ""


@dataclass(frozen=True)
class Asked:
    """The runs that a sensor has asked for: what it keeps in its cursor.

    `number` counts them all; `n_times` those in a row for `state`, the digest of what was new when the last one was asked for;
    `at` is when, of the last one and of those within a day before it.
    """

    number: int = 0
    state: str = ""
    n_times: int = 0
    at: tuple[datetime, ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """From the text that `str` gives; nothing from an empty one."""
        if not text:
            return cls()
        facts = json.loads(text)
        return cls(**{**facts, "at": tuple(map(datetime.fromisoformat, facts["at"]))})

    def __str__(self) -> str:
        return json.dumps({**asdict(self), "at": [at.isoformat() for at in self.at]})

    @property
    def key(self) -> str:
        """Of the last run. Never the same twice, so that a state that comes back is asked for anew."""
        return f"{self.number} {self.state}"

    def is_for(self, found: Mapping[str, str]) -> bool:
        """Whether the last run was asked for because of just this."""
        return self.state == _digest(found)

    def pause(self, has_failed: bool, now: datetime) -> str | None:
        """A sentence while the run that was asked for last and failed is not to be followed by another, whatever is new.

        What makes a run fail is seldom what was new: were each piece of news a reason for another, a source that always has some
        would have one started as often as somebody looks.
        """
        if has_failed and self.at and now - self.at[-1] < PAUSE:
            return f"the last run failed; another is asked for from {self.at[-1] + PAUSE:%H:%M} UTC"
        return None

    def bound(self, now: datetime, at_most: int) -> str | None:
        """A sentence while so many runs were asked for within 24 hours."""
        recent = [at for at in self.at if now - at < _DAY]
        if len(recent) >= at_most:
            return f"{at_most} runs were asked for within a day; another is from {recent[0] + _DAY:%Y-%m-%d %H:%M} UTC"
        return None

    def once_more(self, found: Mapping[str, str], has_failed: bool, now: datetime, at_most: int) -> "Asked | str":
        """What has been asked for once another run is, or a sentence why none is.

        Args:
            found: what is new.
            has_failed: whether the last run that was asked for failed, and no other has gone through since.
            at_most: runs within 24 hours, whatever they are for.
        """
        state = _digest(found) if found else self.state
        is_again = state == self.state
        recent = tuple(at for at in self.at if now - at < _DAY)
        if is_again and not has_failed:
            return "what is new was asked for already" if found else "nothing is new"
        if is_again and self.n_times >= AT_MOST_FOR_ONE_STATE:
            return f"{self.n_times} runs for the same state have failed: look at the last one; the schedule goes on trying"
        if pause := self.pause(has_failed, now):
            return pause
        if bound := self.bound(now, at_most):
            return bound
        return Asked(self.number + 1, state, self.n_times + 1 if is_again else 1, (*recent, now))


@dataclass(frozen=True)
class Memory:
    """What a sensor that looks at servers keeps in its cursor: the runs it asked for, its last look, and the files at rest."""

    asked: Asked = Asked()
    looked_at: datetime | None = None
    rests: Mapping[str, Rest] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Self:
        """From the text that `str` gives; nothing from an empty one. `Asked` alone is what a cursor was before files rested."""
        facts = json.loads(text or "{}")
        if "number" in facts:
            return cls(Asked.read(text))
        looked_at = facts.get("looked_at")
        rests = {
            name: Rest(n_times, datetime.fromisoformat(until), why)
            for name, (n_times, until, why) in facts.get("rests", {}).items()
        }
        return cls(Asked.read(facts.get("asked", "")), looked_at and datetime.fromisoformat(looked_at), rests)

    def __str__(self) -> str:
        rests = {name: (rest.n_times, rest.until.isoformat(), rest.why) for name, rest in self.rests.items()}
        looked_at = self.looked_at.isoformat() if self.looked_at else None
        return json.dumps({"asked": str(self.asked), "looked_at": looked_at, "rests": rests})


def is_look_due(full_time_at: datetime, looked_at: datetime | None, now: datetime) -> bool:
    """Whether one of the looks after a match's expected full time has come since the last look; None = there was none.

    However many have come, one look makes up for them.
    """
    return any((looked_at is None or looked_at < full_time_at + after) and full_time_at + after <= now for after in LOOKS_AFTER)


def _digest(found: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()[:16]
