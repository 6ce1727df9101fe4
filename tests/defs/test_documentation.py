"""The texts of the project as pages."""

from pathlib import Path

import pytest

from pipelines.defs.documentation import TEXTS
from pipelines.defs.prose import write_page


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
