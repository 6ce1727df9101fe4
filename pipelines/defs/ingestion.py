"""`bronze`: files fetched, landed and loaded.

Belongs here: the round through all wanted files of all sources, and the checks on what it left. How a file is fetched
and taken apart is `pipelines.sources`, how it is kept `pipelines.store`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, partial
from typing import Any, Final

import dagster as dg
import pandas as pd

from pipelines.defs.failures import FailureClass, failure, under_policy
from pipelines.defs.freshness import FRESHNESS
from pipelines.defs.partitions import FILE, FileOutcome, Standing, offered, register, tell
from pipelines.settings import Settings
from pipelines.sources.football_data import nobody_knows, what_to_add
from pipelines.sources.listing import look
from pipelines.sources.protocol import (
    CELL_REASONS,
    Delivery,
    Fetched,
    Missing,
    NotModified,
    ParsedFile,
    Scope,
    Source,
    SourceError,
    SourceRefuses,
    SourceUnreachable,
    has_none,
    keys_to_ask,
)
from pipelines.sources.registry import OPTIONAL, listing_of, open_sources
from pipelines.store import bronze as store
from pipelines.store import file_versions
from pipelines.store.landing import Landing
from pipelines.store.warehouse import Warehouse

SOURCE_FILE = dg.AssetKey(["bronze", "source_file"])
FOOTBALL_DATA = dg.AssetKey(["bronze", "football_data_match"])
OPENFOOTBALL = dg.AssetKey(["bronze", "openfootball_match"])
INTERNATIONAL = dg.AssetKey(["bronze", "international_match"])
FOOTBALL_DATA_ORG = dg.AssetKey(["bronze", "football_data_org_match"])
QUARANTINE = dg.AssetKey(["bronze", "quarantine"])
UNUSABLE_CELL = dg.AssetKey(["bronze", "unusable_cell"])

_OWN_TABLES: Final = {OPENFOOTBALL: "openfootball", INTERNATIONAL: "international", FOOTBALL_DATA_ORG: "football_data_org"}
"""Tables that one source alone fills, and which."""

ROWS_WORTH_STATISTICS = 1000

N_FETCHERS = 4
"""Files asked for at the same time; each source keeps its own, smaller limit per host."""

N_REFUSED: Final = 3
"""So many files of a source may be out of reach while others come; with more the source is. Not counted: what it refuses, or has
not, of competitions that nobody knows here."""

MOST_REFUSED: Final = 0.1
"""Share of all files whose latest version may be unusable; beyond it nothing is made of what stands."""

CAN_BE_HAD: Final = dg.AssetCheckSpec(
    "every_file_can_be_had",
    asset=SOURCE_FILE,
    description="No file is out of reach, unusable, gone, or missing though its season has begun. What was loaded of it stands.",
)

ARE_KNOWN: Final = dg.AssetCheckSpec(
    "every_competition_is_known",
    asset=SOURCE_FILE,
    description="football-data.co.uk, or its mirror, has no file of a competition that nobody knows here. One that it has is a "
    "partition, and loaded where COMPETITIONS takes it in.",
)


def _spec(key: dg.AssetKey, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=[FILE],
        description=description,
        kinds={"python", "postgres"},
        owners=["team:data"],
        freshness_policy=FRESHNESS,
    )


@dg.multi_asset(
    specs=[
        _spec(SOURCE_FILE, "Every version of every delivered file, with its digest and its counts."),
        _spec(FOOTBALL_DATA, "Lines of files in football-data.co.uk's formats, as delivered."),
        _spec(OPENFOOTBALL, "Matches of openfootball's JSON files, as delivered."),
        _spec(INTERNATIONAL, "Lines of the file of national teams' matches, as delivered."),
        _spec(FOOTBALL_DATA_ORG, "Matches of football-data.org's lists, as delivered."),
        _spec(QUARANTINE, "Lines that cannot be a match, each with its reason."),
        _spec(UNUSABLE_CELL, "Filled cells of matches that count as empty, each with its reason."),
    ],
    check_specs=[CAN_BE_HAD, ARE_KNOWN],
    name="ingestion",
    group_name="bronze",
    pool="bronze",
)
@under_policy
def ingestion(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    bronze: dg.ResourceParam[Warehouse],
    landing: dg.ResourceParam[Landing],
    turn: dg.ResourceParam[None],
) -> Iterator[dg.MaterializeResult[None]]:
    """Ask for every wanted file, keep new bytes, load new versions; a file of a new season or league gets its partition."""
    outcome = Ingestion(settings, bronze, landing)
    if note := outcome.look():
        context.log.warning(note)
    try:
        register(context.instance, offered(outcome.sources, settings.now().date()))
        outcome.run()
    except ValueError as error:  # what COMPETITIONS, SEASONS or SOURCES say makes no sense, and will not later
        raise failure(FailureClass.CODE, str(error)) from error
    finally:
        # An unchanged file has told what it is, unless it was loaded before there were partitions, or by a run that was killed.
        told = context.instance.get_materialized_partitions(FILE)
        tell(context, [each for each in outcome.outcomes if each.is_new or each.fault or each.partition not in told])
    for note in outcome.notes:
        context.log.warning(note)
    for key, metadata in outcome.written().items():
        judged = [_can_be_had(outcome), _are_known(outcome)] if key == SOURCE_FILE else []
        yield dg.MaterializeResult(asset_key=key, metadata=metadata, check_results=judged)


@dataclass(frozen=True)
class _Failed:
    """A file that could not be had, and why."""

    key: str
    error: SourceError


@contextmanager
def _fetchers() -> Iterator[ThreadPoolExecutor]:
    """Threads that fetch. Once a round is broken off, what nobody has begun to fetch is left alone: patience with each of a dead
    server's hundreds of files would take hours."""
    fetchers = ThreadPoolExecutor(N_FETCHERS, thread_name_prefix="fetch")
    try:
        yield fetchers
    finally:
        fetchers.shutdown(cancel_futures=True)


