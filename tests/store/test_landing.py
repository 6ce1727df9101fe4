"""The landing zone keeps bytes whole, or not at all, and for ever."""

import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store.landing import FolderLanding, LandingDamaged


def kept(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=2000))
def test_what_is_put_comes_back_under_its_digest(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    landing = FolderLanding(tmp_path_factory.mktemp("landing"))
    digest = landing.put(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert landing.get(digest) == content


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    landing = FolderLanding(tmp_path)
    digest = landing.put(b"content")
    (path,) = kept(tmp_path)
    before = path.stat()
    assert landing.put(b"content") == digest
    assert kept(tmp_path) == [path]
    assert path.stat().st_ino == before.st_ino


def test_files_are_fanned_out_and_cannot_be_written_by_accident(tmp_path: Path) -> None:
    digest = FolderLanding(tmp_path).put(b"content")
    path = tmp_path / digest[:2] / digest[2:4] / digest
    assert path.stat().st_mode & 0o777 == 0o444


def test_damage_is_noticed_and_mended_by_the_next_put(tmp_path: Path) -> None:
    landing = FolderLanding(tmp_path)
    digest = landing.put(b"content")
    (path,) = kept(tmp_path)
    path.chmod(0o644)
    path.write_bytes(b"contemt")
    with pytest.raises(LandingDamaged, match="no longer matches"):
        landing.get(digest)
    landing.put(b"content")
    assert landing.get(digest) == b"content"


def test_bytes_never_put_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FolderLanding(tmp_path).get("0" * 64)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        FolderLanding(tmp_path).put(b"content")
    assert kept(tmp_path) == []


def test_killed_in_the_middle_of_a_write_no_half_file_bears_a_digest(tmp_path: Path) -> None:
    program = """
        import os, signal, sys
        from pathlib import Path
        from pipelines.store.landing import FolderLanding
        os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
        FolderLanding(Path(sys.argv[1])).put(b"content")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], check=False)
    assert done.returncode == -9
    assert [path for path in kept(tmp_path) if not path.name.startswith(".incoming-")] == []
