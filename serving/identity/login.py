"""Logging in with a password, and changing it.

Belongs here: how an attempt is counted, checked and told of, whoever asks. Does not belong here: what is given in return.
"""

from typing import Any

from litestar import Request
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException, TooManyRequestsException
from msgspec import Struct

from serving.identity.acting import as_account
from serving.identity.bearers import CHALLENGE, whence
from serving.identity.limits import LoginLimit
from serving.identity.passwords import PasswordChecker
from serving.identity.turns import Busy
from serving.store.accounts import Account, Accounts
from serving.store.database import StoreUnavailable
from serving.telemetry import Metrics


class PasswordLogin(Struct, frozen=True):
    """The parts that a login needs."""

    accounts: Accounts
    passwords: PasswordChecker
    limit: LoginLimit
    metrics: Metrics

    async def account(self, request: Request[Any, Any, Any], username: str, password: str) -> Account:
        """The account whose password this is. A hash that is not by today's measure is replaced.

        Raises:
            TooManyRequestsException: account or address has had too many attempts.
            NotAuthorizedException: the name or the password is wrong, or the account is disabled.
            Busy: too many passwords are being checked.
        """
        enabled = await self._recognised(request, username, password)
        if enabled is None:
            raise NotAuthorizedException("Wrong user name or password.", headers=CHALLENGE)
        if (better := await self.passwords.renewed(enabled.password_hash, password)) is not None:
            by = as_account(request, enabled.account_id)
            await self.accounts.replace_hash(enabled.account_id, enabled.password_hash, better, by)
        self.metrics.logins.labels("accepted").inc()
        return enabled

    async def own_account(self, request: Request[Any, Any, Any], password: str) -> Account:
        """The bearer's account, whose password this is: asked again before something that a stolen token must not do.

        Raises:
            TooManyRequestsException: account or address has had too many attempts, these and logins together.
            PermissionDeniedException: the password is wrong.
            Busy: too many passwords are being checked.
        """
        account = await self.accounts.numbered(request.user.account_id)
        enabled = None if account is None else await self._recognised(request, account.username, password)
        if enabled is None:
            raise wrong_password()
        return enabled

    async def _recognised(self, request: Request[Any, Any, Any], username: str, password: str) -> Account | None:
        address = whence(request)
        if seconds := await self.limit.take(username, address):
            self.metrics.logins.labels("limited").inc()
            raise TooManyRequestsException("Too many attempts to log in. Try again later.", headers={"Retry-After": str(seconds)})
        try:
            account = await self.accounts.account(username)
            enabled = account if account is not None and account.disabled_at is None else None
            matches = await self.passwords.check(enabled.password_hash if enabled else None, password)
        except (StoreUnavailable, Busy) as error:  # nobody looked at the password
            if isinstance(error, Busy):
                self.metrics.logins.labels("busy").inc()
            await self.limit.take_back(username, address)
            raise
        if enabled is None or not matches:
            self.metrics.logins.labels("refused").inc()
            return None
        await self.limit.give_back(username, address)
        return enabled


def wrong_password() -> PermissionDeniedException:
    """What the bearer of a good token is told: with 401 a client would only fetch the next token."""
    return PermissionDeniedException("The password is wrong.")
