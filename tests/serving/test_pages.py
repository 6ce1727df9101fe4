"""What the pages answer, as HTTP: who may see them, how long a browser may keep them, what an error looks like."""

import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from deploy.database import Urls
from serving.app import create_app
from serving.distance import cumulative
from serving.pages import wording
from serving.pages.login import own_address
from serving.pages.site import POLICY
from tests.serving.conftest import NOW, Client, prediction, publish
from tests.serving.test_service import wait_for

PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
"""What a browser accepts."""

MATCH = "/matches/e0-2025-home5-away5-1"
PAGES = ("/", MATCH, "/record", "/leagues", "/leagues/E0", "/status")

Get = Callable[..., Any]


@pytest.mark.parametrize("path", PAGES)
def test_without_being_signed_in_a_page_leads_to_the_login_and_a_machine_is_told_so(client: Client, path: str) -> None:
    answer = client.get(path, headers=PAGE, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == ("/login" if path == "/" else f"/login?next={path.replace('/', '%2F')}")
    assert client.get(path).status_code == 401
    assert client.get(path).headers["content-type"] == "application/problem+json"


def test_the_login_keeps_in_mind_where_somebody_wanted_to_go(client: Client) -> None:
    answer = client.get("/?competition=E0&team=Home+1", headers=PAGE)  # follows
    assert answer.url.path == "/login"
    assert 'name="next" value="/?competition=E0&amp;team=Home+1"' in answer.text


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "", "/\nx", "javascript:alert(1)"]
)
def test_a_login_never_leads_out_of_the_site(elsewhere: str) -> None:
    assert own_address(elsewhere) == "/"