class Ingestion:
    """One round, and what came of it: over all, and of each file."""

    def __init__(self, settings: Settings, bronze: Warehouse, landing: Landing) -> None:
        self.settings = settings
        self.bronze = bronze
        self.landing = landing
        self.files: Counter[str] = Counter()
        self.notes: list[str] = []
        self.outcomes: list[FileOutcome] = []
        self.file_ids: list[int] = []
        self.n_files: Counter[str] = Counter()
        self.n_inserted: Counter[str] = Counter()
        self.n_new = self.n_withdrawn = 0
        self.n_quarantined = self.n_unusable = 0

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """Those that the settings name."""
        return open_sources(self.settings)

    @property
    def faults(self) -> list[FileOutcome]:
        """The files that could not be had, or of which nothing is usable."""
        return [outcome for outcome in self.outcomes if outcome.fault is not None]

    def written(self) -> dict[dg.AssetKey, dict[str, Any]]:
        """Each of bronze's tables, and how much was written there."""
        inserted = self.n_inserted.copy()
        others = {
            key: {"n_files": self.n_files[source], "n_inserted": inserted.pop(source, 0)} for key, source in _OWN_TABLES.items()
        }
        return {
            SOURCE_FILE: {f"n_{state}": n for state, n in sorted(self.files.items())} | {"dagster/row_count": self.n_new},
            **others,
            FOOTBALL_DATA: {"n_inserted": inserted.total(), "n_withdrawn": self.n_withdrawn, "file_ids": self.file_ids},
            QUARANTINE: {"n_quarantined": self.n_quarantined},
            UNUSABLE_CELL: {"n_unusable": self.n_unusable},
        }

    def look(self) -> str | None:
        """Ask football-data.co.uk which files it says it has, before `sources` are opened; a sentence where it does not answer.

        Not in a rehearsal, which knows nothing of later files.
        """
        if "football_data" not in self.settings.sources or self.settings.data_cutoff is not None:
            return None
        return look(listing_of(self.settings), self.settings.football_data_url, self.settings.now().date())

    def run(self) -> None:
        """Go through all sources.

        Raises:
            SourceUnreachable: a source that is not optional does not answer; what came before stays.
        """
        scope = Scope.read(self.settings.competitions, self.settings.seasons, self.settings.now().date())
        for name, source in self.sources.items():
            keys = keys_to_ask(source, scope, file_versions.latest(self.bronze, name))
            if not keys:
                self.notes.append(
                    f"{name} has no file for COMPETITIONS={self.settings.competitions} SEASONS={self.settings.seasons}"
                )
            self._load(source, keys)
        self._refresh_statistics()
        if self._has_no_fixtures:
            self.notes.append("no source lists coming fixtures (fixtures.csv is missing)")

    def take(self, partitions: Iterable[str]) -> None:
        """Load the files of these partitions alone.

        A partition that none of the sources offers is a fault, for whoever chose it wants its file. Raises as `run` does.
        """
        found = offered(self.sources, self.settings.now().date())
        wanted: dict[str, list[str]] = {}
        for partition in partitions:
            if partition in found:
                source, key = found[partition]
                wanted.setdefault(source, []).append(key)
            else:
                source, _, key = partition.partition("/")
                offering = ", ".join(self.sources)
                self._fail(source, key, None, SourceError(f"No source offers {partition} now; SOURCES names {offering}."))
        for source, keys in wanted.items():
            self._load(self.sources[source], keys)
        self._refresh_statistics()

    def _load(self, source: Source, keys: Sequence[str]) -> None:
        try:
            self._load_files(source, keys)
        except SourceUnreachable as error:  # told as the fault of each file that was asked for
            if source.name not in OPTIONAL:
                raise
            self.notes.append(f"{source.name} is out of reach, and the others go on without it: {error}")

    def _load_files(self, source: Source, keys: Sequence[str]) -> None:
        known = file_versions.latest(self.bronze, source.name)
        with self.bronze.connect() as connection, _fetchers() as fetchers:
            fetched = fetchers.map(partial(self._fetch, source, known), keys)
            for result in store.load_many(connection, self._parsed(source, known, fetched), datetime.now(UTC)):
                self._count(result)

    def _refresh_statistics(self) -> None:
        if self.n_inserted.total() > ROWS_WORTH_STATISTICS:
            store.refresh_statistics(self.bronze)

    @property
    def _has_no_fixtures(self) -> bool:
        return self.files["fixtures"] == 0 and self.settings.data_cutoff is None

    def _fetch(self, source: Source, known: Mapping[str, file_versions.Latest], key: str) -> Fetched | _Failed:
        latest = known.get(key)
        try:
            answer = source.fetch(key, latest.etag, latest.last_modified) if latest else source.fetch(key)
        except SourceError as error:  # perhaps that one file alone is in trouble
            return _Failed(key, error)
        if isinstance(answer, Delivery):
            self.landing.put(answer.content)
        return answer

    def _parsed(
        self, source: Source, known: Mapping[str, file_versions.Latest], fetched: Iterator[Fetched | _Failed]
    ) -> Iterator[tuple[Delivery, ParsedFile]]:
        unreachable: list[SourceUnreachable] = []
        n_answered = n_had = 0
        gone: list[str] = []
        for answer in fetched:
            latest = known.get(answer.key)
            # A file of a competition that nobody knows was named by a page, no more: without it the source is as well as before.
            is_promised = not nobody_knows([answer.key])
            if isinstance(answer, _Failed):
                self._fail(source.name, answer.key, latest, answer.error)
                if isinstance(answer.error, SourceUnreachable) and (is_promised or not isinstance(answer.error, SourceRefuses)):
                    unreachable.append(answer.error)
                    if len(unreachable) > N_REFUSED:
                        raise answer.error
                continue
            n_answered += is_promised or not isinstance(answer, Missing)
            n_had += not isinstance(answer, Missing)
            self.files["fixtures"] += not isinstance(answer, Missing) and "fixtures" in answer.key
            if isinstance(answer, Delivery):
                yield answer, source.parse(answer.key, answer.content)
            elif isinstance(answer, NotModified):
                self.files["unchanged"] += 1
                self.outcomes.append(FileOutcome(source.name, answer.key, _standing(latest)))
            else:
                gone += [answer.key] if latest is not None else []
                self._miss(source, answer.key, latest)
        # One file alone may be gone, or be all that somebody chose, and the check names it; but not the only one there ever was.
        if gone and not n_had and (len(gone) > 1 or len(known) == 1):
            raise has_none(source.name, gone)
        if unreachable and not n_answered:
            raise unreachable[0]

    def _miss(self, source: Source, key: str, latest: file_versions.Latest | None) -> None:
        self.files["missing"] += 1
        if latest is not None:
            self._fail(source.name, key, latest, SourceError(f"{source.name} has {key} no more."))
        elif source.is_due(key, self.settings.now().date()):
            self._fail(source.name, key, latest, SourceError(f"{source.name} has no {key}, though it is due by now."))
        else:
            self.outcomes.append(FileOutcome(source.name, key))

    def _fail(self, source: str, key: str, latest: file_versions.Latest | None, fault: SourceError) -> None:
        self.files["failed"] += 1
        self.outcomes.append(FileOutcome(source, key, _standing(latest), fault=fault))

    def _count(self, result: store.LoadResult) -> None:
        self.files[result.state if result.is_new else "unchanged"] += 1
        standing = Standing(result.version, result.state, result.n_loaded, result.n_quarantined)
        fault = SourceError(f"Nothing in {result.source}/{result.key} is usable.") if result.state == "refused" else None
        self.outcomes.append(FileOutcome(result.source, result.key, standing, result.is_new, fault))
        if result.is_new:
            self.n_new += 1
            self.n_files[result.source] += 1
            self.n_inserted[result.source] += result.n_inserted
            self.n_withdrawn += result.n_withdrawn
            self.n_quarantined += result.n_quarantined
            self.n_unusable += result.n_unusable
            self.file_ids.append(result.file_id)


