"""football-data.org: which lists are asked for, what a match is in them, and that its key and its quota are respected.

The answers are written here in the documented form; a real server on this machine gives them, and counts.
"""

import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from pipelines.defs.sensors import IN_A_LOOK
from pipelines.settings import Settings, SettingsError
from pipelines.sources import football_data_org
from pipelines.sources.football_data_org import FootballDataOrg, parse
from pipelines.sources.http import Patience, Web
from pipelines.sources.protocol import Delivery, Missing, QuotaUsedUp, Scope, SourceUnreachable
from pipelines.sources.quota import Quota
from pipelines.sources.registry import open_sources
from tests.sources.football_data_org import answer, match

TODAY = date(2023, 11, 4)
PLAYED = match("2023-08-11T19:00:00Z", "Burnley FC", "Manchester City FC", (0, 3))


class Api:
    """Answers one list, allows `per_window` requests in a window and refuses those beyond, as the API does; remembers what came."""

    def __init__(self, per_window: int = 10, window_seconds: int = 60, n_taken: int = 0) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.n_refused = 0
        self.location = ""
        self._per_window, self._window = per_window, window_seconds
        self._n_taken, self._ends_at = n_taken, time.monotonic() + window_seconds
        lock, api = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with lock:
                    status, left, reset = api._count()
                    api.asked.append((self.path, self.headers["X-Auth-Token"]))
                known = self.path.startswith("/v4/competitions/PL/")
                body = answer(PLAYED) if status == 200 else b'{"message": "You reached your request limit.", "errorCode": 429}'
                self.send_response(302 if api.location else status if known else 404)
                self.send_header("Location", api.location)
                self.send_header("X-Requests-Available-Minute", str(left))
                self.send_header("X-RequestCounter-Reset", str(reset))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v4"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def _count(self) -> tuple[int, int, int]:
        now = time.monotonic()
        if now >= self._ends_at:
            self._n_taken, self._ends_at = 0, now + self._window
        is_refused = self._n_taken >= self._per_window
        self._n_taken += not is_refused
        self.n_refused += is_refused
        return 429 if is_refused else 200, self._per_window - self._n_taken, int(self._ends_at - now)

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    """What is closed at the end."""
    things: list[Any] = []
    yield things
    for each in things:
        each.close()


def source(opened: list[Any], api: Api) -> FootballDataOrg:
    web = football_data_org.web("the key")
    opened += [web, api]
    return FootballDataOrg(api.url, web, TODAY)


def test_the_season_under_way_of_the_leagues_in_scope_is_asked_for() -> None:
    spring = date(2024, 3, 1)
    api = FootballDataOrg("https://api.football-data.org/v4", Web(), spring)
    assert api.list(Scope.read("E0,BRA,E3", "", spring)) == ["2023/PL.json", "2024/BSA.json"]  # Brazil's season is a year
    assert api.list(Scope.read("all", "all", spring))[:2] == ["2023/PL.json", "2023/ELC.json"]
    assert len(api.list(Scope.read("all", "all", spring))) == 9
    assert api.list(Scope.read("E0", "2015-2022", spring)) == []
    assert api.coming() == []


def test_a_list_is_due_once_its_season_has_begun() -> None:
    api = FootballDataOrg("", Web(), TODAY)
    assert [api.is_due("2023/PL.json", date(2023, month, 1)) for month in (7, 8)] == [False, True]


def test_a_match_becomes_flat_text_without_what_changes_every_day() -> None:
    parsed = parse(answer(PLAYED, match("2024-03-31T15:00:00Z", "Everton FC", "Liverpool FC")))
    assert [(row.line_number, row.cells) for row in parsed.rows] == [
        (
            1,
            {
                "awayTeam": "Manchester City FC",
                "competition": "PL",
                "ft_away": "3",
                "ft_home": "0",
                "homeTeam": "Burnley FC",
                "id": "1",
                "matchday": "1",
                "season": "2023-08-11",
                "stage": "REGULAR_SEASON",
                "status": "FINISHED",
                "utcDate": "2023-08-11T19:00:00Z",
            },
        ),
        (
            2,
            {
                "awayTeam": "Liverpool FC",
                "competition": "PL",
                "homeTeam": "Everton FC",
                "id": "1",
                "matchday": "1",
                "season": "2023-08-11",
                "stage": "REGULAR_SEASON",
                "status": "TIMED",
                "utcDate": "2024-03-31T15:00:00Z",
            },
        ),
    ]
    assert (parsed.layout, parsed.state, parsed.n_lines) == ("football_data_org", "intact", 2)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("Burnley 0-3 Manchester City", "not_a_match"),
        (match("", "Burnley FC", "Arsenal FC"), "no_date"),
        (match("2023-02-30T15:00:00Z", "Burnley FC", "Arsenal FC"), "bad_date"),
        (match("2023-12-02", "Burnley FC", "Arsenal FC"), "bad_date"),
        (match("2023-12-02T15:00:00Z", "Burnley FC", ""), "no_teams"),
        (match("2023-12-02T15:00:00Z", "Burnley FC", "Burnley FC"), "team_against_itself"),
        (match("2023-12-02T15:00:00Z", "Burnley FC", "Arsenal FC", status="FINISHED"), "impossible_score"),
        (match("2023-12-02T15:00:00Z", "Burnley FC", "Arsenal FC", (99, 0)), "impossible_score"),
        ({**PLAYED, "homeTeam": None}, "no_teams"),
        (PLAYED, "duplicate_line"),
    ],
)
def test_what_is_no_match_is_set_aside_with_its_reason(wrong: Any, reason: str) -> None:
    parsed = parse(answer(PLAYED, wrong))
    assert parsed.is_reconciled
    assert [(line.line_number, line.reason) for line in parsed.quarantined] == [(2, reason)]


