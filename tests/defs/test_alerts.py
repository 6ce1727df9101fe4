"""People are told of failures once, whatever restarts, and by every channel: real servers take the messages."""

import base64
import hashlib
import hmac
import json
import re
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, cast

import dagster as dg
import psycopg
import pytest
from aiosmtpd.controller import Controller
from click.testing import CliRunner
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import freeze_time, instance_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.freshness import FreshnessDaemon

from deploy.database import Urls
from deploy.local.ports import Ports
from pipelines.channels import Channel, DingTalk, channels
from pipelines.commands.alerts import alerts_group
from pipelines.defs import alerts
from pipelines.defs.failures import RUNBOOK, FailureClass, under_policy
from pipelines.defs.freshness import FRESHNESS, IS_FRESH, freshness_checks, news, verdicts
from pipelines.defs.job_runs import SETTLED_AFTER, Task, task_of
from pipelines.settings import PROJECT_DIR, Settings, SettingsError
from pipelines.store import notifications, pin
from pipelines.store.notifications import FORGOTTEN_AFTER, MESSAGES_AN_HOUR, NO_NEWS_WITHIN, Message
from pipelines.store.warehouse import Warehouse
from tests.defs import fresh_world

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILED = Message("failure", "Run of day failed", "no space left")


@pytest.fixture
def warehouse(database: Urls) -> Warehouse:
    return Warehouse(database.model)


class Server:
    """A webhook that keeps what it is sent, and refuses while `status` says so."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.status = 200
        self.answer = b'{"errcode": 0}'
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status == 200:
                    outer.requests.append((self.path, json.loads(body)))
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


class Ear:
    """A channel that takes what it is told, until it is deaf."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.is_deaf = False

    def __call__(self, message: Message) -> bool:
        if not self.is_deaf:
            self.heard.append(message)
        return not self.is_deaf

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.heard]


def note(
    warehouse: Warehouse, subject: str = "failed", at: datetime = NOW, topic: str = "day", message: Message = FAILED
) -> bool:
    return notifications.note(warehouse, topic, subject, message, at)


def test_the_same_failure_within_the_hour_is_counted_and_told_once(warehouse: Warehouse) -> None:
    ear = Ear()
    assert note(warehouse)
    assert not note(warehouse, at=NOW + timedelta(minutes=20))
    assert not note(warehouse, at=NOW + timedelta(minutes=40))

    assert notifications.deliver(warehouse, "ear", ear, NOW + timedelta(minutes=41))

    assert ear.heard == [Message("failure", "Run of day failed", "no space left\nNoticed 3 times until 12:40 UTC.")]
    assert note(warehouse, at=NOW + NO_NEWS_WITHIN)


def test_another_failure_and_one_after_a_recovery_are_news(warehouse: Warehouse) -> None:
    assert note(warehouse, "network")
    assert note(warehouse, "data", NOW + timedelta(minutes=1))
    assert note(warehouse, "works again", NOW + timedelta(minutes=2))
    assert note(warehouse, "data", NOW + timedelta(minutes=3))
    assert note(warehouse, "data", NOW + timedelta(minutes=3), topic="week")


def test_nothing_is_told_twice_and_nothing_is_lost_over_restarts(warehouse: Warehouse) -> None:
    ear = Ear()
    note(warehouse)
    ear.is_deaf = True
    assert not notifications.deliver(warehouse, "ear", ear, NOW)
    ear.is_deaf = False

    for minutes in (1, 2, 3):
        again = Warehouse(warehouse.url)  # nothing but the database remembers
        assert notifications.deliver(again, "ear", ear, NOW + timedelta(minutes=minutes))

    assert ear.titles == ["Run of day failed"]


def test_a_message_that_was_taken_but_not_recorded_is_told_again_and_not_dropped(warehouse: Warehouse) -> None:
    heard = []

    def taken_and_killed(message: Message) -> bool:
        heard.append(message.title)
        raise KeyboardInterrupt

    note(warehouse)
    with pytest.raises(KeyboardInterrupt):
        notifications.deliver(warehouse, "ear", taken_and_killed, NOW)
    ear = Ear()
    notifications.deliver(warehouse, "ear", ear, NOW)

    assert heard == ear.titles == ["Run of day failed"]


def test_a_channel_hears_a_stated_number_an_hour_and_the_rest_in_one_message(warehouse: Warehouse) -> None:
    ear = Ear()
    for n in range(MESSAGES_AN_HOUR + 5):
        note(warehouse, f"{n}", topic=f"job {n}", message=Message("warning", f"title {n}", "body"))

    assert notifications.deliver(warehouse, "ear", ear, NOW)

    assert len(ear.heard) == MESSAGES_AN_HOUR
    assert ear.titles[:-1] == [f"title {n}" for n in range(MESSAGES_AN_HOUR - 1)]
    assert ear.heard[-1].title == "6 further messages"
    assert ear.heard[-1].body.splitlines()[0] == "12:00 UTC: title 11"

    note(warehouse, "later", NOW + timedelta(minutes=1))
    notifications.deliver(warehouse, "ear", ear, NOW + timedelta(minutes=59))
    assert len(ear.heard) == MESSAGES_AN_HOUR
    notifications.deliver(warehouse, "ear", ear, NOW + timedelta(minutes=61))
    assert ear.titles[-1] == "Run of day failed"


