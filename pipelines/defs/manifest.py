"""The dbt project as the code location and the runs see it: its manifest, and a digest of its files.

Belongs here: making the manifest when it is missing or older than the project's files. Parsing needs neither the network
nor a database. Each edition has a manifest of its own: dbt parses everything once more when it finds one that was made
for another database.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipelines.settings import PROJECT_DIR, Settings

DBT_DIR = PROJECT_DIR / "dbt_project"

READ_BY_MODELS: Final = ("gold/feat_match", "gold/fct_match", "gold/fct_odds")
"""What forecasts are made from: the features that SQL knows, the matches that the ratings replay, and the quotes."""


class DbtModel(NamedTuple):
    """A model or seed of the project: its table, its file with the SHA-256, and the tables that it is made of."""

    name: str
    kind: str
    file: str
    sha256: str
    made_of: list[str]


def target_dir() -> Path:
    """Where dbt keeps what it makes of the project for this edition."""
    return Settings.read().state_dir / "dbt"


def ensure_manifest() -> Path:
    """Parse the dbt project unless the manifest is newer than all of its files; returns the manifest's path.

    It is parsed with the profile that the runs will use: with another one dbt would parse everything once more.

    Raises:
        RuntimeError: the project cannot be parsed; the message is dbt's.
    """
    manifest = target_dir() / "manifest.json"
    files = (*_files(), *DBT_DIR.rglob("*.md"))  # no table is made from the latter, but pages are
    if not manifest.exists() or manifest.stat().st_mtime < max(path.stat().st_mtime for path in files):
        from dbt.cli.main import dbtRunner

        os.environ.update(Settings.read().dbt_environment())
        folders = ("--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR), "--target-path", str(target_dir()))
        result = dbtRunner().invoke(["--quiet", "parse", *folders])
        if not result.success:
            raise RuntimeError(f"dbt could not parse the project: {result.exception}")
    return manifest


def project_digest() -> str:
    """SHA-256 of every file that tables are made from, in hexadecimal."""
    digest = hashlib.sha256()
    for path in _files():
        digest.update(f"{path.relative_to(DBT_DIR)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def read_manifest() -> dict[str, Any]:
    """What dbt knows of the project."""
    return json.loads(ensure_manifest().read_bytes())  # type: ignore[no-any-return]


def models_behind(manifest: Mapping[str, Any]) -> list[DbtModel]:
    """The models and seeds that what forecasts are made from is made of, from there back to `bronze`; each once."""
    nodes = {_table(node): node for node in manifest["nodes"].values() if node["resource_type"] in ("model", "seed")}
    tables = {key: _table(node) for part in ("nodes", "sources") for key, node in manifest[part].items()}
    found: dict[str, DbtModel] = {}
    ahead = list(READ_BY_MODELS)
    for name in ahead:
        if name in nodes and name not in found:
            node = nodes[name]
            made_of = sorted({tables[each] for each in node.get("depends_on", {}).get("nodes", [])})
            file = f"{DBT_DIR.name}/{node['original_file_path']}"
            found[name] = DbtModel(name, node["resource_type"], file, node["checksum"]["checksum"], made_of)
            ahead += made_of
    return list(found.values())


def _table(node: Mapping[str, Any]) -> str:
    return f"{node['schema']}/{node.get('alias') or node.get('identifier') or node['name']}"


def _files() -> list[Path]:
    patterns = ("*.yml", "*.sql", "*.csv")
    return sorted(path for pattern in patterns for path in DBT_DIR.rglob(pattern) if "target" not in path.parts)
