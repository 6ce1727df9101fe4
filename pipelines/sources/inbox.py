"""The inbox: files that a person dropped into a folder.

Belongs here: finding them, and telling by their content whose format they are in. Does not belong here: the formats.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from pipelines.sources import football_data_file, openfootball
from pipelines.sources.http import Web
from pipelines.sources.protocol import Fetched, ParsedFile, Scope, SourceUnreachable

SETTLED_AFTER: Final = timedelta(minutes=1)
"""A file that nobody touched for so long is whole, or its writer is in trouble; then the rest is news when it comes."""


@dataclass(frozen=True)
class Inbox:
    """A folder; each file in it is a key. A folder that does not exist is an empty one, unless files were loaded of it."""

    folder: Path
    web: Web
    name: str = "inbox"

    def list(self, scope: Scope) -> list[str]:
        """Every file there is: who drops a file in wants it loaded, whatever the scope."""
        # A name that is not text cannot be stored as one.
        return sorted(path.name for path in self._files() if path.name.isprintable())

    def is_missed(self, key: str, scope: Scope) -> bool:
        """None: who dropped a file in may take it away. But nobody takes the folder away, which is made at each start."""
        return not self.folder.is_dir()

    def fetch(self, key: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        if not self.folder.is_dir():
            raise SourceUnreachable(f"The inbox {self.folder} is gone or cannot be read: nobody sees what is dropped into it.")
        return self.web.fetch(self.name, key, (self.folder / key).absolute().as_uri(), etag, last_modified)

    def parse(self, key: str, content: bytes) -> ParsedFile:
        """JSON is openfootball's; everything else is judged by the header of football-data.co.uk's layouts."""
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
            return openfootball.parse(content)
        return football_data_file.parse(content, football_data_file.Expectation())

    def is_due(self, key: str, today: date) -> bool:
        """None: who dropped a file in may take it away."""
        return False

    def coming(self) -> Sequence[str]:
        """None: nobody foresees what is dropped in, and it has a sensor of its own."""
        return []

    def unsettled(self, now: datetime) -> Sequence[str]:
        """Names of the files that changed within the last minute before `now`: one may be half written yet.

        Told by the time at which the file's state changed, as the time of its content may be copied along with it.
        """
        return sorted(path.name for path in self._files() if _changed_at(path) > (now - SETTLED_AFTER).timestamp())

    def _files(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from (path for path in self.folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_ctime
    except FileNotFoundError:  # taken away since the folder was read
        return 0.0
