"""What OpenLineage demands of a run's event, written down as a JSON Schema of our own.

The demands (which members there are, which have to be there, of which type and form) are those of the specification 2-0-2 and of
its facets in the versions that `_schemaURL` names; source: OpenLineage, `spec/OpenLineage.json` and `spec/facets`. Stricter here, to
find what is misspelt: a facet has no member and a place no facet but the known ones, and what a job is processed as is one of
three words. What the forms are, `openlineage_forms` says. `test_openlineage.py` compares all this with the classes that
OpenLineage generates from its specification; `openlineage_classes` derives a second schema from them.
"""

from typing import Any, Final

from jsonschema import Draft202012Validator

from tests.defs.openlineage_forms import FORMATS, MOMENT, URI, UUID

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer"}
_URI: Final = {"type": "string", **URI}
_UUID: Final = {"type": "string", **UUID}
_MOMENT: Final = {"type": "string", **MOMENT}


def _object(*required: str, **members: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*required], "properties": members, "additionalProperties": False}


def _facet(version: str, name: str, /, *required: str, **members: Any) -> dict[str, Any]:
    address = {"const": f"https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}"}
    return _object("_producer", "_schemaURL", *required, _producer=_URI, _schemaURL=address, **members)


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_JOB_NAME: Final = {"namespace": _TEXT, "name": _TEXT}
_NO_FACETS: Final = {"type": "object", "maxProperties": 0}

_RUN_FACETS: Final = _object(
    parent=_facet(
        *("1-2-0", "ParentRunFacet", "run", "job"),
        run=_object("runId", runId=_UUID, facets=_NO_FACETS),
        job=_object("namespace", "name", **_JOB_NAME, facets=_NO_FACETS),
        root=_object(
            *("run", "job"),
            run=_object("runId", runId=_UUID, facets=_NO_FACETS),
            job=_object("namespace", "name", **_JOB_NAME, facets=_NO_FACETS),
        ),
    ),
    nominalTime=_facet(*("1-0-1", "NominalTimeRunFacet", "nominalStartTime"), nominalStartTime=_MOMENT, nominalEndTime=_MOMENT),
    errorMessage=_facet(
        *("1-0-1", "ErrorMessageRunFacet", "message", "programmingLanguage"),
        message=_TEXT,
        programmingLanguage=_TEXT,
        stackTrace=_TEXT,
    ),
    processing_engine=_facet(
        *("1-1-1", "ProcessingEngineRunFacet", "version"), version=_TEXT, name=_TEXT, openlineageAdapterVersion=_TEXT
    ),
)

_JOB_FACETS: Final = _object(
    jobType=_facet(
        *("2-0-4", "JobTypeJobFacet", "processingType", "integration"),
        processingType={"enum": ["BATCH", "STREAMING", "SERVICE"]},
        integration=_TEXT,
        jobType=_TEXT,
    ),
    documentation=_facet(*("1-1-0", "DocumentationJobFacet", "description"), description=_TEXT, contentType=_TEXT),
    sourceCodeLocation=_facet(
        *("1-1-0", "SourceCodeLocationJobFacet", "type", "url"),
        **dict.fromkeys(("type", "path", "version", "tag", "branch", "pullRequestNumber"), _TEXT),
        url=_URI,
        repoUrl=_TEXT,
    ),
    sourceCode=_facet(*("1-0-1", "SourceCodeJobFacet", "language", "sourceCode"), language=_TEXT, sourceCode=_TEXT),
)

_NO_FIELDS: Final = {"type": "array", "maxItems": 0}
_FIELD: Final = _object("name", name=_TEXT, type=_TEXT, description=_TEXT, ordinal_position=_WHOLE, fields=_NO_FIELDS)

_DATASET_FACETS: Final = _object(
    schema=_facet("1-2-0", "SchemaDatasetFacet", fields=_list(_FIELD)),
    documentation=_facet(*("1-1-0", "DocumentationDatasetFacet", "description"), description=_TEXT, contentType=_TEXT),
    ownership=_facet("1-0-1", "OwnershipDatasetFacet", owners=_list(_object("name", name=_TEXT, type=_TEXT))),
    datasetType=_facet(*("1-0-1", "DatasetTypeDatasetFacet", "datasetType"), datasetType=_TEXT, subType=_TEXT),
    version=_facet(*("1-0-1", "DatasetVersionDatasetFacet", "datasetVersion"), datasetVersion=_TEXT),
)

_ASSERTION: Final = _object(
    *("assertion", "success"),
    success={"type": "boolean"},
    params={"type": "object"},
    **dict.fromkeys(
        ("assertion", "column", "severity", "name", "description", "expected", "actual", "content", "contentType"), _TEXT
    ),
)

_COUNTS: Final = {"rowCount": _WHOLE, "size": _WHOLE, "fileCount": _WHOLE}

_DATASET: Final = {"namespace": {"type": "string", "minLength": 1}, "name": {"type": "string", "minLength": 1}}

_INPUT: Final = _object(
    *("namespace", "name"),
    **_DATASET,
    facets=_DATASET_FACETS,
    inputFacets=_object(
        inputStatistics=_facet("1-0-0", "InputStatisticsInputDatasetFacet", **_COUNTS),
        dataQualityAssertions=_facet(*("1-1-0", "DataQualityAssertionsDatasetFacet", "assertions"), assertions=_list(_ASSERTION)),
    ),
)

_OUTPUT: Final = _object(
    *("namespace", "name"),
    **_DATASET,
    facets=_DATASET_FACETS,
    outputFacets=_object(outputStatistics=_facet("1-0-2", "OutputStatisticsOutputDatasetFacet", **_COUNTS)),
)

RUN_EVENT: Final = Draft202012Validator(
    _object(
        *("eventTime", "producer", "schemaURL", "run", "job"),
        eventTime=_MOMENT,
        eventType={"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        producer=_URI,
        schemaURL={"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        run=_object("runId", runId=_UUID, facets=_RUN_FACETS),
        job=_object("namespace", "name", **_JOB_NAME, facets=_JOB_FACETS),
        inputs=_list(_INPUT),
        outputs=_list(_OUTPUT),
    ),
    format_checker=FORMATS,
)
"""Validates one event as it goes over the wire, decoded from JSON."""
