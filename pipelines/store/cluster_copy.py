"""Copying a whole PostgreSQL server, judging the copy, and starting a server from it: by PostgreSQL's own programs.

Belongs here: which programs are run how, and under which account. Which copies count as backups is said in `backups`.
"""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from psycopg import conninfo

COPY = "copy"
"""A folder of its own: what the manifest does not name makes a copy invalid, so notes go beside it."""

AT_MOST = 3600.0
"""Seconds that a program may take."""
READY_WITHIN = 300.0
"""Seconds within which a restored server has replayed the copy's WAL."""


class CopyFailed(Exception):
    """The programs could not do it; the message is for a person."""


class CopyDamaged(Exception):
    """A copy is not what it was when it was made; the message says what of it."""


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server of ours: the folders of its programs and data, and the URL of a role with REPLICATION."""

    binaries: Path
    data: Path
    replication_url: str

    def n_bytes(self) -> int:
        """What its data folder holds."""
        total = 0
        for folder, _, names in os.walk(self.data):
            for name in names:
                with suppress(FileNotFoundError):  # the server removes files at any time
                    total += (Path(folder) / name).lstat().st_size
        return total


def ensure_room(folder: Path, n_bytes: int) -> None:
    """Raise OSError (ENOSPC) unless there is room for so much in `folder`."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OSError(
            errno.ENOSPC,
            f"a copy may need {n_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: make room, or set BACKUPS_KEPT lower",
            str(folder),
        )


def copy(cluster: Cluster, folder: Path, lock: int) -> Path:
    """A compressed copy of the cluster with its manifest and the WAL it needs, in the folder `copy` of a draft below `folder`.

    `lock` is inherited by the program, so that one whose parent was killed still keeps others away.
    """
    draft = _emptied(folder / ".draft")
    ensure_room(folder, cluster.n_bytes())
    server = urlsplit(cluster.replication_url)
    # The wheel knows no lz4 nor zstd. The lowest level: a copy should hold up the server's disk and cores as briefly as it can.
    options = ["--format=tar", "--compress=client-gzip:1", "--wal-method=stream", "--checkpoint=fast"]
    _run(
        cluster.binaries / "pg_basebackup",
        *(*options, "--manifest-checksums=SHA256", "--no-password", f"--pgdata={draft / COPY}"),
        f"--dbname={conninfo.make_conninfo(host=server.hostname, port=server.port, user=server.username)}",
        owner=folder,
        password=unquote(server.password or ""),
        pass_fds=[lock],
    )
    return draft


def digests(backup: Path) -> dict[str, str]:
    """The SHA-256 of each file of a copy. The manifest covers neither the WAL nor how files are packed."""
    found = {}
    for path in sorted(backup.iterdir()):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def verify(cluster: Cluster, backup: Path, noted: Mapping[str, str]) -> None:
    """Read every byte of a copy and all the WAL that it needs. `noted` are its digests when it was made.

    Raises:
        CopyDamaged: something is not what the manifest says, is missing or cannot be read.
    """
    found = digests(backup)
    for name in sorted({*noted, *found}):
        if noted.get(name) != found.get(name):
            raise CopyDamaged(f"The backup {backup.parent.name} is not whole. {name} is not the file that was written.")
    _judge(backup, cluster.binaries / "pg_verifybackup", "--format=tar", "--no-parse-wal", str(backup))
    manifest = json.loads((backup / "backup_manifest").read_text(encoding="utf-8"))
    with _folder(backup.parents[1] / ".wal") as wal:
        _unpack(backup / "pg_wal.tar.gz", wal)
        for part in manifest["WAL-Ranges"]:
            span = [f"--timeline={part['Timeline']}", f"--start={part['Start-LSN']}", f"--end={part['End-LSN']}"]
            _judge(backup, cluster.binaries / "pg_waldump", "--quiet", f"--path={wal}", *span)


