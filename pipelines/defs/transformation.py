"""`silver` and `gold`: dbt's models, tests and seeds as assets and checks.

Belongs here: how the dbt project appears in Dagster. The SQL is in `dbt_project`.
"""

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from threading import Thread
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets

from pipelines import rating
from pipelines.defs.dbt import Dbt, compiled_query
from pipelines.defs.failures import FailureClass, failure, under_policy
from pipelines.defs.freshness import FRESHNESS
from pipelines.defs.ingestion import table_metadata
from pipelines.defs.manifest import DBT_DIR, project_digest, target_dir
from pipelines.settings import Settings
from pipelines.store.silver import Silver
from pipelines.store.warehouse import Warehouse


class Translator(DagsterDbtTranslator):
    """Layers become groups; every model says who owns it and what it is made of."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """One dbt node as an asset: its key is `[schema, table]`, its group the layer."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id) or manifest["sources"][unique_id]
        layer = node["schema"]
        key = dg.AssetKey([layer, node.get("alias") or node["name"]]) if node["resource_type"] != "source" else spec.key
        return spec.replace_attributes(
            key=key,
            group_name=layer,
            owners=["team:data"],
            # Seeds and staging change with the project only, whatever the day.
            freshness_policy=FRESHNESS if node["resource_type"] == "model" and "staging" not in node["fqn"] else None,
            kinds={"dbt", "postgres", *({"seed"} & {node["resource_type"]})},
        )


PROJECT = DbtProject(DBT_DIR, target_path=target_dir())
MANIFEST = json.loads(PROJECT.manifest_path.read_bytes())

_LEAVES_A_CORE = dg.AssetKey(["silver", "int_price"]).to_python_identifier()
"""The output after which PostgreSQL works for the most part on one model at a time, and so on one core."""

_MATCHES = dg.AssetKey(["gold", "fct_match"]).to_python_identifier()
"""The output after which matches can be rated."""

_RATINGS = dg.AssetKey(rating.TABLE.split(".")).to_python_identifier()
"""The step that asks for the ratings; where each step has a process of its own, it is not to be seen from here."""

_KEEPS_UP = "path:models/silver/intermediate path:models/gold resource_type:test"
"""What a day selects of an unchanged project. Nothing is excluded, for dbt excludes the tests of it, too: where seeds were left
out, so was every test that reads one."""

N_FAILING_ROWS = 50
"""Shown of each test that fails or warns."""


@dbt_assets(manifest=MANIFEST, project=PROJECT, dagster_dbt_translator=Translator(), name="transformation")
@under_policy
def transformation(
    context: dg.AssetExecutionContext,
    dbt: Dbt,
    settings: dg.ResourceParam[Settings],
    turn: dg.ResourceParam[None],
    warehouse: dg.ResourceParam[Warehouse],
) -> Iterator[Any]:
    """Build every model and run its data tests; unit tests run in continuous integration, not here.

    Tables keep up with the lines that changed. If the project itself changed since they were made, they are made anew;
    if not, seeds and staging, which come from nothing else, are left as they are.
    """
    silver, digest = Silver(settings.transform_url), project_digest()
    is_as_made = silver.made_by() == digest
    if not is_as_made and context.is_subset:
        raise failure(FailureClass.CODE, "The dbt project changed: run the whole day first, which makes every table anew.")
    arguments = ["build", "--no-write-json", "--exclude-resource-type", "unit_test"]
    if not is_as_made:
        arguments.append("--full-refresh")
    silver.begin(digest, anew=not is_as_made)
    is_rated_next = _RATINGS in context.get_step_execution_context().execution_plan.step_keys_to_execute
    if is_rated_next:
        rating.prepare()
    for event in dbt.build(arguments, context, MANIFEST, Translator(), PROJECT, _KEEPS_UP if is_as_made else "fqn:*"):
        if isinstance(event, dg.AssetCheckResult) and not event.passed:
            event = _with_failing_rows(event, silver)  # noqa: PLW2901
        output = event.output_name if isinstance(event, dg.Output) else None
        if output == _LEAVES_A_CORE:
            # This process only waits for PostgreSQL: what the next steps need is imported meanwhile.
            Thread(target=_import_for_learning, args=[context.job_name in ("build", "anew")], daemon=True).start()
        if output == _MATCHES and is_rated_next:
            rating.begin(warehouse, context.run_id)
        yield event
    if not context.is_subset:
        silver.end(digest)


def _with_failing_rows(result: dg.AssetCheckResult, silver: Silver) -> dg.AssetCheckResult:
    """What a dbt test complains of, in a sentence, and as a table: its own query, asked once more."""
    unique_id = str(result.metadata["unique_id"].value)
    count = result.metadata.get("dagster_dbt/failed_row_count")  # none if the query itself failed
    rows = silver.first_rows(compiled_query(MANIFEST["nodes"][unique_id]), N_FAILING_ROWS)
    return dg.AssetCheckResult(
        passed=result.passed,
        asset_key=result.asset_key,
        check_name=result.check_name,
        severity=result.severity,
        description=f"{count.value} row{'' if count.value == 1 else 's'}, shown in the Dagster UI" if count else None,
        metadata={**result.metadata, "failing rows": table_metadata(rows)},
    )


def _import_for_learning(is_training: bool) -> None:
    for module in ("numba", "pipelines.forecast.models", "pipelines.forecast.features", *(["mlflow.pyfunc"] * is_training)):
        import_module(module)
