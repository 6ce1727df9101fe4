"""dbt in the process of the run, as the role that owns `silver` and `gold`.

Belongs here: invoking dbt and handing on what it says of each model and test as Dagster's events. Which command is given, and
how the project appears in Dagster, is `transformation`. dagster-dbt's own resource starts a process instead, which imports
once more what this one has: two seconds of every run.
"""

import json
import os
import queue
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject
from dagster_dbt.asset_utils import get_subset_selection_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from pydantic import PrivateAttr

from pipelines.defs.manifest import DBT_DIR, project_digest, target_dir
from pipelines.settings import Settings

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt_common.events.base_types import EventMsg

_RESULTS = ("LogSeedResult", "LogModelResult", "LogTestResult")
"""What dbt calls its events about a node that is done."""

_WRITTEN = re.compile(r"(?:INSERT(?: 0)?|SELECT|CREATE) (\d+)")
"""What PostgreSQL, or dbt of a seed, says of rows that were written; of a view nothing like it is said."""


class Dbt(dg.ConfigurableResource["Dbt"]):
    """dbt on the edition's warehouse. One invocation at a time: dbt keeps its state in the process."""

    _parsing: "Future[dbtRunnerResult]" = PrivateAttr()
    _digest: str = PrivateAttr()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Set the variables that `profiles.yml` reads, for dbt takes the address from nowhere else, and begin to parse.

        What a run does before its first model waits for files and other processes: meanwhile dbt gets ready here.
        """
        os.environ.update(Settings.read().dbt_environment())
        beside = ThreadPoolExecutor(1)
        self._digest = project_digest()
        # In a folder of its own: another run may be at work in the other one, for whose end this run is going to wait.
        self._parsing = beside.submit(_run, ["parse"], target_dir() / "parsed")
        beside.shutdown(wait=False)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Wait until dbt is at rest: another run in this process would meet its state."""
        self._parsing.exception()

    def invoke(self, arguments: Sequence[str], target: Path) -> None:
        """Run a command to its end; what it makes is left in `target`.

        Raises:
            dg.Failure: dbt failed; the message is dbt's.
        """
        parsed = self._parsed()
        _raise_unless_successful(_run(arguments, target, manifest=parsed.result) if parsed.success else parsed)

    def build(
        self,
        arguments: Sequence[str],
        context: dg.AssetExecutionContext,
        manifest: Mapping[str, Any],
        translator: DagsterDbtTranslator,
        project: DbtProject,
        whole: str,
    ) -> Iterator[Any]:
        """Run a command on what the run has selected, and give Dagster's events as dbt goes along.

        `whole` is what dbt is to select where the run has everything.

        Raises:
            dg.Failure: dbt failed; the message names the nodes and says why.
        """
        selection, indirect = get_subset_selection_for_context(
            context=context,
            manifest=manifest,
            select=whole,
            exclude=None,
            selector=None,
            dagster_dbt_translator=translator,
            current_dbt_indirect_selection_env=None,
        )
        more = [*selection, *(["--indirect-selection", indirect] if indirect else [])]
        target = target_dir() / "run"
        from dbt.cli.main import dbtRunnerResult
        from dbt_common.events.functions import msg_to_dict

        said: queue.SimpleQueue[EventMsg | dbtRunnerResult] = queue.SimpleQueue()

        def run() -> None:
            try:
                parsed = self._parsed()
                said.put(_run([*arguments, *more], target, said.put, parsed.result) if parsed.success else parsed)
            except Exception as error:  # whoever waits for the end must be told
                said.put(dbtRunnerResult(success=False, exception=error))

        # A daemon: a run that is stopped must not wait for PostgreSQL.
        threading.Thread(target=run, daemon=True).start()
        while not isinstance(event := said.get(), dbtRunnerResult):
            if event.info.name in _RESULTS:
                told = msg_to_dict(event)
                message = DbtCoreCliEventMessage(raw_event=told, event_history_metadata={})
                for each in message.to_default_asset_events(manifest, translator, context, target, project):
                    yield _with_rows(each, told["data"]) if isinstance(each, dg.Output) else each
        _raise_unless_successful(event)

    def _parsed(self) -> "dbtRunnerResult":
        """The project, parsed; anew where it was changed since, under a run that waited for its turn."""
        parsed = self._parsing.result()
        return parsed if project_digest() == self._digest else _run(["parse"], target_dir() / "parsed")


def compiled_query(node: Mapping[str, Any]) -> str:
    """The query that dbt made of a test which has just run; `node` is the test in the manifest."""
    own_file = Path(node["original_file_path"])
    # A test of a column has no file of its own: dbt makes one in a folder with the name of the file that asks for it.
    place = own_file if own_file.name == Path(node["path"]).name else own_file / node["path"]
    file: Path = target_dir() / "run" / "compiled" / str(node["package_name"]) / place
    return file.read_text(encoding="utf-8")


def _run(
    arguments: Sequence[str],
    target: Path,
    callback: "Callable[[EventMsg], None] | None" = None,
    manifest: Any = None,
) -> "dbtRunnerResult":
    """Invoke a command; with a `manifest` that an earlier one has parsed, nothing is parsed again.

    dbt takes the start of its run for the moment from which on facts are hidden. Only a rehearsal says another, for a changed
    variable costs a full parse.
    """
    from dbt.cli.main import dbtRunner

    target.mkdir(parents=True, exist_ok=True)
    _keep_parsed(target)
    cutoff = Settings.read().data_cutoff
    said = ["--vars", json.dumps({"data_cutoff": cutoff.isoformat()})] if cutoff is not None else []
    folders = (
        "--project-dir",
        str(DBT_DIR),
        "--profiles-dir",
        str(DBT_DIR),
        "--target-path",
        str(target),
        "--log-path",
        str(target),
    )
    return dbtRunner(manifest=manifest, callbacks=[callback] if callback else []).invoke([*arguments, *said, *folders])


def _with_rows(output: "dg.Output[None]", data: Mapping[str, Any]) -> "dg.Output[None]":
    """The output with the number of rows that were written, where that is known."""
    written = _WRITTEN.fullmatch(data.get("result_message") or data["status"])
    return output.with_metadata({**output.metadata, "n_written": int(written[1])}) if written else output


def _keep_parsed(target: Path) -> None:
    """Let dbt find what `prepare` has parsed, unless it has parsed a newer state here itself."""
    parsed, known = target_dir() / "partial_parse.msgpack", target / "partial_parse.msgpack"
    if parsed.exists() and (not known.exists() or known.stat().st_mtime < parsed.stat().st_mtime):
        shutil.copyfile(parsed, known)


def _raise_unless_successful(result: "dbtRunnerResult") -> None:
    if result.exception is not None:
        raise dg.Failure(f"dbt: {result.exception}") from result.exception
    if not result.success:
        nodes = getattr(result.result, "results", None) or []
        bad = [f"{node.node.name}: {node.message}" for node in nodes if node.status in ("error", "fail", "runtime error")]
        raise dg.Failure("dbt: " + ("; ".join(bad) or "failed, and did not say why"))
