"""The commands of this half: `football token`, `football account …`, and `football audit …` from its own module.

Belongs here: arguments, and messages for a person. Heavy imports happen where they are used, so that `football --help`
stays quick.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

import click

from serving.audit.command import audit_group
from serving.settings import ClientSettings

if TYPE_CHECKING:
    from serving.audit.entries import Actor
    from serving.store.accounts import Accounts

T = TypeVar("T")

DEMO_USERNAME = "demo"


@click.command()
def token() -> None:
    """Print a fresh access token of the demo account."""
    import httpx

    settings = ClientSettings.read()
    login = _read_login(_demo_login_file(settings))
    try:
        response = httpx.post(f"{settings.api_url}/v1/auth/token", json=login, timeout=10, trust_env=False)
    except httpx.HTTPError as error:
        raise click.ClickException(f"The service at {settings.api_url} does not answer ({error}). Is it running?") from None
    if response.status_code != 200:
        raise click.ClickException(f"The service refused the login ({response.status_code}): {response.text}")
    click.echo(response.json()["access_token"])


@click.group()
def account() -> None:
    """Make, list and disable the accounts of the service."""


@account.command("list")
def list_accounts() -> None:
    """List all accounts."""
    for each in _with_accounts(lambda accounts, _: accounts.accounts()):
        state = f"disabled {each.disabled_at:%Y-%m-%d %H:%M}" if each.disabled_at else "enabled"
        click.echo(f"{each.username}\t{each.role}\t{state}")


_password_file = click.option(
    "--password-file", type=click.File(), help="Read the password from this file (- for standard input) instead of asking for it."
)
_role = click.option("--role", type=click.Choice(["reader", "operator"]), default="reader", show_default=True)


@account.command()
@click.argument("username")
@_role
@_password_file
def create(username: str, role: str, password_file: TextIO | None) -> None:
    """Create an account."""
    password_hash = _hash(_password(password_file))
    if not _with_accounts(lambda accounts, by: accounts.create_account(username, password_hash, role, by)):
        raise click.ClickException(f"There is an account {username} already.")
    click.echo(f"Created the {role} {username}.")


@account.command("set-password")
@click.argument("username")
@_password_file
def set_password(username: str, password_file: TextIO | None) -> None:
    """Give an account another password."""
    password_hash = _hash(_password(password_file))
    if not _with_accounts(lambda accounts, by: accounts.set_password(username, password_hash, by)):
        raise click.ClickException(f"There is no account {username}.")
    click.echo(f"{username} has a new password.")


@account.command()
@click.argument("username")
def disable(username: str) -> None:
    """Refuse further logins; tokens given out before end within 15 minutes."""
    if not _with_accounts(lambda accounts, by: accounts.disable_account(username, by)):
        raise click.ClickException(f"There is no enabled account {username}.")
    click.echo(f"{username} can no longer log in.")


@account.command()
def demo() -> None:
    """Make sure that the account in DEMO_LOGIN_FILE exists and has the password written there.

    A missing file is made, with a generated password, readable by its owner only.
    """
    path = _demo_login_file(ClientSettings.read())
    if not path.exists():
        _write_login(path, {"username": DEMO_USERNAME, "password": secrets.token_urlsafe(18)})
    login = _read_login(path)
    username, password = login["username"], login["password"]
    password_hash = _hash(password)

    async def ensure(accounts: Accounts, by: Actor) -> None:
        from serving.identity.passwords import matches

        known = await accounts.account(username)
        if known is None:
            await accounts.create_account(username, password_hash, "reader", by)
        elif not matches(known.password_hash, password):  # each `football up` asks for it: only a change is written
            await accounts.set_password(username, password_hash, by)
        await accounts.enable_account(username, by)

    _with_accounts(ensure)
    click.echo(f"The account {username} is ready; its password is in {path}.")


commands: list[click.Command] = [token, account, audit_group]


def _with_accounts(work: Callable[[Accounts, Actor], Awaitable[T]]) -> T:
    import asyncio

    from serving.audit.entries import command_line
    from serving.store.accounts import Accounts
    from serving.store.database import Database, StoreUnavailable

    url = ClientSettings.read().database_url
    if not url:
        raise click.ClickException("API_DATABASE_URL is not set: it names the database in which the accounts are.")

    async def run() -> T:
        database = Database(url, pool_size=1)
        try:
            return await work(Accounts(database), command_line())
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except StoreUnavailable as error:
        raise click.ClickException(f"{error} Is it running?") from None


def _hash(password: str) -> str:
    from serving.identity.passwords import WeakPassword, hash_password

    try:
        return hash_password(password)
    except WeakPassword as error:
        raise click.ClickException(str(error)) from None


def _password(file: TextIO | None) -> str:
    if file is not None:
        return file.read().rstrip("\r\n")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer


def _demo_login_file(settings: ClientSettings) -> Path:
    if settings.demo_login_file is None:
        raise click.ClickException("DEMO_LOGIN_FILE is not set: it names the file with the demo account's login.")
    return settings.demo_login_file


def _read_login(path: Path) -> dict[str, str]:
    try:
        login = json.loads(path.read_text(encoding="utf-8"))
        return {"username": login["username"], "password": login["password"]}
    except FileNotFoundError:
        raise click.ClickException(f"There is no {path}: `football account demo` makes it.") from None
    except (ValueError, KeyError, TypeError):
        raise click.ClickException(f'{path} should hold {{"username": …, "password": …}}.') from None


def _write_login(path: Path, login: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(login), encoding="utf-8")
