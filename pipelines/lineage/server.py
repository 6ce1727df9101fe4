"""Sending an event to a lineage server.

Belongs here: one attempt by HTTP, and telling a server that does not take an event now from one that never will.
"""

from typing import Final

import requests
from openlineage.client.event_v2 import RunEvent
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider

PATIENCE_SECONDS: Final = 5.0
"""For the connection, and for each part of the answer."""

_NEVER: Final = (400, 413, 422)
"""What a server answers to an event that it will not take tomorrow either."""


class NotTaken(Exception):
    """The server did not take an event; it may take it later. The message is a sentence for a person."""


class Refused(Exception):
    """The server took an event for a wrong one; sent again it would be refused again."""


class Server:
    """A lineage server at an address, with the key that it asks for, if any."""

    def __init__(self, url: str, api_key: str) -> None:
        self.url = url
        auth = ApiKeyTokenProvider({"apiKey": api_key}) if api_key else TokenProvider({})
        # Whoever sends tries again, later and with what comes after it; the library's own attempts would only take longer.
        self._transport = HttpTransport(HttpConfig(f"{url}/", timeout=PATIENCE_SECONDS, auth=auth, retry={"total": 0}))

    def send(self, event: RunEvent) -> None:
        """Hand over an event.

        Raises:
            NotTaken: there is no answer, or none that says it was taken.
            Refused: the answer says that it never will be.
        """
        try:
            self._transport.emit(event)
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            raise (Refused if status in _NEVER else NotTaken)(f"{self.url} answered {status}") from error
        except requests.RequestException as error:
            raise NotTaken(f"{self.url} does not answer ({type(error).__name__})") from error

    def close(self) -> None:
        """Let go of the connection."""
        self._transport.close()
