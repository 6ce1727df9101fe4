"""The commands of this half: `football token`, `football reference`, `football account …`, `football keys …`, and from its own
module `football audit …`.

Belongs here: arguments, and messages for a person. Heavy imports happen where they are used, so that `football --help`
stays quick.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from serving.audit.command import audit_group
from serving.settings import ClientSettings

if TYPE_CHECKING:
    from serving.audit.entries import Actor
    from serving.store.accounts import Account, Accounts
    from serving.store.database import Database

T = TypeVar("T")

DEMO_USERNAME = "demo"
DEMO_ROLE = "analyst"  # may see what stands behind a forecast, and change nothing
ROLES = ("viewer", "analyst", "operator", "admin")  # of `serving.identity.roles`, which is too heavy to import here


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


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
def reference(folder: Path | None) -> None:
    """Write the API's reference into FOLDER (default: `api` of the documentation site): a page, and the OpenAPI document.

    The service need not run.
    """
    from litestar.serialization import encode_json

    from serving.app import create_app
    from serving.examples import illustrated
    from serving.pages.reference import reference
    from serving.routes.documented import completed
    from serving.settings import Settings, SettingsError

    client = ClientSettings.read()
    folder = folder or (client.docs_dir and client.docs_dir / "api")
    if folder is None:
        raise click.ClickException("DOCS_DIR is not set: name the FOLDER in which the reference is to be written.")
    try:
        app = create_app(Settings.read())
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    document = illustrated(completed(app.openapi_schema.to_schema(), app.routes))
    page = reference(document, host=client.api_url, document_url="openapi.json", documentation_url="../index.html")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("openapi.json", encode_json(document)), ("index.html", page)):
        draft = folder / f".{name}"
        draft.write_bytes(content)
        draft.replace(folder / name)
    click.echo(f"The reference is in {folder}.")


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
_role = click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)


@account.command()
@click.argument("username")
@_role
@_password_file
def create(username: str, role: str, password_file: TextIO | None) -> None:
    """Create an account."""
    _require_possible(username)
    password_hash = _hash(_password(password_file))
    if not _with_accounts(lambda accounts, by: accounts.create_account(username, password_hash, role, by)):
        raise click.ClickException(f"There is an account {username} already.")
    click.echo(f"Created the {role} {username}.")


@account.command("set-password")
@click.argument("username")
@_password_file
def set_password(username: str, password_file: TextIO | None) -> None:
    """Give an account another password; its sessions end."""
    _change(username, password_hash=_hash(_password(password_file)))
    click.echo(f"{username} has a new password.")


@account.command("set-role")
@click.argument("username")
@click.argument("role", type=click.Choice(ROLES))
def set_role(username: str, role: str) -> None:
    """Give an account another role; its sessions end."""
    _change(username, role=role)
    click.echo(f"{username} is {'an' if role[0] in 'ao' else 'a'} {role} now.")


@account.command()
@click.argument("username")
def disable(username: str) -> None:
    """Refuse further logins, end all sessions, and take no key of it: within a second."""
    _change(username, is_disabled=True)
    click.echo(f"{username} can no longer log in.")


@account.command()
@click.argument("username")
def enable(username: str) -> None:
    """Allow logins again; its keys are good again, too."""
    _change(username, is_disabled=False)
    click.echo(f"{username} can log in.")


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
    _require_possible(username)

    async def ensure(accounts: Accounts, by: Actor) -> None:
        from serving.identity.passwords import matches

        known = await accounts.account(username)
        if known is None:
            await accounts.create_account(username, _hash(password), DEMO_ROLE, by)
            return
        # Each `football up` asks for it: only a change is written.
        new_hash = None if matches(known.password_hash, password) else _hash(password)
        await accounts.change(known.account_id, by, role=DEMO_ROLE, is_disabled=False, password_hash=new_hash)

    _with_accounts(ensure)
    click.echo(f"The account {username} is ready; its password is in {path}.")


@account.command()
@click.argument("username", default=DEMO_USERNAME)
def link(username: str) -> None:
    """Print an address that signs a browser in, once, within a quarter of an hour. Without USERNAME: as the demo account."""
    from serving.identity import opaque
    from serving.identity.sessions import LINK_LIFETIME

    code = opaque.new()

    async def offer(database: Database, by: Actor) -> Account | None:
        from serving.store.accounts import Accounts
        from serving.store.sessions import Sessions

        if (found := await Accounts(database).account(username)) and not found.disabled_at:
            await Sessions(database).offer(found.account_id, LINK_LIFETIME, opaque.digest(code), by)
            return found
        return None

    if _with_database(offer) is None:
        raise click.ClickException(f"There is no account {username}, or it is disabled.")
    click.echo(f"{ClientSettings.read().api_url}/login/once?code={code}")


@click.group()
def keys() -> None:
    """Replace the secret that signs access tokens, while the service runs."""


@keys.command()
def rotate() -> None:
    """Sign with a new secret; those before it verify on until all they signed has expired."""
    from serving.identity.key_changes import rotate
    from serving.identity.signing_keys import OVERLAP

    new = _with_signing_keys(lambda path, database, by: rotate(path, datetime.now(UTC), database, by))
    minutes = int(OVERLAP.total_seconds() / 60)
    click.echo(
        f"The key {new.key_id} signs from now on. Those before it may be retired in {minutes} minutes: football keys retire"
    )


@keys.command()
def retire() -> None:
    """Take no token signed by any secret but the newest, for instance because one got known."""
    from serving.identity.key_changes import retire

    click.echo(f"Retired {_with_signing_keys(retire)} key(s).")


commands: list[click.Command] = [token, reference, account, keys, audit_group]


def _change(username: str, **changes: Any) -> None:
    """Change an account by its name."""

    async def change(accounts: Accounts, by: Actor) -> Account | None:
        found = await accounts.account(username)
        return found and await accounts.change(found.account_id, by, **changes)

    if _with_accounts(change) is None:
        raise click.ClickException(f"There is no account {username}.")


def _with_signing_keys(work: Callable[[Path, Database, Actor], Awaitable[T]]) -> T:
    from litestar.exceptions import ImproperlyConfiguredException

    from serving.identity.key_changes import NotWritten

    path = ClientSettings.read().jwt_secret_file
    if path is None:
        raise click.ClickException("JWT_SECRET_FILE is not set: it names the file with the secrets that sign tokens.")
    try:
        return _with_database(lambda database, by: work(path, database, by))
    except FileNotFoundError:
        raise click.ClickException(f"There is no {path}.") from None
    except ImproperlyConfiguredException as error:
        raise click.ClickException(str(error.detail)) from None
    except NotWritten as error:
        raise click.ClickException(str(error)) from None


def _with_accounts(work: Callable[[Accounts, Actor], Awaitable[T]]) -> T:
    from serving.store.accounts import Accounts

    return _with_database(lambda database, by: work(Accounts(database), by))


def _with_database(work: Callable[[Database, Actor], Awaitable[T]]) -> T:
    import asyncio

    from serving.audit.entries import command_line
    from serving.store.database import Database, StoreUnavailable

    url = ClientSettings.read().database_url
    if not url:
        raise click.ClickException("API_DATABASE_URL is not set: it names the database in which accounts and audit are.")

    async def run() -> T:
        database = Database(url, pool_size=1)
        try:
            return await work(database, command_line())
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except StoreUnavailable as error:
        raise click.ClickException(f"{error} Is it running?") from None


def _require_possible(username: str) -> None:
    from serving.identity.usernames import RULE, is_possible

    if not is_possible(username):
        raise click.ClickException(f"{RULE} An account named {username!r} could not log in.")


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
