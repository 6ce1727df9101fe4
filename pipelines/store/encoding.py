"""A delivered file in the form in which bronze takes it: its facts, and each row as the end of a line of COPY.

Belongs here: which table a layout goes to, and encoding. Does not belong here: what is done with it (`bronze`), or taking files
apart (`pipelines.sources`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pipelines.store.delivered import Delivery, ParsedFile, QuarantinedLine, Row, UnusableCell

_encode: Final = msgspec.json.Encoder().encode

_OWN_TABLES: Final = {
    "json": "openfootball_match",
    "international": "international_match",
    "football_data_org": "football_data_org_match",
    "stream": "stream_message",
}
"""Layouts whose lines have a table of their own; the others are football-data.co.uk's."""

ROW_TABLES: Final = ("football_data_match", *_OWN_TABLES.values())


def table_of(layout: str) -> str:
    """The table of rows in which lines of this layout stand."""
    return _OWN_TABLES.get(layout, "football_data_match")


@dataclass(frozen=True)
class Encoded:
    """A file as it is stored; the parsed rows themselves, many times larger, are let go.

    `facts` are columns of `source_file`; `lines` maps a row's digest to the end of its line in COPY's text format.
    """

    delivery: Delivery
    layout: str
    state: str
    facts: dict[str, Any]
    n_loaded: int
    n_quarantined: int
    quarantined: Sequence[QuarantinedLine]
    unusable: Sequence[UnusableCell]
    lines: dict[bytes, bytes]


def encode(delivery: Delivery, parsed: ParsedFile) -> Encoded:
    """Encode a file that was taken apart."""
    return Encoded(
        delivery=delivery,
        layout=parsed.layout,
        state=parsed.state,
        facts={
            "source": delivery.source,
            "key": delivery.key,
            "sha256": delivery.sha256,
            "size_bytes": len(delivery.content),
            "layout": parsed.layout,
            "encoding": parsed.encoding,
            "header": None if parsed.header is None else msgspec.json.encode(parsed.header).decode(),
            "kinds": msgspec.json.encode(parsed.kinds).decode() if parsed.kinds else None,
            "n_lines": parsed.n_lines,
            "n_header": parsed.n_header,
            "n_loaded": len(parsed.rows),
            "n_quarantined": parsed.n_quarantined,
            "n_blank": parsed.n_blank,
            "etag": delivery.etag,
            "last_modified": delivery.last_modified,
            "fetched_at": delivery.fetched_at,
        },
        n_loaded=len(parsed.rows),
        n_quarantined=parsed.n_quarantined,
        quarantined=parsed.quarantined,
        unusable=parsed.unusable,
        lines=_encode_rows(parsed.rows),
    )


def _encode_rows(rows: Iterable[Row]) -> dict[bytes, bytes]:
    lines = {}
    for row in rows:
        json = _encode(row.cells)
        digest = hashlib.md5(json, usedforsecurity=False)
        # JSON escapes control characters itself; the backslash is all that COPY's text format would misread.
        escaped = json.replace(b"\\", b"\\\\") if b"\\" in json else json
        lines[digest.digest()] = b"%d\t\\\\x%b\t%b\n" % (row.line_number, digest.hexdigest().encode(), escaped)
    return lines
