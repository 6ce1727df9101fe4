"""Signing in with a browser's form: the cookie, what it is good for, and who may send the form."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from deploy.database import Urls
from serving.app import create_app
from serving.audit.entries import command_line
from serving.cli import account
from serving.identity.bearers import COOKIE
from serving.identity.roles import Role
from serving.identity.tokens import Tokens
from serving.identity.turns import Busy
from serving.settings import Settings
from serving.store.accounts import Accounts
from serving.store.database import Database
from tests.serving.conftest import Client, hashed

PASSWORD = "correct horse battery"
HERE = {"Origin": "http://testserver.local"}


@pytest.fixture(scope="module")
def browser_urls(urls: Urls) -> Urls:
    async def make() -> None:
        database = Database(urls.api)
        assert await Accounts(database).create_account("browser", hashed(PASSWORD), "viewer", command_line())
        await database.close()

    asyncio.run(make())
    return urls


@pytest.fixture
def browser(browser_urls: Urls, settings_for: Callable[..., Settings]) -> Iterator[Client]:
    with TestClient(create_app(settings_for(browser_urls.api))) as client:
        client.headers["Accept"] = "text/html"
        yield client


def sign_in(browser: Client, password: str = PASSWORD, following: str = "/", **headers: str) -> tuple[int, str, str]:
    """Status, where it leads, and the text."""
    form = {"username": "browser", "password": password, "next": following}
    answer = browser.post("/login", data=form, headers=headers or HERE, follow_redirects=False)
    return answer.status_code, answer.headers.get("location", ""), answer.text


@pytest.fixture
def link(browser_urls: Urls) -> Callable[..., str]:
    """What `football account link` prints, as the path of it."""

    def make(username: str = "browser") -> str:
        variables = {"API_DATABASE_URL": browser_urls.api, "API_URL": "http://here.example"}
        printed = CliRunner().invoke(account, ["link", username], env=variables)
        assert printed.exit_code == 0, printed.output
        assert printed.output.startswith("http://here.example/login/once?code=")
        return printed.output.strip().removeprefix("http://here.example")

    return make


def follow(browser: Client, path: str) -> Any:
    return browser.get(path, follow_redirects=False)


def test_a_link_signs_a_browser_in_once_and_is_kept_by_its_digest_alone(
    browser: Client, link: Callable[..., str], browser_urls: Urls
) -> None:
    path = link()
    code = path.rpartition("=")[2]
    with psycopg.connect(browser_urls.owner) as connection:
        assert code not in str(connection.execute("select l, a from app.sign_in_link as l, app.audit as a").fetchall())
    sent = follow(browser, path)
    assert (sent.status_code, sent.headers["location"]) == (303, "/")
    assert browser.get("/record", follow_redirects=False).status_code == 200
    with psycopg.connect(browser_urls.owner) as connection:
        told = connection.execute("select action from app.audit order by sequence desc limit 2").fetchall()
    assert told == [("session.begin",), ("session.offer",)]
    browser.cookies.clear()
    again = follow(browser, path)
    assert (again.status_code, COOKIE in again.cookies) == (403, False)
    assert "This link was used, or is too old" in again.text
    assert 'action="/login"' in again.text


def test_a_link_is_good_for_a_quarter_of_an_hour(browser: Client, link: Callable[..., str], browser_urls: Urls) -> None:
    paths = [link(), link()]
    with psycopg.connect(browser_urls.owner) as connection:
        found = connection.execute("select expires_at - created_at from app.sign_in_link order by created_at desc limit 2")
        assert all(abs(lifetime - timedelta(minutes=15)) < timedelta(minutes=1) for (lifetime,) in found)
        connection.execute("update app.sign_in_link set expires_at = now()")
    assert [follow(browser, path).status_code for path in paths] == [403, 403]


@pytest.mark.parametrize("prefix", ["", "/", "//"])
def test_who_only_looks_at_a_link_does_not_use_it_up(browser: Client, link: Callable[..., str], prefix: str) -> None:
    """As a program does that shows what is behind the links of a message."""
    path = link()
    address, _, code = path.partition("?")
    seen = browser.head(f"http://testserver.local{prefix}{address}{prefix}?{code}", follow_redirects=False)
    assert (seen.status_code, COOKIE in seen.cookies, "HEAD" in seen.headers["Allow"]) == (405, False, False)
    assert "HEAD" not in browser.post(address).headers["Allow"]
    assert follow(browser, path).status_code == 303


def test_of_several_who_follow_a_link_at_once_one_is_signed_in(browser: Client, link: Callable[..., str]) -> None:
    path = link()
    with ThreadPoolExecutor(8) as several:
        statuses = [answer.status_code for answer in several.map(lambda _: follow(browser, path), range(8))]
    assert sorted(statuses) == [303] + [403] * 7


@pytest.mark.parametrize(
    "change",
    [
        "update app.sign_in_link set expires_at = now()",
        "update app.account set revised_at = now() where username = 'browser'",  # another password, another role
    ],
)
def test_a_link_that_is_too_old_or_whose_account_was_changed_since_is_good_for_nothing(
    browser: Client, link: Callable[..., str], browser_urls: Urls, change: LiteralString
) -> None:
    path = link()
    with psycopg.connect(browser_urls.owner) as connection:
        connection.execute(change)
    assert follow(browser, path).status_code == 403
    assert follow(browser, "/login/once").status_code == 403
    assert follow(browser, "/login/once?code=" + "x" * 43).status_code == 403
    assert browser.get("/record", follow_redirects=False).status_code == 303


def test_an_account_that_is_not_there_or_disabled_gets_no_link(browser_urls: Urls) -> None:
    with psycopg.connect(browser_urls.owner) as connection:
        connection.execute("update app.account set disabled_at = now() where username = 'browser'")
    try:
        for name in ("browser", "nobody"):
            refused = CliRunner().invoke(account, ["link", name], env={"API_DATABASE_URL": browser_urls.api})
            assert (refused.exit_code, f"There is no account {name}" in refused.output) == (1, True)
    finally:
        with psycopg.connect(browser_urls.owner) as connection:
            connection.execute("update app.account set disabled_at = null where username = 'browser'")


def test_a_page_leads_to_the_login_the_login_back_to_the_page_and_signing_out_away_from_it(browser: Client) -> None:
    sent = browser.get("/record?x=1", follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Frecord%3Fx%3D1")
    assert sign_in(browser, following="/record?x=1")[:2] == (303, "/record?x=1")
    assert browser.get("/record", follow_redirects=False).status_code == 200
    out = browser.post("/logout", headers=HERE, follow_redirects=False)
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert browser.get("/record", follow_redirects=False).status_code == 303


def test_the_cookie_is_kept_from_scripts_and_from_what_other_sites_post(browser: Client) -> None:
    answer = browser.post("/login", data={"username": "browser", "password": PASSWORD}, headers=HERE, follow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie


@pytest.mark.parametrize("address", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"])
def test_a_login_leads_nowhere_outside(browser: Client, address: str) -> None:
    assert sign_in(browser, following=address)[:2] == (303, "/")


def test_a_wrong_password_shows_the_form_again_with_what_was_wrong(browser: Client) -> None:
    status, _, page = sign_in(browser, "wrong password")
    assert status == 401
    assert "Wrong user name or password." in page
    assert COOKIE not in browser.cookies


def test_who_comes_when_too_many_passwords_are_being_checked_sees_the_form_again(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check(*_: Any) -> bool:
        raise Busy

    monkeypatch.setattr("serving.identity.passwords.PasswordChecker.check", check)
    status, _, page = sign_in(browser)
    assert (status, "Too many logins at once. Try again soon." in page, 'value="browser"' in page) == (429, True, True)


@pytest.mark.parametrize(
    "headers",
    [
        *({"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}),
        *({"Origin": "http://["}, {"Origin": "http://h]"}),  # no addresses at all
    ],
)
def test_a_form_of_another_site_is_refused(browser: Client, headers: dict[str, str]) -> None:
    assert sign_in(browser, **headers)[0] == 403
    assert browser.post("/logout", headers=headers, follow_redirects=False).status_code == 403


@pytest.mark.parametrize("host", ["h:abc", "h:99999", "[", "h]"])
def test_a_host_that_is_no_address_is_no_fault_of_ours(browser: Client, host: str) -> None:
    sign_in(browser)
    headers = {"Host": host}
    assert browser.get("/schema", headers=headers).status_code == 200
    assert browser.get("/v1/predictions", headers=headers).status_code == 200
    assert browser.get("/", headers=headers).status_code == 200
    assert browser.get("/v1/predictions?limit=x", headers=headers).status_code == 400
    assert browser.post("/v1/auth/token", headers=headers).status_code == 400
    signed_out = browser.post("/logout", headers=headers | {"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    assert signed_out.status_code == 303


def test_a_browser_that_hides_the_origin_says_that_the_form_is_from_here(browser: Client) -> None:
    assert sign_in(browser, **{"Origin": "null", "Sec-Fetch-Site": "same-origin"})[:2] == (303, "/")


def test_a_cookie_reads_and_never_writes(browser: Client) -> None:
    sign_in(browser)
    assert browser.get("/v1/predictions").status_code == 200
    assert browser.delete("/v1/publications/pin", headers=HERE).status_code == 401


def test_a_cookie_is_no_access_token_and_an_access_token_no_cookie(
    browser: Client, settings_for: Callable[..., Settings]
) -> None:
    sign_in(browser)
    value = browser.cookies[COOKIE]
    browser.cookies.clear()
    json = {"Accept": "application/json"}
    assert browser.get("/v1/predictions", headers=json | {"Authorization": f"Bearer {value}"}).status_code == 401
    settings = settings_for("postgresql://nowhere")
    access = Tokens.from_file(settings.jwt_secret_file, settings.edition).issue("1", Role.VIEWER, "a session")
    assert browser.get("/v1/predictions", headers=json | {"Authorization": f"Bearer {access}"}).status_code == 200
    browser.cookies.set(COOKIE, access)
    assert browser.get("/v1/predictions", headers=json).status_code == 401


def test_signing_out_ends_the_session_though_the_cookie_was_copied(browser: Client, browser_urls: Urls) -> None:
    sign_in(browser)
    copied = browser.cookies[COOKIE]
    assert browser.get("/v1/predictions").status_code == 200
    browser.post("/logout", headers=HERE, follow_redirects=False)
    browser.cookies.set(COOKIE, copied)
    assert browser.get("/v1/predictions").status_code == 401
    with psycopg.connect(browser_urls.owner) as connection:
        assert copied not in str(connection.execute("select * from app.session").fetchall())


@pytest.mark.parametrize("is_link", [False, True])
def test_signing_in_again_ends_the_session_that_the_browser_had(
    browser: Client, link: Callable[..., str], browser_urls: Urls, is_link: bool
) -> None:
    """The browser forgets its cookie: whoever has a copy of that would be in for the rest of eight hours."""
    sign_in(browser)
    copied = browser.cookies[COOKIE]
    assert sign_in(browser, "wrong password")[0] == 401
    assert browser.get("/v1/predictions").status_code == 200, "a login that failed ends nothing"
    assert (follow(browser, link()).status_code if is_link else sign_in(browser)[0]) == 303
    current = browser.cookies[COOKIE]
    assert browser.get("/v1/predictions").status_code == 200
    browser.cookies.clear()
    browser.cookies.set(COOKIE, copied)
    assert browser.get("/v1/predictions").status_code == 401
    browser.cookies.set(COOKIE, current)
    with psycopg.connect(browser_urls.owner) as connection:
        (ended, begun) = connection.execute(
            "select action, object, after ->> 'ended_at' is not null, request_id from app.audit order by sequence desc limit 2"
        ).fetchall()
        known = connection.execute("select session_id, ended_at is null from app.session order by created_at desc limit 2")
        assert {f"session/{each}": is_open for each, is_open in known} == {ended[1]: False, begun[1]: True}
    assert (ended[0], ended[2], begun[0], begun[2]) == ("session.end", True, "session.begin", False)
    assert ended[3] == begun[3], "both are of one request"


@pytest.mark.parametrize("cookie", ["x", "a" * 43])
def test_a_made_up_cookie_lets_nobody_in(browser: Client, cookie: str) -> None:
    browser.cookies.set(COOKIE, cookie)
    assert browser.get("/v1/predictions").status_code == 401
