"""Grown trees on disk, by the digest of all they were grown from.

Belongs here: keeping LightGBM's text, and nothing else, in a folder. What goes into a digest is the learner's affair
(`pipelines.forecast.learners`): with it a week's training finds the trees of closed seasons that an earlier one has grown.
"""

import os
import time
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import lightgbm

KEPT_SECONDS: Final = 24 * 3600


class TreesOnDisk(MutableMapping[str, "lightgbm.Booster"]):
    """A mapping whose values outlive the process. Reading gives the trees that were written, to the last bit.

    Args:
        folder: made when the first trees are written. Files may be deleted at any time: what lacks is grown again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used: dict[str, lightgbm.Booster] = {}

    def __getitem__(self, digest: str) -> "lightgbm.Booster":
        if digest not in self._used:
            import lightgbm

            try:
                self._used[digest] = lightgbm.Booster(model_str=self._path(digest).read_text(encoding="utf-8"))
            except FileNotFoundError:
                raise KeyError(digest) from None
            except lightgbm.basic.LightGBMError:  # cut short when the machine stopped: grown again like any that lacks
                self._path(digest).unlink(missing_ok=True)
                raise KeyError(digest) from None
        return self._used[digest]

    def __setitem__(self, digest: str, trees: "lightgbm.Booster") -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self._path(digest).with_suffix(f".{os.getpid()}")
        partial.write_text(trees.model_to_string(), encoding="utf-8")
        partial.replace(self._path(digest))
        self._used[digest] = trees

    def __delitem__(self, digest: str) -> None:
        if digest not in self:
            raise KeyError(digest)
        self._used.pop(digest, None)
        self._path(digest).unlink(missing_ok=True)

    def __contains__(self, digest: object) -> bool:
        return digest in self._used or (isinstance(digest, str) and self._path(digest).exists())

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in sorted(self.folder.glob("*.txt")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def forget_unused(self) -> None:
        """Delete what was not read or written through this object, and what a killed process left half-written.

        Not what is younger than a day: a backtest may be growing it, or about to read it.
        """
        for path in self.folder.glob("*"):
            with suppress(FileNotFoundError):
                is_used = path.suffix == ".txt" and path.stem in self._used
                if not is_used and path.stat().st_mtime < time.time() - KEPT_SECONDS:
                    path.unlink()

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.txt"