@pytest.mark.parametrize("path", [*PAGES, "/login", "/nowhere"])
def test_pages_come_with_a_policy_that_knows_no_script_and_keep_to_it(ask: Get, path: str) -> None:
    answer = ask(path, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "script" not in POLICY
    assert "unsafe" not in POLICY
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://", answer.text.replace("http://testserver.local", ""))


@pytest.mark.parametrize("path", ["/", MATCH])
def test_a_browser_that_has_the_page_is_not_sent_it_again(ask: Get, path: str) -> None:
    answer = ask(path, PAGE)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert set(answer.headers["Vary"].split(", ")) == {"Accept", "Accept-Encoding", "Authorization", "Cookie"}
    again = ask(path, PAGE | {"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_files_are_kept_for_good_because_their_addresses_change_with_them(client: Client) -> None:
    page = client.get("/login").text
    addresses = re.findall(r'<link rel="(?:stylesheet|icon)"[^>]*href="([^"]+)"', page)
    assert [urlsplit(each).path for each in addresses] == ["/static/football.css", "/static/icon.svg"]
    for each in addresses:
        assert re.fullmatch(r"v=[0-9a-f]{16}", urlsplit(each).query)
        answer = client.get(each)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "max-age=31536000, public, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert client.get(each, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    "name", ["%2e%2e/site.py", "..%2fsite.py", "%00", "football.css%00", "football.css/x", "x" * 300, "/".join("x" * 2100)]
)
def test_no_file_but_ours_is_found_and_made_up_names_are_no_fault_of_the_service(client: Client, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


WEIGHTS = ["inf", "1e999", "nan", "-1", "2", "x", "", "0.1234"]


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("path", ["/", "/nowhere", "/v1/nowhere", "/v1/predictions", "/login"])
def test_a_weight_that_is_none_takes_everything_and_breaks_nothing(client: Client, ask: Get, path: str, weight: str) -> None:
    wanted = {"Accept": f"text/html;q={weight}, text/csv"}
    assert client.get(path, headers=wanted, follow_redirects=False).status_code in (200, 303, 401, 404)
    answer = ask(path, wanted)
    assert answer.status_code in (200, 404)
    assert "text/csv" not in answer.headers["Content-Type"]


@pytest.mark.parametrize("name", ["a%00", "%01"])
def test_a_name_that_no_account_can_have_is_refused_at_the_form(client: Client, name: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    answer = client.post("/login", content=f"username={name}&password=x", headers=form)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/nowhere", 404, "Not Found"),
        ("/matches/unknown", 404, "The current publication says nothing of this match."),
        ("/?day=yesterday", 400, "A day is written as 2026-01-31."),
        ("/?team=%00", 400, "The request is not valid"),
        ("/?cursor=x", 400, "This cursor is not one that the service gave out."),
    ],
)
def test_an_error_is_a_page_for_people_and_a_problem_for_machines(ask: Get, path: str, status: int, says: str) -> None:
    page = ask(path, PAGE)
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert says in page.text
    assert page.headers["X-Request-Id"] in page.text
    assert page.headers["Cache-Control"] == "no-store"
    problem = ask(path)
    assert (problem.status_code, problem.headers["content-type"]) == (status, "application/problem+json")


def test_below_v1_an_error_is_a_problem_whatever_is_accepted(ask: Get, client: Client) -> None:
    for answer in (ask("/v1/predictions/unknown", PAGE), ask("/v1/nowhere", PAGE), client.get("/v1/predictions", headers=PAGE)):
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_pages_are_no_part_of_the_documented_api(client: Client) -> None:
    paths = client.get("/schema/openapi.json").json()["paths"]
    assert not {"/", "/login", "/status", "/matches/{match_id}", "/static/{name}"} & set(paths)


def test_before_the_first_publication_the_pages_say_what_to_do(database: Urls, settings_for: Any, bearer: Any) -> None:
    with TestClient(create_app(settings_for(database.api))) as client:
        for path in ("/", MATCH):
            answer = client.get(path, headers=bearer() | PAGE)
            assert answer.status_code == 404
            assert "Nothing has been published yet. Run the pipeline." in answer.text
        answer = client.get("/status", headers=bearer() | PAGE)
        assert answer.status_code == 200
        assert "football refresh" in answer.text
        status = client.get("/v1/status", headers=bearer()).json()
        assert [status[name] for name in ("publication", "n_files", "pin", "checks", "ledger", "backup")] == [None] * 6


def test_a_publication_without_a_coming_match_says_so(database: Urls, settings_for: Any, bearer: Any) -> None:
    publish(database.model, [], note="It is summer.")
    with TestClient(create_app(settings_for(database.api))) as client:
        text = client.get("/", headers=bearer() | PAGE).text
    assert "No match is coming." in text
    assert "It is summer." in text


def test_without_a_database_a_page_says_so(settings_for: Any, bearer: Any) -> None:
    with TestClient(create_app(settings_for("postgresql://football_api:x@127.0.0.1:9/nowhere"))) as client:
        answer = client.get("/", headers=bearer() | PAGE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The database cannot be reached." in answer.text


def test_what_the_data_say_is_text_never_markup(database: Urls, settings_for: Any, bearer: Any) -> None:
    publish(database.model, [prediction(1, home_team="<script>alert(1)</script>", match_id="m'\"<>&1")], note="<b>note</b>")
    with TestClient(create_app(settings_for(database.api))) as client:
        page = client.get("/", headers=bearer() | PAGE).text
        assert "<script" not in page
        assert "<b>note" not in page
        (address,) = re.findall(r'href="(/matches/[^"]+)"', page)
        assert address == "/matches/m%27%22%3C%3E%261"
        match = client.get(address, headers=bearer() | PAGE)
        assert match.status_code == 200
        assert "<script" not in match.text
        assert "<script" not in client.get('/?team=<script>"', headers=bearer() | PAGE).text


def test_pages_of_fixtures_show_every_match_once_and_keep_the_filters(ask: Get) -> None:
    address, seen = "/?competition=E0&information_set=", []
    for _ in range(4):
        page = ask(address, PAGE).text
        seen += re.findall(r'href="/matches/([^"?]+)', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if not following:
            break
        address = following[1].replace("&amp;", "&")
        assert parse_qs(urlsplit(address).query)["competition"] == ["E0"]
    expected = {f"e0-2025-home{n}-away{n}-1" for n in (*range(90), 201)}
    assert (len(seen), set(seen)) == (len(expected), expected)


def test_who_walks_the_fixtures_stays_in_the_publication_they_began_in(
    database: Urls, settings_for: Callable[..., Any], bearer: Callable[..., dict[str, str]]
) -> None:
    publish(database.model, [prediction(n) for n in range(61)])
    with TestClient(create_app(settings_for(database.api))) as client:

        def show(address: str) -> tuple[set[str], list[str]]:
            page = client.get(address, headers=bearer() | PAGE).text
            following = re.findall(r'<a rel="next" href="([^"]+)"', page)
            return set(re.findall(r">(Home \d+)<", page)), [each.replace("&amp;", "&") for each in following]

        first, (following,) = show("/")
        assert first == {f"Home {n}" for n in range(60)}
        assert show(following) == ({"Home 60"}, [])
        publish(database.model, [prediction(99)])
        wait_for(lambda: show("/") == ({"Home 99"}, []))
        assert show(following) == ({"Home 60"}, [])


def test_a_cursor_of_other_filters_begins_anew(ask: Get) -> None:
    page = ask("/?competition=E0", PAGE).text
    cursor = parse_qs(urlsplit(re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")).query)["cursor"][0]
    answer = ask(f"/?competition=D1&cursor={cursor}", PAGE)
    assert answer.url.query == b"competition=D1"


def test_a_day_is_shown_whole_even_where_part_of_it_has_passed(ask: Get) -> None:
    """By default only what is to come is shown; the match of this morning is found by its day."""
    assert "Arsenal" not in ask("/", PAGE).text
    assert "Arsenal" in ask("/?day=2026-03-01&team=arsenal", PAGE).text
    assert "Arsenal" not in ask("/?day=2026-03-02&team=arsenal", PAGE).text


def test_of_a_match_the_chosen_information_set_is_shown_with_links_to_the_others(ask: Get) -> None:
    match = "/matches/e0-2025-home1-away1-1"
    assert f'href="/v1/predictions/{1:064x}"' in ask(match, PAGE).text
    other = ask(f"{match}?information_set=history", PAGE).text
    assert f'href="/v1/predictions/{1001:064x}"' in other
    assert 'href="?information_set=results"' in other
    assert ask(f"{match}?information_set=market", PAGE).status_code == 404


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda weights: sum(weights) > 0))
def test_whole_percents_of_a_whole_sum_to_100_and_none_is_off_by_one(weights: list[float]) -> None:
    probabilities = [each / sum(weights) for each in weights]
    whole = wording.whole_percents(*probabilities)
    assert sum(whole) == 100
    assert all(abs(shown - 100 * p) < 1 for shown, p in zip(whole, probabilities, strict=True))


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda weights: sum(weights) > 0))
def test_percents_of_a_whole_sum_to_100_and_none_is_off_by_a_tenth(weights: list[float]) -> None:
    probabilities = [each / sum(weights) for each in weights]
    shown = [0.0 if each.startswith("<") else float(each[:-1]) for each in wording.percents(*probabilities)]
    assert round(sum(shown), 6) == 100.0
    assert all(abs(each - 100 * p) < 0.1001 for each, p in zip(shown, probabilities, strict=True))


def test_percents_that_each_round_up_are_not_100_and_a_tenth() -> None:
    assert wording.percents(0.33351, 0.33352, 0.33297) == ["33.3%", "33.4%", "33.3%"]
    assert wording.percents(0.9999, 0.0001, 0.0) == ["100.0%", "<0.1%", "0.0%"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.percent(0.0004), "<1%"),
        (wording.percent(0.0004, 1), "<0.1%"),
        (wording.percent(0.0), "0%"),
        (wording.percent(0.123, 1), "12.3%"),
        (wording.signed(-0.004), "0.00"),
        (wording.signed(-1.5), "−1.50"),
        (wording.signed(2), "+2.00"),
        (wording.handicap(-0.75), "−0.75"),
        (wording.handicap(1.0), "+1"),
        (wording.handicap(0.0), "0"),
        (wording.season(1999), "1999/00"),
        (wording.age(119), "under 2 minutes"),
        (wording.age(7300), "2 hours"),
        (wording.age(172_800), "2 days"),
        (wording.shade(0.5), "s10"),
        (wording.shade(0.2, 0.1), "s20"),
        (wording.shade(0.2, 0.0), "s0"),
        (wording.likeliest([0.4, 0.2, 0.4]), None),
        (wording.likeliest([0.3, 0.3, 0.4]), 2),
        (wording.selection("double_chance", "home_or_draw", "A", "B"), "A or draw"),
        (wording.selection("double_chance", "draw_or_away", "A", "B"), "Draw or B"),
        (wording.selection("winning_margin", "away_by_3_or_more", "A", "B"), "B by 3 or more"),
        (wording.selection("winning_margin", "draw", "A", "B"), "Draw"),
        (wording.selection("correct_score", "2-1", "A", "B"), "2–1"),
        (wording.selection("both_teams_score", "yes", "A", "B"), "Yes"),
        ([wording.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 22)], ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd"]),
    ],
)  # fmt: skip
def test_numbers_read_as_people_write_them(said: object, expected: object) -> None:
    assert said == expected


