"""The pages as people meet them: in Chromium, with the keyboard, on a phone, in the dark, and judged by axe-core.

One server and one browser serve the whole file.
"""

import re
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy import database as deploy_database
from serving.identity.roles import Role
from serving.identity.tokens import Tokens
from tests.serving import world
from tests.serving.conftest import TEMPLATE
from tests.serving.process import serving

playwright = pytest.importorskip("playwright.sync_api")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1100, "height": 800}

MATCH = world.predictions()[0]["match_id"]
PAGES = {
    "fixtures": "/",
    "fixtures of one day and league": "/?competition=SP1&day=2026-03-07",
    "no fixture": "/?team=Nobody",
    "match": f"/matches/{MATCH}",
    "match without markets": f"/matches/{MATCH}?information_set=results",
    "record": "/record",
    "leagues": "/leagues",
    "league": "/leagues/E0",
    "status": "/status",
    "login": "/login",
    "no such page": "/nowhere",
}
every_page = pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())


@pytest.fixture(scope="module")
def site(postgres: Any, database_template: Any, secret_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running service that shows the small world."""
    name = f"football_test_{secrets.token_hex(4)}"
    urls = deploy_database.copy(postgres.url(), TEMPLATE, name, database_template)
    world.seed(urls)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {
        "API_DATABASE_URL": urls.api,
        "JWT_SECRET_FILE": str(secret_file),
        "EDITION": "demo",
        "IS_SIMULATED": "1",
        "API_PORT": str(port),
        "API_URL": f"http://127.0.0.1:{port}",
        "DATA_CUTOFF": world.NOW.isoformat(),
    }
    try:
        with serving(environment, tmp_path_factory.mktemp("site")):
            yield environment["API_URL"]
    finally:
        deploy_database.drop(postgres.url(), name)


@pytest.fixture(scope="module")
def tab(site: str, secret_file: Path, program: Any) -> Iterator[Any]:
    """A tab of one browser, signed in; `seen` on it collects what the browser complains of and which addresses it asked."""
    token = Tokens.from_file(secret_file, "demo").issue("1", Role.VIEWER, "a session")
    with playwright.sync_playwright() as started:
        # Root, as in a container, has no use for the sandbox.
        browser = started.chromium.launch(executable_path=program.path("chromium"), args=["--no-sandbox"])
        context = browser.new_context(extra_http_headers={"Authorization": f"Bearer {token}"}, base_url=site)
        tab = context.new_page()
        tab.set_default_timeout(10_000)
        yield tab
        browser.close()


@pytest.fixture
def visit(tab: Any) -> Iterator[Callable[..., Any]]:
    """Open a page, by default light and on a desk; the tab that shows it."""

    def go(path: str, scheme: str = "light", viewport: dict[str, int] = DESK) -> Any:
        tab.set_viewport_size(viewport)
        tab.emulate_media(color_scheme=scheme)
        tab.goto(path)
        return tab

    yield go
    tab.goto("about:blank")


@every_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_of(visit: Callable[..., Any], path: str, scheme: str) -> None:
    """In the dark only the colours differ, so only contrast is judged again."""
    options = {} if scheme == "light" else {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    found = Axe().run(visit(path, scheme), options=options).response
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []
    assert any(each["id"] == "color-contrast" for each in found["passes"])  # it did look


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_reference_of_the_api_is_as_usable_as_the_pages(visit: Callable[..., Any], scheme: str) -> None:
    """It has a style sheet of its own."""
    found = Axe().run(visit("/schema", scheme)).response
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []
    assert visit("/schema", scheme, PHONE).evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@every_page
def test_a_phone_shows_the_page_without_scrolling_sideways(visit: Callable[..., Any], path: str) -> None:
    tab = visit(path, viewport=PHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@every_page
def test_the_keyboard_reaches_everything_and_one_sees_where_it_is(visit: Callable[..., Any], path: str) -> None:
    tab = visit(path)
    wanted = tab.evaluate(
        "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary, [tabindex=\"0\"]')]"
        ".filter(each => each.checkVisibility()).map((each, i) => (each.dataset.stop = i))"
    )
    reached, invisible = [], []
    for _ in range(3 * len(wanted)):  # a field for a day is several stops
        tab.keyboard.press("Tab")
        stop = tab.evaluate("document.activeElement.dataset.stop")
        if stop is None:
            break
        if int(stop) not in reached:
            reached.append(int(stop))
            style = "(s => [s.outlineStyle, parseFloat(s.outlineWidth)])(getComputedStyle(document.activeElement))"
            if tab.evaluate(style) != ["solid", 2]:
                invisible.append(tab.evaluate("document.activeElement.outerHTML"))
    assert reached == wanted  # all of them, in the order in which they stand
    assert invisible == []


def test_the_first_stop_of_the_keyboard_skips_to_the_content(visit: Callable[..., Any]) -> None:
    tab = visit("/")
    tab.keyboard.press("Tab")
    assert tab.locator(":focus").inner_text() == "Skip to content"
    assert tab.locator(":focus").bounding_box()["x"] >= 0
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "content"


@every_page
def test_the_dark_page_is_light_on_dark_and_the_other_dark_on_light(visit: Callable[..., Any], path: str) -> None:
    def brightness(scheme: str) -> tuple[float, float]:
        colours = visit(path, scheme).evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
        paper, ink = (sum(map(float, re.findall(r"\d+", colour)[:3])) / 765 for colour in colours)
        return paper, ink

    paper, ink = brightness("light")
    assert (paper, ink < 0.2) == (1.0, True)
    paper, ink = brightness("dark")
    assert (paper < 0.2, ink > 0.8) == (True, True)


@every_page
def test_the_browser_has_nothing_to_refuse_and_asks_nobody_else(
    site: str, visit: Callable[..., Any], tab: Any, path: str
) -> None:
    """A style or a script that the policy forbids would be told on the console."""
    complaints: list[str] = []
    asked: set[str] = set()
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    visit(path)
    assert tab.locator("script, [style], style, iframe, img").count() == 0
    assert [each for each in complaints if "404 (Not Found)" not in each or path != "/nowhere"] == []
    assert asked == {urlsplit(site).netloc}


@every_page
def test_simulated_matches_are_labelled_on_every_page(visit: Callable[..., Any], path: str) -> None:
    label = visit(path).get_by_text("Simulated data.")
    assert label.is_visible()


@pytest.mark.parametrize("name", ["fixtures", "fixtures of one day and league", "match", "record", "leagues", "league", "status"])
def test_a_page_leads_to_the_same_in_json(site: str, visit: Callable[..., Any], tab: Any, name: str) -> None:
    link = visit(PAGES[name]).get_by_role("link", name="This page as JSON")
    answer = tab.request.get(link.get_attribute("href"))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


def test_the_filters_are_a_form_whose_answer_is_an_address_to_share(visit: Callable[..., Any]) -> None:
    tab = visit("/")
    tab.get_by_label("Competition").select_option("D1")
    tab.get_by_role("textbox", name="Day").fill("2026-03-08")
    tab.get_by_role("button", name="Show").click()
    assert tab.url.endswith("/?competition=D1&day=2026-03-08")
    assert tab.get_by_label("Competition").input_value() == "D1"
    assert tab.locator("tbody tr:not(.group)").count() == 3
    assert {each.inner_text() for each in tab.locator(".group a").all()} == {"Bundesliga"}


def test_a_row_tells_a_screen_reader_all_that_it_shows(visit: Callable[..., Any]) -> None:
    """And the favourite is told in words and weight, not by colour alone."""
    row = visit("/").get_by_role("row", name="Liverpool v Burnley")
    cells = [" ".join(cell.text_content().split()) for cell in row.get_by_role("cell").all()]
    assert cells == ["20:00", "77% likeliest", "15%", "8%", "2.5–0.7"]
    assert row.locator(".favourite").evaluate("each => getComputedStyle(each).fontWeight") == "700"


def test_the_bars_of_a_row_share_the_whole_width_as_the_numbers_say(visit: Callable[..., Any]) -> None:
    bar = visit("/").get_by_role("row", name="Liverpool v Burnley").locator("svg")
    whole = bar.bounding_box()["width"]
    parts = [part.bounding_box()["width"] / whole for part in bar.locator("rect").all()]
    row = world.predictions()[0]
    assert parts == pytest.approx([row["p_home"], row["p_draw"], row["p_away"]], abs=0.005)