def test_what_waits_for_the_next_hour_is_counted_and_not_told_to_have_been_told(settings: Settings) -> None:
    warehouse = Warehouse(settings.model_url)
    for n in range(MESSAGES_AN_HOUR + 2):
        if n == MESSAGES_AN_HOUR:
            assert alerts.delivery_sensor().skip_message == "everybody was told everything"
        note(warehouse, f"{n}", datetime.now(UTC), topic=f"job {n}")
    said = alerts.delivery_sensor()
    assert isinstance(said, dg.SkipReason)
    assert str(said.skip_message).startswith("2 messages wait, for a channel is told at most 12 an hour")


def test_a_message_that_is_refused_for_what_it_says_is_told_plainly_and_holds_up_nothing_for_long(warehouse: Warehouse) -> None:
    heard: list[Message] = []

    def picky(message: Message) -> bool:
        is_taken = "_" not in message.title + message.body
        heard.extend([message] * is_taken)
        return is_taken

    note(warehouse, message=Message("failure", "Run of *some_thing* failed", "no space_left"))
    note(warehouse, "2", NOW + timedelta(minutes=1), topic="week")
    assert not notifications.deliver(warehouse, "ear", picky, NOW + timedelta(minutes=9))
    assert heard == [], "nothing is told before what is older"
    for minutes in (11, 12):
        assert notifications.deliver(warehouse, "ear", picky, NOW + timedelta(minutes=minutes))
    plain = Message("failure", "Run of some thing failed", "What else it says was not taken here: football alerts list shows it.")
    assert heard == [plain, FAILED]


def test_an_address_that_takes_nothing_at_all_is_left_after_one_message(warehouse: Warehouse) -> None:
    asked: list[str] = []

    def away(message: Message) -> bool:
        asked.append(message.title)
        return False

    for n in range(3):
        note(warehouse, f"{n}", topic=f"job {n}", message=Message("failure", f"title {n}", "body"))
    assert not notifications.deliver(warehouse, "ear", away, NOW + timedelta(hours=1))
    assert asked == ["title 0", "title 0"], "as it is, and plainly"
    ear = Ear()
    assert notifications.deliver(warehouse, "ear", ear, NOW + timedelta(hours=2))
    assert ear.heard == [Message("failure", f"title {n}", "body") for n in range(3)]


def test_of_a_long_body_the_beginning_is_told_and_where_the_whole_is(warehouse: Warehouse) -> None:
    ear = Ear()
    nodes = "\n".join(f"model {n}: Verbindung abgebrochen, ö" for n in range(999))
    note(warehouse, message=Message("failure", "Run of day failed", f"{nodes}\nWhat to do.\nhttp://127.0.0.1:3000/runs/r1"))
    for n in range(500):
        note(warehouse, f"{n}", topic=f"job {n}", message=Message("warning", f"title {n}", "body"))
    assert notifications.deliver(warehouse, "ear", ear, NOW)
    first, *_, further = ear.heard
    assert first.body.startswith("model 0: Verbindung abgebrochen")
    assert "…\n(This was cut: `football alerts list` shows all of it.)\nmodel 9" in first.body
    assert first.body.endswith("\nWhat to do.\nhttp://127.0.0.1:3000/runs/r1")
    assert further.body.endswith("title 499\n`football alerts list` shows them all.")
    assert max(len(message.body.encode()) for message in ear.heard) < 5000


def test_what_could_not_be_told_for_a_day_is_told_no_more(warehouse: Warehouse) -> None:
    ear = Ear()
    note(warehouse)
    notifications.deliver(warehouse, "ear", ear, NOW + FORGOTTEN_AFTER)
    assert ear.heard == []


def test_each_channel_has_its_own_state(warehouse: Warehouse) -> None:
    deaf, well = Ear(), Ear()
    deaf.is_deaf = True
    note(warehouse)
    assert not notifications.deliver(warehouse, "deaf", deaf, NOW)
    assert notifications.deliver(warehouse, "well", well, NOW)
    assert well.titles == ["Run of day failed"]


def test_a_webhook_takes_json_with_the_kind_of_message(server: Server) -> None:
    (channel,) = channels((f"http://127.0.0.1:{server.port}/hook",))
    assert channel.send(FAILED)
    ((path, said),) = server.requests
    assert path == "/hook"
    assert (said["type"], said["title"], said["message"]) == ("failure", "Run of day failed", "no space left")