def _standing(latest: file_versions.Latest | None) -> Standing | None:
    return None if latest is None else Standing(latest.version, latest.state, latest.n_loaded, latest.n_quarantined)


def _can_be_had(outcome: Ingestion) -> dg.AssetCheckResult:
    """A warning, not an error: the rest is in use."""
    faults = pd.DataFrame([{"file": each.partition, "fault": str(each.fault)} for each in outcome.faults])
    return dg.AssetCheckResult(
        passed=faults.empty,
        check_name=CAN_BE_HAD.name,
        severity=dg.AssetCheckSeverity.WARN,
        description="every file can be had"
        if faults.empty
        else f"{len(faults)} of {len(outcome.outcomes)} files cannot: {faults['fault'].iloc[0]}",
        metadata={"n_files": len(outcome.outcomes), "faults": table_metadata(faults)},
    )


def _are_known(outcome: Ingestion) -> dg.AssetCheckResult:
    """A warning with what to add where: nothing else waits for it."""
    found = competitions_nobody_knows(outcome.sources, outcome.settings.now().date())
    table = pd.DataFrame(
        [
            {"competition": code, "files": len(keys), "last": keys[-1], "to add": what_to_add(code, keys)}
            for code, keys in found.items()
        ]
    )
    return dg.AssetCheckResult(
        passed=not found,
        check_name=ARE_KNOWN.name,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"nobody knows {', '.join(found)}" if found else "every competition is known",
        metadata={"n_unknown": len(found), "unknown": table_metadata(table)},
    )


