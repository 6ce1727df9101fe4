"""What the sensors decide by: what is new at a source, whether to ask for a run, when to look for results.

Belongs here: those decisions, which know neither the wall clock nor Dagster; the time is always an argument. Does not belong
here: the sensors (`sensors`), or how a file is asked for (`pipelines.sources`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from pipelines.sources.protocol import Delivery, DownloadTooLarge, Source
from pipelines.store.file_versions import Latest

AT_MOST_FOR_ONE_STATE: Final = 3
"""Runs asked for because of one and the same state: the first, and two more where that failed."""

PAUSE: Final = timedelta(hours=1)
"""At least this lies between two of them."""

LOOKS_AFTER: Final = tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60, 120))
"""When results are looked for, counted from the full time that is expected."""

_DAY: Final = timedelta(days=1)


def news(source: Source, keys: Iterable[str], loaded: Mapping[str, Latest]) -> dict[str, str]:
    """`source/key` to the SHA-256 of each file whose content is not the one that is loaded.

    An unchanged file costs a 304, as the validators are those of the version that is loaded; one that was not intact has none
    and is read in full. A file that is gone, or larger than any file may be, is no news: a run would not take it.

    Raises:
        SourceUnreachable: the source does not answer.
    """
    found: dict[str, str] = {}
    for key in keys:
        known = loaded.get(key)
        try:
            answer = source.fetch(key, known.etag, known.last_modified) if known else source.fetch(key)
        except DownloadTooLarge:
            continue
        if isinstance(answer, Delivery) and (known is None or answer.sha256 != known.sha256):
            found[f"{source.name}/{key}"] = answer.sha256
    return found


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
        if is_again and now - self.at[-1] < PAUSE:
            return f"the last run failed; another is asked for from {self.at[-1] + PAUSE:%H:%M} UTC"
        if len(recent) >= at_most:
            return f"{at_most} runs were asked for within a day; another is from {recent[0] + _DAY:%Y-%m-%d %H:%M} UTC"
        return Asked(self.number + 1, state, self.n_times + 1 if is_again else 1, (*recent, now))


def is_look_due(full_time_at: datetime, looked_at: datetime | None, now: datetime) -> bool:
    """Whether one of the looks after a match's expected full time has come since the last look; None = there was none.

    However many have come, one look makes up for them.
    """
    return any((looked_at is None or looked_at < full_time_at + after) and full_time_at + after <= now for after in LOOKS_AFTER)


def _digest(found: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()[:16]
