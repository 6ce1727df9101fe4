"""Four roles, sessions that end, refresh tokens that rotate, keys for machines."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

PASSWORD_COMMENT = "Argon2id in its encoded form"

GRANTS = (
    # Of a session only its course can change, and what has long ended is deleted, its refresh tokens with it.
    "select, insert, update (refreshed_at, ended_at), delete on app.session",
    "select, insert, update (used_at, successor_hash) on app.refresh_token",
    "select, insert, update (last_used_at, revoked_at) on app.api_key",
)


def upgrade() -> None:
    op.drop_constraint(op.f("account_role_check"), "account", schema="app")
    op.execute("update app.account set role = 'viewer' where role = 'reader'")
    op.create_check_constraint(
        op.f("account_role_check"), "account", "role in ('viewer', 'analyst', 'operator', 'admin')", schema="app"
    )
    op.alter_column(
        "account",
        "password_hash",
        comment=f"{PASSWORD_COMMENT}; bcrypt from elsewhere until the next login",
        existing_comment=PASSWORD_COMMENT,
        schema="app",
    )
    op.add_column(
        "account",
        sa.Column(
            "revised_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when role, password or admission last changed: what workers remember of it is older than that",
        ),
        schema="app",
    )
    op.create_table(
        "session",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="api: access and refresh tokens; web: a browser's cookie"),
        sa.Column("cookie_hash", sa.LargeBinary(), nullable=True, comment="SHA-256 of the cookie of a web session"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "refreshed_at", sa.DateTime(timezone=True), nullable=True, comment="when a refresh token of it was last used"
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="null unless it was ended before it expired"),
        sa.CheckConstraint("kind in ('api', 'web')", name=op.f("session_kind_check")),
        sa.CheckConstraint("(kind = 'web') = (cookie_hash is not null)", name=op.f("session_cookie_check")),
        sa.ForeignKeyConstraint(["account_id"], ["app.account.account_id"], name=op.f("session_account_id_fkey")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("session_pkey")),
        sa.UniqueConstraint("cookie_hash", name=op.f("session_cookie_hash_key")),
        schema="app",
        comment="What a login began: a family of refresh tokens, or a browser's cookie.",
    )
    op.create_index(op.f("session_account_id_idx"), "session", ["account_id"], schema="app")
    op.create_index(
        "session_ended_at_idx", "session", ["ended_at"], schema="app", postgresql_where=sa.text("ended_at is not null")
    )
    op.create_table(
        "refresh_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256"),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "used_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was first used; null for the one that is good",
        ),
        sa.Column("successor_hash", sa.LargeBinary(), nullable=True, comment="SHA-256 of the token given for it"),
        sa.CheckConstraint("(used_at is null) = (successor_hash is null)", name=op.f("refresh_token_used_check")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["app.session.session_id"], name=op.f("refresh_token_session_id_fkey"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("refresh_token_pkey")),
        schema="app",
        comment="Refresh tokens, each good for one use; the used ones are kept as long as the session, to know a thief by them.",
    )
    op.create_index(op.f("refresh_token_session_id_idx"), "refresh_token", ["session_id"], schema="app")
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.Text(), nullable=False, comment="the part of the key that may be shown"),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the whole key"),
        sa.Column(
            "scopes", postgresql.ARRAY(sa.Text()), nullable=False, comment="permissions, of those that its owner has"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True, comment="within half a minute"),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["app.account.account_id"], name=op.f("api_key_account_id_fkey")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("api_key_pkey")),
        schema="app",
        comment="Keys of machines.",
    )
    op.create_index(op.f("api_key_account_id_idx"), "api_key", ["account_id"], schema="app")
    op.create_index(
        "api_key_revoked_at_idx", "api_key", ["revoked_at"], schema="app", postgresql_where=sa.text("revoked_at is not null")
    )
    for grant in GRANTS:
        op.execute(f"grant {grant} to football_api")


def downgrade() -> None:
    for table in ("api_key", "refresh_token", "session"):
        op.drop_table(table, schema="app")
    op.drop_column("account", "revised_at", schema="app")
    op.alter_column(
        "account",
        "password_hash",
        comment=PASSWORD_COMMENT,
        existing_comment=f"{PASSWORD_COMMENT}; bcrypt from elsewhere until the next login",
        schema="app",
    )
    op.drop_constraint(op.f("account_role_check"), "account", schema="app")
    # Nobody keeps more than they had: the two new roles fall to the next lower one that is known.
    op.execute("update app.account set role = 'reader' where role in ('viewer', 'analyst')")
    op.execute("update app.account set role = 'operator' where role = 'admin'")
    op.create_check_constraint(op.f("account_role_check"), "account", "role in ('reader', 'operator')", schema="app")
