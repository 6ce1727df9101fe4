"""Every publication, and pinning an earlier one."""

from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, put
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import JSONBody, PathParameter, QueryParameter

from serving.answers import cacheable, to_json
from serving.current import CurrentPublication
from serving.identity.acting import actor
from serving.identity.changes import Changes
from serving.identity.roles import Permission, allow
from serving.routes.documented import BEARER, CHANGES, NOT_MODIFIED, also_csv, problems
from serving.routes.paging import MAXIMUM_LIMIT, NUMBER, after, next_cursor, page
from serving.schemas import Publication
from serving.schemas.publications import Pin, PinRequest, PublicationPage
from serving.standing import Standing
from serving.store.pins import Pins
from serving.store.publications import Publications
from serving.unknown import Unknown

_COUNTED: Final = f"It counts as a change of keys and sessions does. {CHANGES}"


@get(
    "/publications",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(Publication),
    tags=["publication"],
    summary="List the publications",
    description="The latest first, and which of them is served: the latest, unless an operator pinned an earlier one. "
    "`Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 503),
)
async def list_publications(
    *,
    request: Request[Any, Any, Any],
    standing: NamedDependency[Standing],
    publications: NamedDependency[Publications],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    limit: Annotated[int, QueryParameter(ge=1, le=MAXIMUM_LIMIT, description="At most so many.")] = 50,
    cursor: Annotated[str | None, QueryParameter(max_length=600, description="`next_cursor` of the page before.")] = None,
) -> Response[PublicationPage]:
    """Answer with one page of publications."""
    position = after(cursor, {})
    before = None if position is None else await _shown_last(request, unknown, position.id)
    found = await publications.listed(before, limit + 1)
    shown = found[:limit]
    served = await current.get()
    answer = PublicationPage(
        is_simulated=current.is_simulated,
        served_publication_id=served.publication_id if served else None,
        pin=await standing.pinned(),
        publications=shown,
        next_cursor=next_cursor({}, None, str(shown[-1].publication_id)) if len(found) > limit else None,
    )
    return page(request, answer, shown, Publication, {}, limit)


async def _shown_last(request: Request[Any, Any, Any], unknown: Unknown, number: str) -> int:
    """The publication at which a page ended: each number in a cursor of ours has one, and no other is looked behind.

    Raises:
        ValidationException: the cursor was made by hand.
    """
    if not NUMBER.fullmatch(number) or await unknown.publication(request.user.subject, int(number)) is None:
        raise ValidationException("This cursor is not one that the service gave out.")
    return int(number)


@get(
    "/publications/{publication_id:int}",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["publication"],
    summary="Get one publication",
    description="A publication by its number, without its manifest.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_numbered_publication(
    request: Request[Any, Any, Any],
    unknown: NamedDependency[Unknown],
    publication_id: Annotated[int, PathParameter(ge=1, le=2**63 - 1)],
) -> Response[Publication]:
    """Answer with one publication."""
    if (publication := await unknown.publication(request.user.subject, publication_id)) is None:
        raise NotFoundException("There is no publication of this number.")
    return cacheable(request, to_json(publication))


@put(
    "/publications/pin",
    opt=allow(Permission.OPERATE),
    security=BEARER,
    tags=["publication"],
    summary="Pin a publication",
    description="Serve this publication, whatever is published after it, until it is released: within a second on every worker. "
    f"Takes the place of a pin that stands, unless that is the same. {_COUNTED}",
    responses=problems(400, 401, 403, 404, 413, 503),
)
async def pin_publication(
    request: Request[Any, Any, Any],
    pins: NamedDependency[Pins],
    current: NamedDependency[CurrentPublication],
    changes: NamedDependency[Changes],
    data: JSONBody[PinRequest],
) -> Pin:
    """Pin one."""
    await changes.count(request.user)
    if (pin := await pins.pin(data.publication_id, data.reason, request.user.account_id, actor(request))) is None:
        raise NotFoundException("There is no publication of this number.")
    await current.hear()
    return pin


@delete(
    "/publications/pin",
    opt=allow(Permission.OPERATE),
    security=BEARER,
    tags=["publication"],
    summary="Release the pinned publication",
    description=f"Serve the latest publication again. {_COUNTED}",
    responses=problems(401, 403, 404, 503),
)
async def release_publication(
    request: Request[Any, Any, Any],
    pins: NamedDependency[Pins],
    current: NamedDependency[CurrentPublication],
    changes: NamedDependency[Changes],
) -> None:
    """Release it."""
    await changes.count(request.user)
    if not await pins.release(actor(request)):
        raise NotFoundException("No publication is pinned.")
    await current.hear()