def test_the_band_of_the_distance_is_that_of_a_sum_of_days_that_vary_so_much() -> None:
    """Day sums 1 and 3: their sum is 4, their sample variance 2, that of two such days 4."""
    first, second = NOW, NOW + timedelta(days=1)
    one, both = cumulative("history", [(first, 3, 1.0), (second, 5, 3.0)])
    assert (one.total, one.low, one.high) == (1.0, None, None)
    assert (both.day, both.n, both.distance, both.total) == (second, 5, 3.0, 4.0)
    assert (both.low, both.high) == pytest.approx((4 - 1.96 * 2, 4 + 1.96 * 2))


def test_before_anything_is_settled_the_record_and_the_league_say_what_is_missing(
    database: Urls, settings_for: Any, bearer: Any
) -> None:
    publish(database.model, [prediction(1)])
    with TestClient(create_app(settings_for(database.api))) as client:
        headers = bearer() | PAGE
        assert "No forecast has been settled yet." in client.get("/record", headers=headers).text
        assert "No result of this season is known yet." in client.get("/leagues/E0", headers=headers).text
        assert client.get("/leagues/unknown", headers=headers).status_code == 404


def test_status_and_metrics_tell_how_old_the_last_whole_backup_is_and_the_page_whether_it_was_restored(
    database: Urls, settings_for: Callable[..., Any], bearer: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.standing.ASK_SECONDS", 0.1)
    with TestClient(create_app(settings_for(database.api))) as client:
        assert "No verified backup yet." in client.get("/status", headers=bearer() | PAGE).text
        with psycopg.connect(database.model) as connection:
            connection.execute(
                "insert into published.backup values (now() - interval '3 hours', 16045823, now() - interval '2 hours', null)"
            )
        deadline = time.monotonic() + 30
        while "serving_backup_age_seconds NaN" in (metrics := client.get("/metrics").text):
            assert time.monotonic() < deadline
        assert float(metrics.partition("\nserving_backup_age_seconds ")[2].split()[0]) == pytest.approx(3 * 3600, abs=60)
        page = client.get("/status", headers=bearer() | PAGE).text
        assert "(3 hours ago)</span>, 16.0 MB, every byte verified; no server was started from it yet" in page
        with psycopg.connect(database.model) as connection:
            connection.execute("update published.backup set restored_at = now() - interval '5 hours'")
        assert "a server was started from it <time" in client.get("/status", headers=bearer() | PAGE).text
        assert client.get("/v1/status", headers=bearer()).json()["backup"]["n_bytes"] == 16045823


def test_every_page_says_that_a_publication_is_pinned_to_whoever_is_signed_in(
    database: Urls, settings_for: Callable[..., Any], bearer: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.standing.ASK_SECONDS", 0.1)
    for number in (1, 2):
        publish(database.model, [prediction(number)])
    with TestClient(create_app(settings_for(database.api))) as client:

        def told(path: str, **headers: str) -> bool:
            page = client.get(path, headers=headers or bearer() | PAGE).text
            return "<strong>Publication 1 is pinned</strong> since" in page and "Prices of 2 were wrong." in page

        assert not told("/")
        asked = {"publication_id": 1, "reason": "Prices of 2 were wrong."}
        pin = client.put("/v1/publications/pin", json=asked, headers=bearer("operator")).json()
        wait_for(lambda: told("/"))
        assert [told(path) for path in ("/record", "/leagues", "/status")] == [True] * 3
        assert not told("/login", **PAGE)
        assert client.get("/v1/status", headers=bearer()).json()["pin"] == pin
        assert client.delete("/v1/publications/pin", headers=bearer("operator")).status_code == 204
        wait_for(lambda: not told("/"))
