"""The tables of `published` beside the publications: matches, the record, the seasons, the models.

Belongs here: their columns, keys and constraints as SQLAlchemy metadata, and nothing else, as in `tables`, whose metadata they
are part of. What stands here does not depend on a publication and is kept once: a result is one, whoever reads it. A table
that repeats one of `forecast` has its columns.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pipelines.store import tables
from pipelines.store.tables import Moment, metadata

published_team = sa.Table(
    "team",
    metadata,
    sa.Column("team_id", sa.Text, primary_key=True, comment="country and club, e.g. england-arsenal"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("country", sa.Text, nullable=False),
    sa.Column("competition_id", sa.Text, nullable=False, comment="in which its latest match was, or is to be"),
    sa.Column("season", sa.Integer, nullable=False, comment="of that match"),
    schema="published",
    comment="Every club that a match is known of.",
)

published_match = sa.Table(
    "match",
    metadata,
    sa.Column("match_id", sa.Text, primary_key=True),
    sa.Column("competition_id", sa.Text, nullable=False),
    sa.Column("season", sa.Integer, nullable=False, comment="the year in which the season begins"),
    sa.Column("kickoff_at", Moment, nullable=False),
    sa.Column("is_time_known", sa.Boolean, nullable=False, comment="false: kickoff_at is the start of the day"),
    sa.Column("status", sa.Text, nullable=False, comment="played, scheduled, void or unknown"),
    sa.Column("home_team_id", sa.Text, nullable=False),
    sa.Column("away_team_id", sa.Text, nullable=False),
    sa.Column("home_goals", sa.Integer, comment="null until played"),
    sa.Column("away_goals", sa.Integer),
    sa.Column("home_half_time_goals", sa.Integer, comment="null where no source says"),
    sa.Column("away_half_time_goals", sa.Integer),
    # One column where one will do: built in half the time, for a quarter of a million matches at once.
    sa.Index(None, "kickoff_at"),
    sa.Index(None, "competition_id", "season"),
    sa.Index(None, "season", "kickoff_at", "match_id"),
    sa.Index(None, "competition_id", "kickoff_at", "match_id"),
    sa.Index(None, "home_team_id"),
    sa.Index(None, "away_team_id"),
    schema="published",
    comment="Every match, played or not.",
)

issued_prediction = sa.Table(
    "issued_prediction",
    metadata,
    sa.Column("prediction_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False, unique=True, comment="the order in which the ledger was told"),
    sa.Column("match_id", sa.Text, nullable=False, index=True),
    sa.Column("information_set", sa.Text, nullable=False),
    sa.Column("model_name", sa.Text, nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("kickoff_at", Moment, nullable=False, comment="as it was known then"),
    sa.Column("as_of", Moment, nullable=False),
    sa.Column("issued_at", Moment, nullable=False),
    sa.Column("p_home", sa.Double, nullable=False),
    sa.Column("p_draw", sa.Double, nullable=False),
    sa.Column("p_away", sa.Double, nullable=False),
    sa.Column("expected_home_goals", sa.Double, nullable=False),
    sa.Column("expected_away_goals", sa.Double, nullable=False),
    sa.Column("features_digest", sa.Text, nullable=False, comment="SHA-256 of the feature row the model saw"),
    sa.Column("link", sa.Text, nullable=False, comment="in the ledger's chain"),
    sa.Column("strength_deviation", sa.Double),
    sa.Column("firmness", sa.Text),
    sa.Column("contributions", JSONB, comment="[group, side, draw]; null where issued before there were explanations"),
    schema="published",
    comment="The ledger: every prediction that was ever issued, with what adds up to it.",
)

published_issue = tables.issue.to_metadata(metadata, schema="published")
published_score = tables.score.to_metadata(metadata, schema="published")
sa.Index("score_kickoff_at_score_id_idx", published_score.c.kickoff_at, published_score.c.score_id)
sa.Index("score_prediction_id_idx", published_score.c.prediction_id)
published_scoreboard = tables.scoreboard.to_metadata(metadata, schema="published")
published_calibration = tables.calibration.to_metadata(metadata, schema="published")
published_season_outlook = tables.season_outlook.to_metadata(metadata, schema="published")

published_model_evidence = sa.Table(
    "model_evidence",
    metadata,
    sa.Column("evidence_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("model_name", sa.Text, nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("decided_at", Moment, nullable=False),
    sa.Column("decision", sa.Text, nullable=False, comment="promoted or kept_champion"),
    sa.Column("reasons", JSONB, nullable=False, comment="list of sentences"),
    sa.Column("figures", JSONB, nullable=False, comment="scores of challenger, champion and market on the same matches"),
    schema="published",
    comment="Why each model was promoted, or was not.",
)

published_model = sa.Table(
    "model",
    metadata,
    sa.Column("model_name", sa.Text, primary_key=True),
    sa.Column("model_version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("information_set", sa.Text, nullable=False),
    sa.Column("recipe", sa.Text),
    sa.Column("registry_run_id", sa.Text, comment="of its training, in the model registry"),
    sa.Column("git_revision", sa.Text, comment="of the code that made it"),
    sa.Column("data_sha256", sa.Text, comment="of what it learnt from"),
    sa.Column("features_sha256", sa.Text, comment="of the names of its features"),
    sa.Column("is_champion", sa.Boolean, nullable=False),
    schema="published",
    comment="Each model that was ever served.",
)

ledger_verification = sa.Table(
    "ledger_verification",
    metadata,
    sa.Column("verified_at", Moment, primary_key=True),
    sa.Column("n_predictions", sa.BigInteger, nullable=False),
    sa.Column("head_sequence", sa.BigInteger, comment="number of the last prediction; null while the ledger is empty"),
    sa.Column("head_link", sa.Text, comment="its link, which depends on every prediction before it"),
    sa.Column("is_intact", sa.Boolean, nullable=False),
    sa.Column("faults", JSONB, nullable=False, comment="sentences, none where every link holds"),
    schema="published",
    comment="What came of computing the links of the ledger anew.",
)

backup = sa.Table(
    "backup",
    metadata,
    sa.Column("taken_at", Moment, primary_key=True),
    sa.Column("n_bytes", sa.BigInteger, nullable=False, comment="of the compressed copy"),
    sa.Column("verified_at", Moment, nullable=False, comment="when every byte was last found to be what it was"),
    sa.Column("restored_at", Moment, comment="when a server was last started from it and held what it should; null: never"),
    schema="published",
    comment="Each backup that was found whole.",
)

check_result = sa.Table(
    "check_result",
    metadata,
    sa.Column("publication_id", sa.BigInteger, sa.ForeignKey("published.publication.publication_id"), primary_key=True),
    sa.Column("asset", sa.Text, primary_key=True, comment="schema and table, e.g. gold/fct_match"),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("is_blocking", sa.Boolean, nullable=False, comment="whether nothing is published where it fails"),
    sa.Column("description", sa.Text, comment="what it found, in words"),
    sa.Column("checked_at", Moment, nullable=False),
    schema="published",
    comment="What the checks said in the last run that made or confirmed a publication.",
)

transformation = sa.Table(
    "transformation",
    metadata,
    sa.Column("publication_id", sa.BigInteger, sa.ForeignKey("published.publication.publication_id"), primary_key=True),
    sa.Column("project_sha256", sa.Text, nullable=False, comment="of all files of the dbt project that made the tables"),
    sa.Column(
        "models",
        JSONB,
        nullable=False,
        comment="from the feature row back to the raw rows: name, kind, file, SHA-256 of it, what it is made of",
    ),
    schema="published",
    comment="The dbt models between the raw rows and the features of a publication, as they were when it was first said.",
)
