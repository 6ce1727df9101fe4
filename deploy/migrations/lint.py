"""Whether a migration would make others wait, or take away what running programs use: squawk, over each revision's SQL.

Belongs here: which rules are not ours, and which revisions were taken as they are. Run by `make check`; squawk is a tool of
development, and nothing in service imports this.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory

NOT_OURS = {
    "require-lock-timeout": "env.py sets it for every migration",
    "require-statement-timeout": "a migration may take its time once it has its locks; it runs with the service up",
    "prefer-robust-stmts": "a revision is one transaction: it never stands half done",
    "require-concurrent-index-creation": "an index of the biggest table takes seconds, in which runs wait and readers do not",
    "prefer-bigint-over-int": "versions, goals and counts of a file's lines stay far below two thousand million",
}

TAKEN_AS_THEY_ARE = {
    "0005": "adds the links to a ledger of thousands of rows, under its lock: nobody may add a row meanwhile",
    "0009": "the default served only to fill the rows that were there",
    "0012": "takes away columns of ratings, which every run makes anew in full",
    "0020": "gives a table of some accounts its new roles",
}
"""Revisions that installations have gone through: to change one would change nothing for them. New ones are not added here."""


def sql_of(script: Script) -> str:
    """What the upgrade of one revision would send to PostgreSQL."""
    written = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written})
    with Operations.context(context):
        script.module.upgrade()
    return written.getvalue()


def lint(folder: Path) -> int:
    """Lint every revision but those that are taken as they are, through files in `folder`; squawk's exit code."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    files = []
    for script in ScriptDirectory.from_config(config).walk_revisions():
        if script.revision not in TAKEN_AS_THEY_ARE:
            files.append(folder / f"{Path(script.path).stem}.sql")
            files[-1].write_text(sql_of(script), encoding="utf-8")
    squawk = Path(sys.executable).parent / "squawk"
    rules = ["--assume-in-transaction", "--pg-version=18", f"--exclude={','.join(NOT_OURS)}"]
    return subprocess.run([squawk, *rules, *sorted(files)], check=False).returncode


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(lint(Path(folder)))