def test_an_answer_that_is_no_list_is_refused_as_a_whole() -> None:
    parsed = parse(b'{"message": "The resource you are looking for is restricted.", "errorCode": 403}')
    assert (parsed.state, [line.reason for line in parsed.quarantined]) == ("refused", ["no_header"])


def test_a_list_is_asked_for_with_the_key(opened: list[Any]) -> None:
    api = Api()
    asking = source(opened, api)
    found = asking.fetch("2023/PL.json")
    assert isinstance(found, Delivery)
    assert (found.source, found.key, found.content) == ("football_data_org", "2023/PL.json", answer(PLAYED))
    assert isinstance(asking.fetch("2023/SA.json"), Missing)
    assert api.asked == [
        ("/v4/competitions/PL/matches?season=2023", "the key"),
        ("/v4/competitions/SA/matches?season=2023", "the key"),
    ]
    assert "the key" not in repr(asking)


def test_the_key_is_handed_to_nobody_else(opened: list[Any]) -> None:
    """A redirect would take it to whatever address it names."""
    api, other = Api(), Api()
    opened.append(other)
    api.location = f"{other.url}/competitions/PL/matches?season=2023"
    with pytest.raises(SourceUnreachable, match=r"refuses to give 2023/PL.json \(HTTP 302\)"):
        source(opened, api).fetch("2023/PL.json")
    assert other.asked == []


def test_no_request_is_made_that_the_quota_does_not_allow(opened: list[Any]) -> None:
    """However many ask at a time: only answers say what is left, and there is none before the first."""
    api = Api(per_window=2, window_seconds=1)
    asking = source(opened, api)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(asking.fetch, ["2023/PL.json"] * 5))
    assert [type(each) for each in found] == [Delivery] * 5
    assert (len(api.asked), api.n_refused) == (5, 0)


def test_what_others_with_the_same_key_used_up_is_waited_for_and_not_argued_about(opened: list[Any]) -> None:
    api = Api(per_window=2, window_seconds=2, n_taken=2)
    assert isinstance(source(opened, api).fetch("2023/PL.json"), Delivery)
    assert (len(api.asked), api.n_refused) == (2, 1)


def test_who_may_not_wait_is_told_at_once_that_nothing_is_left_and_makes_no_request(opened: list[Any]) -> None:
    api, web = Api(per_window=1), football_data_org.web("the key", IN_A_LOOK)
    opened += [web, api]
    asking = FootballDataOrg(api.url, web, TODAY)
    assert isinstance(asking.fetch("2023/PL.json"), Delivery)
    begun = time.monotonic()
    with pytest.raises(QuotaUsedUp):
        asking.fetch("2023/PL.json")
    assert time.monotonic() - begun < 1
    assert (len(api.asked), api.n_refused) == (1, 0)


class Clock(threading.Condition):
    """A clock that only waiting moves."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0
        return False


def test_a_key_that_is_used_up_for_ever_is_waited_for_two_windows_and_no_longer_however_many_lists_want_it(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window before each attempt at each list would hold the round for twenty minutes. The server keeps the same time."""
    clock, quota = Clock(), Quota()
    for module in ("pipelines.sources.quota", __name__):
        monkeypatch.setattr(f"{module}.time", clock)
    monkeypatch.setattr(quota, "_changed", clock)
    api, web = Api(per_window=0), Web(Patience(first_wait_seconds=0.01), key={"X-Auth-Token": "the key"}, quota=quota)
    opened += [web, api]
    asking = FootballDataOrg(api.url, web, TODAY)
    for _ in range(4):
        with pytest.raises(SourceUnreachable, match="allows no more requests and asks to come back in 61 s"):
            asking.fetch("2023/PL.json")
    assert (api.n_refused, clock.now) == (3, 122)


def said(left: int, reset: int = 3600) -> tuple[int, dict[str, str]]:
    """An answer; whoever finds nothing left after one with this `reset` is told so at once."""
    return 200, {"X-Requests-Available-Minute": str(left), "X-RequestCounter-Reset": str(reset)}


