"""Ways to reach people: Slack, DingTalk, e-mail, any webhook, and whatever else Apprise knows the address of.

Belongs here: addresses, and handing a message to one. Does not belong here: what is said, and what was said before
(`pipelines.store.notifications`).
"""

import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from pipelines.settings import SettingsError
from pipelines.store.notifications import Message, Send

PATIENCE_SECONDS: Final = 10.0

_WEBHOOKS: Final = {"http": "json", "https": "jsons"}


@dataclass(frozen=True)
class Channel:
    """One address of `ALERT_URLS`."""

    name: str
    """Its kind, and a digest of the address: an address holds secrets, and is shown nowhere."""
    send: Send
    """Whether the other side took a message; waits some seconds at most."""


def channels(addresses: Sequence[str]) -> list[Channel]:
    """The channels of these addresses; `http` and `https` are a webhook's that takes JSON, unless Apprise knows better.

    Raises:
        SettingsError: an address is not understood; the message says which, and not what it is.
    """
    return [_channel(address, position) for position, address in enumerate(addresses, 1)]


@dataclass(frozen=True)
class DingTalk:
    """A robot of DingTalk's, its messages signed.

    Apprise's own escapes the signature twice, which DingTalk refuses, and takes every answer for agreement, while DingTalk
    says in the answer's `errcode` whether a message was taken.

    Source: DingTalk's documentation of custom robots, "security settings".
    """

    token: str
    secret: str
    host: str = "https://oapi.dingtalk.com"

    def send(self, message: Message) -> bool:
        """Whether DingTalk took it."""
        import httpx

        text = {"msgtype": "text", "text": {"content": f"{message.title}\n{message.body}"}}
        parameters = {"access_token": self.token} | (self.signature(time.time_ns() // 10**6) if self.secret else {})
        try:
            answer = httpx.post(f"{self.host}/robot/send", params=parameters, json=text, timeout=PATIENCE_SECONDS)
            return answer.is_success and answer.json()["errcode"] == 0
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False

    def signature(self, milliseconds: int) -> dict[str, str]:
        """What proves, for an hour, that whoever sends knows the secret."""
        signed = hmac.new(self.secret.encode(), f"{milliseconds}\n{self.secret}".encode(), hashlib.sha256).digest()
        return {"timestamp": str(milliseconds), "sign": base64.b64encode(signed).decode()}


def _channel(address: str, position: int) -> Channel:
    parts = urlsplit(address)
    if parts.scheme == "dingtalk":
        robot = DingTalk(token=unquote(parts.hostname or ""), secret=unquote(parts.username or ""))
        return Channel(f"dingtalk {_digest(address)}", robot.send)
    from apprise import Apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it complains of an address by showing it
    service = Apprise.instantiate(address)
    if service is None and parts.scheme in _WEBHOOKS:
        service = Apprise.instantiate(parts._replace(scheme=_WEBHOOKS[parts.scheme]).geturl())
    if service is None:
        raise SettingsError(
            f"ALERT_URLS: address {position} is not understood. It should be like https://host/path, slack://…, "
            "dingtalk://secret@token or mailtos://user:password@host?to=… (Apprise's documentation lists all kinds)."
        )

    def send(message: Message) -> bool:
        return bool(service.notify(title=message.title, body=message.body, notify_type=message.severity))

    return Channel(f"{type(service).__name__.removeprefix('Notify').lower()} {_digest(address)}", send)


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:8]
