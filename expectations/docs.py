"""Great Expectations' Data Docs: the suites and their kept results as static pages.

Belongs here: building the pages from results that `run.Outcome.save` kept. Does not belong here: judging anything.
"""

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from expectations.run import MOST_KEPT, RUN_NAME, to_great_expectations
from expectations.suites import SUITES


def build_data_docs(results: Path, folder: Path) -> Path:
    """Build the pages anew, with every suite and each result that is kept of it, and return their start page.

    Args:
        results: the folder into which outcomes were saved; it need not exist.
        folder: where the pages go; what was in it is replaced.
    """
    import great_expectations as gx
    from great_expectations.core import RunIdentifier
    from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema
    from great_expectations.data_context.types.resource_identifiers import ExpectationSuiteIdentifier, ValidationResultIdentifier

    shutil.rmtree(folder, ignore_errors=True)
    # The pages are built by a file context, which keeps suites and results in files of its own; nobody needs those afterwards.
    with tempfile.TemporaryDirectory() as workshop:
        context = gx.get_context(mode="file", project_root_dir=workshop)
        context.enable_analytics(False)
        for suite in SUITES.values():
            context.suites.add(to_great_expectations(suite, suite.rules))
        for path in sorted(results.glob("*/*.json")):
            result = expectationSuiteValidationResultSchema.loads(path.read_text("utf-8"))
            judged_at = datetime.strptime(path.stem, RUN_NAME).replace(tzinfo=UTC)
            run = RunIdentifier(run_name=result.suite_name, run_time=judged_at)
            key = ValidationResultIdentifier(ExpectationSuiteIdentifier(result.suite_name), run, "frame")
            context.validation_results_store.set(key, result)
        context.add_data_docs_site(
            "pages",
            {
                "class_name": "SiteBuilder",
                "site_index_builder": {
                    "class_name": "DefaultSiteIndexBuilder",
                    "validation_results_limit": MOST_KEPT * len(SUITES),
                },
                "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.absolute())},
            },
        )
        context.build_data_docs(site_names=["pages"])
    return folder / "index.html"