def test_an_answer_that_was_overtaken_brings_no_request_back() -> None:
    quota = Quota()
    with quota.request() as tell:
        tell(*said(9))
    with quota.request() as tell_first:
        with quota.request() as tell_second:
            tell_second(*said(5))  # one of these may be the other's: 4
        tell_first(*said(8))
    n_made = 0
    with suppress(SourceUnreachable):
        for _ in range(20):
            with quota.request() as tell:
                tell(*said(9))
                n_made += 1
    assert n_made == 4


def test_an_answer_of_a_window_that_is_over_says_nothing_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("pipelines.sources.quota.time", SimpleNamespace(monotonic=lambda: now))
    quota, made = Quota(), threading.Event()

    def ask() -> None:
        with quota.request():
            made.set()

    asking = threading.Thread(target=ask, daemon=True)
    late = ExitStack()
    tell_late = late.enter_context(quota.request())
    now = 61.0
    with quota.request() as tell:
        tell_late(*said(9))
        late.close()
        asking.start()
        assert not made.wait(0.2)
        tell(*said(1))
    assert made.wait(30)


@pytest.mark.parametrize("status", [200, 429])
def test_a_provider_that_asks_to_come_back_later_than_in_a_minute_is_out_of_reach(status: int) -> None:
    quota = Quota()
    with quota.request() as tell:
        tell(status, said(0, 86_400)[1])
    with pytest.raises(SourceUnreachable, match=r"asks to come back in 864\d\d s"), quota.request():
        pass


@pytest.mark.parametrize("reset", ["9" * 400, "9" * 5000, "-1", "soon", ""])
def test_a_number_that_nobody_means_is_none(reset: str) -> None:
    quota = Quota()
    for _ in range(2):
        with quota.request() as tell:
            tell(200, {"X-Requests-Available-Minute": "0", "X-RequestCounter-Reset": reset})


def test_a_connection_that_fails_gives_its_request_back() -> None:
    """Otherwise each would cost a minute."""
    quota = Quota()

    def fail_thrice() -> None:
        for _ in range(3):
            with suppress(httpx.ConnectError), quota.request():
                raise httpx.ConnectError("no route")

    trying = threading.Thread(target=fail_thrice, daemon=True)
    trying.start()
    trying.join(30)
    assert not trying.is_alive()


def test_a_key_is_sent_without_the_end_of_its_line_and_one_that_cannot_be_sent_is_refused_unsaid(tmp_path: Path) -> None:
    for name, read in {
        "FOOTBALL_DATA_ORG_TOKEN": lambda settings: settings.football_data_org_token,
        "OPENLINEAGE_API_KEY": lambda settings: settings.openlineage_api_key,
    }.items():
        assert read(Settings.read({"STATE_DIR": str(tmp_path), name: " abc\r\n"})) == "abc"
        for wrong in ("abc\ndef", "abc\u2013def", "abc\0def"):
            with pytest.raises(SettingsError, match=f"{name} holds a character that no key has") as refused:
                Settings.read({"STATE_DIR": str(tmp_path), name: wrong})
            assert "def" not in str(refused.value)


def test_a_header_that_cannot_be_sent_is_not_repeated(opened: list[Any]) -> None:
    """httpx quotes it."""
    api, web = Api(), Web(key={"X-Auth-Token": "a secret\n"})
    opened += [web, api]
    with pytest.raises(SourceUnreachable, match="no request that HTTP allows") as refused:
        FootballDataOrg(api.url, web, TODAY).fetch("2023/PL.json")
    error = refused.value
    assert "a secret" not in "".join(traceback.format_exception(error))  # as a log shows it
    assert api.asked == []


def test_it_is_a_source_exactly_where_its_key_is_set(tmp_path: Path) -> None:
    env = {"STATE_DIR": str(tmp_path)}
    assert "football_data_org" not in open_sources(Settings.read(env))
    keyed = {**env, "FOOTBALL_DATA_ORG_TOKEN": "abc"}
    api = open_sources(Settings.read(keyed))["football_data_org"]
    assert isinstance(api, FootballDataOrg)
    assert (api.url, dict(api.web.key)) == ("https://api.football-data.org/v4", {"X-Auth-Token": "abc"})
    assert api.today == datetime.now(UTC).date()
    # Whether the key's plan shows the season of a rehearsed day, nobody here knows.
    assert "football_data_org" not in open_sources(Settings.read({**keyed, "DATA_CUTOFF": "2020-05-01T12:00Z"}))
    assert [*open_sources(Settings.read({**keyed, "IS_SIMULATED": "1"}))] == ["simulated"]
    with pytest.raises(ValueError, match="wants a key: set FOOTBALL_DATA_ORG_TOKEN"):
        open_sources(Settings.read({**env, "SOURCES": "football_data_org"}))
