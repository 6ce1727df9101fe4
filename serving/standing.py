"""What an operator should know that stands: a pin, the ledger's and the audit's state, the last backup, how good the record is.

Belongs here: asking the database for it, behind the requests' back. Does not belong here: telling of it (`telemetry`), what is
being served (`current`).
"""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from serving.audit.chain import Head, verify
from serving.schemas.publications import Pin
from serving.schemas.record import ScoreboardRow
from serving.store.audit import Audit
from serving.store.database import StoreUnavailable, in_time
from serving.store.pins import Pins
from serving.store.record import Record

ASK_SECONDS: Final = 5.0
PIN_SECONDS: Final = 1.0
"""How long a reader waits for word of the pin as it is now."""

VERIFY_SECONDS: Final = 3600.0
"""How often the audit is verified: what is cut off its end within that time of being written leaves no trace."""

_log = structlog.get_logger("serving")


class Verified(Struct, frozen=True):
    """What a verification found: when, whether every link held, of how many rows."""

    at: datetime
    is_intact: bool
    n: int


class Standing:
    """What was last heard. While the database is away it stays, and its ages go on.

    The audit is verified here and not by the pipelines, whose roles cannot read the schema `app`: by each worker every hour, and
    by `football audit verify`, with the same head outside the database.
    """

    def __init__(self, record: Record, pins: Pins, audit: Audit, audit_head: Path | None) -> None:
        self._record = record
        self._pins = pins
        self._audit = audit
        self._audit_head = audit_head
        self._next_verification = 0.0
        self.pin: Pin | None = None
        self.ledger: Verified | None = None
        self.scores: list[ScoreboardRow] = []
        self.audit: Verified | None = None
        self.is_audits_end_known: bool | None = None
        """Whether a head was kept to compare its end with. If none was after the first verification, somebody took it away."""
        self.backup_taken_at: datetime | None = None

    async def follow(self) -> None:
        """Keep up for ever."""
        while True:
            try:
                await self.refresh()
            except StoreUnavailable:
                pass  # told by readiness, and by the ages
            except Exception as error:  # what cannot be read must not end the watch
                _log.error("standing_not_read", exc_info=error)
            await asyncio.sleep(ASK_SECONDS)

    async def pinned(self) -> Pin | None:
        """The pin that stands now; where the database does not say so at once, the one that was last heard of."""
        try:
            return await in_time(self._pins.pinned(), PIN_SECONDS)
        except StoreUnavailable:
            return self.pin

    async def refresh(self) -> None:
        """Ask now, and verify the audit if it is time.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        self.pin = await self._pins.pinned()
        if (ledger := await self._record.verification()) is not None:
            self.ledger = Verified(ledger["verified_at"], ledger["is_intact"], ledger["n_predictions"])
        if (backup := await self._record.last_backup()) is not None:
            self.backup_taken_at = backup["taken_at"]
        board = await self._record.scoreboard(None, "all")
        self.scores = [row for row in board if row.horizon_hours == 0]
        if time.monotonic() >= self._next_verification:
            await self.verify_audit()
            self._next_verification = time.monotonic() + VERIFY_SECONDS

    async def verify_audit(self) -> None:
        """Compute every link of the audit anew; log what is wrong, else keep its end outside the database.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        kept = Head.read(self._audit_head) if self._audit_head else None
        found = await verify(self._audit.linked(), kept)
        self.is_audits_end_known = kept is not None or found.head is None
        if self._audit_head and not self.is_audits_end_known:
            _log.warning("audit_head_was_missing", path=str(self._audit_head))
        self.audit = Verified(datetime.now(UTC), not found.faults, found.head.sequence if found.head else 0)
        for fault in found.faults:
            _log.error("audit_is_not_what_it_was", fault=fault)
        if self._audit_head and found.head and not found.faults:
            found.head.keep(self._audit_head)