def competitions_nobody_knows(sources: Mapping[str, Source], today: date) -> dict[str, list[str]]:
    """Code to files of those that football-data.co.uk, or its mirror, has besides the known ones."""
    source = sources.get("football_data")
    return nobody_knows(source.list(Scope.read("all", "all", today))) if source else {}


def table_metadata(frame: pd.DataFrame, limit: int = 50) -> dg.TableMetadataValue:
    """The first rows of a frame as a table in the Dagster UI."""
    records = [dg.TableRecord({str(k): str(v) for k, v in row.items()}) for row in frame.head(limit).to_dict("records")]
    schema = dg.TableSchema([dg.TableColumn(str(name)) for name in frame.columns])
    return dg.MetadataValue.table(records, schema)


@dg.asset_check(asset=SOURCE_FILE, blocking=True, description="Per file: lines = header + loaded + quarantined + blank.")
def every_line_is_accounted_for(bronze: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """Reconcile every file version that was ever loaded; the failing ones as a table. Their files are accepted no more."""
    failing = file_versions.reconciliation(bronze)
    if not failing.empty:
        file_versions.refuse_unreconciled(bronze)
    return dg.AssetCheckResult(
        passed=failing.empty,
        description="every line of every file is accounted for"
        if failing.empty
        else f"{len(failing)} file versions do not add up",
        metadata={"n_failing": len(failing), "failing": table_metadata(failing)},
    )


def too_many_refused(files: pd.DataFrame) -> bool:
    """Whether so many of the latest versions are unusable that it is the source that changed: what stands is not worth much."""
    return bool((files["state"] == "refused").sum() > MOST_REFUSED * len(files))


@dg.asset_check(asset=QUARANTINE, description="Lines set aside in the versions in force, by file and reason.")
def nothing_waits_in_quarantine(bronze: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A warning, not an error: the rest of those files is in use."""
    waiting = file_versions.in_quarantine(bronze)
    n = int(waiting["n_lines"].sum())
    return dg.AssetCheckResult(
        passed=waiting.empty,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{n} lines of {waiting['key'].nunique()} files are set aside" if n else "nothing is set aside",
        metadata={"n_lines": n, "waiting": table_metadata(waiting)},
    )


@dg.asset_check(
    asset=UNUSABLE_CELL,
    description="Filled cells of the versions in force that say nothing their column could mean, by file, column and text.",
)
def every_filled_cell_says_something(bronze: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A warning, not an error: those cells count as empty, and all else in their lines is in use."""
    cells = file_versions.unusable_cells(bronze)
    n, n_files = int(cells["n_cells"].sum()), cells[["source", "key"]].drop_duplicates().shape[0]
    table = pd.DataFrame(
        {
            "file": cells["source"] + "/" + cells["key"],
            "column": cells["column_name"],
            "text": cells["content"].fillna("(further ones)"),
            "reason": cells["reason"].map(CELL_REASONS),
            "count": cells["n_cells"],
        }
    )
    return dg.AssetCheckResult(
        passed=cells.empty,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{n} cells of {n_files} files say nothing usable: they count as empty, the rest of their lines is in use"
        if n
        else "every filled cell says something",
        metadata={"n_cells": n, "n_files": n_files, "cells": table_metadata(table)},
    )


@dg.asset_check(
    asset=SOURCE_FILE,
    blocking=True,
    description="Versions that were cut short or lost rows withdraw nothing: the last good one stands.",
)
def latest_versions_are_intact(bronze: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A warning with the files concerned; blocking only where more than a tenth of all files is refused."""
    files = file_versions.latest_versions(bronze)
    damaged, n_files = files[files["state"] != "intact"], len(files)
    n_refused = int((damaged["state"] == "refused").sum())
    return dg.AssetCheckResult(
        passed=damaged.empty,
        severity=dg.AssetCheckSeverity.ERROR if too_many_refused(files) else dg.AssetCheckSeverity.WARN,
        description="all files are intact"
        if damaged.empty
        else f"{len(damaged)} of {n_files} files are not intact, {n_refused} unusable",
        metadata={"n_files": n_files, "damaged": table_metadata(damaged)},
    )
