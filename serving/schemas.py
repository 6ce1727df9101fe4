"""The structs that the service takes and gives; their field names are the JSON names.

Belongs here: shape, meaning and rounding of what is answered. Fields that come from a table of `published` bear the
column's name (a contract test compares them). Does not belong here: queries, HTTP.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

MILLIONTHS: Final = 1_000_000


class Publication(Struct, frozen=True, kw_only=True):
    """One publication, without its manifest."""

    publication_id: int
    published_at: datetime
    confirmed_at: Annotated[datetime, Meta(description="When a run last found that nothing had to change.")]
    data_cutoff: Annotated[datetime, Meta(description="Nothing known at or after this moment was used.")]
    is_simulated: bool
    digest: str
    n_predictions: int
    note: str | None
    git_revision: str | None


class ManifestSummary(Struct, frozen=True, kw_only=True):
    """How much raw input stands behind a publication."""

    n_files: int


class PublicationAnswer(Publication, frozen=True, kw_only=True):
    """The publication being served, and its age."""

    edition: str
    age_seconds: Annotated[float, Meta(description="Since `published_at`.")]
    confirmed_age_seconds: Annotated[float, Meta(description="Since `confirmed_at`: how old the data may be.")]
    manifest: ManifestSummary


class ManifestAnswer(Struct, frozen=True, kw_only=True):
    """The raw files behind the publication being served."""

    is_simulated: bool
    publication_id: int
    manifest: Annotated[dict[str, Any], Meta(description="File key to the SHA-256 of its bytes.")]


class Competition(Struct, frozen=True, kw_only=True):
    """A competition as of the publication."""

    competition_id: str
    name: str
    country: str
    tier: int | None
    n_matches: Annotated[int, Meta(description="Matches with a known result.")]
    n_predictions: Annotated[int, Meta(description="Coming matches in this publication.")]
    latest_result_on: date | None


class CompetitionList(Struct, frozen=True, kw_only=True):
    """All competitions of the publication being served."""

    is_simulated: bool
    publication_id: int
    competitions: list[Competition]


class Prediction(Struct, frozen=True, kw_only=True):
    """The forecast of one match. The three probabilities have six decimals and sum to exactly 1."""

    publication_id: int
    prediction_id: str
    match_id: str
    competition_id: str
    competition: str
    country: str
    season: Annotated[int, Meta(description="The year in which the season begins.")]
    kickoff_at: Annotated[datetime, Meta(description="In UTC.")]
    is_time_known: Annotated[bool, Meta(description="False: only the day is known and `kickoff_at` is its start.")]
    home_team_id: str
    home_team: str
    away_team_id: str
    away_team: str
    p_home: float
    p_draw: float
    p_away: float
    expected_home_goals: float
    expected_away_goals: float
    information_set: Annotated[str, Meta(description="What the model was allowed to know.")]
    model_name: str
    model_version: int
    as_of: Annotated[datetime, Meta(description="Only what was known before this moment was used.")]
    issued_at: datetime
    is_simulated: bool

    @classmethod
    def of(cls, row: Mapping[str, Any], is_simulated: bool) -> "Prediction":
        """The answer for a row of `published.prediction`, rounded."""
        p_home, p_draw, p_away = round_probabilities(row["p_home"], row["p_draw"], row["p_away"])
        rounded = {
            "p_home": p_home,
            "p_draw": p_draw,
            "p_away": p_away,
            "expected_home_goals": round(row["expected_home_goals"], 3),
            "expected_away_goals": round(row["expected_away_goals"], 3),
        }
        return cls(**{**row, **rounded}, is_simulated=is_simulated)


class PredictionPage(Struct, frozen=True, kw_only=True):
    """One page of predictions by kick-off."""

    is_simulated: bool
    publication_id: int
    published_at: datetime
    note: str | None
    predictions: list[Prediction]
    next_cursor: Annotated[str | None, Meta(description="Send it with the same filters for the next page; null at the end.")]


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks for a token."""

    username: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class AccessToken(Struct, frozen=True):
    """A bearer token and how many seconds it is good for."""

    access_token: str
    token_type: str
    expires_in: int


class Liveness(Struct, frozen=True):
    """The process answers."""

    status: str


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether the service can do its work: `ready`, or `degraded` (it answers, but something is missing)."""

    status: str
    database: str
    redis: Annotated[str, Meta(description="`up`, `down` (reads go on, logins are limited per process) or `off`.")]
    is_simulated: bool
    publication_id: Annotated[int | None, Meta(description="null: nothing has been published yet.")]
    publication_age_seconds: float | None
    confirmed_age_seconds: float | None


class Problem(Struct, frozen=True, kw_only=True):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    is_simulated: bool
    errors: Annotated[list[dict[str, Any]] | UnsetType, Meta(description="What is wrong with which field.")] = UNSET


def round_probabilities(p_home: float, p_draw: float, p_away: float) -> tuple[float, float, float]:
    """Round to six decimals so that the decimals sum to exactly 1 (largest remainders get what is left over).

    Args:
        p_home, p_draw, p_away: non-negative, summing to 1 but for floating point.
    """
    exact = [p * MILLIONTHS for p in (p_home, p_draw, p_away)]
    whole = [int(value) for value in exact]
    by_remainder = sorted(range(3), key=lambda i: exact[i] - whole[i], reverse=True)
    for i in by_remainder[: MILLIONTHS - sum(whole)]:
        whole[i] += 1
    return whole[0] / MILLIONTHS, whole[1] / MILLIONTHS, whole[2] / MILLIONTHS
