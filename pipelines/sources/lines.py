"""Bytes to lines of text, whatever encoding, line end or byte-order mark a file came with.

Belongs here: undoing what mirrors and spreadsheets do to the bytes of a CSV file. Does not belong here: what the
lines mean.
"""

import csv
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xc3\xaf\xc2\xbb\xc2\xbf")
"""The mark in UTF-8, and the same bytes taken for Latin-1 and encoded once more."""

_CONTROL_TO_CP1252: Final = {code: bytes([code]).decode("cp1252", errors="replace") for code in range(0x80, 0xA0)}
"""C1 control characters never stand in text: they are cp1252 bytes which were once read as Latin-1."""


@dataclass(frozen=True)
class Lines:
    """`complete` lines without their ends; `cut` is what follows the last line end, None if nothing does."""

    complete: list[str]
    cut: str | None
    encoding: str

    @property
    def n_lines(self) -> int:
        return len(self.complete) + (self.cut is not None)


def read_lines(content: bytes) -> Lines:
    """Split and decode. Each line is decoded on its own, so that a damaged one cannot garble the others."""
    is_marked = False
    while mark := next((mark for mark in _BYTE_ORDER_MARKS if content.startswith(mark)), None):
        content, is_marked = content[len(mark) :], True
    # A mirror that turns CR LF into CR CR LF has also read Latin-1 and written UTF-8.
    is_mirrored = b"\r\r\n" in content
    *complete, rest = content.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").split(b"\n")
    cut = _decode(rest, is_mirrored)[0] if rest else None
    if content.isascii():
        return Lines([line.decode("ascii") for line in complete], cut, "utf-8-sig" if is_marked else "ascii")
    decoded = [_decode(line, is_mirrored) for line in complete]
    encodings = {encoding for _, encoding in decoded if encoding != "ascii"}
    if is_marked:
        encoding = "utf-8-sig"
    elif is_mirrored:
        encoding = "cp1252 read as latin-1 and written as utf-8"
    else:
        encoding = " and ".join(sorted(encodings)) or "ascii"
    return Lines([text for text, _ in decoded], cut, encoding)


def split_cells(line: str) -> list[str]:
    """The cells of one CSV line. Raises ValueError where quotation marks do not pair."""
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _decode(line: bytes, is_mirrored: bool) -> tuple[str, str]:
    if line.isascii():
        return line.decode("ascii"), "ascii"
    if is_mirrored:
        # A line for which this fails is not the mirror's doing and is read as any other.
        with suppress(UnicodeError):
            line = line.decode("utf-8").encode("latin-1")
    try:
        return line.decode("utf-8").translate(_CONTROL_TO_CP1252), "utf-8"
    except UnicodeDecodeError:
        return line.decode("latin-1").translate(_CONTROL_TO_CP1252), "cp1252"
