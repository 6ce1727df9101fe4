"""What is said about accounts, their sessions and their keys: never a secret, but for the one answer that makes it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from serving.identity.roles import Permission, Role
from serving.identity.usernames import Username
from serving.store.accounts import Account
from serving.store.keys import Key
from serving.store.sessions import Session

Password = Annotated[str, Meta(min_length=1, max_length=1024)]
KeyName = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$", examples=["nightly import"])]


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks for a token."""

    username: Username
    password: Password


class PasswordChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The password that one has, and the one that shall take its place."""

    password: Password
    new_password: Annotated[Password, Meta(description="At least 12 characters, and not a common one.")]


class Refresh(Struct, frozen=True, forbid_unknown_fields=True):
    """What carries a session on."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=100)]


class TokenPair(Struct, frozen=True, kw_only=True):
    """A bearer token, how many seconds it is good for, and what to send for the next one."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: Annotated[str, Meta(description="Good for one use.")]


class SessionInfo(Struct, frozen=True, kw_only=True):
    """An open session."""

    session_id: str
    kind: Annotated[str, Meta(description="`api`: access and refresh tokens; `web`: a browser's cookie.")]
    created_at: datetime
    refreshed_at: Annotated[datetime | None, Meta(description="When a refresh token of it was last used.")]
    expires_at: datetime
    address: Annotated[
        str | None,
        Meta(
            description="The network that it was begun or last carried on from: of IPv4 the first three bytes, of IPv6 six. "
            "null where nobody knows."
        ),
    ]
    client: Annotated[
        str | None,
        Meta(description="With what then, as that told of itself: a browser and its system, or a program. null: it did not."),
    ]
    is_current: Annotated[bool, Meta(description="Whether it is the one by which this was asked.")]

    @classmethod
    def of(cls, session: Session, current_id: str | None) -> "SessionInfo":
        """Of a stored one."""
        return cls(
            session_id=session.session_id,
            kind=session.kind,
            created_at=session.created_at,
            refreshed_at=session.refreshed_at,
            expires_at=session.expires_at,
            address=session.address,
            client=session.client,
            is_current=session.session_id == current_id,
        )


class SessionList(Struct, frozen=True):
    """One page of open sessions, the latest first."""

    sessions: list[SessionInfo]
    next_cursor: Annotated[str | None, Meta(description="Send it for the next page; null at the end.")]


class KeyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a new key is for."""

    name: KeyName
    scopes: Annotated[
        Sequence[Permission], Meta(min_length=1, max_length=4, description="`read`, `analyse`, `operate`, `administer`.")
    ]
    expires_in_days: Annotated[int, Meta(ge=1, le=366)] = 90


class KeyInfo(Struct, frozen=True, kw_only=True):
    """A key, without its secret."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: Annotated[datetime | None, Meta(description="Within half a minute; null: never.")]

    @classmethod
    def of(cls, key: Key) -> "KeyInfo":
        """Of a stored one."""
        return cls(**{name: getattr(key, name) for name in cls.__struct_fields__})


class NewKey(Struct, frozen=True, kw_only=True):
    """A key that was just made."""

    key: Annotated[str, Meta(description="The key itself: this is the only time it is shown.")]
    info: KeyInfo


class KeyList(Struct, frozen=True):
    """Keys that are good, the latest first."""

    keys: list[KeyInfo]


class User(Struct, frozen=True, kw_only=True):
    """An account."""

    user_id: int
    username: str
    role: Role
    created_at: datetime
    disabled_at: Annotated[datetime | None, Meta(description="null while the account may log in.")]

    @classmethod
    def of(cls, account: Account) -> "User":
        """Of a stored one."""
        return cls(
            user_id=account.account_id,
            username=account.username,
            role=Role(account.role),
            created_at=account.created_at,
            disabled_at=account.disabled_at,
        )


class UserPage(Struct, frozen=True):
    """One page of accounts by name."""

    users: list[User]
    next_cursor: Annotated[str | None, Meta(description="Send it for the next page; null at the end.")]


class NewUser(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to be made."""

    username: Username
    password: Annotated[Password, Meta(description="At least 12 characters, and not a common one.")]
    role: Role = Role.VIEWER


class UserChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different about an account; what is not given stays."""

    role: Role | UnsetType = UNSET
    is_disabled: bool | UnsetType = UNSET
