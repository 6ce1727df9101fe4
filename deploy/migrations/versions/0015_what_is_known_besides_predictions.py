"""What the service may say besides predictions: clubs, matches, the record, the seasons, the models."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

REPLACED = ("calibration", "match", "score", "scoreboard", "season_outlook", "team")
APPENDED = ("issue", "issued_prediction", "ledger_verification", "model", "model_evidence")

GRANTS = (
    "select, insert, delete on forecast.calibration to football_model",
    "select on forecast.calibration to football_reader",
    *(f"select, insert, delete on published.{table} to football_model" for table in REPLACED),
    *(f"select, insert on published.{table} to football_model" for table in APPENDED),
    "update (is_champion) on published.model to football_model",
    *(f"select on published.{table} to football_api, football_reader" for table in (*REPLACED, *APPENDED)),
)


def upgrade() -> None:
    op.create_table(
        "calibration",
        sa.Column("calibration_id", sa.Text(), nullable=False, comment="information set, outcome and bin"),
        sa.Column("information_set", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="home, draw or away"),
        sa.Column("bin", sa.Integer(), nullable=False, comment="of equally many forecasts, the least probable first"),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("p_mean", sa.Double(), nullable=False, comment="what was said"),
        sa.Column("frequency", sa.Double(), nullable=False, comment="what came"),
        sa.Column("frequency_low", sa.Double(), nullable=False, comment="95 % interval (Wilson)"),
        sa.Column("frequency_high", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("calibration_id", name=op.f("calibration_pkey")),
        schema="forecast",
        comment="How often what was said came true, of the last forecasts before kick-off.",
    )
    op.create_table(
        "calibration",
        sa.Column("calibration_id", sa.Text(), nullable=False, comment="information set, outcome and bin"),
        sa.Column("information_set", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="home, draw or away"),
        sa.Column("bin", sa.Integer(), nullable=False, comment="of equally many forecasts, the least probable first"),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("p_mean", sa.Double(), nullable=False, comment="what was said"),
        sa.Column("frequency", sa.Double(), nullable=False, comment="what came"),
        sa.Column("frequency_low", sa.Double(), nullable=False, comment="95 % interval (Wilson)"),
        sa.Column("frequency_high", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("calibration_id", name=op.f("calibration_pkey")),
        schema="published",
        comment="How often what was said came true, of the last forecasts before kick-off.",
    )
    op.create_table(
        "issue",
        sa.Column(
            "first_sequence", sa.BigInteger(), autoincrement=False, nullable=False, comment="of the predictions issued together"
        ),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column(
            "data_cutoff",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="facts known at or after it were hidden from the features",
        ),
        sa.Column(
            "through_file_id", sa.BigInteger(), nullable=False, comment="the last file version that the features were made of"
        ),
        sa.Column(
            "files_sha256", sa.Text(), nullable=False, comment="of source, key, version and SHA-256 of all versions up to it"
        ),
        sa.Column("git_revision", sa.Text(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=False, comment="system, processor and Python"),
        sa.Column(
            "lock_sha256",
            sa.Text(),
            nullable=True,
            comment="of the file that fixes every library's version; null where there was none",
        ),
        sa.CheckConstraint("first_sequence <= last_sequence", name=op.f("issue_sequences_check")),
        sa.PrimaryKeyConstraint("first_sequence", name=op.f("issue_pkey")),
        sa.UniqueConstraint("last_sequence", name=op.f("issue_last_sequence_key")),
        schema="published",
        comment="What the predictions that were issued together rest on, so that they can be made again.",
    )
    op.create_table(
        "issued_prediction",
        sa.Column("prediction_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="the order in which the ledger was told"),
        sa.Column("match_id", sa.Text(), nullable=False),
        sa.Column("information_set", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("kickoff_at", sa.DateTime(timezone=True), nullable=False, comment="as it was known then"),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("p_home", sa.Double(), nullable=False),
        sa.Column("p_draw", sa.Double(), nullable=False),
        sa.Column("p_away", sa.Double(), nullable=False),
        sa.Column("expected_home_goals", sa.Double(), nullable=False),
        sa.Column("expected_away_goals", sa.Double(), nullable=False),
        sa.Column("features_digest", sa.Text(), nullable=False, comment="SHA-256 of the feature row the model saw"),
        sa.Column("link", sa.Text(), nullable=False, comment="in the ledger's chain"),
        sa.Column("strength_deviation", sa.Double(), nullable=True),
        sa.Column("firmness", sa.Text(), nullable=True),
        sa.Column(
            "contributions",
            JSONB(),
            nullable=True,
            comment="[group, side, draw]; null where issued before there were explanations",
        ),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("issued_prediction_pkey")),
        sa.UniqueConstraint("sequence", name=op.f("issued_prediction_sequence_key")),
        schema="published",
        comment="The ledger: every prediction that was ever issued, with what adds up to it.",
    )
    op.create_index(op.f("issued_prediction_match_id_idx"), "issued_prediction", ["match_id"], unique=False, schema="published")
    op.create_table(
        "ledger_verification",
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_predictions", sa.BigInteger(), nullable=False),
        sa.Column(
            "head_sequence",
            sa.BigInteger(),
            nullable=True,
            comment="number of the last prediction; null while the ledger is empty",
        ),
        sa.Column("head_link", sa.Text(), nullable=True, comment="its link, which depends on every prediction before it"),
        sa.Column("is_intact", sa.Boolean(), nullable=False),
        sa.Column("faults", JSONB(), nullable=False, comment="sentences, none where every link holds"),
        sa.PrimaryKeyConstraint("verified_at", name=op.f("ledger_verification_pkey")),
        schema="published",
        comment="What came of computing the links of the ledger anew.",
    )
    op.create_table(
        "match",
        sa.Column("match_id", sa.Text(), nullable=False),
        sa.Column("competition_id", sa.Text(), nullable=False),
        sa.Column("season", sa.Integer(), nullable=False, comment="the year in which the season begins"),
        sa.Column("kickoff_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_time_known", sa.Boolean(), nullable=False, comment="false: kickoff_at is the start of the day"),
        sa.Column("status", sa.Text(), nullable=False, comment="played, scheduled, void or unknown"),
        sa.Column("home_team_id", sa.Text(), nullable=False),
        sa.Column("away_team_id", sa.Text(), nullable=False),
        sa.Column("home_goals", sa.Integer(), nullable=True, comment="null until played"),
        sa.Column("away_goals", sa.Integer(), nullable=True),
        sa.Column("home_half_time_goals", sa.Integer(), nullable=True, comment="null where no source says"),
        sa.Column("away_half_time_goals", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("match_id", name=op.f("match_pkey")),
        schema="published",
        comment="Every match, played or not.",
    )
    op.create_index(op.f("match_away_team_id_idx"), "match", ["away_team_id"], unique=False, schema="published")
    op.create_index(
        op.f("match_competition_id_season_idx"), "match", ["competition_id", "season"], unique=False, schema="published"
    )
    op.create_index(op.f("match_home_team_id_idx"), "match", ["home_team_id"], unique=False, schema="published")
    op.create_index(op.f("match_kickoff_at_idx"), "match", ["kickoff_at"], unique=False, schema="published")
    op.create_table(
        "model",
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("information_set", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=True),
        sa.Column("registry_run_id", sa.Text(), nullable=True, comment="of its training, in the model registry"),
        sa.Column("git_revision", sa.Text(), nullable=True, comment="of the code that made it"),
        sa.Column("data_sha256", sa.Text(), nullable=True, comment="of what it learnt from"),
        sa.Column("features_sha256", sa.Text(), nullable=True, comment="of the names of its features"),
        sa.Column("is_champion", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "model_version", name=op.f("model_pkey")),
        schema="published",
        comment="Each model that was ever served.",
    )
    op.create_table(
        "model_evidence",
        sa.Column("evidence_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False, comment="promoted or kept_champion"),
        sa.Column("reasons", JSONB(), nullable=False, comment="list of sentences"),
        sa.Column("figures", JSONB(), nullable=False, comment="scores of challenger, champion and market on the same matches"),
        sa.PrimaryKeyConstraint("evidence_id", name=op.f("model_evidence_pkey")),
        schema="published",
        comment="Why each model was promoted, or was not.",
    )
    op.create_table(
        "score",
        sa.Column("score_id", sa.Text(), nullable=False, comment="match, information set and horizon"),
        sa.Column("prediction_id", sa.Text(), nullable=False),
        sa.Column("match_id", sa.Text(), nullable=False),
        sa.Column("information_set", sa.Text(), nullable=False),
        sa.Column(
            "horizon_hours",
            sa.Integer(),
            nullable=False,
            comment="the last forecast issued so many hours before the actual kick-off",
        ),
        sa.Column("competition_id", sa.Text(), nullable=False),
        sa.Column("season", sa.Integer(), nullable=False),
        sa.Column("kickoff_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Integer(), nullable=False, comment="0 home, 1 draw, 2 away"),
        sa.Column("log_loss", sa.Double(), nullable=False, comment="nats"),
        sa.Column("rps", sa.Double(), nullable=False),
        sa.Column("brier", sa.Double(), nullable=False),
        sa.Column(
            "market_log_loss",
            sa.Double(),
            nullable=True,
            comment="of the closing odds without their margin; null where there are none",
        ),
        sa.Column(
            "firmness",
            sa.Text(),
            nullable=True,
            comment="firm, usual or loose; null of a forecast that was issued before there were levels",
        ),
        sa.PrimaryKeyConstraint("score_id", name=op.f("score_pkey")),
        schema="published",
        comment="Each issued forecast that counts, scored once the result is known.",
    )
    op.create_index("score_kickoff_at_score_id_idx", "score", ["kickoff_at", "score_id"], unique=False, schema="published")
    op.create_index("score_prediction_id_idx", "score", ["prediction_id"], unique=False, schema="published")
    op.create_table(
        "scoreboard",
        sa.Column("scoreboard_id", sa.Text(), nullable=False),
        sa.Column("information_set", sa.Text(), nullable=False),
        sa.Column("horizon_hours", sa.Integer(), nullable=False),
        sa.Column("group_by", sa.Text(), nullable=False, comment="all, competition, month or firmness"),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("log_loss", sa.Double(), nullable=False),
        sa.Column("rps", sa.Double(), nullable=False),
        sa.Column("brier", sa.Double(), nullable=False),
        sa.Column("n_market", sa.Integer(), nullable=False, comment="matches with closing odds: those of the next four columns"),
        sa.Column("market_log_loss", sa.Double(), nullable=True),
        sa.Column("difference", sa.Double(), nullable=True, comment="log loss above the closing odds of the same matches"),
        sa.Column("difference_low", sa.Double(), nullable=True, comment="95 % interval, resampled by match-day"),
        sa.Column("difference_high", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("scoreboard_id", name=op.f("scoreboard_pkey")),
        schema="published",
        comment="The scores summed up.",
    )
    op.create_table(
        "season_outlook",
        sa.Column("outlook_id", sa.Text(), nullable=False, comment="competition, season and club"),
        sa.Column("competition_id", sa.Text(), nullable=False),
        sa.Column("season", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False, comment="so far"),
        sa.Column("expected_points", sa.Double(), nullable=False, comment="at the end"),
        sa.Column("n_left", sa.Integer(), nullable=False, comment="matches still to be played"),
        sa.Column("p_title", sa.Double(), nullable=False),
        sa.Column("p_top_four", sa.Double(), nullable=False),
        sa.Column("p_relegated", sa.Double(), nullable=False, comment="one of the last n_relegated places"),
        sa.Column("n_relegated", sa.Integer(), nullable=False, comment="as many as after the season before"),
        sa.Column(
            "places",
            sa.Text(),
            nullable=True,
            comment="JSON: the probability of each place, the first first; null where made before they were kept",
        ),
        sa.PrimaryKeyConstraint("outlook_id", name=op.f("season_outlook_pkey")),
        schema="published",
        comment="How the seasons under way may end, from ten thousand simulated ends of each.",
    )
    op.create_table(
        "team",
        sa.Column("team_id", sa.Text(), nullable=False, comment="country and club, e.g. england-arsenal"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("competition_id", sa.Text(), nullable=False, comment="in which its latest match was, or is to be"),
        sa.Column("season", sa.Integer(), nullable=False, comment="of that match"),
        sa.PrimaryKeyConstraint("team_id", name=op.f("team_pkey")),
        schema="published",
        comment="Every club that a match is known of.",
    )
    op.add_column(
        "season_outlook",
        sa.Column(
            "places",
            sa.Text(),
            nullable=True,
            comment="JSON: the probability of each place, the first first; null where made before they were kept",
        ),
        schema="forecast",
    )
    for grant in GRANTS:
        op.execute(f"grant {grant}")


def downgrade() -> None:
    op.drop_column("season_outlook", "places", schema="forecast")
    op.drop_table("team", schema="published")
    op.drop_table("season_outlook", schema="published")
    op.drop_table("scoreboard", schema="published")
    op.drop_table("score", schema="published")
    op.drop_table("model_evidence", schema="published")
    op.drop_table("model", schema="published")
    op.drop_table("match", schema="published")
    op.drop_table("ledger_verification", schema="published")
    op.drop_table("issued_prediction", schema="published")
    op.drop_table("issue", schema="published")
    op.drop_table("calibration", schema="published")
    op.drop_table("calibration", schema="forecast")
