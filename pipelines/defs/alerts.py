"""Telling people that something failed.

Belongs here: the one message and its delivery to `ALERT_WEBHOOK_URL`. Without an address the message stands in the
sensor's log alone.
"""

import json
import logging

import httpx

from pipelines.settings import Settings

_log = logging.getLogger(__name__)


def announce(settings: Settings, *, job: str, run_id: str, error: str) -> None:
    """Log the failure and post it as JSON where an address is set.

    Raises:
        httpx.HTTPError: the address did not take the message; the sensor's tick fails and is tried again.
    """
    message = {
        "title": f"Run of {job} failed ({settings.edition})",
        "text": f"{error}\nThe last publication stands; the service goes on with it.",
        "run_id": run_id,
    }
    _log.error(json.dumps(message))
    if settings.alert_webhook_url:
        httpx.post(settings.alert_webhook_url, json=message, timeout=10).raise_for_status()
