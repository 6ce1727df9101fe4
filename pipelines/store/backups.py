"""The backups that there are: which count, what was true when they were taken, which may go.

Belongs here: the folder of backups and the notes beside each copy. Does not belong here: making, reading and restoring a copy,
which PostgreSQL's own programs do (`cluster_copy`).
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from pipelines.store.cluster_copy import COPY, digests
from pipelines.store.ledger import Head, head
from pipelines.store.turn import Busy
from pipelines.store.warehouse import Warehouse

_NAME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class State:
    """What a backup has to give back: rows of each table that the reader's role may read, and where the ledger ends.

    `publication_id` is None before the first publication, `head` while the ledger is empty.
    """

    n_rows: dict[str, int]
    head: Head | None
    publication_id: int | None
    revision: str


@dataclass(frozen=True)
class Backup:
    """One complete copy of the cluster.

    `sha256` is of each of its files, `n_bytes` their size, `n_cluster_bytes` what was copied; it took `seconds`.
    """

    folder: Path
    taken_at: datetime
    state: State
    sha256: dict[str, str]
    n_bytes: int
    n_cluster_bytes: int
    seconds: float
    verified_at: datetime | None
    restored_at: datetime | None

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def copy(self) -> Path:
        """What PostgreSQL's programs made, and nothing else."""
        return self.folder / COPY

    def note_verified(self, at: datetime) -> "Backup":
        """Every byte of it was found to be what it was."""
        _write(self.folder / "verified.json", {"at": at.isoformat()})
        return replace(self, verified_at=at)

    def note_restored(self, at: datetime) -> "Backup":
        """A server was started from it, and held what it should."""
        _write(self.folder / "restored.json", {"at": at.isoformat()})
        return replace(self, restored_at=at)


def state(reader: Warehouse) -> State:
    """The state of an edition now, in one snapshot but for the ledger's head. Nothing else should be writing."""
    with reader.connect() as connection:
        connection.execute("set transaction isolation level repeatable read read only")
        tables = connection.execute(
            """
            select nspname, relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace
            where relkind in ('r', 'p') and nspname in ('bronze', 'silver', 'gold', 'forecast', 'published')
                and has_table_privilege(pg_class.oid, 'select')
            order by 1, 2
            """
        ).fetchall()
        n_rows = {}
        for table in tables:
            row = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(*table))).fetchone()
            n_rows[".".join(table)] = row[0] if row else 0
    publication_id, revision = marks(reader)
    return State(n_rows, head(reader), publication_id, revision)


def marks(reader: Warehouse) -> tuple[int | None, str]:
    """The newest publication, None before the first, and the revision of the tables: what a new backup follows."""
    with reader.connect() as connection:
        row = connection.execute(
            "select (select max(publication_id) from published.publication), version_num from public.alembic_version"
        ).fetchone()
    if row is None:
        raise RuntimeError("The database has no tables yet: `football up` makes them.")
    return row[0], row[1]


def standing(folder: Path) -> list[Backup]:
    """The complete backups in `folder`, the newest first."""
    return sorted(map(_read, folder.glob("*/taken.json")), key=lambda backup: backup.taken_at, reverse=True)


def last_verified(folder: Path) -> Backup | None:
    """The newest that was found whole; None if there is none."""
    return next((backup for backup in standing(folder) if backup.verified_at is not None), None)


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Nothing else makes or restores a copy in `folder` meanwhile; gives the lock's descriptor.

    A child that is handed the descriptor goes on holding the lock if this process is killed: what it writes is in nobody's way.

    Raises:
        Busy: something does.
    """
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy("A backup is being taken or restored just now: `football backups` lists it when it is done.") from error
        yield lock.fileno()


def keep(draft: Path, taken_at: datetime, found: State, n_cluster_bytes: int, seconds: float) -> Backup:
    """Make a finished copy a backup: it gets its notes, and then, in one step, a name that counts."""
    notes = asdict(found) | {
        "sha256": digests(draft / COPY),
        "taken_at": taken_at.isoformat(),
        "n_bytes": sum(path.stat().st_size for path in (draft / COPY).iterdir()),
        "n_cluster_bytes": n_cluster_bytes,
        "seconds": seconds,
    }
    _write(draft / "taken.json", notes)
    target = draft.with_name(f"{taken_at.astimezone(UTC):{_NAME}}")
    draft.rename(target)
    return _read(target / "taken.json")


def remove_old(folder: Path, n_kept: int) -> list[str]:
    """Remove all but the newest `n_kept` that were found whole, and the newest that was not; the names of those removed.

    One that was not found whole is kept to look into. Each of them is as large as the server: more would fill its disk.
    """
    known = standing(folder)
    whole = [backup for backup in known if backup.verified_at is not None]
    others = [backup for backup in known if backup.verified_at is None]
    old = sorted(whole[n_kept:] + others[1:], key=lambda backup: backup.taken_at, reverse=True)
    for backup in old:
        # Its notes first: half removed, it counts no more.
        (backup.folder / "taken.json").unlink()
        shutil.rmtree(backup.folder)
    return [backup.name for backup in old]


def _read(path: Path) -> Backup:
    notes: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Backup(
        folder=path.parent,
        taken_at=datetime.fromisoformat(notes["taken_at"]),
        state=State(notes["n_rows"], notes["head"] and Head(**notes["head"]), notes["publication_id"], notes["revision"]),
        sha256=notes["sha256"],
        n_bytes=notes["n_bytes"],
        n_cluster_bytes=notes["n_cluster_bytes"],
        seconds=notes["seconds"],
        verified_at=_moment(path.with_name("verified.json")),
        restored_at=_moment(path.with_name("restored.json")),
    )


def _moment(path: Path) -> datetime | None:
    return datetime.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["at"]) if path.exists() else None


def _write(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_name(f".{path.name}")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