def test_slack_is_reached_in_its_own_form(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # Slack cannot be had here: the same request goes to a server of ours.
    import requests

    sent: list[str] = []
    post = requests.post

    def to_us(url: str, **options: Any) -> requests.Response:
        sent.append(url)
        return post(f"http://127.0.0.1:{server.port}/", **options)

    monkeypatch.setattr(requests, "post", to_us)
    monkeypatch.setattr(requests, "request", lambda _, url, **options: to_us(url, **options))
    server.answer = b"ok"
    (channel,) = channels(("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",))

    assert channel.send(FAILED)

    assert sent == ["https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"]
    assert "no space left" in json.dumps(server.requests[0][1])


def test_dingtalk_takes_a_signed_message_and_its_refusal_is_no_delivery(server: Server) -> None:
    robot = DingTalk("token", "SEC0123", host=f"http://127.0.0.1:{server.port}")

    assert robot.send(FAILED)
    server.answer = b'{"errcode": 310000, "errmsg": "sign not match"}'
    assert not robot.send(FAILED)
    server.answer = b"<html>"
    assert not robot.send(FAILED)

    path, said = server.requests[0]
    assert said == {"msgtype": "text", "text": {"content": "Run of day failed\nno space left"}}
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
    expected = hmac.new(b"SEC0123", f"{asked['timestamp']}\nSEC0123".encode(), hashlib.sha256).digest()
    assert (asked["access_token"], base64.b64decode(asked["sign"])) == ("token", expected)


def test_dingtalks_address_names_its_secret_and_token() -> None:
    (channel,) = channels(("dingtalk://SEC0123@0123456789abcdef",))
    assert channel.name.startswith("dingtalk ")
    assert channel.send.__self__ == DingTalk("0123456789abcdef", "SEC0123")  # type: ignore[attr-defined]


def test_mail_arrives(tmp_path: Path) -> None:
    arrived: list[bytes] = []

    class Keep:
        async def handle_DATA(self, _: object, __: object, envelope: Any) -> str:
            arrived.append(envelope.content)
            return "250 taken"

    controller = Controller(Keep(), hostname="127.0.0.1", port=Ports(tmp_path / "ports.json").claim("smtp"))
    controller.start()
    try:
        (channel,) = channels(
            (f"mailto://127.0.0.1:{controller.port}/?from=football@example.org&to=you@example.org&format=text",)
        )
        assert channel.send(FAILED)
    finally:
        controller.stop()
    (mail,) = map(message_from_bytes, arrived)
    assert (mail["Subject"], mail["To"]) == ("Run of day failed", "you@example.org")
    assert b"no space left" in arrived[0]


def test_an_address_that_is_not_understood_is_named_by_its_place_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SettingsError, match="address 2 is not understood") as caught:
        channels(("http://127.0.0.1/", "slck://hush"))
    assert "hush" not in f"{caught.value} {caplog.text}"


def test_a_channels_name_holds_no_secret() -> None:
    (channel,) = channels(("https://example.org/very-secret-path",))
    assert channel.name.startswith("json ")
    assert "secret" not in channel.name


@pytest.fixture
def settings(database: Urls, server: Server, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MODEL_DATABASE_URL", database.model)
    monkeypatch.setenv("READER_DATABASE_URL", database.reader)
    monkeypatch.setenv("ALERT_URLS", f"http://127.0.0.1:{server.port}/hook")
    monkeypatch.setenv("DAGSTER_URL", "http://127.0.0.1:3000/")
    monkeypatch.setenv("EDITION", "live")
    return Settings.read()


def test_a_failure_is_told_with_what_it_means_and_its_end_is_told_too(settings: Settings, server: Server) -> None:
    day, week = Task("day", "day"), Task("week", "week")
    alerts.announce_failure(settings, task=day, run_id="r1", error="ingestion failed", kind=FailureClass.NETWORK)
    alerts.delivery_sensor()
    assert alerts.announce_recovery(settings, task=day, run_id="r2")
    assert not alerts.announce_recovery(settings, task=day, run_id="r3")
    assert not alerts.announce_recovery(settings, task=week, run_id="r4")
    alerts.delivery_sensor()
    alerts.delivery_sensor()

    (_, failure), (_, recovery) = server.requests
    assert failure["title"] == "Run of day failed: network (live)"
    assert failure["message"].split("\n") == [
        "ingestion failed",
        "The API goes on with the last publication; its forecasts become older, not wrong.",
        "Is the source up, FOOTBALL_DATA_URL right, the network there? (deploy/runbooks/failures.md#network)",
        "http://127.0.0.1:3000/runs/r1",
    ]
    assert (recovery["type"], recovery["title"]) == ("success", "Run of day succeeded again (live)")


def test_a_pin_is_told_at_once_and_every_day_while_it_stands_and_so_is_its_end(
    settings: Settings, server: Server, database: Urls
) -> None:
    def tick(cursor: str | None) -> str | None:
        said = alerts.pin_sensor(dg.build_sensor_context(cursor=cursor))
        assert isinstance(said, dg.SensorResult)
        return said.cursor

    assert tick(None) == ""
    with psycopg.connect(database.api) as connection:
        connection.execute(
            "insert into app.pin (publication_id, reason, pinned_at, pinned_by)"
            " values (41, 'Prices of 42 were wrong.', '2026-03-01 11:59+00', '7')"
        )
    told = tick("")
    assert tick(told) == told
    standing = pin.standing(Warehouse(settings.model_url))
    assert standing is not None
    alerts.announce_pin(settings, standing, date(2030, 1, 1))
    with psycopg.connect(database.api) as connection:
        connection.execute("delete from app.pin")
    assert tick(tick(told)) == ""
    alerts.delivery_sensor()

    assert [(said["type"], said["title"]) for _, said in server.requests] == [
        ("warning", "Publication 41 is pinned (live)"),
        ("warning", "Publication 41 is pinned (live)"),
        ("success", "The latest publication is served again (live)"),
    ]
    assert server.requests[0][1]["message"].split("\n") == [
        "Since 2026-03-01 11:59 UTC, by account 7: Prices of 42 were wrong.",
        "It is served whatever is published after it, until it is released: DELETE /v1/publications/pin.",
        "deploy/runbooks/failures.md#a-publication-is-pinned",
    ]


def test_what_a_message_points_to_is_a_chapter_of_the_runbook(settings: Settings, server: Server) -> None:
    headings = re.findall(r"^## (.+)$", (PROJECT_DIR / RUNBOOK).read_text("utf-8"), re.MULTILINE)
    chapters = {f"{RUNBOOK}#{heading.lower().replace(' ', '-')}" for heading in headings}
    pointed = {value for name, value in vars(alerts).items() if name.endswith("_RUNBOOK")}
    assert len(pointed) == 4
    assert pointed <= chapters
    alerts.announce_drift(settings, ["results: worse by .01"])
    alerts.delivery_sensor()
    assert server.requests[0][1]["message"].split("\n")[-1] == alerts.DRIFT_RUNBOOK


MORNING = datetime(2026, 3, 1, 6, tzinfo=UTC)


class Freshness:
    """Assets of three layers, Dagster's own freshness daemon, and the sensor, by a clock that is moved by hand."""

    def __init__(self, instance: dg.DagsterInstance, daemon: FreshnessDaemon, workspace: WorkspaceProcessContext) -> None:
        self.instance, self.daemon, self.workspace = instance, daemon, workspace
        self.cursor: str | None = None
        self.noted: list[Any] = []

    def made(self, at: datetime, *names: str) -> None:
        with freeze_time(at):
            for name in names:
                self.instance.report_runless_asset_event(dg.AssetMaterialization(name.split("/")))

    def tick(self, at: datetime) -> str:
        with freeze_time(at):
            list(self.daemon.run_iteration(self.workspace))
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=fresh_world.definitions())
        said = alerts.freshness_sensor(context)
        assert isinstance(said, dg.SensorResult)
        self.cursor = said.cursor
        self.noted = list(said.asset_events)
        for each in self.noted:
            self.instance.report_runless_asset_event(each)
        return str(said.skip_reason and said.skip_reason.skip_message)


