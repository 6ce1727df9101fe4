"""The least that keeping delivered rows could cost, for benchmarks to measure against.

Belongs here: one COPY of plain text, without types, digests, versions or indexes.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from pipelines.store.warehouse import Warehouse


def copy_as_text(warehouse: Warehouse, tables: Iterable[Sequence[str]]) -> int:
    """Copy lines of text into a table that vanishes with the connection; returns their number."""
    n_lines = 0
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table line (content text)")
        with cursor.copy("copy line (content) from stdin (format csv)") as copy:
            for lines in tables:
                text = io.StringIO()
                csv.writer(text).writerows([line] for line in lines)
                copy.write(text.getvalue())
                n_lines += len(lines)
    return n_lines
