"""Data Docs that need nothing from elsewhere, made of pages that Great Expectations built."""

import re
from pathlib import Path

import pandas as pd

from expectations.docs import build_data_docs
from expectations.offline import stand_alone
from expectations.run import validate
from expectations.suites import SUITES, find


def test_the_pages_ask_no_server_for_anything_and_the_start_page_shows_every_suite_with_its_verdict(tmp_path: Path) -> None:
    empty = pd.DataFrame({column: pd.Series(["nonsense"]) for column in find("openfootball").columns})
    validate("openfootball", empty).save(tmp_path / "results")
    build_data_docs(tmp_path / "results", tmp_path / "pages")

    stand_alone(tmp_path / "pages")

    for page in (tmp_path / "pages").rglob("*.html"):
        text = page.read_text("utf-8")
        assert re.findall(r'<script|<(?:img|iframe)[^>]+https?:|<link[^>]+https?:|@import|url\(["\']?https?:', text) == [], page
    start = (tmp_path / "pages" / "index.html").read_text("utf-8")
    (result,) = (tmp_path / "pages" / "validations").rglob("*.html")
    links = re.findall('href="([^"]+)"', start)
    assert sorted(links) == sorted(
        ["../index.html", result.relative_to(tmp_path / "pages").as_posix(), *(f"expectations/{name}.html" for name in SUITES)]
    )
    assert start.count("<td>failed</td>") == 1
    assert start.count("<td>not yet</td>") == len(SUITES) - 1
    assert "openfootball" in result.read_text("utf-8")
