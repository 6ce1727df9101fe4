"""The publication that an operator of the service has pinned, if one is.

Belongs here: asking for it. The pin is the service's: it is made, released and obeyed there, and nothing here depends on it.
"""

from datetime import datetime
from typing import NamedTuple

from pipelines.store.warehouse import Warehouse


class Pin(NamedTuple):
    """That this publication is served whatever is published after it; `pinned_by` is the number of an account."""

    publication_id: int
    reason: str
    pinned_at: datetime
    pinned_by: str


def standing(warehouse: Warehouse) -> Pin | None:
    """The pin that stands; None while the latest publication is served."""
    with warehouse.connect() as connection:
        row = connection.execute("select publication_id, reason, pinned_at, pinned_by from operations.pinned()").fetchone()
    return Pin(*row) if row else None