@pytest.fixture
def freshness() -> Iterator[Freshness]:
    origin = InProcessCodeLocationOrigin(
        loadable_target_origin=LoadableTargetOrigin(executable_path=sys.executable, python_file=fresh_world.__file__),
        location_name="here",
    )
    with (
        instance_for_test() as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace,
    ):
        yield Freshness(instance, FreshnessDaemon(), workspace)


def test_assets_older_than_allowed_are_one_message_once_a_day_until_everything_is_fresh_again(
    settings: Settings, server: Server, freshness: Freshness
) -> None:
    everything = [f"gold/model_{k}" for k in range(7)] + ["published/publication"]
    freshness.made(MORNING, *everything)
    assert freshness.tick(MORNING + timedelta(hours=49)) == "every asset is as fresh as it must be", "27 hours only warn"
    for hours in (51, 52, 53):
        assert freshness.tick(MORNING + timedelta(hours=hours)) == "older than allowed: gold, published"
    freshness.made(MORNING + timedelta(hours=54), *everything[:-1])
    assert freshness.tick(MORNING + timedelta(hours=54)) == "older than allowed: published"
    freshness.made(MORNING + timedelta(hours=55), *everything)
    for hours in (55, 56):
        assert freshness.tick(MORNING + timedelta(hours=hours)) == "every asset is as fresh as it must be"
    alerts.delivery_sensor()
    alerts.delivery_sensor()

    (_, stale), (_, fresh) = server.requests
    assert (stale["type"], stale["title"]) == ("failure", "8 assets are older than allowed: gold, published (live)")
    assert stale["message"].split("\n") == [
        "gold: model_0, model_1, model_2, model_3, model_4 and 2 more; the oldest was made at 2026-03-01 06:00 UTC",
        "published: publication; made at 2026-03-01 06:00 UTC",
        "What is published stands; its forecasts become older, not wrong.",
        "Do the daemon and the schedule `every_morning` run, and how did the last runs of `day` and `outlook` end? "
        "`football refresh` does the day's work now.",
        "deploy/runbooks/failures.md#older-than-allowed",
        "http://127.0.0.1:3000/assets",
    ]
    assert (fresh["type"], fresh["title"]) == ("success", "Everything is as fresh as it must be again (live)")


def test_of_backups_that_are_older_than_allowed_it_is_said_what_could_be_lost_and_how_to_make_one(
    settings: Settings, server: Server, freshness: Freshness
) -> None:
    freshness.made(MORNING, "backup/base")
    freshness.made(MORNING + timedelta(hours=50), "gold/model_0")
    assert freshness.tick(MORNING + timedelta(hours=51)) == "older than allowed: backup"
    alerts.delivery_sensor()

    ((_, stale),) = server.requests
    assert stale["title"] == "1 asset is older than allowed: backup (live)"
    assert stale["message"].split("\n") == [
        "backup: base; made at 2026-03-01 06:00 UTC",
        "Forecasts are not concerned. If this server were lost now, what it took in since its last backup would be lost with it.",
        "Do the daemon and `backup_sensor` run, is there room on the disk, and how did the last runs of `backup` end? "
        "`football backups` lists what there is, `football backup` makes one now.",
        "deploy/runbooks/failures.md#older-than-allowed",
        "http://127.0.0.1:3000/assets",
    ]


