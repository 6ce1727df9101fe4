"""Logging in with a password.

Belongs here: how an attempt is counted, checked and told of, whoever asks. Does not belong here: what is given in return.
"""

from litestar.exceptions import NotAuthorizedException, TooManyRequestsException
from msgspec import Struct

from serving.identity.limits import LoginLimit
from serving.identity.passwords import PasswordChecker
from serving.identity.tokens import CHALLENGE
from serving.store.accounts import Account, Accounts
from serving.telemetry import Metrics


class PasswordLogin(Struct, frozen=True):
    """The parts that a login needs."""

    accounts: Accounts
    passwords: PasswordChecker
    limit: LoginLimit
    metrics: Metrics

    async def account(self, username: str, password: str, address: str) -> Account:
        """The account whose password this is.

        Raises:
            TooManyRequestsException: account or address has had too many attempts.
            NotAuthorizedException: the name or the password is wrong, or the account is disabled.
            Busy: too many passwords are being checked.
        """
        if not await self.limit.take(username, address):
            self.metrics.logins.labels("limited").inc()
            raise TooManyRequestsException(
                "Too many attempts to log in. Try again later.", headers={"Retry-After": str(self.limit.seconds_left())}
            )
        account = await self.accounts.account(username)
        enabled = account if account is not None and account.disabled_at is None else None
        matches = await self.passwords.check(enabled.password_hash if enabled else None, password)
        if enabled is None or not matches:
            self.metrics.logins.labels("refused").inc()
            raise NotAuthorizedException("Wrong user name or password.", headers=CHALLENGE)
        await self.limit.give_back(username, address)
        self.metrics.logins.labels("accepted").inc()
        return enabled
