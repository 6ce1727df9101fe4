"""The read model `published`: what the service may serve, replaced as a whole.

Belongs here: one publication = one transaction = one `publication_id`. What it contains is decided by the caller.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from pipelines.store import outbox
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Content:
    """What one publication says: frames with the columns of `published.*` but `publication_id`."""

    predictions: "pd.DataFrame"
    competitions: "pd.DataFrame"
    is_simulated: bool
    note: str | None
    manifest: Mapping[str, str]
    git_revision: str | None

    def digest(self) -> str:
        """SHA-256 of everything a reader could see, so that nothing is published twice.

        But for how far streams were read, which moves every few minutes: what they told that changes no forecast is no news.
        """
        files = sorted((name, sha256) for name, sha256 in self.manifest.items() if not name.startswith("stream/"))
        parts = (
            self.predictions.sort_values("prediction_id").to_csv(index=False),
            self.competitions.sort_values("competition_id").to_csv(index=False),
            json.dumps([self.is_simulated, self.note, files]),
        )
        return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Published:
    """The publication in force and whether this call made it."""

    publication_id: int
    is_new: bool


@dataclass(frozen=True)
class Publication:
    """The head of a publication."""

    publication_id: int
    n_predictions: int
    is_simulated: bool
    note: str | None


def latest(warehouse: Warehouse, information_set: str | None = None) -> "tuple[Publication | None, pd.DataFrame]":
    """The publication in force and of each match one prediction, by kick-off; None and nothing before the first.

    Args:
        information_set: whose predictions; of each match the best informed one if None.
    """
    predictions = warehouse.read(
        """
        select * from published.prediction
        where publication_id = (select max(publication_id) from published.publication)
            and case when %(information_set)s::text is null then is_best_informed else information_set = %(information_set)s end
        order by kickoff_at, competition_id, home_team
        """,
        {"information_set": information_set},
    )
    with warehouse.connect() as connection:
        row = connection.execute(
            """
            select publication_id, n_predictions, is_simulated, note
            from published.publication order by publication_id desc limit 1
            """
        ).fetchone()
    return (Publication(*row) if row else None), predictions


def forecasts(warehouse: Warehouse, after: datetime) -> "pd.DataFrame":
    """What the newest publication says of each match that kicks off after the moment, by the best informed of its forecasts.

    Returns:
        `competition_id, season, home_team_id, away_team_id, kickoff_at`, and the ledger's `p_home, p_draw, p_away,
        expected_home_goals, expected_away_goals`, of which its grid is made.
    """
    return warehouse.read(
        """
        select
            shown.competition_id, shown.season, shown.home_team_id, shown.away_team_id, shown.kickoff_at,
            said.p_home, said.p_draw, said.p_away, said.expected_home_goals, said.expected_away_goals
        from published.prediction as shown
        inner join forecast.prediction as said using (prediction_id)
        where shown.publication_id = (select max(publication_id) from published.publication)
            and shown.is_best_informed and shown.kickoff_at > %(after)s
        order by shown.kickoff_at, shown.prediction_id
        """,
        {"after": after},
    )


def publish(
    warehouse: Warehouse, content: Content, now: datetime, data_cutoff: datetime, told_of: str | None = None
) -> Published:
    """Publish `content`, or confirm the publication in force where it says the same.

    Args:
        told_of: the edition as which a new publication is announced: a message is in the outbox once, and only if, there is one.
    """
    digest = content.digest()
    with warehouse.connect() as connection:
        # One publisher at a time: two would both find the other's digest missing.
        connection.execute("select pg_advisory_xact_lock(hashtext('published.publication'))")
        latest = connection.execute(
            "select publication_id, digest from published.publication order by publication_id desc limit 1"
        ).fetchone()
        if latest is not None and latest[1] == digest:
            connection.execute("update published.publication set confirmed_at = %s where publication_id = %s", (now, latest[0]))
            return Published(latest[0], is_new=False)
        row = connection.execute(
            """
            insert into published.publication
                (published_at, confirmed_at, data_cutoff, is_simulated, digest, n_predictions, note, manifest, git_revision)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            returning publication_id
            """,
            (
                now,
                now,
                data_cutoff,
                content.is_simulated,
                digest,
                len(content.predictions),
                content.note,
                Jsonb(dict(content.manifest)),
                content.git_revision,
            ),
        ).fetchone()
        assert row is not None  # noqa: S101 - what `returning` promises, said to the type checker
        publication_id = int(row[0])
        for table, frame in (("published.competition", content.competitions), ("published.prediction", content.predictions)):
            warehouse.copy(connection, table, frame.assign(publication_id=publication_id))
        if told_of is not None:
            message = {
                "schema": 1,
                "kind": "publication",
                "edition": told_of,
                "publication_id": publication_id,
                "published_at": now.isoformat(),
                "data_cutoff": data_cutoff.isoformat(),
                "n_predictions": len(content.predictions),
                "is_simulated": content.is_simulated,
                "digest": digest,
            }
            outbox.write(connection, told_of, message, now)
    return Published(publication_id, is_new=True)
