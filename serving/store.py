"""Where the service's data is kept: the schema `app`, which it owns the content of, and `published`, which it reads.

Belongs here: the tables of `app` as SQLAlchemy metadata (the migrations read it) and every query of the service.
Does not belong here: HTTP, passwords in the clear, rules about who may ask.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from serving.schemas import Competition, Prediction, PredictionDetail, Publication

metadata = sa.MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

account = sa.Table(
    "account",
    metadata,
    sa.Column("account_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("username", sa.Text, nullable=False, unique=True),
    sa.Column("password_hash", sa.Text, nullable=False, comment="Argon2id in its encoded form"),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("disabled_at", sa.DateTime(timezone=True), comment="null while the account may log in"),
    sa.CheckConstraint("role in ('reader', 'operator')", name="role"),
    schema="app",
)

PREDICTION_COLUMNS: Final = tuple(name for name in Prediction.__struct_fields__ if name != "is_simulated")


def _published(name: str, columns: tuple[str, ...]) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns), schema="published")


_publication = _published("publication", Publication.__struct_fields__)
_manifest = sa.table("publication", sa.column("publication_id"), sa.column("manifest", JSONB), schema="published")
_competition = _published("competition", ("publication_id", *Competition.__struct_fields__))
_prediction = _published("prediction", PREDICTION_COLUMNS)
_details: tuple[sa.ColumnClause[Any], ...] = tuple(
    sa.column(name, JSONB, _selectable=_prediction) for name in ("book", "explanation")
)


class StoreUnavailable(Exception):
    """The database cannot be reached, or not in time."""


class Account(Struct, frozen=True):
    """Someone who may log in."""

    account_id: int
    username: str
    password_hash: str
    role: str
    created_at: datetime
    disabled_at: datetime | None


class Filters(Struct, frozen=True, kw_only=True):
    """Which predictions are wanted: kick-off in [since, until), of a competition, with a team (its id or its name).

    Of one information set, or of each match the best informed.
    """

    since: datetime
    until: datetime | None = None
    competition: str | None = None
    team: str | None = None
    information_set: str | None = None


class Store:
    """The queries. Connections are made when first needed; `close` ends them."""

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self._engine = create_async_engine(
            sa.make_url(url).set(drivername="postgresql+psycopg"),
            isolation_level="AUTOCOMMIT",  # every method is one statement
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=2,
            pool_pre_ping=True,
            hide_parameters=True,  # user names do not belong in logged errors
            connect_args={"connect_timeout": 2, "options": "-c timezone=UTC -c statement_timeout=5000"},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def latest_publication(self) -> Publication | None:
        """The newest publication, or None before the first."""
        return await self._first_publication(sa.select(_publication).order_by(_publication.c.publication_id.desc()).limit(1))

    async def publication(self, publication_id: int) -> Publication | None:
        """A publication by its number."""
        return await self._first_publication(sa.select(_publication).where(_publication.c.publication_id == publication_id))

    async def manifest(self, publication_id: int) -> dict[str, Any]:
        """The raw files of a publication: key to SHA-256."""
        rows = await self._rows(sa.select(_manifest.c.manifest).where(_manifest.c.publication_id == publication_id))
        manifest: dict[str, Any] = rows[0]["manifest"] if rows else {}
        return manifest

    async def competitions(self, publication_id: int) -> list[Competition]:
        """The competitions of a publication, by their id."""
        columns = [_competition.c[name] for name in Competition.__struct_fields__]
        query = sa.select(*columns).where(_competition.c.publication_id == publication_id).order_by(_competition.c.competition_id)
        return [Competition(**row) for row in await self._rows(query)]

    async def predictions(
        self, publication: Publication, filters: Filters, after: tuple[datetime, str] | None, limit: int
    ) -> list[Prediction]:
        """At most `limit` predictions by (kick-off, id), those behind `after` if given."""
        at = _prediction.c
        query = sa.select(_prediction).where(at.publication_id == publication.publication_id, at.kickoff_at >= filters.since)
        if filters.information_set is None:
            query = query.where(at.is_best_informed)
        else:
            query = query.where(at.information_set == filters.information_set)
        if filters.until is not None:
            query = query.where(at.kickoff_at < filters.until)
        if filters.competition is not None:
            query = query.where(at.competition_id == filters.competition)
        if filters.team is not None:
            name = sa.func.lower(filters.team)
            query = query.where(
                sa.or_(
                    at.home_team_id == filters.team,
                    at.away_team_id == filters.team,
                    sa.func.lower(at.home_team) == name,
                    sa.func.lower(at.away_team) == name,
                )
            )
        if after is not None:
            kickoff_at, prediction_id = after
            query = query.where(sa.tuple_(at.kickoff_at, at.prediction_id) > sa.tuple_(kickoff_at, prediction_id))
        rows = await self._rows(query.order_by(at.kickoff_at, at.prediction_id).limit(limit))
        return [Prediction.of(row, publication.is_simulated) for row in rows]

    async def prediction(self, publication: Publication, prediction_id: str) -> PredictionDetail | None:
        """One prediction of a publication, with all it says."""
        at = _prediction.c
        query = sa.select(_prediction, *_details).where(
            at.publication_id == publication.publication_id, at.prediction_id == prediction_id
        )
        rows = await self._rows(query)
        return PredictionDetail.of(rows[0], publication.is_simulated) if rows else None

    async def account(self, username: str) -> Account | None:
        """The account of that name, disabled or not."""
        rows = await self._rows(sa.select(account).where(account.c.username == username))
        return Account(**rows[0]) if rows else None

    async def accounts(self) -> list[Account]:
        """All accounts, by name."""
        return [Account(**row) for row in await self._rows(sa.select(account).order_by(account.c.username))]

    async def create_account(self, username: str, password_hash: str, role: str) -> bool:
        """Add an account; False if the name is taken."""
        insert = sa.dialects.postgresql.insert(account).values(username=username, password_hash=password_hash, role=role)
        return await self._write(insert.on_conflict_do_nothing(index_elements=["username"]))

    async def set_password(self, username: str, password_hash: str) -> bool:
        """Give an account another password; False if there is none of that name."""
        return await self._write(sa.update(account).where(account.c.username == username).values(password_hash=password_hash))

    async def disable_account(self, username: str) -> bool:
        """Refuse further logins; False if there is no such enabled account."""
        enabled = sa.and_(account.c.username == username, account.c.disabled_at.is_(None))
        return await self._write(sa.update(account).where(enabled).values(disabled_at=datetime.now(UTC)))

    async def enable_account(self, username: str) -> bool:
        """Allow logins again; False if there is no such disabled account."""
        disabled = sa.and_(account.c.username == username, account.c.disabled_at.is_not(None))
        return await self._write(sa.update(account).where(disabled).values(disabled_at=None))

    async def _first_publication(self, query: sa.Select[Any]) -> Publication | None:
        rows = await self._rows(query)
        return Publication(**rows[0]) if rows else None

    async def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        async with self._connection() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def _write(self, statement: sa.Insert | sa.Update) -> bool:
        async with self._connection() as connection:
            return (await connection.execute(statement.returning(account.c.account_id))).first() is not None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise StoreUnavailable("The database cannot be reached.") from error
