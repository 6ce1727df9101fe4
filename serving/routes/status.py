"""How old everything is, and whether it is as it should be."""

from collections.abc import Awaitable
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from msgspec import convert

from serving.answers import cacheable, to_json
from serving.current import CurrentPublication
from serving.identity.limits import LoginLimit
from serving.identity.roles import Permission, allow
from serving.parts import known
from serving.routes.documented import BEARER, NOT_MODIFIED, problems
from serving.schemas.lineage import CheckResult
from serving.schemas.record import LedgerState
from serving.schemas.status import BackupState, ChecksSummary, StatusAnswer
from serving.settings import Settings
from serving.standing import Standing
from serving.store.lineage import Lineages
from serving.store.record import Record


@get(
    "/status",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["publication"],
    summary="Get the state of everything",
    description="The publication being served and what it rests on, what the last checks said, the ledger's verification, the "
    "last backup: when each was. For machines that only ask whether to come here there is `/health/ready`.",
    responses=NOT_MODIFIED | problems(401, 403, 503),
)
async def get_status(
    *,
    request: Request[Any, Any, Any],
    settings: NamedDependency[Settings],
    current: NamedDependency[CurrentPublication],
    record: NamedDependency[Record],
    lineages: NamedDependency[Lineages],
    standing: NamedDependency[Standing],
    logins: NamedDependency[LoginLimit],
) -> Response[StatusAnswer]:
    """Answer with the state."""
    held = await current.hold()
    questions: dict[str, Awaitable[Any]] = {"ledger": record.verification(), "backup": record.last_backup()}
    if held is not None:
        questions["checks"] = lineages.checks(held.publication.publication_id)
    parts, unknown = await known(**questions)
    answer = StatusAnswer(
        is_simulated=current.is_simulated,
        edition=settings.edition,
        rehearsed_at=settings.data_cutoff,
        publication=held.publication if held else None,
        n_files=len(held.manifest) if held else None,
        pin=await standing.pinned(),
        checks=summed_up(parts.get("checks") or []),
        ledger=convert(parts["ledger"], LedgerState) if parts["ledger"] else None,
        backup=convert(parts["backup"], BackupState) if parts["backup"] else None,
        unknown=unknown,
        database="up" if current.database_answers else "down",
        redis=await logins.redis_state(),
    )
    return cacheable(request, to_json(answer))


def summed_up(checks: list[CheckResult]) -> ChecksSummary | None:
    """How many there are, how many passed, and when the last was made; None of none."""
    if not checks:
        return None
    n_passed, checked_at = sum(each.passed for each in checks), max(each.checked_at for each in checks)
    return ChecksSummary(n_checks=len(checks), n_passed=n_passed, checked_at=checked_at)
