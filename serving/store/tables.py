"""The tables of the schema `app`, as the migrations read them.

Does not belong here: queries, and what the pipeline owns.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

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

pin = sa.Table(
    "pin",
    metadata,
    sa.Column("is_only", sa.Boolean, primary_key=True, server_default=sa.true(), comment="at most one publication is pinned"),
    sa.Column("publication_id", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("pinned_by", sa.Text, nullable=False, comment="the account"),
    sa.CheckConstraint("is_only", name="only"),
    schema="app",
    comment="The publication that is served whatever is published after it.",
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False, comment="set by the database, without a gap"),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="set by the database"),
    sa.Column("actor", sa.Text, nullable=False, comment="account:<number>, key:<number> or cli:<user>"),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("before", JSONB),
    sa.Column("after", JSONB),
    sa.Column("request_id", sa.Text),
    sa.Column("address", sa.Text, comment="the client's network"),
    sa.Column("link", sa.Text, nullable=False, comment="SHA-256 of the row and of the link before it, set by the database"),
    sa.CheckConstraint("actor ~ '^(account|key|cli):.'", name="actor"),
    schema="app",
    comment="Every write of the service: who, what, when, from where.",
)
