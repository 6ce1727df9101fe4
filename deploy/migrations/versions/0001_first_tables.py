"""first tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("account_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False, comment="Argon2id in its encoded form"),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True, comment="null while the account may log in"),
        sa.CheckConstraint("role in ('reader', 'operator')", name=op.f("account_role_check")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("account_pkey")),
        sa.UniqueConstraint("username", name=op.f("account_username_key")),
        schema="app",
    )
    op.create_table(
        "source_file",
        sa.Column("file_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="the provider: football_data, openfootball or inbox"),
        sa.Column("key", sa.Text(), nullable=False, comment="the file's path at the provider, e.g. mmz4281/2324/E0.csv"),
        sa.Column("version", sa.Integer(), nullable=False, comment="1 for the first bytes seen under this key, then counting up"),
        sa.Column("sha256", sa.Text(), nullable=False, comment="digest of the bytes, their address in the landing zone"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False, comment="which shape of file: main, new, fixtures, new_fixtures, json"),
        sa.Column("encoding", sa.Text(), nullable=True, comment="how the bytes were read; null where they could not be"),
        sa.Column(
            "header",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="column names in the file's order; null where there is none",
        ),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="intact, truncated, shrunk or refused; only intact versions withdraw rows"
        ),
        sa.Column(
            "n_lines", sa.Integer(), nullable=False, comment="lines in the file = n_header + n_loaded + n_quarantined + n_blank"
        ),
        sa.Column("n_header", sa.Integer(), nullable=False),
        sa.Column("n_loaded", sa.Integer(), nullable=False),
        sa.Column("n_quarantined", sa.Integer(), nullable=False),
        sa.Column("n_blank", sa.Integer(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "accepted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the expectations of its layout were met with this version in force",
        ),
        sa.CheckConstraint("state in ('intact', 'truncated', 'shrunk', 'refused')", name=op.f("source_file_state_check")),
        sa.PrimaryKeyConstraint("file_id", name=op.f("source_file_pkey")),
        sa.UniqueConstraint("source", "key", "version", name=op.f("source_file_source_key_version_key")),
        schema="bronze",
    )
    op.create_table(
        "match_rating",
        sa.Column("match_id", sa.Text(), nullable=False),
        sa.Column("elo_home", sa.Double(), nullable=True),
        sa.Column("elo_away", sa.Double(), nullable=True),
        sa.Column("pi_home_at_home", sa.Double(), nullable=True),
        sa.Column("pi_home_away", sa.Double(), nullable=True),
        sa.Column("pi_away_at_home", sa.Double(), nullable=True),
        sa.Column("pi_away_away", sa.Double(), nullable=True),
        sa.Column("goals_log_rate_home", sa.Double(), nullable=True),
        sa.Column("goals_log_rate_away", sa.Double(), nullable=True),
        sa.Column("shots_log_rate_home", sa.Double(), nullable=True),
        sa.Column("shots_log_rate_away", sa.Double(), nullable=True),
        sa.Column("n_played_home", sa.Double(), nullable=True),
        sa.Column("n_played_away", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("match_id", name=op.f("match_rating_pkey")),
        schema="forecast",
        comment="What each rating said before the match, from matches known before its as_of.",
    )
    op.create_table(
        "model_evidence",
        sa.Column("evidence_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False, comment="promoted or kept_champion"),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="list of sentences"),
        sa.Column(
            "figures",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="scores of challenger, champion and market on the same matches",
        ),
        sa.PrimaryKeyConstraint("evidence_id", name=op.f("model_evidence_pkey")),
        schema="forecast",
    )
    op.create_table(
        "prediction",
        sa.Column("prediction_id", sa.Text(), nullable=False, comment="digest of what the row says, and of the row before it"),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="the order in which it was said"),
        sa.Column("match_id", sa.Text(), nullable=False),
        sa.Column("information_set", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("kickoff_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False, comment="only what was known before this moment was used"),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("p_home", sa.Double(), nullable=False),
        sa.Column("p_draw", sa.Double(), nullable=False),
        sa.Column("p_away", sa.Double(), nullable=False),
        sa.Column("expected_home_goals", sa.Double(), nullable=False),
        sa.Column("expected_away_goals", sa.Double(), nullable=False),
        sa.Column("features_digest", sa.Text(), nullable=False, comment="SHA-256 of the feature row the model saw"),
        sa.CheckConstraint(
            "abs(p_home + p_draw + p_away - 1) < 1e-9 and least(p_home, p_draw, p_away) > 0",
            name=op.f("prediction_probabilities_check"),
        ),
        sa.CheckConstraint("as_of <= issued_at", name=op.f("prediction_as_of_not_after_issue_check")),
        sa.CheckConstraint("issued_at < kickoff_at", name=op.f("prediction_issued_before_kickoff_check")),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("prediction_pkey")),
        schema="forecast",
    )
    op.create_index(
        "prediction_match_id_information_set_sequence_idx",
        "prediction",
        ["match_id", "information_set", "sequence"],
        unique=False,
        schema="forecast",
    )
    op.create_table(
        "publication",
        sa.Column("publication_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False, comment="last run that found nothing to change"),
        sa.Column("data_cutoff", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_simulated", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the content; an unchanged one is not published again"),
        sa.Column("n_predictions", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True, comment="what a reader must know, e.g. why there is no prediction"),
        sa.Column(
            "manifest",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="file key to SHA-256 of the bytes the forecasts rest on",
        ),
        sa.Column("git_revision", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("publication_id", name=op.f("publication_pkey")),
        schema="published",
    )
    op.create_table(
        "football_data_match",
        sa.Column("row_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False, comment="the version that brought the line"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False, comment="which shape of file: main, new, fixtures, new_fixtures, json"),
        sa.Column("since_version", sa.Integer(), nullable=False),
        sa.Column("until_version", sa.Integer(), nullable=True, comment="null while the line stands in the file"),
        sa.Column("line_number", sa.Integer(), nullable=False, comment="in the version that brought it, the header being line 1"),
        sa.Column(
            "row_digest", sa.LargeBinary(length=16), nullable=False, comment="MD5 of the line's cells, to recognise it again"
        ),
        sa.Column(
            "cells",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="column name to text as delivered; empty cells left out",
        ),
        sa.Column("ingested_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["bronze.source_file.file_id"], name=op.f("football_data_match_file_id_fkey")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("football_data_match_pkey")),
        schema="bronze",
        comment="Lines of football-data.co.uk files, and of inbox files in their format.",
    )
    op.create_index("football_data_match_file_id_idx", "football_data_match", ["file_id"], unique=False, schema="bronze")
    op.create_index(
        "football_data_match_standing_key",
        "football_data_match",
        ["source", "key", "row_digest"],
        unique=True,
        schema="bronze",
        postgresql_where=sa.text("until_version is null"),
    )
    op.create_table(
        "openfootball_match",
        sa.Column("row_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False, comment="the version that brought the line"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False, comment="which shape of file: main, new, fixtures, new_fixtures, json"),
        sa.Column("since_version", sa.Integer(), nullable=False),
        sa.Column("until_version", sa.Integer(), nullable=True, comment="null while the line stands in the file"),
        sa.Column("line_number", sa.Integer(), nullable=False, comment="in the version that brought it, the header being line 1"),
        sa.Column(
            "row_digest", sa.LargeBinary(length=16), nullable=False, comment="MD5 of the line's cells, to recognise it again"
        ),
        sa.Column(
            "cells",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="column name to text as delivered; empty cells left out",
        ),
        sa.Column("ingested_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["bronze.source_file.file_id"], name=op.f("openfootball_match_file_id_fkey")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("openfootball_match_pkey")),
        schema="bronze",
        comment="Matches of openfootball JSON files.",
    )
    op.create_index("openfootball_match_file_id_idx", "openfootball_match", ["file_id"], unique=False, schema="bronze")
    op.create_index(
        "openfootball_match_standing_key",
        "openfootball_match",
        ["source", "key", "row_digest"],
        unique=True,
        schema="bronze",
        postgresql_where=sa.text("until_version is null"),
    )
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=True, comment="null where the whole file is meant"),
        sa.Column("n_lines", sa.Integer(), nullable=False, comment="how many lines this entry stands for"),
        sa.Column("reason", sa.Text(), nullable=False, comment="a short code, e.g. broken_off, html, no_date"),
        sa.Column("explanation", sa.Text(), nullable=False, comment="the reason as a sentence for a person"),
        sa.Column("content", sa.Text(), nullable=True, comment="the line's text, at most 2,000 characters"),
        sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["bronze.source_file.file_id"], name=op.f("quarantine_file_id_fkey")),
        sa.PrimaryKeyConstraint("quarantine_id", name=op.f("quarantine_pkey")),
        schema="bronze",
    )
    op.create_index(op.f("quarantine_file_id_idx"), "quarantine", ["file_id"], unique=False, schema="bronze")
    op.create_table(
        "competition",
        sa.Column("publication_id", sa.BigInteger(), nullable=False),
        sa.Column("competition_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=True),
        sa.Column("n_matches", sa.Integer(), nullable=False, comment="matches with a result in the warehouse"),
        sa.Column("n_predictions", sa.Integer(), nullable=False, comment="coming matches in this publication"),
        sa.Column("latest_result_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["publication_id"], ["published.publication.publication_id"], name=op.f("competition_publication_id_fkey")
        ),
        sa.PrimaryKeyConstraint("publication_id", "competition_id", name=op.f("competition_pkey")),
        schema="published",
    )
    op.create_table(
        "prediction",
        sa.Column("publication_id", sa.BigInteger(), nullable=False),
        sa.Column("prediction_id", sa.Text(), nullable=False),
        sa.Column("match_id", sa.Text(), nullable=False),
        sa.Column("competition_id", sa.Text(), nullable=False),
        sa.Column("competition", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("season", sa.Integer(), nullable=False),
        sa.Column("kickoff_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_time_known", sa.Boolean(), nullable=False, comment="false: kickoff_at is the start of the day"),
        sa.Column("home_team_id", sa.Text(), nullable=False),
        sa.Column("home_team", sa.Text(), nullable=False),
        sa.Column("away_team_id", sa.Text(), nullable=False),
        sa.Column("away_team", sa.Text(), nullable=False),
        sa.Column("p_home", sa.Double(), nullable=False),
        sa.Column("p_draw", sa.Double(), nullable=False),
        sa.Column("p_away", sa.Double(), nullable=False),
        sa.Column("expected_home_goals", sa.Double(), nullable=False),
        sa.Column("expected_away_goals", sa.Double(), nullable=False),
        sa.Column("information_set", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["publication_id"], ["published.publication.publication_id"], name=op.f("prediction_publication_id_fkey")
        ),
        sa.PrimaryKeyConstraint("publication_id", "prediction_id", name=op.f("prediction_pkey")),
        schema="published",
    )
    op.create_index(
        "prediction_publication_id_kickoff_at_prediction_id_idx",
        "prediction",
        ["publication_id", "kickoff_at", "prediction_id"],
        unique=False,
        schema="published",
    )


def downgrade() -> None:
    op.drop_index("prediction_publication_id_kickoff_at_prediction_id_idx", table_name="prediction", schema="published")
    op.drop_table("prediction", schema="published")
    op.drop_table("competition", schema="published")
    op.drop_index(op.f("quarantine_file_id_idx"), table_name="quarantine", schema="bronze")
    op.drop_table("quarantine", schema="bronze")
    op.drop_index(
        "openfootball_match_standing_key",
        table_name="openfootball_match",
        schema="bronze",
        postgresql_where=sa.text("until_version is null"),
    )
    op.drop_index("openfootball_match_file_id_idx", table_name="openfootball_match", schema="bronze")
    op.drop_table("openfootball_match", schema="bronze")
    op.drop_index(
        "football_data_match_standing_key",
        table_name="football_data_match",
        schema="bronze",
        postgresql_where=sa.text("until_version is null"),
    )
    op.drop_index("football_data_match_file_id_idx", table_name="football_data_match", schema="bronze")
    op.drop_table("football_data_match", schema="bronze")
    op.drop_table("publication", schema="published")
    op.drop_index("prediction_match_id_information_set_sequence_idx", table_name="prediction", schema="forecast")
    op.drop_table("prediction", schema="forecast")
    op.drop_table("model_evidence", schema="forecast")
    op.drop_table("match_rating", schema="forecast")
    op.drop_table("source_file", schema="bronze")
    op.drop_table("account", schema="app")