@contextmanager
def restored(cluster: Cluster, backup: Path, n_bytes: int, url: str) -> Iterator[str]:
    """A server started from a copy, gone when the block ends; gives what `url` becomes there.

    It listens on a socket in a folder of its own and on no port, so that nobody can take it for the real one.

    Raises:
        CopyDamaged: the copy cannot be unpacked, or no server starts from it.
    """
    home = backup.parents[1] / ".restored"
    _stop_stray(cluster, home)
    with _folder(home) as place, tempfile.TemporaryDirectory(prefix="football-") as socket:
        ensure_room(place, n_bytes)
        _own(Path(socket), place)
        data = place / "data"
        data.mkdir(mode=0o700)
        _own(data, place)
        _unpack(backup / "base.tar.gz", data)
        _unpack(backup / "pg_wal.tar.gz", data / "pg_wal")
        (place / "pg_hba.conf").write_text("local all all scram-sha-256\n")
        _own(place / "pg_hba.conf", place)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": socket,
            "hba_file": str(place / "pg_hba.conf"),
            "shared_buffers": "64MB",
            "fsync": "off",
        }
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(cluster.binaries / "postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                **_identity(place),
            )
        port = str(urlsplit(cluster.replication_url).port)
        try:
            _await(cluster, process, socket, port, place / "log")
            yield _moved(url, socket, port)
        finally:
            _end(process)


def _moved(url: str, socket: str, port: str) -> str:
    there = urlsplit(url)
    return f"postgresql://{there.username}:{there.password}@{there.path}?host={quote(socket, safe='')}&port={port}"


def _await(cluster: Cluster, process: "subprocess.Popen[bytes]", socket: str, port: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    probe = [str(cluster.binaries / "pg_isready"), "--quiet", f"--host={socket}", f"--port={port}"]
    while subprocess.run(probe, check=False, env={"LC_ALL": "C"}).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise CopyDamaged(f"No server starts from the backup. It said last: {log.read_text(errors='replace')[-1000:]}")
        time.sleep(0.05)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)  # "fast": ends sessions, then stops cleanly
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def _stop_stray(cluster: Cluster, home: Path) -> None:
    """Stop a server that a killed restore left behind."""
    if (home / "data/postmaster.pid").exists():
        with suppress(CopyFailed):
            _run(cluster.binaries / "pg_ctl", "stop", "--mode=immediate", "--wait", "-D", str(home / "data"), owner=home)


def _judge(backup: Path, program: Path, *arguments: str) -> None:
    try:
        _run(program, *arguments, owner=backup)
    except CopyFailed as error:
        raise CopyDamaged(f"The backup {backup.parent.name} is not whole. {error}") from error


def _unpack(archive: Path, target: Path) -> None:
    # By a program under the account that owns the target: root must not write where somebody else may put links.
    program = shutil.which("tar", path=os.defpath)
    if program is None:
        raise CopyFailed("The program tar is not there: install it, then restore again.")
    try:
        _run(program, "--extract", "--gzip", f"--file={archive}", f"--directory={target}", owner=target)
    except CopyFailed as error:
        raise CopyDamaged(f"The backup {archive.parents[1].name} cannot be unpacked. {error}") from error


def _run(program: Path | str, *arguments: str, owner: Path, password: str = "", pass_fds: Sequence[int] = ()) -> None:
    result = subprocess.run(
        [str(program), *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env={"LC_ALL": "C", "TZ": "UTC", "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10"},
        timeout=AT_MOST,
        pass_fds=pass_fds,
        **_identity(owner),
    )
    if result.returncode != 0:
        said = f"{Path(program).name}: {result.stderr[-1500:].strip()}"
        if "No space left on device" in said:
            raise OSError(errno.ENOSPC, said)
        raise CopyFailed(said)


def _identity(folder: Path) -> dict[str, Any]:
    """Arguments of `subprocess` by which root becomes the owner of `folder`, who is never root; nothing for anybody else."""
    if os.geteuid() != 0:
        return {}
    owner = folder.stat().st_uid
    if owner == 0:
        raise CopyFailed(f"{folder} belongs to root, as whom no server may run: `football up` makes it as it should be.")
    return {"user": owner, "group": owner, "extra_groups": []}


def _own(path: Path, like: Path) -> None:
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    _own(folder, folder.parent)
    return folder


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    try:
        yield _emptied(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)
