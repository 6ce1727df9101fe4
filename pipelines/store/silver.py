"""What made `silver` and `gold`, of which files, and whether it got to its end.

Belongs here: a note at the schema, kept where the tables are, so that a restored database and its note agree; and looking at what
dbt's queries find. Their content is dbt's alone.
"""

import re
from dataclasses import dataclass
from typing import Final

import pandas as pd
import psycopg
from psycopg import sql

_MAKING: Final = "Being made anew by dbt project {}"
_UPDATING: Final = "Being brought up to date by dbt project {}"
_MADE: Final = "Made by dbt project {}, of file versions up to {}"
_IS_WHOLE: Final = re.compile(r"Made by dbt project \w+, of file versions up to (\d+)")
_WAS_WHOLE: Final = re.compile(r"(?:Made|Being brought up to date) by dbt project (\w+)")


class HalfMade(Exception):
    """A run that failed left silver and gold in between; the message says what to do."""


@dataclass(frozen=True)
class Silver:
    """The schemas, by the URL of a role that may see them; writing the note is their owner's."""

    url: str

    def made_by(self) -> str | None:
        """Digest of the project that made every table there is; None if there is no such."""
        found = _WAS_WHOLE.match(self._note())
        return found[1] if found else None

    def require_whole(self) -> int:
        """Nobody may learn or publish from what a failed run left; the last `bronze.source_file.file_id` that it is made of.

        Raises:
            HalfMade: the last run over the tables did not get to its end, or there was none.
        """
        found = _IS_WHOLE.match(self._note())
        if found is None:
            raise HalfMade(
                "Silver and gold are half-made: the last transformation failed or made only a part, or there was none. "
                "What was published stands. Run the day once more; its own message says what is wrong."
            )
        return int(found[1])

    def begin(self, digest: str, *, anew: bool) -> None:
        """The project with this digest is at work; whatever a killed run left working is ended first."""
        with psycopg.connect(self.url) as connection:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where application_name = 'dbt' and datname = current_database() and usename = current_user"
            )
        self._write((_MAKING if anew else _UPDATING).format(digest))

    def end(self, digest: str) -> None:
        """Everything is as the project with this digest makes it of the files there are: nobody may have loaded any meanwhile."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute("select coalesce(max(file_id), 0) from bronze.source_file").fetchone()
        self._write(_MADE.format(digest, row[0] if row else 0))

    def first_rows(self, query: str, limit: int) -> pd.DataFrame:
        """The first rows of what dbt compiled, as their owner; where that fails or takes ten seconds, a frame that says why."""
        limited = sql.SQL("select * from ({}\n) as found limit {}").format(sql.SQL(query), limit)
        try:
            with psycopg.connect(self.url, options="-c timezone=UTC -c statement_timeout=10s") as connection:
                cursor = connection.execute(limited)
                return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
        except psycopg.Error as error:
            return pd.DataFrame({"not shown, because": [str(error)]})

    def _note(self) -> str:
        with psycopg.connect(self.url) as connection:
            row = connection.execute("select obj_description('silver'::regnamespace, 'pg_namespace')").fetchone()
        return str(row[0] or "") if row else ""

    def _write(self, note: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(sql.SQL("comment on schema silver is {}").format(sql.Literal(note)))
