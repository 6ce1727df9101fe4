"""The tables of the schema `app`, as the migrations read them.

Does not belong here: queries, and what the pipeline owns.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

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
    sa.Column(
        "password_hash",
        sa.Text,
        nullable=False,
        comment="Argon2id in its encoded form; bcrypt from elsewhere until the next login",
    ),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("disabled_at", sa.DateTime(timezone=True), comment="null while the account may log in"),
    sa.Column(
        "revised_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.now(),
        comment="when role, password or admission last changed: what workers remember of it is older than that",
    ),
    sa.CheckConstraint("role in ('viewer', 'analyst', 'operator', 'admin')", name="role"),
    schema="app",
)

session = sa.Table(
    "session",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.BigInteger, sa.ForeignKey(account.c.account_id), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False, comment="api: access and refresh tokens; web: a browser's cookie"),
    sa.Column("cookie_hash", sa.LargeBinary, unique=True, comment="SHA-256 of the cookie of a web session"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("refreshed_at", sa.DateTime(timezone=True), comment="when a refresh token of it was last used"),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True), comment="null unless it was ended before it expired"),
    sa.Column("address", sa.Text, comment="the network that it was begun or last carried on from; null where nobody knows"),
    sa.Column("client", sa.Text, comment="with what then, as that told: Firefox on Linux, curl; null where it told nothing"),
    sa.CheckConstraint("kind in ('api', 'web')", name="kind"),
    sa.CheckConstraint("(kind = 'web') = (cookie_hash is not null)", name="cookie"),
    schema="app",
    comment="What a login began: a family of refresh tokens, or a browser's cookie.",
)
sa.Index("session_ended_at_idx", session.c.ended_at, postgresql_where=session.c.ended_at.is_not(None))

refresh_token = sa.Table(
    "refresh_token",
    metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True, comment="SHA-256"),
    sa.Column("session_id", sa.Text, sa.ForeignKey(session.c.session_id, ondelete="cascade"), nullable=False, index=True),
    sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("used_at", sa.DateTime(timezone=True), comment="when it was first used; null for the one that is good"),
    sa.Column("successor_hash", sa.LargeBinary, comment="SHA-256 of the token given for it"),
    sa.CheckConstraint("(used_at is null) = (successor_hash is null)", name="used"),
    schema="app",
    comment="Refresh tokens, each good for one use; the used ones are kept as long as the session, to know a thief by them.",
)

sign_in_link = sa.Table(
    "sign_in_link",
    metadata,
    sa.Column("link_hash", sa.LargeBinary, primary_key=True, comment="SHA-256 of the code in the link"),
    sa.Column("account_id", sa.BigInteger, sa.ForeignKey(account.c.account_id), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    schema="app",
    comment="Links that sign a browser in: a row goes when its link is used.",
)

api_key = sa.Table(
    "api_key",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True, comment="the part of the key that may be shown"),
    sa.Column("account_id", sa.BigInteger, sa.ForeignKey(account.c.account_id), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("key_hash", sa.LargeBinary, nullable=False, comment="SHA-256 of the whole key"),
    sa.Column("scopes", postgresql.ARRAY(sa.Text), nullable=False, comment="permissions, of those that its owner has"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("last_used_at", sa.DateTime(timezone=True), comment="within half a minute"),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
    schema="app",
    comment="Keys of machines.",
)
sa.Index("api_key_revoked_at_idx", api_key.c.revoked_at, postgresql_where=api_key.c.revoked_at.is_not(None))

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
    sa.Column("before", postgresql.JSONB),
    sa.Column("after", postgresql.JSONB),
    sa.Column("request_id", sa.Text),
    sa.Column("address", sa.Text, comment="the client's network"),
    sa.Column("link", sa.Text, nullable=False, comment="SHA-256 of the row and of the link before it, set by the database"),
    sa.CheckConstraint("actor ~ '^(account|key|cli):.'", name="actor"),
    schema="app",
    comment="Every write of the service: who, what, when, from where.",
)
