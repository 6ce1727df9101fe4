"""The project's own texts as pages of the documentation site.

Belongs here: Markdown into HTML, with the pictures it shows beside it, and its links led to other pages. Does not belong here:
which texts there are.
"""

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from markdown_it.token import Token

STYLE: Final = """
body{font:16px/1.55 system-ui,sans-serif;max-width:54rem;margin:2.5rem auto;padding:0 1rem;color-scheme:light dark}
h1,h2,h3{line-height:1.2}h2{margin-top:2.2em}img{max-width:100%;background:#fff}
table{border-collapse:collapse;display:block;overflow-x:auto;font-variant-numeric:tabular-nums}
th,td{border-bottom:1px solid #8886;padding:.3em .8em .3em 0;text-align:left;vertical-align:top}
pre{overflow-x:auto;padding:.8em;background:#8881}code{font-size:.92em}
"""


def page(title: str, body: str) -> str:
    """A page of the site: `body` is HTML, `title` is text."""
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title><style>{STYLE}</style>\n{body}\n</html>\n"
    )


def write_page(text: Path, target: Path, pages: Mapping[Path, str] = MappingProxyType({})) -> list[str]:
    """Write a Markdown file as the page `target`; pictures that it names by relative paths are copied beside it.

    `pages` are the other texts of the site, each with the name of its page: links to them lead there. What a text links in the
    checkout and is no page is named without a link, for nothing would be behind it; so is what is not there at all.

    Returns:
        What the text links or shows and is not there, as it names it.

    Raises:
        FileNotFoundError: the text is missing.
    """
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text.read_text(encoding="utf-8"))
    target.parent.mkdir(parents=True, exist_ok=True)
    taken: Counter[str] = Counter()
    missing: list[str] = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrs["id"] = _anchor(inline.content, taken)
    for token in tokens:
        token.children = _led(token.children, text.parent, pages, missing) if token.children else token.children
        for child in token.children or []:
            source = str(child.attrs.get("src", ""))
            if child.type == "image" and "//" not in source:
                picture = text.parent / source
                if not picture.is_file():
                    missing.append(source)
                    child.type = "text"  # its description, in its place
                    continue
                # Pictures of the same name from two folders must not meet.
                name = f"{picture.stem}-{hashlib.sha256(picture.read_bytes()).hexdigest()[:8]}{picture.suffix}"
                shutil.copyfile(picture, target.parent / name)
                child.attrs["src"] = name
    body = markdown.renderer.render(tokens, markdown.options, {})
    target.write_text(
        page(f"Football: {title_of(text)}", f'<p><a href="index.html">Documentation</a></p>\n{body}'), encoding="utf-8"
    )
    return missing


def title_of(text: Path) -> str:
    """The first heading of a Markdown file, or its name."""
    lines = text.read_text(encoding="utf-8").splitlines()
    return next((line.lstrip("# ") for line in lines if line.startswith("#")), text.stem)


def _anchor(heading: str, taken: Counter[str]) -> str:
    """As GitHub names it, so that links to a place in a text lead to the same place in its page."""
    plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    taken[plain] += 1
    return plain if taken[plain] == 1 else f"{plain}-{taken[plain] - 1}"


def _led(tokens: "Sequence[Token]", folder: Path, pages: Mapping[Path, str], missing: list[str]) -> "list[Token]":
    """The parts of a line, with its links led to pages, or taken away; what is not there is added to `missing`."""
    kept, is_open = [], True
    for token in tokens:
        if token.type == "link_open":
            path, mark, place = str(token.attrs["href"]).partition("#")
            is_open = "//" in path or not path or path.startswith("mailto:")
            if not is_open and not (folder / path).exists():
                missing.append(path)
            elif not is_open and (name := pages.get((folder / path).resolve())) is not None:
                is_open, token.attrs["href"] = True, f"{name}{mark}{place}"
        if is_open or token.type not in ("link_open", "link_close"):
            kept.append(token)
        if token.type == "link_close":
            is_open = True
    return kept
