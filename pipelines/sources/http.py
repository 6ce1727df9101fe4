"""Fetching files politely, from a server or from a folder.

Belongs here: connections, conditional requests, patience, limits, and telling what went wrong in a sentence. Does not
belong here: what the bytes mean, or how many requests a provider allows (`quota`).
"""

import math
import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx
import stamina

from pipelines.sources.protocol import (
    Delivery,
    DownloadTooLarge,
    Fetched,
    Missing,
    NotModified,
    SourceError,
    SourceRefuses,
    SourceSilent,
    SourceUnreachable,
)
from pipelines.sources.quota import PATIENCE_SECONDS, Quota

CONNECTIONS: Final = 4
"""At most this many requests at a time to one provider."""

USER_AGENT: Final = "football-prediction-platform (conditional requests, at most 4 at a time)"

_MISSING: Final = frozenset({300, 404, 410})
"""300: some servers answer a name they do not have with a list of similar ones."""


class _Transient(SourceSilent):
    """Worth another try, after `wait_seconds` if the server named a time."""

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


@dataclass(frozen=True)
class Patience:
    """How long to wait for what; seconds and bytes."""

    connect_seconds: float = 10
    read_seconds: float = 30
    download_seconds: float = 180
    attempts: int = 5
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30
    max_bytes: int = 64 * 1024 * 1024
    quota_seconds: float = PATIENCE_SECONDS
    """For a provider that allows no more requests just now."""
    until: float = math.inf
    """By the clock `time.monotonic`: behind it nothing is tried again, and no download goes on."""


@dataclass
class Web:
    """One provider's pool of connections. Threads may share it; `close` it at the end.

    `file://` addresses are served from the folder, with size and time of change as validators. Where `key` is set, a header's
    name and value, every request carries it, and redirects are refused: whoever they lead to would be handed the key.
    """

    patience: Patience = field(default_factory=Patience)
    key: Mapping[str, str] = field(default_factory=dict, repr=False)
    quota: Quota | None = field(default=None, repr=False)
    _client: httpx.Client | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def folder(self, url: str) -> Path | None:
        """The folder a `file://` address means, None for a server's. Raises SourceUnreachable if there is none."""
        parts = urlsplit(url)
        if parts.scheme != "file":
            return None
        folder = Path(unquote(parts.path))
        if not folder.is_dir():
            raise SourceUnreachable(f"The folder {folder} does not exist or cannot be read.")
        return folder

    def fetch(self, source: str, key: str, url: str, etag: str | None, last_modified: str | None) -> Fetched:
        """Get `url` unless it is still what the validators stand for. Raises SourceUnreachable or DownloadTooLarge."""
        if urlsplit(url).scheme == "file":
            return self._read_file(source, key, Path(unquote(urlsplit(url).path)), etag)
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in conditions.items() if value}
        patience = self.patience
        for attempt in stamina.retry_context(
            on=self._wait_before_retry,
            attempts=patience.attempts,
            timeout=None,
            wait_initial=patience.first_wait_seconds,
            wait_max=patience.longest_wait_seconds,
            wait_jitter=patience.first_wait_seconds,
        ):
            with attempt:
                return self._request(source, key, url, headers)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _read_file(self, source: str, key: str, path: Path, etag: str | None) -> Fetched:
        try:
            facts = path.stat()
            tag = f'"{facts.st_size:x}-{facts.st_mtime_ns:x}"'
            if tag == etag:
                return NotModified(source, key)
            if facts.st_size > self.patience.max_bytes:
                raise _too_large(str(path), self.patience.max_bytes)
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return Missing(source, key)
        except OSError as error:
            raise SourceUnreachable(f"{path} cannot be read: {error.strerror}.") from error
        modified = format_datetime(datetime.fromtimestamp(facts.st_mtime, UTC), usegmt=True)
        return Delivery(source, key, content, tag, modified, datetime.now(UTC))

    def _request(self, source: str, key: str, url: str, headers: dict[str, str]) -> Fetched:
        host = urlsplit(url).netloc
        try:
            allowed = self.quota.request() if self.quota else nullcontext(lambda status, headers: None)
            with allowed as tell, self._connected().stream("GET", url, headers=headers) as response:
                tell(response.status_code, response.headers)
                if response.status_code == httpx.codes.NOT_MODIFIED:
                    return NotModified(source, key)
                # A server that corrects spelling would redirect to another league's file.
                is_other_file = PurePosixPath(response.url.path).name != PurePosixPath(urlsplit(url).path).name
                if response.status_code in _MISSING or (response.is_success and is_other_file):
                    return Missing(source, key)
                if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
                    raise self._transient(host, response)
                if not response.is_success:
                    raise SourceRefuses(f"{host} refuses to give {key} (HTTP {response.status_code}).")
                content = self._download(url, response)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
            raise SourceUnreachable(f"{url} leads nowhere ({error}).") from error
        except httpx.LocalProtocolError:  # whose text quotes the header, and that may be the key
            raise SourceUnreachable(f"What would be asked of {host} is no request that HTTP allows: see the headers.") from None
        except httpx.TimeoutException as error:
            raise _Transient(f"{host} did not answer in time.") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _Transient(f"{host} cannot be reached or broke off the connection ({error}).") from error
        etag, last_modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
        return Delivery(source, key, content, etag, last_modified, datetime.now(UTC))

    def _download(self, url: str, response: httpx.Response) -> bytes:
        patience = self.patience
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > patience.max_bytes:
            raise _too_large(url, patience.max_bytes)
        deadline = min(time.monotonic() + patience.download_seconds, patience.until)
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > patience.max_bytes:
                raise _too_large(url, patience.max_bytes)
            # The read time-out bounds the wait for each piece, this one a server that drips.
            if time.monotonic() > deadline:
                seconds = f"{patience.download_seconds:g} s" if deadline < patience.until else "what a look may take"
                raise _Transient(f"{urlsplit(url).netloc} is too slow: {url} is not here after {seconds}.")
        return bytes(content)

    def _wait_before_retry(self, error: Exception) -> bool | float:
        if not isinstance(error, _Transient) or time.monotonic() > self.patience.until:
            return False
        return True if error.wait_seconds is None else error.wait_seconds

    def _transient(self, host: str, response: httpx.Response) -> SourceError:
        message = f"{host} answers HTTP {response.status_code}: it is busy or out of order."
        wait_seconds = _retry_after(response.headers.get("Retry-After"))
        if wait_seconds is not None and wait_seconds > self.patience.longest_wait_seconds:
            return SourceSilent(f"{message} It asks to come back in {wait_seconds:.0f} s.")
        return _Transient(message, wait_seconds)

    def _connected(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                patience = self.patience
                self._client = httpx.Client(
                    follow_redirects=not self.key,
                    headers={"User-Agent": USER_AGENT, **self.key},
                    limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
                    timeout=httpx.Timeout(patience.read_seconds, connect=patience.connect_seconds, pool=None),
                )
            return self._client


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a Retry-After header in either of its forms."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    with suppress(ValueError):
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    return None


def _too_large(what: str, max_bytes: int) -> DownloadTooLarge:
    return DownloadTooLarge(f"{what} is larger than {max_bytes / 2**20:g} MiB, more than any match file; it was not read.")
