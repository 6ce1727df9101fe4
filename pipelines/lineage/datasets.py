"""What is read and written: tables, files and the rest, by OpenLineage's names.

Belongs here: the name of each, and what is told of it. Does not belong here: runs (`events`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import dagster as dg
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    OutputDatasetFacet,
    data_quality_assertions_dataset,
    dataset_type_dataset,
    dataset_version_dataset,
    documentation_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    ownership_dataset,
    schema_dataset,
)
from openlineage.client.naming.dataset import Postgres

from pipelines.store.catalog import Table
from pipelines.store.file_versions import Delivered

ROWS_WRITTEN: Final = ("n_written", "n_inserted", "n_changed", "n_new", "n_quarantined", "n_unusable", "dagster/row_count")
"""What assets call the number of rows that they wrote; the first that one of them gives is it."""


@dataclass(frozen=True)
class Datasets:
    """The datasets of an edition.

    `tables` are those of the database at `database_url`; an asset that is none of them stands under the namespace of the jobs.
    `addresses` maps a source of files to the address that its keys are relative to. `nodes` are dbt's, by schema and name.
    `topics` are what assets read that is neither, by namespace and name.
    """

    namespace: str
    database_url: str
    tables: Mapping[tuple[str, str], Table]
    nodes: Mapping[tuple[str, str], Mapping[str, Any]]
    addresses: Mapping[str, str]
    topics: Mapping[dg.AssetKey, tuple[str, str]] = field(default_factory=dict)

    def node(self, key: dg.AssetKey) -> Mapping[str, Any] | None:
        """What dbt's manifest says of an asset; None if it is none of dbt's."""
        return self.nodes.get(_place(key))

    def read(self, key: dg.AssetKey, evaluations: Sequence[dg.AssetCheckEvaluation] = ()) -> InputDataset:
        """An asset that was read, with what was found when it was judged."""
        namespace, name = self._name(key)
        if not evaluations:
            return InputDataset(namespace, name)
        found = [assertion for evaluation in evaluations for assertion in self._assertions(evaluation)]
        facet = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(assertions=found)
        return InputDataset(namespace, name, inputFacets={"dataQualityAssertions": facet})

    def written(self, materialization: dg.AssetMaterialization, asset: dg.AssetSpec | None) -> OutputDataset:
        """An asset that was written, with what it is and how many rows were."""
        key = materialization.asset_key
        namespace, name = self._name(key)
        facets: dict[str, DatasetFacet] = {}
        table = self.tables.get(_place(key))
        if table is not None:
            facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=self._fields(key, table))
            facets["datasetType"] = dataset_type_dataset.DatasetTypeDatasetFacet("VIEW" if table.is_view else "TABLE")
        if asset is not None and asset.description:
            facets["documentation"] = documentation_dataset.DocumentationDatasetFacet(asset.description)
        if asset is not None and asset.owners:
            owners = [ownership_dataset.Owner(owner) for owner in asset.owners]
            facets["ownership"] = ownership_dataset.OwnershipDatasetFacet(owners)
        n_rows = next((materialization.metadata[each].value for each in ROWS_WRITTEN if each in materialization.metadata), None)
        written: dict[str, OutputDatasetFacet] = {}
        if isinstance(n_rows, int):
            written["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=n_rows)
        return OutputDataset(namespace=namespace, name=name, facets=facets, outputFacets=written)

    def topic(self, key: dg.AssetKey) -> list[InputDataset]:
        """The topic that an asset is read from, if it is."""
        return [InputDataset(*self.topics[key])] if key in self.topics else []

    def files(self, versions: Iterable[Delivered]) -> list[InputDataset]:
        """Files that were taken in, by the addresses they came from."""
        return [self._file(version) for version in versions]

    def _file(self, version: Delivered) -> InputDataset:
        address = urlsplit(f"{self.addresses[version.source]}/{version.key}")
        is_local = address.scheme == "file"
        n_read = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            rowCount=version.n_loaded, size=version.size_bytes, fileCount=1
        )
        return InputDataset(
            namespace="file" if is_local else f"{address.scheme}://{address.netloc}",
            name=unquote(address.path) if is_local else address.path.lstrip("/"),
            facets={
                "version": dataset_version_dataset.DatasetVersionDatasetFacet(version.sha256),
                "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet("FILE"),
            },
            inputFacets={"inputStatistics": n_read},
        )

    def _name(self, key: dg.AssetKey) -> tuple[str, str]:
        if _place(key) not in self.tables:
            return self.namespace, key.to_user_string()
        url = urlsplit(self.database_url)
        named = Postgres(url.hostname or "", str(url.port or 5432), url.path.lstrip("/"), *key.path)
        return named.get_namespace(), named.get_name()

    def _fields(self, key: dg.AssetKey, table: Table) -> list[schema_dataset.SchemaDatasetFacetFields]:
        described = (self.node(key) or {}).get("columns", {})
        return [
            schema_dataset.SchemaDatasetFacetFields(
                name=column.name,
                type=column.type,
                description=described.get(column.name, {}).get("description") or column.comment or None,
                ordinal_position=position,
            )
            for position, column in enumerate(table.columns, 1)
        ]

    def _assertions(self, evaluation: dg.AssetCheckEvaluation) -> list[data_quality_assertions_dataset.Assertion]:
        """The check as a whole, and each of Great Expectations' expectations that failed in it by its column."""
        node = self.nodes.get(("test", evaluation.check_name), {})
        whole = data_quality_assertions_dataset.Assertion(
            assertion=(node.get("test_metadata") or {}).get("name") or evaluation.check_name,
            success=evaluation.passed,
            column=node.get("column_name"),
            severity="warn" if evaluation.severity is dg.AssetCheckSeverity.WARN else "error",
            name=evaluation.check_name,
            description=evaluation.description or None,
        )
        table = evaluation.metadata.get("failures")
        failures = table.records if isinstance(table, dg.TableMetadataValue) else []
        return [
            whole,
            *(
                data_quality_assertions_dataset.Assertion(
                    assertion=str(failure.data["expectation"]), success=False, column=str(failure.data["column"])
                )
                for failure in failures
            ),
        ]


def _place(key: dg.AssetKey) -> tuple[str, str]:
    """Schema and table of an asset that is one; otherwise what no table is called."""
    return (key.path[0], key.path[1]) if len(key.path) == 2 else ("", "")
