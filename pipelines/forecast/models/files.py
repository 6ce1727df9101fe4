"""The files of a fitted model: coefficients as JSON, trees as LightGBM's text.

Belongs here: what is common to all models' files. Nothing is unpickled: reading a model runs no code.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pipelines.forecast.learners import Growth, Trees

FORMAT: Final = 3
"""Of the files; a model of another format is refused."""


class UnknownFormat(ValueError):
    """The files of a model were written by another version of this code."""


def write(folder: Path, content: dict[str, Any], trees: dict[str, Trees]) -> None:
    """Write `model.json`, with the settings of the trees, and a file for each of the trees."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"format": FORMAT, **content, "trees": {}}
    for name, one in trees.items():
        one.to_file(folder / f"{name}.txt")
        content["trees"][name] = asdict(one.growth)
    (folder / "model.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Trees]]:
    """Read what `write` wrote.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    UnknownFormat
        If another version of this code wrote it.
    """
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if content["format"] != FORMAT:
        raise UnknownFormat(f"model format {content['format']} is not known, {FORMAT} is")
    trees = {name: Trees.from_file(folder / f"{name}.txt", Growth(**growth)) for name, growth in content["trees"].items()}
    return content, trees
