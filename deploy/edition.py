"""Editions: self-contained instances of the platform, which never share a database.

`demo` holds simulated data, `live` real data, and `as-of-2023-05-01t1200` rehearses that day with real data. One of them
is in service at a time.
"""

import contextlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime


class EditionError(ValueError):
    """There is no such edition; the message says what would be one."""


@dataclass(frozen=True)
class Edition:
    """One instance of the platform. `data_cutoff` is set in a rehearsal only (UTC)."""

    name: str
    is_simulated: bool = False
    data_cutoff: datetime | None = None

    @property
    def warehouse(self) -> str:
        """The name of its warehouse database."""
        return "football_" + self.name.replace("-", "_")


DEMO = Edition("demo", is_simulated=True)
LIVE = Edition("live")
BENCH = Edition("bench")
"""Made anew for every benchmark."""
SCRATCH = "reproduce"
"""The name of the edition in which a prediction is made again; it is there only meanwhile, and never in service."""


def rehearsal(as_of: str) -> Edition:
    """The edition that rehearses the moment `as_of`, an ISO instant such as 2023-05-01T12:00Z."""
    moment = None
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(as_of)
    if moment is None or moment.tzinfo is None:
        raise EditionError(f"AS_OF should be an instant with its zone, such as 2023-05-01T12:00Z, not {as_of!r}")
    moment = moment.astimezone(UTC).replace(second=0, microsecond=0)
    return Edition(f"as-of-{moment:%Y-%m-%dt%H%M}", data_cutoff=moment)


def named(name: str) -> Edition:
    """The edition called `name`."""
    for edition in (DEMO, LIVE, BENCH):
        if edition.name == name:
            return edition
    if match := re.fullmatch(r"as-of-(\d{4}-\d\d-\d\d)t(\d\d)(\d\d)", name):
        return rehearsal("{}T{}:{}Z".format(*match.groups()))
    raise EditionError(f"There is no edition {name!r}: it should be demo, live, or like as-of-2023-05-01t1200")
