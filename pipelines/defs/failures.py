"""Failures: six classes, and one table that says what is done about each.

Belongs here: the table, telling an exception's class, and the decorator by which every asset obeys the table. Does not belong
here: waiting within a request, which is politeness towards a host (`pipelines.sources.http`), and starting anew what
has nothing to raise: a run whose process died (`run_retries` of the instance), a step whose pod was lost (`pipelines.pods`).
"""

import errno
import math
import random
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from inspect import isgeneratorfunction
from types import MappingProxyType
from typing import Any, Final, ParamSpec, TypeVar

import dagster as dg
import httpx
import redis

from pipelines.beside import BesideStopped
from pipelines.sources.protocol import DownloadTooLarge, SourceError, SourceUnreachable
from pipelines.store.cluster_copy import CopyDamaged, CopyFailed
from pipelines.store.landing import LandingDamaged
from pipelines.store.turn import Busy
from pipelines.streams.connection import StreamUnreachable

P = ParamSpec("P")
R = TypeVar("R")

RUNBOOK: Final = "deploy/runbooks/failures.md"


class FailureClass(StrEnum):
    """What kind of thing went wrong. The value is what metadata and messages say, and an anchor of the runbook."""

    NETWORK = "network"
    SOURCE_CHANGED = "source changed"
    DATA = "data"
    RESOURCE = "resource"
    CODE = "code"
    DEPENDENCY_DOWN = "dependency down"


class Response(StrEnum):
    """What is done once a failure is not tried again."""

    DEGRADE = "degrade to the last good publication"
    QUARANTINE = "quarantine"
    STOP = "stop and tell"


@dataclass(frozen=True)
class Policy:
    """What is done about a class of failures.

    `n_retries` further attempts are made, so 1 + `n_retries` in all; before the k-th of them `first_delay_seconds` x 2^(k-1)
    pass, each a fifth longer or shorter by chance. `meaning` says what readers of the API notice, `advice` what to look at.
    `response` is told, not obeyed: it names in the failure's metadata and in the runbook what holds anyway, since nothing is
    published behind a failed step, and what cannot be read is set aside where files are taken apart.
    """

    n_retries: int
    first_delay_seconds: float
    response: Response
    meaning: str
    advice: str

    def delay_seconds(self, retry_number: int, chance: float) -> float:
        """How long to wait before the retry with this number, from 1; `chance` in [0, 1) makes the jitter."""
        return self.first_delay_seconds * math.ldexp(1, retry_number - 1) * (0.8 + 0.4 * chance)


POLICIES: Final[Mapping[FailureClass, Policy]] = MappingProxyType(
    {
        FailureClass.NETWORK: Policy(
            *(2, 5, Response.DEGRADE),
            meaning="The API goes on with the last publication; its forecasts become older, not wrong.",
            advice="Is the source up, FOOTBALL_DATA_URL right, the network there?",
        ),
        FailureClass.SOURCE_CHANGED: Policy(
            *(0, 0, Response.QUARANTINE),
            meaning="The API goes on with the last publication; the file concerned adds nothing until it is understood.",
            advice="Look at the file and at what was set aside of it; mend the parser, then `football quarantine replay`.",
        ),
        FailureClass.DATA: Policy(
            *(0, 0, Response.QUARANTINE),
            meaning="The API goes on with the last publication; nothing that failed a check reaches it.",
            advice="Read the failed check's table in Dagster, and `football quarantine list`.",
        ),
        FailureClass.RESOURCE: Policy(
            *(0, 0, Response.STOP),
            meaning="The API goes on with the last publication, unless it shares the disk or memory that ran out.",
            advice="Make room on the disk or in memory, then run the job again.",
        ),
        FailureClass.CODE: Policy(
            *(0, 0, Response.STOP),
            meaning="The API goes on with the last publication; each further run fails likewise until this is mended.",
            advice="Read the run's stack trace and settings; mend them or go back to the version before.",
        ),
        FailureClass.DEPENDENCY_DOWN: Policy(
            *(3, 5, Response.DEGRADE),
            meaning="The API answers from memory, and without PostgreSQL what else was asked for before (for six hours); "
            "nobody can sign in then.",
            advice="`football status`, then `football up`.",
        ),
    }
)
"""The one table. The runbook's sections and the messages are made of it, and a test compares them."""

