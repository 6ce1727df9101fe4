"""Which version of the dbt project made `silver` and `gold`.

Belongs here: the note of it, kept where the tables are, so that a restored database and its note agree. Their content is
dbt's alone.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

_NOTE = "Made by dbt project "


@dataclass(frozen=True)
class Silver:
    """The schemas, by the URL of the role that owns them."""

    url: str

    def made_by(self) -> str | None:
        """Digest of the project that last made everything; None if it never got to its end."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute("select obj_description('silver'::regnamespace, 'pg_namespace')").fetchone()
        note = row[0] if row else None
        return note.removeprefix(_NOTE) if note and note.startswith(_NOTE) else None

    def remember(self, digest: str) -> None:
        """Everything was made by the project with this digest."""
        with psycopg.connect(self.url) as connection:
            connection.execute(sql.SQL("comment on schema silver is {}").format(_NOTE + digest))
