"""dbt's manifest, which the code location is built from.

Belongs here: making it when it is missing or older than the project's files. Parsing needs neither the network nor a
database.
"""

import os
from pathlib import Path

from pipelines.settings import PROJECT_DIR, Settings

DBT_DIR = PROJECT_DIR / "dbt_project"
MANIFEST = DBT_DIR / "target" / "manifest.json"


def ensure_manifest() -> Path:
    """Parse the dbt project unless the manifest is newer than all of its files; returns the manifest's path.

    It is parsed with the profile that the runs will use: with another one dbt would parse everything once more.

    Raises:
        RuntimeError: the project cannot be parsed; the message is dbt's.
    """
    sources = [path for pattern in ("*.yml", "*.sql", "*.csv") for path in DBT_DIR.rglob(pattern) if "target" not in path.parts]
    if not MANIFEST.exists() or MANIFEST.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        from dbt.cli.main import dbtRunner

        os.environ.update(Settings.read().dbt_environment())
        result = dbtRunner().invoke(["--quiet", "parse", "--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)])
        if not result.success:
            raise RuntimeError(f"dbt could not parse the project: {result.exception}")
    return MANIFEST
