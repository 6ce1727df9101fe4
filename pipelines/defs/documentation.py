"""The documentation site: dbt's docs, Great Expectations' Data Docs, and one start page.

Belongs here: building the static site that `football up` serves.
"""

import shutil
from html import escape

import dagster as dg

from pipelines.defs.dbt import Dbt
from pipelines.defs.manifest import ensure_manifest
from pipelines.settings import Settings

_START_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Football: documentation</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}}</style>
<h1>Documentation</h1><p>Edition: {edition}{simulated}</p>
<ul>
<li><a href="dbt/index.html">The warehouse</a>: every table and column, and how they come from each other
<li><a href="expectations/index.html">Data quality</a>: what is expected of the data, and the last verdicts
</ul></html>
"""


@dg.asset(
    key=["docs", "site"],
    deps=[["gold", "feat_match"], ["published", "publication"]],
    group_name="docs",
    kinds={"dbt", "html"},
    owners=["team:data"],
    description="Static pages: the warehouse's documentation, Data Docs and a start page.",
)
def site(settings: dg.ResourceParam[Settings], dbt: Dbt) -> dg.MaterializeResult[None]:
    """Generate the pages anew."""
    from expectations.docs import build_data_docs

    target = settings.state_dir / "dbt-docs"
    target.mkdir(parents=True, exist_ok=True)
    # What `prepare` has parsed: compiling every model once more would add nothing to the pages.
    shutil.copyfile(ensure_manifest(), target / "manifest.json")
    dbt.invoke(["docs", "generate", "--no-compile", "--static"], target)
    pages = settings.docs_dir
    (pages / "dbt").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target / "static_index.html", pages / "dbt" / "index.html")
    build_data_docs(settings.state_dir / "verdicts", pages / "expectations")
    simulated = " (simulated data: these clubs and matches do not exist)" if settings.is_simulated else ""
    (pages / "index.html").write_text(_START_PAGE.format(edition=escape(settings.edition), simulated=simulated), encoding="utf-8")
    return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(str(pages))})
