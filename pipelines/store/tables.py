"""The tables that Python writes: `bronze`, `forecast`, `published` and `operations`.

Belongs here: their columns, keys and constraints as SQLAlchemy metadata, and nothing else. The shape in the
database changes only by a migration (`deploy/migrations`), which reads this metadata. `silver` and `gold` belong
to dbt, `app` to the service.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from pipelines.forecast import contract

metadata = sa.MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

Moment = sa.DateTime(timezone=True)

# --------------------------------------------------------------------------- bronze: what was delivered

source_file = sa.Table(
    "source_file",
    metadata,
    sa.Column("file_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("source", sa.Text, nullable=False, comment="the provider, such as football_data or inbox"),
    sa.Column("key", sa.Text, nullable=False, comment="the file's path at the provider, e.g. mmz4281/2324/E0.csv"),
    sa.Column("version", sa.Integer, nullable=False, comment="1 for the first bytes seen under this key, then counting up"),
    sa.Column("sha256", sa.Text, nullable=False, comment="digest of the bytes, their address in the landing zone"),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("layout", sa.Text, nullable=False, comment="which shape of file, such as main, fixtures or json"),
    sa.Column("encoding", sa.Text, comment="how the bytes were read; null where they could not be"),
    sa.Column("header", JSONB, comment="column names in the file's order; null where there is none"),
    sa.Column("kinds", JSONB, comment="column name to the kind of its values, such as number; null where none could be told"),
    sa.Column(
        "state", sa.Text, nullable=False, comment="intact, truncated, shrunk or refused; only intact versions withdraw rows"
    ),
    sa.Column("n_lines", sa.Integer, nullable=False, comment="lines in the file = n_header + n_loaded + n_quarantined + n_blank"),
    sa.Column("n_header", sa.Integer, nullable=False),
    sa.Column("n_loaded", sa.Integer, nullable=False),
    sa.Column("n_quarantined", sa.Integer, nullable=False),
    sa.Column("n_blank", sa.Integer, nullable=False),
    sa.Column("etag", sa.Text),
    sa.Column("last_modified", sa.Text),
    sa.Column("fetched_at", Moment, nullable=False),
    sa.Column("accepted_at", Moment, comment="when the expectations of its layout were met with this version in force"),
    sa.UniqueConstraint("source", "key", "version"),
    sa.CheckConstraint("state in ('intact', 'truncated', 'shrunk', 'refused')", name="state"),
    schema="bronze",
)


def _row_table(name: str, comment: str, first_row_id: int = 1) -> sa.Table:
    """A bronze table of delivered lines, each stored once for as long as its file holds it unchanged.

    A line is part of a file's versions `since_version` (inclusive) to `until_version` (exclusive; null = still there).
    """
    return sa.Table(
        name,
        metadata,
        sa.Column("row_id", sa.BigInteger, sa.Identity(always=True, start=first_row_id), primary_key=True),
        sa.Column("file_id", sa.ForeignKey(source_file.c.file_id), nullable=False, comment="the version that brought the line"),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("layout", sa.Text, nullable=False, comment="which shape of file, such as main, fixtures or json"),
        sa.Column("since_version", sa.Integer, nullable=False),
        sa.Column("until_version", sa.Integer, comment="null while the line stands in the file"),
        sa.Column("line_number", sa.Integer, nullable=False, comment="in the version that brought it, the header being line 1"),
        sa.Column("row_digest", sa.LargeBinary(16), nullable=False, comment="MD5 of the line's cells, to recognise it again"),
        sa.Column("cells", JSONB, nullable=False, comment="column name to text as delivered; empty cells left out"),
        sa.Column("ingested_at", Moment, nullable=False),
        # A line that leaves a file and comes back is a new row.
        sa.Index(
            f"{name}_standing_key", "source", "key", "row_digest", unique=True, postgresql_where=sa.text("until_version is null")
        ),
        sa.Index(f"{name}_file_id_idx", "file_id"),
        schema="bronze",
        comment=comment,
    )


football_data_match = _row_table("football_data_match", "Lines of football-data.co.uk files, and of inbox files in their format.")
openfootball_match = _row_table("openfootball_match", "Matches of openfootball JSON files.")
international_match = _row_table("international_match", "Lines of the file of national teams' matches.")
football_data_org_match = _row_table("football_data_org_match", "Matches of football-data.org's lists.", first_row_id=10**12)
"""Its ids begin where no other table's end, so that silver knows a line of any of them by its number alone."""

