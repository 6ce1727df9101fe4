"""Telling people that something failed, or needs looking at.

Belongs here: the messages and their delivery to `ALERT_WEBHOOK_URL`. Without an address a message stands in the sensor's log
alone.
"""

import json
import logging
from collections.abc import Mapping, Sequence

import httpx

from pipelines.defs.failures import POLICIES, FailureClass, runbook_line
from pipelines.settings import Settings

_log = logging.getLogger(__name__)


def announce(settings: Settings, *, job: str, run_id: str, error: str, kind: FailureClass) -> None:
    """Log the failure, with what its class means for readers and what to look at, and post it as JSON where an address is set.

    Raises:
        httpx.HTTPError: the address did not take the message; the sensor's tick fails and is tried again.
    """
    title = f"Run of {job} failed: {kind} ({settings.edition})"
    text = f"{error}\n{POLICIES[kind].meaning}\n{runbook_line(kind)}"
    _send(settings, {"title": title, "text": text, "class": kind.value, "run_id": run_id})


def announce_drift(settings: Settings, found: Sequence[str]) -> None:
    """Log that forecasts have become worse than they were promised to be, and post it where an address is set.

    Raises:
        httpx.HTTPError: as for `announce`.
    """
    text = "\n".join(found) + "\nA training was asked for. What is published stands until a better model is promoted."
    _send(settings, {"title": f"Forecasts have drifted ({settings.edition})", "text": text})


def _send(settings: Settings, message: Mapping[str, str]) -> None:
    _log.error(json.dumps(message))
    if settings.alert_webhook_url:
        httpx.post(settings.alert_webhook_url, json=message, timeout=10).raise_for_status()
