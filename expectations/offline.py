"""Data Docs without what they fetch from elsewhere: readable offline, and nobody is told who reads them.

Great Expectations' pages take styles, fonts, scripts and a picture from half a dozen servers, the picture with an id of the
installation, and their start page is empty without the scripts. Belongs here: making finished pages stand alone. Does not belong
here: building them (`docs`).
"""

import re
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final

_ELSEWHERE: Final = re.compile(
    r"<script\b.*?</script>|<style\b.*?</style>|<link\b[^>]*\bhref=\"https?:[^>]*>|<img\b[^>]*\bsrc=\"https?:[^>]*>|<footer\b.*?</footer>"
    r"|<p\b[^>]*>\s*Validation Filter:\s*</p>|<label\b[^>]*>\s*<input type=\"radio\".*?</label>|<strong>Actions</strong>",
    re.DOTALL,
)
"""Scripts, styles and pictures of other servers, the invitation to a newsletter, and buttons that only scripts could press."""

_STATUS: Final = re.compile(r"Status:</span>.*?</i>\s*(\w+)", re.DOTALL)

_STYLE: Final = """<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;display:block;overflow-x:auto;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8886}
.sticky-top{position:static!important;height:auto!important}#navigation{max-height:none!important}
</style>
"""


def stand_alone(folder: Path) -> None:
    """Let every page below `folder` do without other servers; the start page lists the suites and their results, newest first."""
    for page in folder.rglob("*.html"):
        text = _ELSEWHERE.sub("", page.read_text(encoding="utf-8"))
        page.write_text(text.replace("</head>", f"{_STYLE}</head>", 1), encoding="utf-8")
    (folder / "index.html").write_text(_start_page(folder), encoding="utf-8")


def _start_page(folder: Path) -> str:
    suites = "".join(_suite(folder, page) for page in sorted((folder / "expectations").glob("*.html")))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Football: data quality</title>{_STYLE}</head><body>\n"
        '<p><a href="../index.html">Documentation</a></p>\n<h1>Data quality</h1>\n'
        "<p>What Great Expectations' suites demand, and what they found.</p>\n"
        f'<table><thead><tr><th scope="col">Suite</th><th scope="col">Judged</th><th scope="col">Verdict</th></tr></thead>\n'
        f"<tbody>{suites}</tbody></table>\n</body></html>\n"
    )


def _suite(folder: Path, page: Path) -> str:
    name = f'<a href="expectations/{escape(page.name)}">{escape(page.stem)}</a>'
    results = sorted((folder / "validations" / page.stem).rglob("*.html"), key=lambda result: result.parent.name, reverse=True)
    if not results:
        return f"<tr><td>{name}</td><td>not yet</td><td></td></tr>\n"
    return "".join(f"<tr><td>{'' if n else name}</td>{_result(folder, result)}</tr>\n" for n, result in enumerate(results))


def _result(folder: Path, page: Path) -> str:
    judged_at = datetime.strptime(page.parent.name, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    status = _STATUS.search(page.read_text(encoding="utf-8"))
    link = f'<a href="{escape(page.relative_to(folder).as_posix())}">{judged_at:%Y-%m-%d %H:%M:%S} UTC</a>'
    return f"<td>{link}</td><td>{status[1].lower() if status else 'unknown'}</td>"
