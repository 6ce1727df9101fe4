"""The inbox: files that a person dropped into a folder.

Belongs here: finding them, and telling by their content whose format they are in. Does not belong here: the formats.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipelines.sources import football_data_file, openfootball
from pipelines.sources.http import Web
from pipelines.sources.protocol import Fetched, ParsedFile, Scope


@dataclass(frozen=True)
class Inbox:
    """A folder; each file in it is a key. A folder that does not exist is an empty one."""

    folder: Path
    web: Web
    name: str = "inbox"

    def list(self, scope: Scope) -> list[str]:
        """Every file there is: who drops a file in wants it loaded, whatever the scope."""
        # A name that is not text cannot be stored as one.
        return sorted(path.name for path in self._files() if path.name.isprintable())

    def fetch(self, key: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        return self.web.fetch(self.name, key, (self.folder / key).absolute().as_uri(), etag, last_modified)

    def parse(self, key: str, content: bytes) -> ParsedFile:
        """JSON is openfootball's; everything else is judged by the header of football-data.co.uk's layouts."""
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
            return openfootball.parse(content)
        return football_data_file.parse(content, football_data_file.Expectation())

    def state(self) -> str:
        """A digest of names, sizes and times of change."""
        facts = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in self._files())
        return sha256(repr(facts).encode("utf-8", errors="backslashreplace")).hexdigest()

    def _files(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from (path for path in self.folder.iterdir() if path.is_file() and not path.name.startswith("."))
