"""What made `silver` and `gold`, and whether it got to its end.

Belongs here: a note at the schema, kept where the tables are, so that a restored database and its note agree. Their content
is dbt's alone.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

_MADE, _MAKING, _UPDATING = "Made by dbt project ", "Being made anew by dbt project ", "Being brought up to date by dbt project "


class HalfMade(Exception):
    """A run that failed left silver and gold in between; the message says what to do."""


@dataclass(frozen=True)
class Silver:
    """The schemas, by the URL of a role that may see them; writing the note is their owner's."""

    url: str

    def made_by(self) -> str | None:
        """Digest of the project that made every table there is; None if there is no such."""
        note = self._note()
        return next((note.removeprefix(state) for state in (_MADE, _UPDATING) if note.startswith(state)), None)

    def require_whole(self) -> None:
        """Nobody may learn or publish from what a failed run left.

        Raises:
            HalfMade: the last run over the tables did not get to its end, or there was none.
        """
        if not self._note().startswith(_MADE):
            raise HalfMade(
                "Silver and gold are half-made: the last transformation failed or made only a part, or there was none. "
                "What was published stands. Run the day once more; its own message says what is wrong."
            )

    def begin(self, digest: str, *, anew: bool) -> None:
        """The project with this digest is at work; whatever a killed run left working is ended first."""
        with psycopg.connect(self.url) as connection:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where application_name = 'dbt' and datname = current_database() and usename = current_user"
            )
        self._write((_MAKING if anew else _UPDATING) + digest)

    def end(self, digest: str) -> None:
        """Everything is as the project with this digest makes it."""
        self._write(_MADE + digest)

    def _note(self) -> str:
        with psycopg.connect(self.url) as connection:
            row = connection.execute("select obj_description('silver'::regnamespace, 'pg_namespace')").fetchone()
        return str(row[0] or "") if row else ""

    def _write(self, note: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(sql.SQL("comment on schema silver is {}").format(sql.Literal(note)))