stream_message = _row_table("stream_message", "Results and quotes that arrived between daily files, a message a line.")

stream_position = sa.Table(
    "stream_position",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("next_offset", sa.BigInteger, nullable=False, comment="of the first message that is not in bronze"),
    sa.Column("moved_at", Moment, nullable=False),
    schema="bronze",
    comment="How far each partition of a stream was read: moved in the transaction that writes its messages.",
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("quarantine_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("file_id", sa.ForeignKey(source_file.c.file_id), nullable=False, index=True),
    sa.Column("line_number", sa.Integer, comment="null where the whole file is meant"),
    sa.Column("n_lines", sa.Integer, nullable=False, comment="how many lines this entry stands for"),
    sa.Column("reason", sa.Text, nullable=False, comment="a short code, e.g. broken_off, html, no_date"),
    sa.Column("explanation", sa.Text, nullable=False, comment="the reason as a sentence for a person"),
    sa.Column("content", sa.Text, comment="the line's text, at most 2,000 characters"),
    sa.Column("quarantined_at", Moment, nullable=False),
    schema="bronze",
)

unusable_cell = sa.Table(
    "unusable_cell",
    metadata,
    sa.Column("unusable_cell_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("file_id", sa.ForeignKey(source_file.c.file_id), nullable=False, index=True),
    sa.Column("line_number", sa.Integer, comment="null where the entry stands for the surplus of its column"),
    sa.Column("column_name", sa.Text, nullable=False),
    sa.Column("n_cells", sa.Integer, nullable=False, comment="how many cells this entry stands for"),
    sa.Column("content", sa.Text, comment="the cell's text, at most 2,000 characters; null for a surplus"),
    sa.Column("reason", sa.Text, nullable=False, comment="a short code, e.g. impossible_price, not_a_number"),
    schema="bronze",
    comment="Filled cells of loaded lines that silver turns into nulls, because they say nothing of their column's kind.",
)

# --------------------------------------------------------------------------- forecast: what was learnt and said

match_rating = sa.Table(
    "match_rating",
    metadata,
    sa.Column("match_id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Double) for names in contract.RATINGS.values() for name in names),
    sa.Column("digest", sa.BigInteger, comment="of the other columns: tells which rows a run need not write again"),
    schema="forecast",
    comment="What each rating said before the match, from matches known before its as_of.",
)

rehearsal = sa.Table(
    "rehearsal",
    metadata,
    sa.Column(
        "moment",
        Moment,
        nullable=False,
        comment="what the clock of this database says; -infinity: none is asked, for tests of any day",
    ),
    sa.Column("is_rehearsal", sa.Boolean, primary_key=True, server_default=sa.true(), comment="true, so that there is one row"),
    sa.CheckConstraint("is_rehearsal", name="is_one"),
    schema="forecast",
    comment="Empty where days are not rehearsed: there the server's clock counts",
)

prediction = sa.Table(
    "prediction",
    metadata,
    sa.Column("prediction_id", sa.Text, primary_key=True, comment="digest of what the row says, and of the row before it"),
    sa.Column(
        "sequence", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True, comment="the order in which it was said"
    ),
    sa.Column("match_id", sa.Text, nullable=False),
    sa.Column("information_set", sa.Text, nullable=False),
    sa.Column("model_name", sa.Text, nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("kickoff_at", Moment, nullable=False),
    sa.Column("as_of", Moment, nullable=False, comment="only what was known before this moment was used"),
    sa.Column("issued_at", Moment, nullable=False),
    sa.Column("p_home", sa.Double, nullable=False),
    sa.Column("p_draw", sa.Double, nullable=False),
    sa.Column("p_away", sa.Double, nullable=False),
    sa.Column("expected_home_goals", sa.Double, nullable=False),
    sa.Column("expected_away_goals", sa.Double, nullable=False),
    sa.Column("features_digest", sa.Text, nullable=False, comment="SHA-256 of the feature row the model saw"),
    sa.Column(
        "explanation_sha256", sa.Text, comment="of what stands in forecast.explanation; null where issued before it was linked"
    ),
    sa.Column("link", sa.Text, nullable=False, comment="SHA-256 of the row and of the link before it, set by the database"),
    sa.Index("prediction_match_id_information_set_sequence_idx", "match_id", "information_set", "sequence"),
    sa.CheckConstraint("issued_at < kickoff_at", name="issued_before_kickoff"),
    sa.CheckConstraint("as_of <= issued_at", name="as_of_not_after_issue"),
    sa.CheckConstraint("abs(p_home + p_draw + p_away - 1) < 1e-9 and least(p_home, p_draw, p_away) > 0", name="probabilities"),
    schema="forecast",
)

explanation = sa.Table(
    "explanation",
    metadata,
    sa.Column("prediction_id", sa.Text, primary_key=True),
    sa.Column(
        "contributions", JSONB, nullable=False, comment="[group, side, draw]: what the base and each group add to the log-odds"
    ),
    sa.Column("strength_deviation", sa.Double, comment="how well the strengths of the clubs are known, in units of side"),
    sa.Column("firmness", sa.Text, nullable=False, comment="firm, usual or loose: the level of that"),
    schema="forecast",
    comment="Why each prediction is what it is, by the model and the features that made it.",
)

feature_list = sa.Table(
    "feature_list",
    metadata,
    sa.Column("names_sha256", sa.Text, primary_key=True, comment="of the names, a line each"),
    sa.Column("names", ARRAY(sa.Text), nullable=False),
    schema="forecast",
    comment="What the columns of feature rows were called: one row for each list that models were ever asked with.",
)

feature_row = sa.Table(
    "feature_row",
    metadata,
    sa.Column("prediction_id", sa.Text, primary_key=True),
    sa.Column("names_sha256", sa.ForeignKey(feature_list.c.names_sha256), nullable=False),
    sa.Column(
        "content",
        sa.LargeBinary,
        nullable=False,
        comment="eight bytes a feature (IEEE 754, the lowest first; NaN: not known), of which features_digest is the SHA-256",
    ),
    sa.CheckConstraint("octet_length(content) % 8 = 0", name="whole_numbers"),
    schema="forecast",
    comment="What the model saw, of each prediction that was issued since such rows are kept.",
)

issue = sa.Table(
    "issue",
    metadata,
    sa.Column(
        "first_sequence", sa.BigInteger, primary_key=True, autoincrement=False, comment="of the predictions issued together"
    ),
    sa.Column("last_sequence", sa.BigInteger, nullable=False, unique=True),
    sa.Column("data_cutoff", Moment, nullable=False, comment="facts known at or after it were hidden from the features"),
    sa.Column("through_file_id", sa.BigInteger, nullable=False, comment="the last file version that the features were made of"),
    sa.Column("files_sha256", sa.Text, nullable=False, comment="of source, key, version and SHA-256 of all versions up to it"),
    sa.Column("git_revision", sa.Text),
    sa.Column("platform", sa.Text, nullable=False, comment="system, processor and Python"),
    sa.Column("lock_sha256", sa.Text, comment="of the file that fixes every library's version; null where there was none"),
    sa.CheckConstraint("first_sequence <= last_sequence", name="sequences"),
    schema="forecast",
    comment="What the predictions that were issued together rest on, so that they can be made again.",
)

score = sa.Table(
    "score",
    metadata,
    sa.Column("score_id", sa.Text, primary_key=True, comment="match, information set and horizon"),
    sa.Column("prediction_id", sa.Text, nullable=False),
    sa.Column("match_id", sa.Text, nullable=False),
    sa.Column("information_set", sa.Text, nullable=False),
    sa.Column(
        "horizon_hours", sa.Integer, nullable=False, comment="the last forecast issued so many hours before the actual kick-off"
    ),
    sa.Column("competition_id", sa.Text, nullable=False),
    sa.Column("season", sa.Integer, nullable=False),
    sa.Column("kickoff_at", Moment, nullable=False),
    sa.Column("outcome", sa.Integer, nullable=False, comment="0 home, 1 draw, 2 away"),
    sa.Column("log_loss", sa.Double, nullable=False, comment="nats"),
    sa.Column("rps", sa.Double, nullable=False),
    sa.Column("brier", sa.Double, nullable=False),
    sa.Column("market_log_loss", sa.Double, comment="of the closing odds without their margin; null where there are none"),
    sa.Column("firmness", sa.Text, comment="firm, usual or loose; null of a forecast that was issued before there were levels"),
    schema="forecast",
    comment="Each issued forecast that counts, scored once the result is known.",
)

scoreboard = sa.Table(
    "scoreboard",
    metadata,
    sa.Column("scoreboard_id", sa.Text, primary_key=True),
    sa.Column("information_set", sa.Text, nullable=False),
    sa.Column("horizon_hours", sa.Integer, nullable=False),
    sa.Column("group_by", sa.Text, nullable=False, comment="all, competition, season, competition_season, month or firmness"),
    sa.Column("group_name", sa.Text, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("log_loss", sa.Double, nullable=False),
    sa.Column("rps", sa.Double, nullable=False),
    sa.Column("brier", sa.Double, nullable=False),
    sa.Column("n_market", sa.Integer, nullable=False, comment="matches with closing odds: those of the next four columns"),
    sa.Column("market_log_loss", sa.Double),
    sa.Column("difference", sa.Double, comment="log loss above the closing odds of the same matches"),
    sa.Column("difference_low", sa.Double, comment="95 % interval, resampled by match-day"),
    sa.Column("difference_high", sa.Double),
    schema="forecast",
    comment="The scores summed up.",
)

calibration = sa.Table(
    "calibration",
    metadata,
    sa.Column("calibration_id", sa.Text, primary_key=True, comment="information set, outcome and bin"),
    sa.Column("information_set", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False, comment="home, draw or away"),
    sa.Column("bin", sa.Integer, nullable=False, comment="of equally many forecasts, the least probable first"),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("p_mean", sa.Double, nullable=False, comment="what was said"),
    sa.Column("frequency", sa.Double, nullable=False, comment="what came"),
    sa.Column("frequency_low", sa.Double, nullable=False, comment="95 % interval (Wilson)"),
    sa.Column("frequency_high", sa.Double, nullable=False),
    schema="forecast",
    comment="How often what was said came true, of the last forecasts before kick-off.",
)

season_outlook = sa.Table(
    "season_outlook",
    metadata,
    sa.Column("outlook_id", sa.Text, primary_key=True, comment="competition, season and club"),
    sa.Column("competition_id", sa.Text, nullable=False),
    sa.Column("season", sa.Integer, nullable=False),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("points", sa.Integer, nullable=False, comment="so far"),
    sa.Column("expected_points", sa.Double, nullable=False, comment="at the end"),
    sa.Column("n_left", sa.Integer, nullable=False, comment="matches still to be played"),
    sa.Column("p_title", sa.Double, nullable=False),
    sa.Column("p_top_four", sa.Double, nullable=False),
    sa.Column("p_relegated", sa.Double, nullable=False, comment="one of the last n_relegated places"),
    sa.Column(
        "n_relegated",
        sa.Integer,
        nullable=False,
        comment="by the season's rule without a play-off, else as many as after the season before",
    ),
    sa.Column(
        "places", sa.Text, comment="JSON: the probability of each place, the first first; null where made before they were kept"
    ),
    schema="forecast",
    comment="How the seasons under way may end, from ten thousand simulated ends of each.",
)

model_evidence = sa.Table(
    "model_evidence",
    metadata,
    sa.Column("evidence_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("model_name", sa.Text, nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("decided_at", Moment, nullable=False),
    sa.Column("decision", sa.Text, nullable=False, comment="promoted or kept_champion"),
    sa.Column("reasons", JSONB, nullable=False, comment="list of sentences"),
    sa.Column("figures", JSONB, nullable=False, comment="scores of challenger, champion and market on the same matches"),
    schema="forecast",
)

# --------------------------------------------------------------------------- published: the contract with the service

publication = sa.Table(
    "publication",
    metadata,
    sa.Column("publication_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("published_at", Moment, nullable=False),
    sa.Column("confirmed_at", Moment, nullable=False, comment="last run that found nothing to change"),
    sa.Column("data_cutoff", Moment, nullable=False),
    sa.Column("is_simulated", sa.Boolean, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, comment="SHA-256 of the content; an unchanged one is not published again"),
    sa.Column("n_predictions", sa.Integer, nullable=False),
    sa.Column("note", sa.Text, comment="what a reader must know, e.g. why there is no prediction"),
    sa.Column("manifest", JSONB, nullable=False, comment="file key to SHA-256 of the bytes the forecasts rest on"),
    sa.Column("git_revision", sa.Text),
    schema="published",
)

published_competition = sa.Table(
    "competition",
    metadata,
    sa.Column("publication_id", sa.ForeignKey(publication.c.publication_id), primary_key=True),
    sa.Column("competition_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("country", sa.Text, nullable=False),
    sa.Column("tier", sa.Integer),
    sa.Column("n_matches", sa.Integer, nullable=False, comment="matches with a result in the warehouse"),
    sa.Column("n_predictions", sa.Integer, nullable=False, comment="coming matches in this publication"),
    sa.Column("latest_result_on", sa.Date),
    schema="published",
)

published_prediction = sa.Table(
    "prediction",
    metadata,
    sa.Column("publication_id", sa.ForeignKey(publication.c.publication_id), primary_key=True),
    sa.Column("prediction_id", sa.Text, primary_key=True),
    sa.Column("match_id", sa.Text, nullable=False),
    sa.Column("competition_id", sa.Text, nullable=False),
    sa.Column("competition", sa.Text, nullable=False),
    sa.Column("country", sa.Text, nullable=False),
    sa.Column("season", sa.Integer, nullable=False),
    sa.Column("kickoff_at", Moment, nullable=False),
    sa.Column("is_time_known", sa.Boolean, nullable=False, comment="false: kickoff_at is the start of the day"),
    sa.Column("home_team_id", sa.Text, nullable=False),
    sa.Column("home_team", sa.Text, nullable=False),
    sa.Column("away_team_id", sa.Text, nullable=False),
    sa.Column("away_team", sa.Text, nullable=False),
    sa.Column("p_home", sa.Double, nullable=False),
    sa.Column("p_draw", sa.Double, nullable=False),
    sa.Column("p_away", sa.Double, nullable=False),
    sa.Column("expected_home_goals", sa.Double, nullable=False),
    sa.Column("expected_away_goals", sa.Double, nullable=False),
    sa.Column("information_set", sa.Text, nullable=False),
    sa.Column(
        "is_best_informed", sa.Boolean, nullable=False, comment="of the match's forecasts the one that may know most, the default"
    ),
    sa.Column("model_name", sa.Text, nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("as_of", Moment, nullable=False),
    sa.Column("issued_at", Moment, nullable=False),
    sa.Column(
        "book", JSONB, comment="what it says of every market, and its scorelines; null where published before there were any"
    ),
    sa.Column("strength_deviation", sa.Double, comment="how well the strengths of the clubs are known, in units of side"),
    sa.Column("firmness", sa.Text, comment="firm, usual or loose: the level of that; null where issued before there were levels"),
    sa.Column(
        "explanation",
        JSONB,
        comment="what adds up to it, and what changed since the prediction before; null where issued before there were any",
    ),
    sa.Index("prediction_publication_id_kickoff_at_prediction_id_idx", "publication_id", "kickoff_at", "prediction_id"),
    schema="published",
)

# --------------------------------------------------------------------------- operations: what people are told

notification = sa.Table(
    "notification",
    metadata,
    sa.Column("notification_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("topic", sa.Text, nullable=False, comment="a job, or drift: what may recover"),
    sa.Column("subject", sa.Text, nullable=False, comment="the same for what is no news within the hour"),
    sa.Column("severity", sa.Text, nullable=False, comment="failure, warning, success or info"),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("noticed_at", Moment, nullable=False),
    sa.Column("last_noticed_at", Moment, nullable=False),
    sa.Column("n_noticed", sa.Integer, nullable=False, server_default="1"),
    sa.Index("notification_topic", "topic", "notification_id"),
    schema="operations",
    comment="What people are told: written first, delivered then.",
)

delivery = sa.Table(
    "delivery",
    metadata,
    sa.Column("notification_id", sa.ForeignKey(notification.c.notification_id), primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True, comment="kind and digest of the address, which is a secret"),
    sa.Column("delivered_at", Moment, nullable=False, comment="the same for those told in one message"),
    schema="operations",
    comment="A row once a channel has taken the message.",
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("outbox_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("key", sa.Text, nullable=False, comment="of the message: those with the same one stay in their order"),
    sa.Column("message", JSONB, nullable=False),
    sa.Column("written_at", Moment, nullable=False),
    sa.Column("delivered_at", Moment, comment="when the broker had taken it; null until then"),
    sa.Index("outbox_waiting", "outbox_id", postgresql_where=sa.text("delivered_at is null")),
    schema="operations",
    comment="Messages about publications, written in the transaction that they tell of and sent then.",
)