_FULL: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EFBIG, errno.EROFS, errno.EIO}
)

_OF_SQLSTATE: Final[Mapping[str, FailureClass]] = MappingProxyType(
    {
        "08": FailureClass.DEPENDENCY_DOWN,  # connection
        "40": FailureClass.DEPENDENCY_DOWN,  # deadlock, serialization: another try goes through
        "55": FailureClass.DEPENDENCY_DOWN,  # a lock is not to be had
        "57": FailureClass.DEPENDENCY_DOWN,  # the server shuts down, crashes or starts
        "53": FailureClass.RESOURCE,  # disk, memory, connections
        "58": FailureClass.RESOURCE,  # errors of the system underneath
        "22": FailureClass.DATA,
        "23": FailureClass.DATA,
    }
)
"""By the first two characters, PostgreSQL's own classes; any other is the code's fault."""

_OF_TYPE: Final[Mapping[type[BaseException], FailureClass]] = MappingProxyType(
    {
        SourceUnreachable: FailureClass.NETWORK,
        DownloadTooLarge: FailureClass.SOURCE_CHANGED,
        SourceError: FailureClass.SOURCE_CHANGED,
        LandingDamaged: FailureClass.DATA,
        CopyDamaged: FailureClass.DATA,
        CopyFailed: FailureClass.DEPENDENCY_DOWN,
        Busy: FailureClass.DEPENDENCY_DOWN,
        StreamUnreachable: FailureClass.DEPENDENCY_DOWN,
        subprocess.TimeoutExpired: FailureClass.DEPENDENCY_DOWN,  # PostgreSQL's programs, which wait for the server
        httpx.TransportError: FailureClass.NETWORK,
        redis.exceptions.ConnectionError: FailureClass.DEPENDENCY_DOWN,
        redis.exceptions.TimeoutError: FailureClass.DEPENDENCY_DOWN,
        MemoryError: FailureClass.RESOURCE,
        BesideStopped: FailureClass.RESOURCE,
        ConnectionError: FailureClass.NETWORK,
        TimeoutError: FailureClass.NETWORK,
    }
)
"""Asked along the exception's own types, the most special first."""

_OF_NAME: Final[Mapping[str, FailureClass]] = MappingProxyType(
    {
        "requests.exceptions.ConnectionError": FailureClass.DEPENDENCY_DOWN,  # MLflow's client
        "requests.exceptions.Timeout": FailureClass.DEPENDENCY_DOWN,
        "botocore.exceptions.ConnectionError": FailureClass.DEPENDENCY_DOWN,  # the landing zone in a bucket
        "botocore.exceptions.HTTPClientError": FailureClass.DEPENDENCY_DOWN,
        # What was sent did not come whole: of these botocore makes no errors of a client.
        "botocore.exceptions.IncompleteReadError": FailureClass.DEPENDENCY_DOWN,
        "botocore.exceptions.ChecksumError": FailureClass.DEPENDENCY_DOWN,
        "botocore.exceptions.FlexibleChecksumError": FailureClass.DEPENDENCY_DOWN,
    }
)
"""Types of packages that only those import who need them."""

_OF_KEPT: Final[Mapping[str, FailureClass]] = MappingProxyType(
    {
        "OperationalError": FailureClass.DEPENDENCY_DOWN,
        "DagsterAssetCheckFailedError": FailureClass.DATA,
        "DagsterK8sAPIRetryLimitExceeded": FailureClass.DEPENDENCY_DOWN,
        **{kind.__name__: found for kind, found in _OF_TYPE.items()},
    }
)
"""What Dagster keeps of an error is its type's bare name."""

