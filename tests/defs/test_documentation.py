"""The texts of the project as pages."""

import re
from pathlib import Path

import pytest

from pipelines.defs.documentation import TEXTS, start_page
from pipelines.defs.prose import write_page
from pipelines.settings import Settings


def test_every_text_of_the_site_becomes_a_page_whose_pictures_lie_beside_it(tmp_path: Path) -> None:
    for name, (text, _) in TEXTS.items():
        write_page(text, tmp_path / f"{name}.html")
    model = (tmp_path / "model.html").read_text("utf-8")
    assert "<title>Football: The models</title>" in model
    pictures = [path.name for path in tmp_path.glob("*.png")]
    assert len(pictures) == 3
    assert all(f'src="{name}"' in model for name in pictures)
    assert "<table>" in model


def test_a_text_that_shows_a_picture_which_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.md").write_text("# A title\n\n![gone](gone.png)\n")
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        write_page(tmp_path / "text.md", tmp_path / "pages" / "text.html")


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