def test_a_layer_that_joins_and_another_day_are_news_and_what_was_never_made_or_has_no_policy_is_none(
    settings: Settings, server: Server, freshness: Freshness
) -> None:
    freshness.made(MORNING, "gold/model_0", "gold/seed")
    freshness.made(MORNING + timedelta(hours=2), "published/publication")
    assert freshness.tick(MORNING + timedelta(hours=51)) == "older than allowed: gold"
    assert freshness.tick(MORNING + timedelta(hours=53)) == "older than allowed: gold, published"
    assert freshness.cursor is not None
    freshness.cursor = freshness.cursor.replace(str(datetime.now(UTC).date()), "2026-02-28")
    freshness.tick(MORNING + timedelta(hours=75))
    alerts.delivery_sensor()

    titles = [said["title"] for _, said in server.requests]
    assert titles[:2] == [
        "1 asset is older than allowed: gold (live)",
        "2 assets are older than allowed: gold, published (live)",
    ]
    (told,) = notifications.recent(Warehouse(settings.model_url), 1)
    assert told.n_noticed == 2, "another day's, but within an hour by the clock: counted"


def test_how_fresh_an_asset_is_stands_at_its_check_by_the_clock_and_is_noted_where_it_changes(
    settings: Settings, freshness: Freshness
) -> None:
    def noted(at: datetime, *made: str) -> list[tuple[str, bool, str]]:
        freshness.made(at, *made)
        freshness.tick(at)
        return [(each.asset_key.to_user_string(), each.passed, each.description) for each in freshness.noted]

    assert freshness.tick(MORNING) == "every asset is as fresh as it must be"
    assert freshness.noted == [], "what was never made has no age"
    assert noted(MORNING, "gold/model_0", "gold/seed") == [("gold/model_0", True, "made within 26 hours")]
    assert noted(MORNING + timedelta(hours=25)) == []
    assert noted(MORNING + timedelta(hours=27)) == [
        ("gold/model_0", False, "made over 26 hours ago, at 2026-03-01 06:00 UTC"),
    ]
    late = {"asset": "gold/model_0", "made at": "2026-03-01 06:00 UTC"}
    windows = {"to be made within": "26 hours", "people are told after": "50 hours"}
    assert [dict(row.data) for row in freshness.noted[0].metadata["failing"].records] == [late | windows]
    assert noted(MORNING + timedelta(hours=51)) == [
        ("gold/model_0", False, "made over 50 hours ago, at 2026-03-01 06:00 UTC"),
    ]
    assert noted(MORNING + timedelta(hours=52)) == []
    assert {each.severity for each in freshness.noted} <= {dg.AssetCheckSeverity.WARN}
    freshness.made(MORNING + timedelta(hours=53), "gold/model_0")
    found = verdicts(freshness.instance, {dg.AssetKey(["gold", "model_0"]): FRESHNESS})
    assert [each.evaluation.passed for each in found.values()] == [True], "the daemon has not looked yet"
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert [each.passed for each in news(freshness.instance, found.values(), tomorrow)] == [True]
    assert noted(MORNING + timedelta(hours=54)) == [("gold/model_0", True, "made within 26 hours")]
    assert news(freshness.instance, found.values(), datetime.now(UTC)) == []
    assert [each.passed for each in news(freshness.instance, found.values(), tomorrow)] == [True], "once a day in any case"


def test_what_is_too_old_is_told_once_and_not_by_its_check_too(settings: Settings, freshness: Freshness) -> None:
    freshness.made(MORNING, "gold/model_0")
    freshness.tick(MORNING + timedelta(hours=51))
    (told,) = notifications.recent(Warehouse(settings.model_url), 5)
    assert told.title == "1 asset is older than allowed: gold (live)"
    world = fresh_world.definitions()
    checks = freshness_checks([spec for spec in world.assets or () if isinstance(spec, dg.AssetSpec)])
    context = dg.build_sensor_context(freshness.instance, definitions=dg.Definitions(assets=world.assets, asset_checks=[checks]))
    said = alerts.check_sensor(context)
    assert isinstance(said, dg.SensorResult)
    assert str(said.skip_reason and said.skip_reason.skip_message) == "every check passes, or was told of otherwise"
    assert len(notifications.recent(Warehouse(settings.model_url), 5)) == 1


def test_who_asks_the_check_by_hand_is_told_what_the_daemon_says(settings: Settings, freshness: Freshness) -> None:
    freshness.made(MORNING, "gold/model_0")
    freshness.tick(MORNING + timedelta(hours=27))
    world = fresh_world.definitions()
    checks = freshness_checks([spec for spec in world.assets or () if isinstance(spec, dg.AssetSpec)])
    keys = [dg.AssetCheckKey(dg.AssetKey(["gold", name]), IS_FRESH) for name in ("model_0", "model_1")]
    definitions = dg.Definitions(
        assets=world.assets, asset_checks=[checks], jobs=[dg.define_asset_job("ask", dg.AssetSelection.checks(*keys))]
    )
    result = definitions.resolve_job_def("ask").execute_in_process(instance=freshness.instance)
    said = {each.asset_key.path[-1]: (each.passed, each.description) for each in result.get_asset_check_evaluations()}
    assert said == {
        "model_0": (False, "made over 26 hours ago, at 2026-03-01 06:00 UTC"),
        "model_1": (False, "was never made"),
    }
    rows = [row.data for each in result.get_asset_check_evaluations() for row in cast(Any, each.metadata["failing"]).records]
    assert {(row["asset"], row["made at"]) for row in rows} == {
        ("gold/model_0", "2026-03-01 06:00 UTC"),
        ("gold/model_1", "never"),
    }


