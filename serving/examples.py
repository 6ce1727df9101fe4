"""The examples in the OpenAPI document: one of each field by its name, and of each answer what these come to.

Belongs here: the values, and putting them into the document. A field of one name means the same everywhere, so it has one
example; where two structures mean different things by a name, the structure's name stands before it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from serving.routes.documented import completed

_DIGEST: Final = "6f1c0d5b3e0a4c7a9e0b8d2f4a6c8e1035577991bbddff0022446688aaccee13"
_LINK: Final = "a3c5e7091b2d4f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8"

OF_FIELDS: Final[Mapping[str, Any]] = {
    # What is played, and by whom.
    "competition_id": "E0", "competition": "Premier League", "Competition.name": "Premier League",
    "CompetitionAnswer.name": "Premier League", "country": "England", "tier": 1,
    "season": 2025, "match_id": "e0-2025-arsenal-chelsea-1", "kickoff_at": "2026-03-01T16:30:00Z", "is_time_known": True,
    "Match.status": "scheduled", "MatchAnswer.status": "scheduled", "home_team_id": "england-arsenal", "home_team": "Arsenal",
    "away_team_id": "england-chelsea", "away_team": "Chelsea", "team_id": "england-arsenal", "team": "Arsenal",
    "Team.name": "Arsenal", "TeamAnswer.name": "Arsenal", "home_goals": None, "away_goals": None, "home_half_time_goals": None,
    "away_half_time_goals": None, "outcome": "home", "n_matches": 12707, "latest_result_on": "2026-02-28",
    "latest_result_at": "2026-02-28T20:00:00Z",
    # What is said of it.
    "prediction_id": "6f1c0d5b3e0a4c7a9e0b8d2f4a6c8e10", "information_set": "market", "is_best_informed": True,
    "model_name": "market-live", "model_version": 7,
    "as_of": "2026-03-01T06:00:00Z", "issued_at": "2026-03-01T06:00:41Z", "p_home": 0.512, "p_draw": 0.251, "p_away": 0.237,
    "expected_home_goals": 1.71, "expected_away_goals": 1.08, "expected_home_points": 1.79, "expected_away_points": 0.96,
    "strength_deviation": 0.61, "firmness": "usual", "supersedes": None, "change_home": 0.006, "change_draw": -0.002,
    "change_away": -0.004, "is_other_model": False, "group": "strength", "side": 0.42, "draw": 0.03, "market": "over_under",
    "line": 2.5, "selection": "over", "probability": 0.5404, "fair_odds": 1.85, "scorelines": [[0.31, 0.22], [0.29, 0.18]],
    "n_predictions": 372, "next_cursor": None, "note": None,
    # A publication, and what it rests on.
    "publication_id": 42, "served_publication_id": 42, "FirstPublished.publication_id": 41,
    "published_at": "2026-03-01T06:00:44Z",
    "confirmed_at": "2026-03-01T06:00:44Z", "data_cutoff": "2026-03-01T06:00:00Z", "digest": _DIGEST, "edition": "live",
    "git_revision": "9b442e95863c", "age_seconds": 3600.0, "confirmed_age_seconds": 3600.0, "publication_age_seconds": 3600.0,
    "ManifestAnswer.manifest": {"football_data/mmz4281/2526/E0.csv": _DIGEST},
    "n_files": 601,
    "files": {"football_data/mmz4281/2526/E0.csv": _DIGEST}, "files_sha256": _DIGEST, "lock_sha256": _DIGEST,
    "through_file_id": 18204,
    "platform": "Linux-6.1-x86_64, Python 3.11.7", "features_digest": _DIGEST,
    "features": {"elo_difference": 118.4, "home_rest_days": 6.0, "home_margin_title": None}, "data_sha256": _DIGEST,
    "features_sha256": _DIGEST,
    "registry_run_id": "0f4c2a6e8b1d4c7a9e0b8d2f4a6c8e10", "recipe": "market", "is_champion": True, "decision": "promoted",
    "decided_at": "2026-02-23T08:06:11Z", "reasons": ["better by 0.0011 on the same 7,179 matches, 95 % interval below 0"],
    "figures": {"n": 7179, "difference": -0.0011}, "reason": "Prices of 42 were wrong.", "pinned_at": "2026-03-01T07:00:00Z",
    # How good it was.
    "n": 7179, "n_market": 7179, "log_loss": 0.9804, "market_log_loss": 0.9778, "difference": 0.0026, "difference_low": 0.0018,
    "difference_high": 0.0034, "brier": 0.5811, "rps": 0.1939, "horizon_hours": 0, "group_by": "competition",
    "group_name": "E0",
    "bin": 3, "p_mean": 0.412, "frequency": 0.409, "frequency_low": 0.397, "frequency_high": 0.421,
    "score_id": "e0-2025-arsenal-chelsea-1|market|0", "day": "2026-02-28T00:00:00Z", "distance": 0.41, "total": 18.7, "low": 3.2,
    "high": 34.2,
    "verified_at": "2026-03-01T06:00:50Z", "is_intact": True, "head_sequence": 91244, "head_link": _LINK, "faults": [],
    "sequence": 91244, "link": _LINK,
    # A season's table, and how it may end.
    "position": 1, "played": 27, "won": 19, "drawn": 5, "lost": 3, "goals_for": 57, "goals_against": 22, "goal_difference": 35,
    "points": 62, "expected_points": 84.6, "n_left": 11, "n_relegated": 3, "p_title": 0.71, "p_top_four": 1.0,
    "p_relegated": 0.0,
    "places": [0.71, 0.22, 0.06, 0.01],
    # Who asks.
    "username": "ann", "password": "correct horse battery staple", "new_password": "four other words in a row",
    "user_id": 7, "role": "analyst", "created_at": "2026-01-12T09:00:00Z",
    "disabled_at": None, "is_disabled": False, "session_id": "5d0c3e2b1a4f49786a5b4c3d2e1f0a9b", "kind": "api",
    "is_current": True,
    "refreshed_at": "2026-03-01T07:15:00Z", "expires_at": "2026-03-31T07:00:00Z",
    "access_token": "eyJhbGciOiJIUzI1NiIsImtpZCI6…",
    "token_type": "Bearer", "expires_in": 900, "refresh_token": "kq3yqUu0mEo3eQx7XoY1c8rJZtB5n2vL9wPdGfHsA4M",
    "key_id": "0f9a3b5c7d1e", "key": "fb_0f9a3b5c7d1e_kq3yqUu0mEo3eQx7XoY1c8rJZtB5n2vL9wPdGfHsA4M", "name": "nightly import",
    "scopes": ["read"], "expires_in_days": 90, "last_used_at": "2026-03-01T07:20:00Z",
    # What was changed, and by whom.
    "at": "2026-03-01T07:00:00Z", "actor": "account:7", "action": "publication.pin", "object": "publication/41", "before": None,
    "after": {"publication_id": 41, "reason": "Prices of 42 were wrong."}, "request_id": "b36bd9530405c7e00000000000000061",
    "address": "192.0.2.0", "client": "Firefox on Linux", "pinned_by": "7",
    "n_checks": 214, "n_passed": 213, "rehearsed_at": None, "taken_at": "2026-03-01T06:10:00Z", "n_bytes": 812_400_128,
    "restored_at": "2026-03-01T06:12:00Z",
    "asset": "gold/fct_match", "CheckResult.name": "no_match_is_lost_on_the_way_to_gold", "passed": True, "is_blocking": True,
    "description": None, "checked_at": "2026-03-01T06:00:38Z",
    "project_sha256": _DIGEST, "DbtModel.name": "gold/feat_match", "DbtModel.kind": "model",
    "file": "dbt_project/models/gold/features/feat_match.sql", "sha256": _DIGEST, "made_of": ["silver/int_match"],
    # The service itself.
    "Liveness.status": "alive", "Readiness.status": "ready", "database": "up", "redis": "up", "is_simulated": False,
    "unknown": [],
    "type": "about:blank", "title": "Not Found", "Problem.status": 404, "detail": "There is no such prediction.", "errors": [],
}  # fmt: skip
"""By the field's name, or the structure's and the field's."""

