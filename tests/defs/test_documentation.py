"""The texts of the project as pages."""

import re
from pathlib import Path

import dagster as dg
import pytest

from pipelines.defs import documentation
from pipelines.defs.documentation import TEXTS, links, start_page, write_texts
from pipelines.defs.prose import write_page
from pipelines.settings import PROJECT_DIR, Settings


def test_every_text_of_the_site_becomes_a_page_whose_pictures_lie_beside_it(tmp_path: Path) -> None:
    for name, (text, _) in TEXTS.items():
        write_page(text, tmp_path / f"{name}.html")
    model = (tmp_path / "model.html").read_text("utf-8")
    assert "<title>Football: The models</title>" in model
    pictures = [path.name for path in tmp_path.glob("*.png")]
    assert len(pictures) == 3
    assert all(f'src="{name}"' in model for name in pictures)
    assert "<table>" in model


def test_runbooks_are_pages_that_the_start_page_names_by_their_titles(tmp_path: Path) -> None:
    write_texts(tmp_path)
    page = start_page(Settings.read({"DOCS_DIR": str(tmp_path)}))
    listed = dict(re.findall(r'<li><a href="(runbook-[^"]+)">([^<]+)</a>', page))
    folder = PROJECT_DIR / "deploy" / "runbooks"
    assert {*listed} == {f"runbook-{path.stem}.html" for path in folder.glob("*.md")}
    assert listed["runbook-failures.html"] == "When a run fails"
    assert '<h2 id="network">network</h2>' in (tmp_path / "runbook-failures.html").read_text("utf-8")


def test_every_link_of_the_texts_leads_to_a_page_and_a_place_that_are_there(tmp_path: Path) -> None:
    assert write_texts(tmp_path) == []
    (tmp_path / "index.html").write_text(start_page(Settings.read({"DOCS_DIR": str(tmp_path)})), "utf-8")
    pages = {path.name: path.read_text("utf-8") for path in tmp_path.glob("*.html")}
    links = [(name, link) for name, text in pages.items() for link in re.findall(r'<a href="([^"]+)"', text)]
    inside = [(name, link) for name, link in links if "//" not in link]
    assert ("contributing.html", "runbook-failures.html") in inside
    for name, link in inside:
        target, _, place = link.partition("#")
        assert (target or name) in pages, (name, link)
        assert not place or f'id="{place}"' in pages[target or name], (name, link)
    assert all(link.startswith(("https://", "http://")) for _, link in links if "//" in link)


def test_a_link_to_what_is_no_page_is_text_and_so_is_one_to_nothing_which_is_told(tmp_path: Path) -> None:
    (tmp_path / "code.py").touch()
    (tmp_path / "other.md").write_text("# The other\n\n## Twice\n\n## Twice\n")
    text = tmp_path / "text.md"
    text.write_text("# A\n\n[`code`](code.py) [there](other.md#twice-1) [here](#a) [out](https://example.org/x)\n")
    pages = {tmp_path / "other.md": "other.html"}
    assert write_page(text, tmp_path / "text.html", pages) == []
    write_page(tmp_path / "other.md", tmp_path / "other.html", pages)
    page = (tmp_path / "text.html").read_text("utf-8")
    assert "<code>code</code> " in page
    assert re.findall('href="([^"]+)"', page) == ["index.html", "other.html#twice-1", "#a", "https://example.org/x"]
    assert 'id="twice-1"' in (tmp_path / "other.html").read_text("utf-8")
    text.write_text("# A\n\n[moved away](gone.md#far) [there](other.md) ![of a <lion>](gone.png)\n")
    assert write_page(text, tmp_path / "text.html", pages) == ["gone.md", "gone.png"]
    assert '<p>moved away <a href="other.html">there</a> of a &lt;lion&gt;</p>' in (tmp_path / "text.html").read_text("utf-8")


def test_a_broken_link_of_one_text_leaves_no_page_unwritten_and_is_a_warning_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slip = tmp_path / "first.md"
    slip.write_text("# A slip\n\n[gone](gone.md)\n")
    monkeypatch.setattr(documentation, "TEXTS", {"first": (slip, "a slip"), **TEXTS})
    missing = write_texts(tmp_path / "pages")
    assert {path.stem for path in (tmp_path / "pages").glob("*.html")} == {"first", *TEXTS, *documentation.RUNBOOKS}
    told = links(missing)
    assert (told.passed, told.severity, told.description) == (False, dg.AssetCheckSeverity.WARN, "not there: first.md: gone.md")
    assert links([]).passed


def test_markup_in_a_text_stays_text(tmp_path: Path) -> None:
    (tmp_path / "text.md").write_text("# Of <b> & others\n\n<script>alert(1)</script>\n")
    write_page(tmp_path / "text.md", tmp_path / "text.html")
    page = (tmp_path / "text.html").read_text("utf-8")
    assert "<title>Football: Of &lt;b&gt; &amp; others</title>" in page
    assert "<script>" not in page


def test_the_start_page_links_every_part_that_is_there_and_no_other(tmp_path: Path) -> None:
    settings = Settings.read({"DOCS_DIR": str(tmp_path), "EDITION": "demo", "IS_SIMULATED": "1"})
    for name in ("model.html", "contributing.html", "dbt/index.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert re.findall('href="([^"]+)"', start_page(settings)) == ["dbt/index.html", "model.html", "contributing.html"]
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "index.html").touch()
    assert '<a href="api/index.html">The API</a>: every address of the service' in start_page(settings)
    assert "these clubs and matches do not exist" in start_page(settings)
