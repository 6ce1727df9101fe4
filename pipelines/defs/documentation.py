"""The documentation site: dbt's docs, Great Expectations' Data Docs, the project's own texts, and one start page.

Belongs here: building the static site that `football up` serves. Does not belong here: its folder `api`, which the service
writes.
"""

import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

import dagster as dg

from pipelines.defs.dbt import Dbt
from pipelines.defs.failures import under_policy
from pipelines.defs.manifest import ensure_manifest
from pipelines.defs.prose import page, title_of, write_page
from pipelines.settings import PROJECT_DIR, Settings

TEXTS: Final = {
    "model": (PROJECT_DIR / "pipelines" / "forecast" / "MODEL.md", "what is forecast, how, and how good it was"),
    "contributing": (PROJECT_DIR / "CONTRIBUTING.md", "where things lie, recipes for changes, and why it is built this way"),
}
"""Page to the text it is made of, and what a reader finds there."""

RUNBOOKS: Final = {f"runbook-{path.stem}": path.resolve() for path in sorted((PROJECT_DIR / "deploy" / "runbooks").glob("*.md"))}
"""Page to the runbook it is made of."""

LINKS: Final = dg.AssetCheckSpec(
    "every_link_of_the_texts_leads_somewhere",
    asset=["docs", "site"],
    description="What the texts and runbooks link or show is there. What is not is named without a link; all pages are built.",
)


@dg.asset(
    key=["docs", "site"],
    deps=[["published", "publication"]],  # behind which the tables are that it describes
    group_name="docs",
    kinds={"dbt", "html"},
    owners=["team:data"],
    check_specs=[LINKS],
    description="Static pages: the warehouse's documentation, Data Docs, the model's page, the runbooks and a start page.",
)
@under_policy
def site(settings: dg.ResourceParam[Settings], dbt: Dbt) -> Iterator[dg.MaterializeResult[None]]:
    """Generate the pages anew."""
    from expectations.docs import build_data_docs
    from expectations.offline import stand_alone

    target = settings.state_dir / "dbt-docs"
    target.mkdir(parents=True, exist_ok=True)
    # What `prepare` has parsed: compiling every model once more would add nothing to the pages.
    shutil.copyfile(ensure_manifest(), target / "manifest.json")
    dbt.invoke(["docs", "generate", "--no-compile", "--static"], target)
    pages = settings.docs_dir
    (pages / "dbt").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target / "static_index.html", pages / "dbt" / "index.html")
    build_data_docs(settings.state_dir / "verdicts", pages / "expectations")
    stand_alone(pages / "expectations")
    missing = write_texts(pages)
    (pages / "index.html").write_text(start_page(settings), encoding="utf-8")
    yield dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(str(pages))}, check_results=[links(missing)])


def links(missing: list[str]) -> dg.AssetCheckResult:
    """A warning: a slip in one text is no reason to leave every page as it was. Tests of the project refuse it."""
    return dg.AssetCheckResult(
        passed=not missing,
        check_name=LINKS.name,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"not there: {'; '.join(missing)}" if missing else "every link leads somewhere",
    )


def write_texts(folder: Path) -> list[str]:
    """The project's texts and runbooks as pages that link one another; which links of which text lead nowhere."""
    texts = {name: text.resolve() for name, (text, _) in TEXTS.items()} | RUNBOOKS
    pages = {text: f"{name}.html" for name, text in texts.items()}
    return [f"{text.name}: {link}" for name, text in texts.items() for link in write_page(text, folder / f"{name}.html", pages)]


def start_page(settings: Settings) -> str:
    """The page that leads to all that is there."""
    simulated = " (simulated data: these clubs and matches do not exist)" if settings.is_simulated else ""
    parts = {
        "api/index.html": ("The API", "every address of the service, what it takes and what it answers"),
        "dbt/index.html": ("The warehouse", "every table and column, and how they come from each other"),
        "expectations/index.html": ("Data quality", "what is expected of the data, and the verdicts of the last days"),
        **{f"{name}.html": (name.capitalize(), content) for name, (_, content) in TEXTS.items()},
    }
    # The API's reference is the service's own work (`football reference`), and may be missing where no service was ever started.
    there = {link: part for link, part in parts.items() if (settings.docs_dir / link).exists()}
    items = "\n".join(f'<li><a href="{link}">{title}</a>: {content}' for link, (title, content) in there.items())
    runbooks = "\n".join(
        f'<li><a href="{name}.html">{escape(title_of(text))}</a>'
        for name, text in RUNBOOKS.items()
        if (settings.docs_dir / f"{name}.html").exists()
    )
    return page(
        "Football: documentation",
        f"<h1>Documentation</h1><p>Edition: {escape(settings.edition)}{simulated}</p>\n<ul>\n{items}\n</ul>"
        + (f"\n<h2>Runbooks</h2>\n<ul>\n{runbooks}\n</ul>" if runbooks else ""),
    )
