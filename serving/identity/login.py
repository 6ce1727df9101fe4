"""Logging in with a password.

Belongs here: how an attempt is counted, checked and told of, whoever asks. Does not belong here: what is given in return.
"""

from typing import Any

from litestar import Request
from litestar.exceptions import NotAuthorizedException, TooManyRequestsException
from msgspec import Struct

from serving.identity.acting import as_account
from serving.identity.bearers import CHALLENGE
from serving.identity.limits import LoginLimit
from serving.identity.passwords import PasswordChecker
from serving.store.accounts import Account, Accounts
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
        address = request.client.host if request.client else ""
        if seconds := await self.limit.take(username, address):
            self.metrics.logins.labels("limited").inc()
            raise TooManyRequestsException("Too many attempts to log in. Try again later.", headers={"Retry-After": str(seconds)})
        account = await self.accounts.account(username)
        enabled = account if account is not None and account.disabled_at is None else None
        matches = await self.passwords.check(enabled.password_hash if enabled else None, password)
        if enabled is None or not matches:
            self.metrics.logins.labels("refused").inc()
            raise NotAuthorizedException("Wrong user name or password.", headers=CHALLENGE)
        await self.limit.give_back(username, address)
        if (better := await self.passwords.renewed(enabled.password_hash, password)) is not None:
            by = as_account(request, enabled.account_id)
            await self.accounts.replace_hash(enabled.account_id, enabled.password_hash, better, by)
        self.metrics.logins.labels("accepted").inc()
        return enabled