_OF_DBT: Final[Mapping[str, FailureClass]] = MappingProxyType(
    {
        "connection to server": FailureClass.DEPENDENCY_DOWN,
        "could not connect": FailureClass.DEPENDENCY_DOWN,
        "server closed the connection": FailureClass.DEPENDENCY_DOWN,
        "terminating connection": FailureClass.DEPENDENCY_DOWN,
        "SSL SYSCALL error": FailureClass.DEPENDENCY_DOWN,
        "SSL connection has been closed": FailureClass.DEPENDENCY_DOWN,
        "could not receive data from server": FailureClass.DEPENDENCY_DOWN,
        "the database system is": FailureClass.DEPENDENCY_DOWN,  # starting up, shutting down, in recovery
        "deadlock detected": FailureClass.DEPENDENCY_DOWN,
        "could not serialize access": FailureClass.DEPENDENCY_DOWN,
        "could not obtain lock": FailureClass.DEPENDENCY_DOWN,
        "canceling statement due to": FailureClass.DEPENDENCY_DOWN,  # a lock or the statement took too long
        "No space left on device": FailureClass.RESOURCE,
        "out of memory": FailureClass.RESOURCE,
        "Got ": FailureClass.DATA,  # "Got 3 results, configured to fail if != 0": a data test
    }
)
"""dbt hands on what a node said as text alone; the classes are those of the same errors in `_OF_SQLSTATE`."""

_S3_TROUBLE: Final = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"})
"""What object storage says of itself under a status that others use for what the asker did wrong, 400 above all."""


def classify(error: BaseException) -> FailureClass:
    """The class of an exception: its own if it tells one, else that of the first cause that does, else `CODE`."""
    for each in _chain(error):
        if (found := _own_class(each)) is not None:
            return found
    return FailureClass.CODE


def classify_event(event: dg.DagsterEvent) -> FailureClass:
    """The class of a run's or step's failure as Dagster kept it: as noted by the decorator, else by the names of the errors."""
    if event.is_step_failure:
        noted = event.step_failure_data.user_failure_data
        if noted is not None and "class" in noted.metadata:
            return FailureClass(str(noted.metadata["class"].value))
        error = event.step_failure_data.error
    else:
        error = event.job_failure_data.error if event.is_job_failure else None
    while error is not None:
        if (found := _OF_KEPT.get(error.cls_name or "")) is not None:
            return found
        error = error.cause
    return FailureClass.CODE


def sentence_of(event: dg.DagsterEvent) -> str:
    """What a failed step said of itself, after its name; else Dagster's message."""
    noted = event.step_failure_data.user_failure_data if event.is_step_failure else None
    said = noted.description if noted is not None else None
    return f"{event.step_key}: {said}" if said else event.message or "no message"


def failure(kind: FailureClass, sentence: str) -> dg.Failure:
    """What ends a step for good: the sentence, and as metadata its class, what it means for the API, and what to do."""
    policy = POLICIES[kind]
    return dg.Failure(
        sentence,
        metadata={
            "class": kind.value,
            "response": policy.response.value,
            "meaning for the API": policy.meaning,
            "runbook": runbook_line(kind),
        },
        allow_retries=False,
    )


def runbook_line(kind: FailureClass) -> str:
    """What to look at first, and the section of the runbook that says the rest."""
    return f"{POLICIES[kind].advice} ({RUNBOOK}#{kind.value.replace(' ', '-')})"