class Checks:
    """A file with three checks, whose verdicts are given by hand, and the sensor that tells of them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor = instance, ""
        key, names = dg.AssetKey(["bronze", "file"]), ("columns_are_known", "lines_add_up", "is_in_time")
        self.file = dg.AssetSpec(key)
        specs = [dg.AssetCheckSpec(name, asset=key, description=f"That {name}.") for name in names]

        @dg.multi_asset_check(specs=specs)
        def by_hand() -> Iterator[dg.AssetCheckResult]:
            yield from ()

        self.definitions = dg.Definitions(assets=[self.file], asset_checks=[by_hand])

    def says(self, name: str, passed: bool, sentence: str | None = None, is_error: bool = False) -> None:
        severity = dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN
        said = dg.AssetCheckEvaluation(self.file.key, name, passed, {}, severity=severity, description=sentence)
        self.instance.report_runless_asset_event(said)

    def tick(self) -> None:
        said = alerts.check_sensor(dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=self.definitions))
        assert isinstance(said, dg.SensorResult)
        self.cursor = said.cursor or ""


def test_a_check_that_warns_is_told_at_once_and_once_a_day_and_so_is_that_it_passes_again(
    settings: Settings, server: Server
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        checks = Checks(instance)
        checks.tick()
        checks.says("columns_are_known", False, "columns of 2 files differ: 1 new")
        checks.says("is_in_time", True)
        for _ in range(3):
            checks.tick()
        checks.says("lines_add_up", False, is_error=True)
        checks.tick()
        checks.cursor = json.dumps(json.loads(checks.cursor) | {"on": "2026-03-01"})
        checks.tick()
        checks.tick()
        (told,) = notifications.recent(Warehouse(settings.model_url), 1)
        assert told.n_noticed == 2, "another day's, but within an hour by the clock: counted"
        checks.says("columns_are_known", True)
        checks.tick()
        checks.tick()
    alerts.delivery_sensor()

    assert [(said["type"], said["title"]) for _, said in server.requests] == [
        ("warning", "1 check does not pass: bronze/file columns_are_known (live)"),
        ("failure", "2 checks do not pass: bronze/file lines_add_up, bronze/file columns_are_known (live)"),
        ("success", "1 check passes again: bronze/file columns_are_known (live)"),
    ]
    assert server.requests[0][1]["message"].split("\n") == [
        "bronze/file columns_are_known: columns of 2 files differ: 1 new",
        "Nothing that failed a blocking check is published; of what a warning names, the rest is in use. "
        "Each check's page in Dagster shows what it complains of.",
        "deploy/runbooks/failures.md#a-check-that-does-not-pass",
        "http://127.0.0.1:3000/assets",
    ]
    assert "bronze/file lines_add_up: That lines_add_up." in server.requests[1][1]["message"], (
        "what it is to show, where it says no more"
    )


def test_what_made_its_run_fail_is_told_by_the_run_alone_and_what_only_warned_in_it_by_its_check(
    settings: Settings, server: Server
) -> None:
    key, passes = dg.AssetKey("rows"), [False]
    specs = [dg.AssetCheckSpec("blocks", asset=key, blocking=True), dg.AssetCheckSpec("warns", asset=key)]

    @dg.asset(check_specs=specs)
    def rows() -> Iterator[dg.MaterializeResult[None]]:
        warning = dg.AssetCheckResult(check_name="warns", passed=passes[0], severity=dg.AssetCheckSeverity.WARN)
        yield dg.MaterializeResult(check_results=[warning, dg.AssetCheckResult(check_name="blocks", passed=passes[0])])

    definitions = dg.Definitions(assets=[rows])
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(cursor: str | None) -> str | None:
            said = alerts.check_sensor(dg.build_sensor_context(instance, cursor=cursor, definitions=definitions))
            assert isinstance(said, dg.SensorResult)
            return said.cursor

        assert not dg.materialize([rows], instance=instance, raise_on_error=False).success
        cursor = tick(None)
        passes[0] = True
        assert dg.materialize([rows], instance=instance).success
        tick(cursor)
    alerts.delivery_sensor()

    assert [said["title"] for _, said in server.requests] == [
        "1 check does not pass: rows warns (live)",
        "1 check passes again: rows warns (live)",
    ]


def test_what_a_check_told_itself_is_not_told_once_more(settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        checks = Checks(instance)
        for passed in (False, True):
            said = dg.AssetCheckEvaluation(
                checks.file.key, "columns_are_known", passed, {alerts.TOLD: dg.MetadataValue.bool(True)}
            )
            instance.report_runless_asset_event(said)
            checks.tick()
    assert notifications.recent(Warehouse(settings.model_url), 1) == []


def test_a_check_that_is_asked_just_now_is_left_to_the_end_of_its_run(settings: Settings, server: Server) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("adds_up", asset="rows")])
    def rows(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
        yield dg.AssetCheckResult(check_name="adds_up", passed=False)
        alerts.check_sensor(dg.build_sensor_context(context.instance, definitions=dg.Definitions(assets=[rows])))
        assert notifications.recent(Warehouse(settings.model_url), 1) == []
        yield dg.MaterializeResult()

    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([rows], instance=instance).success
        alerts.check_sensor(dg.build_sensor_context(instance, definitions=dg.Definitions(assets=[rows])))
    (told,) = notifications.recent(Warehouse(settings.model_url), 2)
    assert told.title == "1 check does not pass: rows adds_up (live)"


def test_of_the_services_schema_nothing_but_the_pin_is_told_and_to_nobody_else(settings: Settings, database: Urls) -> None:
    assert pin.standing(Warehouse(settings.model_url)) is None
    for url, statement in (
        (database.reader, "select * from operations.pinned()"),
        (database.model, "select * from app.pin"),
    ):
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_a_channel_that_refuses_makes_the_tick_fail_and_is_told_at_a_later_one(settings: Settings, server: Server) -> None:
    alerts.announce_drift(settings, ["results: worse by .01"])
    server.status = 500
    with pytest.raises(RuntimeError, match="not taken by json"):
        alerts.delivery_sensor()
    server.status = 200
    alerts.delivery_sensor()
    assert [said["title"] for _, said in server.requests] == ["Forecasts have drifted (live)"]


def test_what_a_channel_raises_keeps_no_other_from_being_told_and_shows_no_address(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Message) -> bool:
        raise UnicodeError("https://hush.example.org")

    ear = Ear()
    found = [Channel("broken 1", broken), Channel("well 2", ear)]
    monkeypatch.setattr("pipelines.channels.channels", lambda _: found)
    alerts.announce_drift(settings, ["results: worse by .01"])
    with pytest.raises(RuntimeError, match="not taken by broken 1:"):
        alerts.delivery_sensor()
    assert ear.titles == ["Forecasts have drifted (live)"]
    assert "broken 1 raised UnicodeError" in caplog.text
    assert "hush" not in caplog.text


def told(instance: dg.DagsterInstance, cursor: str, settled_after: timedelta = timedelta(0)) -> str:
    """One tick of the sensor that tells of ended runs; where the next one goes on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alerts, "SETTLED_AFTER", settled_after)
        said = alerts.ended_run_sensor(dg.build_sensor_context(instance, cursor=cursor))
    assert isinstance(said, dg.SensorResult)
    return said.cursor or ""


