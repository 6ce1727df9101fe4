"""What football-data.co.uk itself says it has: the files that its page of data links.

Belongs here: asking for that page, once a day, and keeping which files it named. Does not belong here: which files are known
anyway (`football_data`). Where the page is missing, or the site is away, what it named last is believed: no run fails by it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Final, Self
from urllib.parse import urljoin

from pipelines.sources.http import Patience, Web
from pipelines.sources.protocol import Delivery, SourceError

PAGE: Final = "data.php"
MOST: Final = 2000
"""Files that are believed: three times what the site has. What a page names beyond that is passed over."""

PATIENCE: Final = Patience(connect_seconds=5, read_seconds=10, download_seconds=20, attempts=1, max_bytes=4 * 1024 * 1024)
"""Nobody waits for this page: it is asked for again tomorrow."""


@dataclass(frozen=True)
class Listing:
    """The keys that the page named, and when and with which validators it was asked for last."""

    keys: tuple[str, ...] = ()
    looked_on: str = ""
    etag: str | None = None
    last_modified: str | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """What was kept; nothing where nothing was, or where it cannot be read any more."""
        try:
            kept = json.loads(path.read_text("utf-8"))
            return cls(tuple(kept["keys"]), kept["looked_on"], kept["etag"], kept["last_modified"])
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    def keep(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_suffix(".new")
        written.write_text(json.dumps(asdict(self)), "utf-8")
        written.replace(path)


def look(path: Path, url: str, today: date) -> str | None:
    """Bring what is kept at `path` up to date, with one conditional request a day; a sentence where the page could not be had.

    A folder is asked for nothing: it shows what it has.
    """
    web, note = Web(PATIENCE), None
    known = Listing.read(path)
    if url.startswith("file:") or known.looked_on == str(today):
        return None
    address = urljoin(f"{url.rstrip('/')}/", PAGE)
    try:
        answer = web.fetch("football_data", PAGE, address, known.etag, known.last_modified)
    except SourceError as error:
        note, answer = f"{error} It is asked for again tomorrow; what it named last is believed.", None
    finally:
        web.close()
    if isinstance(answer, Delivery):
        keys = tuple(linked(answer.content.decode("utf-8", "replace"), address, url))
        if not keys:
            note = f"{address} links no CSV file: competitions that are new there are not seen. What it named last is believed."
        known = replace(known, keys=keys or known.keys, etag=answer.etag, last_modified=answer.last_modified)
    replace(known, looked_on=str(today)).keep(path)
    return note


def linked(page: str, address: str, root: str) -> list[str]:
    """Keys of the CSV files below `root` that a page at `address` links, each once, in its order; at most `MOST`."""
    found = _Links()
    found.feed(page)
    base = f"{root.rstrip('/')}/"
    paths = (urljoin(address, link).partition("#")[0].partition("?")[0] for link in found.links)
    keys = dict.fromkeys(path.removeprefix(base) for path in paths if path.startswith(base) and path.lower().endswith(".csv"))
    return list(keys)[:MOST]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]