def under_policy(compute: Callable[P, R]) -> Callable[P, R]:
    """Let an asset's function, or an op's, obey the table: what it raises is tried again or ends the step as its class says.

    Goes below Dagster's own decorator. Called outside a run, where nobody could try again, the exception passes as it is.

    Raises:
        dg.RetryRequested: the class allows another attempt; Dagster waits and makes it.
        dg.Failure: it does not, or the attempts are used up.
    """
    if isgeneratorfunction(compute):

        @wraps(compute)
        def each(*args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
            try:
                yield from compute(*args, **kwargs)
            except Exception as error:
                raise _verdict(error) from error

        obeying: Any = each
    else:

        @wraps(compute)
        def once(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return compute(*args, **kwargs)
            except Exception as error:
                raise _verdict(error) from error

        obeying = once
    obeying.is_under_policy = True
    return obeying  # type: ignore[no-any-return]


def _verdict(error: Exception) -> Exception:
    n_before = _n_attempts_before()
    if n_before is None or isinstance(error, dg.RetryRequested):
        return error
    kind = classify(error)
    policy = POLICIES[kind]
    is_final = isinstance(error, dg.Failure) and error.allow_retries is False
    if n_before < policy.n_retries and not is_final:
        seconds = policy.delay_seconds(n_before + 1, random.random())  # noqa: S311 - jitter is no secret
        dg.get_dagster_logger().warning(
            f"{kind}: {_sentence(error)} Attempt {n_before + 2} of {policy.n_retries + 1} follows in {seconds:.0f} s."
        )
        return dg.RetryRequested(policy.n_retries, seconds)
    final = failure(kind, _sentence(error))
    if isinstance(error, dg.Failure):
        return dg.Failure(error.description, {**final.metadata, **error.metadata}, allow_retries=False)
    return final


def _n_attempts_before() -> int | None:
    """How many attempts of this step were made already; None outside a run."""
    try:
        return dg.OpExecutionContext.get().retry_number
    except dg.DagsterInvariantViolationError:
        return None


def _sentence(error: Exception) -> str:
    if isinstance(error, dg.Failure):
        return error.description or "no message"
    kind = classify(error)
    said = (
        f"{error}"
        if isinstance(error, SourceError | LandingDamaged | CopyDamaged | CopyFailed | Busy | StreamUnreachable)
        else f"{type(error).__name__}: {error}"
    )
    return f"{said} {POLICIES[kind].advice}" if kind is not FailureClass.CODE else said


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _own_class(error: BaseException) -> FailureClass | None:
    if isinstance(error, dg.Failure):
        if "class" in error.metadata:
            return FailureClass(str(error.metadata["class"].value))
        is_dbts = (error.description or "").startswith("dbt: ")
        return next((kind for text, kind in _OF_DBT.items() if is_dbts and text in (error.description or "")), None)
    if (found := _of_answer(error)) is not None:
        return found
    if hasattr(error, "sqlstate") or hasattr(error, "pgcode"):  # psycopg's and ADBC's, psycopg2's; SQLAlchemy's is its cause's
        return _of_database(error)
    for kind in type(error).__mro__:
        found = _OF_TYPE.get(kind) or _OF_NAME.get(f"{kind.__module__}.{kind.__qualname__}")
        if found is not None:
            return found
    return FailureClass.RESOURCE if isinstance(error, OSError) and error.errno in _FULL else None


def _of_database(error: BaseException) -> FailureClass:
    state: str | None = getattr(error, "sqlstate", getattr(error, "pgcode", None))
    if state is not None:
        return _OF_SQLSTATE.get(state[:2], FailureClass.CODE)
    # No server said it: there was none, or the connection broke.
    is_away = any(kind.__name__ in ("OperationalError", "InterfaceError") for kind in type(error).__mro__)
    return FailureClass.DEPENDENCY_DOWN if is_away else FailureClass.CODE


def _of_answer(error: BaseException) -> FailureClass | None:
    """Where a server answered, by its status: its own trouble may pass. A refusal is a source that changed; of object storage, a
    setting that makes no sense."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return FailureClass.NETWORK if status >= 500 or status == 429 else FailureClass.SOURCE_CHANGED
    if all(f"{kind.__module__}.{kind.__qualname__}" != "botocore.exceptions.ClientError" for kind in type(error).__mro__):
        return None
    answer: Mapping[str, Any] = getattr(error, "response", {})
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == 507:  # no room
        return FailureClass.RESOURCE
    is_trouble = status >= 500 or status == 429 or answer.get("Error", {}).get("Code") in _S3_TROUBLE
    return FailureClass.DEPENDENCY_DOWN if is_trouble else FailureClass.CODE
