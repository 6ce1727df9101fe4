"""Secrets that say nothing by themselves: refresh tokens, cookies, API keys.

Belongs here: how they are made, what they look like, the digest under which they are kept. Each has 256 random bits, so that a
plain SHA-256 suffices: there is nothing to guess. Does not belong here: whose they are, and whether they are good.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from typing import Final

KEY_START: Final = "fb_"
"""What every API key begins with, so that scanners of code know one when they see it."""

_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_KEY: Final = re.compile(r"fb_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_SECRET_OF_KEY: Final = re.compile(r"(fb_[0-9a-f]{12}_)[A-Za-z0-9_-]+")


def new() -> str:
    """A new refresh token or cookie."""
    return secrets.token_urlsafe(32)


def looks_right(text: str) -> bool:
    """Whether it could be a refresh token or cookie: what could not is never looked for."""
    return _TEXT.fullmatch(text) is not None


def digest(text: str) -> bytes:
    """Under what it is kept."""
    return hashlib.sha256(text.encode()).digest()


def new_key() -> tuple[str, str]:
    """A new API key: its id, which may be shown, and the whole of it."""
    key_id = secrets.token_hex(6)
    return key_id, f"{KEY_START}{key_id}_{secrets.token_urlsafe(32)}"


def key_id(key: str) -> str | None:
    """The id in an API key; None if it is none."""
    found = _KEY.fullmatch(key)
    return found and found[1]


def without_secrets(text: str) -> str:
    """The text, in which of what looks like an API key, whole or not, only what may be shown is left."""
    return _SECRET_OF_KEY.sub(r"\1…", text) if KEY_START in text else text


def successor(secret: bytes, token: str) -> str:
    """The refresh token that follows `token`: always the same, and known to nobody without the service's secret.

    No access token is ever signed over such a text: a JWT has no colon.
    """
    return urlsafe_b64encode(hmac.digest(secret, b"successor of:" + token.encode(), "sha256")).rstrip(b"=").decode()
