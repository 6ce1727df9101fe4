"""The project's own texts as pages of the documentation site.

Belongs here: Markdown into HTML, with the pictures it shows beside it. Does not belong here: which texts there are.
"""

import hashlib
import shutil
from html import escape
from pathlib import Path
from typing import Final

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


def write_page(text: Path, target: Path) -> None:
    """Write a Markdown file as the page `target`; pictures that it names by relative paths are copied beside it.

    Raises:
        FileNotFoundError: the text or one of its pictures is missing.
    """
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text.read_text(encoding="utf-8"))
    target.parent.mkdir(parents=True, exist_ok=True)
    for token in tokens:
        for child in token.children or []:
            source = str(child.attrs.get("src", ""))
            if child.type == "image" and "//" not in source:
                picture = (text.parent / source).resolve(strict=True)
                # Pictures of the same name from two folders must not meet.
                name = f"{picture.stem}-{hashlib.sha256(picture.read_bytes()).hexdigest()[:8]}{picture.suffix}"
                shutil.copyfile(picture, target.parent / name)
                child.attrs["src"] = name
    heading = next((tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"), text.stem)
    body = markdown.renderer.render(tokens, markdown.options, {})
    target.write_text(page(f"Football: {heading}", f'<p><a href="index.html">Documentation</a></p>\n{body}'), encoding="utf-8")
