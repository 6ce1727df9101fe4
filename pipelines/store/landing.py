"""The landing zone: every file's bytes as they came, kept for ever under their SHA-256.

Belongs here: what a landing zone does, and the one in a folder: putting bytes away so that a crash leaves them whole or not there
at all, and getting them back unchanged. Does not belong here: what the bytes are called or mean, which is bronze's to remember;
the landing zone in a bucket (`landing_bucket`).
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

_READ_ONLY: Final = 0o444


class LandingDamaged(Exception):
    """What is kept under a digest no longer has that digest."""


class Landing(Protocol):
    """Bytes under their SHA-256."""

    def put(self, content: bytes) -> str:
        """Keep `content`; returns its SHA-256. Bytes already kept are not written again; those that changed since are."""
        ...

    def get(self, sha256: str) -> bytes:
        """The bytes with this digest. Raises FileNotFoundError if never put, LandingDamaged if changed since."""
        ...


def open_landing(address: str, endpoint_url: str = "") -> Landing:
    """The landing zone at `s3://bucket/prefix`, or in a folder.

    `endpoint_url` is that of a server which speaks the protocol of S3; empty means Amazon's own.
    """
    if not address.startswith("s3://"):
        return FolderLanding(Path(address))
    from pipelines.store.landing_bucket import BucketLanding

    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    return BucketLanding(bucket, prefix, endpoint_url)


def place(digest: str) -> str:
    """Where the bytes with this digest are: fanned out by its first four hexadecimal digits."""
    return f"{digest[:2]}/{digest[2:4]}/{digest}"


@dataclass(frozen=True)
class FolderLanding:
    """A folder of immutable files."""

    root: Path

    def put(self, content: bytes) -> str:
        """Keep `content`; returns its SHA-256."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if not self._is_whole(path, digest):
            self._write(path, content)
        return digest

    def get(self, sha256: str) -> bytes:
        """The bytes with this digest."""
        path = self._path(sha256)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise LandingDamaged(f"{path} has changed since it was written: its content no longer matches its name.")
        return content

    def _path(self, digest: str) -> Path:
        return self.root / place(digest)

    def _is_whole(self, path: Path, digest: str) -> bool:
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest() == digest
        except FileNotFoundError:
            return False

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside its destination: a rename is atomic within one file system only.
        descriptor, name = tempfile.mkstemp(prefix=".incoming-", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), _READ_ONLY)
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._sync_folder(path.parent)

    def _sync_folder(self, folder: Path) -> None:
        """Make the new name itself survive a power cut."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