@pytest.fixture
def failing() -> dg.JobDefinition:
    @dg.asset
    def never() -> None:
        raise OSError(28, "No space left on device")

    return dg.Definitions(assets=[never], jobs=[dg.define_asset_job("day", [never])]).resolve_job_def("day")


def test_a_failure_that_could_not_be_noted_is_told_by_a_later_tick_and_none_before_it_twice(
    settings: Settings, failing: dg.JobDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, n_left = notifications.note, [1]

    def note_until_the_database_is_away(*said: Any) -> bool:
        if not n_left:
            raise psycopg.OperationalError("connection refused")
        n_left.pop()
        return note(*said)

    def unreadable() -> Settings:
        raise SettingsError("ALERT_URLS: address 1 is not understood.")

    with dg.DagsterInstance.ephemeral() as instance:
        cursor = told(instance, "")
        for _ in range(2):
            failing.execute_in_process(instance=instance, raise_on_error=False)
        monkeypatch.setattr(notifications, "note", note_until_the_database_is_away)
        behind_the_first = told(instance, cursor)
        with pytest.raises(psycopg.OperationalError):
            told(instance, behind_the_first)
        monkeypatch.setattr(notifications, "note", note)
        with monkeypatch.context() as without:
            without.setattr(Settings, "read", unreadable)
            with pytest.raises(SettingsError):
                told(instance, behind_the_first)
        end = told(instance, behind_the_first)
        assert told(instance, end) == end

    (said,) = notifications.recent(Warehouse(settings.model_url), 10)
    assert said.n_noticed == 2


def test_the_first_look_tells_nothing_of_what_ended_before_and_a_tick_tells_of_so_many_at_most(
    settings: Settings, failing: dg.JobDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "N_ENDS_A_TICK", 2)
    with dg.DagsterInstance.ephemeral() as instance:
        failing.execute_in_process(instance=instance, raise_on_error=False)
        cursor = told(instance, "")
        assert notifications.recent(Warehouse(settings.model_url), 10) == []
        for _ in range(3):
            failing.execute_in_process(instance=instance, raise_on_error=False)
        n_noticed = []
        for _ in range(3):
            cursor = told(instance, cursor)
            n_noticed.append(notifications.recent(Warehouse(settings.model_url), 10)[0].n_noticed)

    assert n_noticed == [2, 3, 3]


def test_an_end_that_is_committed_behind_a_later_one_is_told(
    settings: Settings, failing: dg.JobDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two runs that end at one moment the one with the lower number may be committed last."""
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = told(instance, "")
        runs = [failing.execute_in_process(instance=instance, raise_on_error=False).run_id for _ in range(2)]
        ends = alerts._ends
        with monkeypatch.context() as committing:
            committing.setattr(alerts, "_ends", lambda *asked: [end for end in ends(*asked) if end.run_id != runs[0]])
            assert told(instance, cursor, SETTLED_AFTER) == cursor, "the later one waits"
        told(instance, cursor)
    (said,) = notifications.recent(Warehouse(settings.model_url), 10)
    assert said.n_noticed == 2


def test_a_failure_that_is_tried_again_is_not_told(settings: Settings, failing: dg.JobDefinition) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = told(instance, "")
        failing.execute_in_process(instance=instance, raise_on_error=False, tags={"dagster/will_retry": "true"})
        assert told(instance, cursor) > cursor

    assert notifications.recent(Warehouse(settings.model_url), 10) == []


def test_the_sensors_tell_of_a_real_run_that_fails_and_of_the_one_that_succeeds(settings: Settings, server: Server) -> None:
    broken = [True]

    @dg.asset
    @under_policy
    def sometimes() -> None:
        if broken:
            raise OSError(28, "No space left on device")

    job = dg.Definitions(assets=[sometimes], jobs=[dg.define_asset_job("day", [sometimes])]).resolve_job_def("day")
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = told(instance, "")
        job.execute_in_process(instance=instance, raise_on_error=False)
        cursor = told(instance, cursor)
        broken.clear()
        job.execute_in_process(instance=instance)
        told(instance, cursor)
    alerts.delivery_sensor()

    assert [said["type"] for _, said in server.requests] == ["failure", "success"]
    assert "No space left on device" in server.requests[0][1]["message"]


def test_a_run_of_chosen_assets_is_told_by_what_it_was_to_make_and_recovers_by_a_run_of_the_same_alone(
    settings: Settings, server: Server
) -> None:
    broken = {"prediction", "model"}

    def made(name: str) -> dg.AssetsDefinition:
        @dg.asset(name=name, key_prefix="forecast")
        @under_policy
        def step() -> None:
            if name in broken:
                raise OSError(28, "No space left on device")

        return step

    names = ("prediction", "model", "score", "record", "reliability")
    job = dg.Definitions(assets=[made(name) for name in names]).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = told(instance, "")

        def run(*names: str) -> None:
            """A run as a condition or an asset's page starts it."""
            chosen = [dg.AssetKey(["forecast", name]) for name in names]
            job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=chosen)

        run(*names)
        run("model")
        broken.clear()
        run("score")
        run(*names)
        told(instance, cursor)

    alerts.delivery_sensor()

    assert [said["title"] for _, said in server.requests] == [
        "Run of forecast/model, forecast/prediction, forecast/record and 2 more failed: resource (live)",
        "Run of forecast/model failed: resource (live)",
        "Run of forecast/model, forecast/prediction, forecast/record and 2 more succeeded again (live)",
    ]


def test_a_run_is_named_by_its_job_by_the_assets_it_was_to_make_or_else_by_the_checks_it_was_to_ask() -> None:
    key, check = dg.AssetKey(["gold", "fct_match"]), dg.AssetCheckKey(dg.AssetKey(["gold", "fct_match"]), "is_unique")
    run = dg.DagsterRun(job_name="__ASSET_JOB", asset_selection={key}, asset_check_selection={check})
    assert task_of(run) == Task("gold/fct_match", "gold/fct_match")
    of_checks = dg.DagsterRun(job_name="__ASSET_JOB", asset_check_selection={check})
    assert task_of(of_checks).words == "is_unique of gold/fct_match"
    assert task_of(dg.DagsterRun(job_name="day", asset_selection={key})).words == "day"
    assert task_of(dg.DagsterRun(job_name="__ASSET_JOB")).words == "all assets"
    many = [
        task_of(dg.DagsterRun(job_name="__ASSET_JOB", asset_selection={dg.AssetKey(f"asset_{k:04}") for k in range(n, n + 900)}))
        for n in (0, 0, 1)
    ]
    assert many[0] == many[1] != many[2]
    assert many[0].words == "asset_0000, asset_0001, asset_0002 and 897 more"
    assert len(many[0].topic) < 100, "an index takes no more than some 2,700 bytes"


def test_what_was_told_can_be_listed(settings: Settings) -> None:
    runner = CliRunner()
    assert runner.invoke(alerts_group, ["list"]).output == "Nothing has failed, and nothing has drifted.\n"
    alerts.announce_drift(settings, ["results: worse by .01"])
    alerts.delivery_sensor()

    (said,) = [json.loads(line) for line in runner.invoke(alerts_group, ["list", "--json"]).output.splitlines()]
    assert (said["title"], said["n_noticed"], said["n_delivered"]) == ("Forecasts have drifted (live)", 1, 1)
    assert "1 of 1" in runner.invoke(alerts_group, ["list"]).output


def test_addresses_can_be_tried(settings: Settings, server: Server) -> None:
    outcome = CliRunner().invoke(alerts_group, ["test"])
    assert (outcome.exit_code, outcome.output.endswith(": taken\n")) == (0, True)
    server.status = 500
    outcome = CliRunner().invoke(alerts_group, ["test"])
    assert (outcome.exit_code, outcome.output.endswith(": NOT taken\n")) == (1, True)
