"""One's own API keys."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, NotFoundException, PermissionDeniedException
from litestar.params import JSONBody, PathParameter

from serving.answers import tabular
from serving.identity import opaque
from serving.identity.acting import actor
from serving.identity.changes import Changes
from serving.identity.credentials import Credentials
from serving.identity.roles import SCOPES, Permission, allow
from serving.routes.documented import BEARER, CHANGES, NOT_MODIFIED, also_csv, problems
from serving.schemas.identity import KeyInfo, KeyList, KeyRequest, NewKey
from serving.store.keys import MAXIMUM_PER_ACCOUNT, Key, Keys, TooManyKeys

KeyId = Annotated[
    str,
    PathParameter(max_length=12, pattern=r"^[0-9a-f]{12}$", description="What stands between the underscores of the key."),
]

NO_SUCH_KEY: Final = "There is no good key of this id."


@get(
    "/keys",
    opt=allow(Permission.OWN),
    security=BEARER,
    operation_class=also_csv(KeyInfo),
    tags=["keys"],
    summary="List one's API keys",
    description="The keys that are good, the latest first, without their secrets. `Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(401, 403, 503),
)
async def list_keys(request: Request[Any, Any, Any], keys: NamedDependency[Keys]) -> Response[KeyList]:
    """List them."""
    return listed_keys(request, await keys.keys(request.user.account_id))


def listed_keys(request: Request[Any, Any, Any], keys: Sequence[Key]) -> Response[KeyList]:
    """The answer with these keys."""
    shown = [KeyInfo.of(each) for each in keys]
    return tabular(request, KeyList(shown), shown, KeyInfo)


@post(
    "/keys",
    opt=allow(Permission.OWN),
    security=BEARER,
    tags=["keys"],
    summary="Make an API key",
    description="For a machine, which sends it as `Authorization: Bearer fb_…`. It is shown in this answer and never again. It "
    "is good for `scopes` as long as its owner's role grants them, and never for making keys or ending sessions. At most "
    f"{MAXIMUM_PER_ACCOUNT} are good at a time. {CHANGES}",
    responses=problems(400, 401, 403, 404, 409, 413, 503),
)
async def create_key(
    request: Request[Any, Any, Any],
    keys: NamedDependency[Keys],
    changes: NamedDependency[Changes],
    data: JSONBody[KeyRequest],
) -> NewKey:
    """Make one."""
    if missing := set(data.scopes) - (request.user.permissions & SCOPES):
        raise PermissionDeniedException(f"A key of yours cannot be good for: {', '.join(sorted(missing))}.")
    await changes.count(request.user)
    key_id, key = opaque.new_key()
    expires_at = datetime.now(UTC) + timedelta(days=data.expires_in_days)
    scopes = sorted(set(data.scopes))
    try:
        made = await keys.create(
            request.user.account_id, key_id, opaque.digest(key), data.name, scopes, expires_at, actor(request)
        )
    except TooManyKeys:
        detail = f"You have {MAXIMUM_PER_ACCOUNT} keys: revoke one that is not used any more."
        raise ClientException(detail, status_code=409) from None
    if made is None:
        raise NotFoundException("There is no account for this key.")
    return NewKey(key=key, info=KeyInfo.of(made))


@delete(
    "/keys/{key_id:str}",
    opt=allow(Permission.OWN),
    security=BEARER,
    tags=["keys"],
    summary="Revoke one of one's API keys",
    description=f"Within a second no worker takes it. {CHANGES}",
    responses=problems(400, 401, 403, 404, 503),
)
async def revoke_key(
    request: Request[Any, Any, Any],
    keys: NamedDependency[Keys],
    credentials: NamedDependency[Credentials],
    changes: NamedDependency[Changes],
    key_id: KeyId,
) -> None:
    """Revoke it."""
    await changes.count(request.user)
    if not await keys.revoke(request.user.account_id, key_id, actor(request)):
        raise NotFoundException(NO_SUCH_KEY)
    await credentials.hear()