OF_PARAMETERS: Final[Mapping[str, Any]] = {
    "competition": "E0", "team": "england-arsenal", "opponent": "england-chelsea", "search": "arsenal", "from": "2026-03-01",
    "to": "2026-03-08", "status": "played", "limit": 50, "fields": "match_id,p_home,p_draw,p_away", "season": 2025,
    "cursor": "eyJhZnRlciI6…",
}  # fmt: skip
"""Where a parameter is not named as the field that it asks for, or its value is another."""


class Document(JsonRenderPlugin):
    """Serves the document as JSON, examples and all: made once, for whoever asks."""

    _made: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document, with what Litestar does not tell of it."""
        if self._made is None:
            self._made = super().render(request, illustrated(completed(openapi_schema, request.app.routes)))
        return self._made


def illustrated(document: dict[str, Any]) -> dict[str, Any]:
    """The document itself, with an example at every field, parameter, request and answer that wants one."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    for structure, schema in schemas.items():
        for name, field in schema.get("properties", {}).items():
            if "$ref" not in field and (key := _key(structure, name)) is not None:
                field["examples"] = [OF_FIELDS[key]]
    for operation in (each for item in document["paths"].values() for each in item.values()):
        for parameter in operation.get("parameters", []):
            name = parameter["name"]
            parameter["example"] = OF_PARAMETERS[name] if name in OF_PARAMETERS else OF_FIELDS[name]
        for status, holder in (("", operation.get("requestBody", {})), *operation["responses"].items()):
            for kind, content in holder.get("content", {}).items():
                if kind == "application/problem+json":
                    told = {"status": int(status), "title": HTTPStatus(int(status)).phrase, "detail": holder["description"]}
                    content["example"] = _of(content["schema"], schemas) | told
                elif kind == "application/json":
                    content["example"] = _of(content["schema"], schemas)
    return document


def _key(structure: str, name: str) -> str | None:
    own = f"{structure}.{name}"
    return own if own in OF_FIELDS else name if name in OF_FIELDS else None


def _of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """What the examples of a schema's fields come to."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if "enum" in schemas[name]:
            return schemas[name]["enum"][0]
        fields = schemas[name].get("properties", {}).items()
        return {field: OF_FIELDS[key] if (key := _key(name, field)) else _of(each, schemas) for field, each in fields}
    if kinds := schema.get("oneOf") or schema.get("anyOf"):
        return _of(kinds[0], schemas)
    return [_of(schema["items"], schemas)] if "items" in schema else None
