"""What was measured, kept with what it was measured on.

Belongs here: the form of a file of evidence, whoever measured: pipelines, service, database, drills of the tests. Does not
belong here: measuring, judging.
"""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from pipelines.store.revision import git_revision


def write_evidence(folder: Path, name: str, figures: Mapping[str, Any]) -> Path:
    """Keep figures with the revision, the moment and the machine, in `<name>.json` of the folder; returns the file."""
    machine = {
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "platform": platform.platform(),
        "python": platform.python_version(),
    }
    content = {
        "name": name,
        "revision": git_revision(),
        "measured_at": datetime.now(UTC).isoformat(),
        "machine": machine,
        **figures,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    draft = path.with_name(f".{path.name}")
    draft.write_text(json.dumps(content, indent=1, default=float) + "\n", encoding="utf-8")
    draft.rename(path)
    return path
