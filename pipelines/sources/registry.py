"""Which sources there are.

Belongs here: one entry per source, made from the settings, and who takes the files of each apart. Adding a source is a module
and a line here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pipelines.settings import Settings
from pipelines.sources import football_data_org, stream
from pipelines.sources.football_data import FootballData
from pipelines.sources.football_data_org import FootballDataOrg
from pipelines.sources.http import Patience, Web
from pipelines.sources.inbox import Inbox
from pipelines.sources.international import International
from pipelines.sources.listing import Listing
from pipelines.sources.openfootball import OpenFootball
from pipelines.sources.protocol import ParsedFile, Source
from pipelines.sources.simulated import write_site

SourceFactory = Callable[[Settings, Patience], Source]

SEED: Final = 1
"""Of the simulated world. Another one is another world."""


def _simulated(settings: Settings, patience: Patience) -> Source:
    """The simulator writes football-data.co.uk's layout up to today; the name keeps its files apart from real ones."""
    write_site(settings.simulated_dir, settings.now().date(), SEED)
    return FootballData(settings.simulated_dir.absolute().as_uri(), Web(patience), name="simulated")


def listing_of(settings: Settings) -> Path:
    """Where it is kept which files football-data.co.uk says it has."""
    return settings.state_dir / "football_data_listing.json"


SOURCES: Final[Mapping[str, SourceFactory]] = MappingProxyType(
    {
        "football_data": lambda settings, patience: FootballData(
            settings.football_data_url, Web(patience), listed=Listing.read(listing_of(settings)).keys
        ),
        "openfootball": lambda settings, patience: OpenFootball(settings.openfootball_url, Web(patience)),
        "international": lambda settings, patience: International(settings.international_url, Web(patience)),
        "football_data_org": lambda settings, patience: FootballDataOrg(
            settings.football_data_org_url,
            football_data_org.web(settings.football_data_org_token, patience),
            settings.now().date(),
        ),
        "inbox": lambda settings, patience: Inbox(settings.inbox_dir, Web(patience)),
        "simulated": _simulated,
    }
)


OPTIONAL: Final = frozenset({"football_data_org", "inbox"})
"""Sources that say sooner what another has, too, or now and then something beside the others: while one of them is out of reach,
a round goes on with what the others say, and the check of its files warns."""


def address_of(settings: Settings, source: str) -> str:
    """Where a source's files are: what their keys are relative to."""
    return {
        "football_data": settings.football_data_url,
        "openfootball": settings.openfootball_url,
        "international": settings.international_url,
        "football_data_org": settings.football_data_org_url,
        "inbox": settings.inbox_dir.absolute().as_uri(),
        "simulated": settings.simulated_dir.absolute().as_uri(),
    }[source]


def parse(settings: Settings, source: str, key: str, content: bytes) -> ParsedFile:
    """Take apart a file that a source once delivered, without asking the source for anything."""
    if source == "simulated":  # simulated anew it would only write its files once more
        return FootballData("", Web(), name=source).parse(key, content)
    if source == stream.SOURCE:  # which nobody asks for files
        return stream.parse(content)
    return SOURCES[source](settings, Patience()).parse(key, content)


def open_sources(settings: Settings, patience: Patience | None = None) -> dict[str, Source]:
    """The sources that the settings name, in their order, by default with the patience of a run.

    Raises:
        ValueError: a name is none, or a source lacks its key.
    """
    if unknown := [name for name in settings.sources if name not in SOURCES]:
        raise ValueError(f"SOURCES names {', '.join(unknown)}; there are {', '.join(SOURCES)}.")
    if "football_data_org" in settings.sources and not settings.football_data_org_token:
        raise ValueError("SOURCES names football_data_org, which wants a key: set FOOTBALL_DATA_ORG_TOKEN.")
    return {name: SOURCES[name](settings, patience or Patience()) for name in settings.sources}
