"""What holds for every answer: labels, headers, problems, health, metrics, documentation."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from litestar import Litestar, get
from litestar.testing import TestClient
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

from deploy.database import Urls
from serving.app import create_app
from serving.cli import reference
from serving.current import CurrentPublication
from serving.identity.buckets import Rate
from serving.identity.roles import Permission, allow
from serving.routes.documented import completed
from serving.settings import Settings
from serving.store.database import Database, StoreUnavailable
from serving.store.publications import Publications
from serving.telemetry import Metrics
from tests.serving.conftest import NOW, Client, prediction, publish

NOWHERE = "postgresql://football_api:x@127.0.0.1:9/nowhere"  # the discard port: nothing listens

SettingsFor = Callable[..., Settings]
Bearer = Callable[..., dict[str, str]]


def samples(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serving.telemetry.TOLD_SECONDS", 0.0)  # what is so now, not what was told to whoever asked before
        text = client.get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def wait_for(happened: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def every_answer(client: Client, bearer: Bearer) -> list[Any]:
    """One answer of each kind."""
    return [
        client.get("/v1/predictions", headers=bearer()),
        client.get("/v1/predictions", headers=bearer() | {"Accept": "text/csv"}),
        client.get(f"/v1/predictions/{1:064x}", headers=bearer()),
        client.get("/v1/competitions", headers=bearer()),
        client.get("/v1/publication", headers=bearer()),
        client.get("/v1/publication/manifest", headers=bearer("operator")),
        client.get("/health/ready"),
        client.get("/v1/predictions"),
        client.get("/nowhere"),
        client.delete("/v1/predictions"),
        client.get("/v1/predictions?limit=0", headers=bearer()),
        client.get("/schema/nowhere"),
    ]


def test_competitions_are_listed_with_their_counts(ask: Callable[..., Any]) -> None:
    assert ask("/v1/competitions").json() == {
        "is_simulated": False,
        "publication_id": 2,
        "competitions": [
            {"competition_id": "D1", "name": "Bundesliga", "country": "Germany", "tier": 1, "n_matches": 380}
            | {"n_predictions": 30, "latest_result_on": "2026-03-01"},
            {"competition_id": "E0", "name": "Premier League", "country": "England", "tier": 1, "n_matches": 380}
            | {"n_predictions": 95, "latest_result_on": "2026-03-01"},
        ],
    }


def test_the_publication_says_how_old_it_is_and_what_it_rests_on(ask: Callable[..., Any]) -> None:
    body = ask("/v1/publication").json()
    age = (datetime.now(UTC) - (NOW - timedelta(minutes=20))).total_seconds()
    assert abs(body.pop("age_seconds") - age) < 5
    assert abs(body.pop("confirmed_age_seconds") - age + 600) < 5
    assert body == {
        "publication_id": 2,
        "published_at": "2026-03-01T11:40:00Z",
        "confirmed_at": "2026-03-01T11:50:00Z",
        "data_cutoff": "2026-03-01T11:00:00Z",
        "is_simulated": False,
        "digest": "0" * 64,
        "n_predictions": 125,
        "note": None,
        "git_revision": "abc1234",
        "edition": "live",
        "manifest": {"n_files": 2},
    }


def test_a_client_that_has_the_publication_has_it_until_it_is_confirmed_or_another_is_served(
    database: Urls, settings_for: SettingsFor, bearer: Bearer
) -> None:
    """Its age, which is another in each answer, is nothing that a client lacks: the tag is weak."""
    publish(database.model, [prediction(1)])
    with TestClient(create_app(settings_for(database.api))) as client:

        def ask(tag: str = "") -> Any:
            return client.get("/v1/publication", headers=bearer() | {"If-None-Match": tag})

        tags = [ask().headers["ETag"]]
        assert (tags[0][:3], ask().headers["ETag"]) == ('W/"', tags[0])
        known = ask(tags[0])
        assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", tags[0])
        with psycopg.connect(database.model) as connection:
            connection.execute("update published.publication set confirmed_at = confirmed_at + interval '1 minute'")
        wait_for(lambda: ask(tags[0]).status_code == 200)
        tags.append(ask().headers["ETag"])
        publish(database.model, [prediction(1)], published_at=NOW, confirmed_at=NOW)
        wait_for(lambda: ask(tags[1]).status_code == 200)
    assert len({*tags, ask().headers["ETag"]}) == 3


def test_operators_see_the_hash_of_every_raw_file(client: Client, bearer: Bearer) -> None:
    answer = client.get("/v1/publication/manifest", headers=bearer("operator"))
    assert answer.json() == {
        "is_simulated": False,
        "publication_id": 2,
        "manifest": {"mmz4281/2526/E0.csv": "a" * 64, "fixtures.csv": "b" * 64},
    }


@pytest.mark.parametrize(("edition", "publication"), [(True, True), (True, False), (False, True)])
def test_whatever_is_simulated_says_so_in_header_and_body(
    database: Urls, settings_for: SettingsFor, bearer: Bearer, edition: bool, publication: bool
) -> None:
    """Either label, the edition's or the publication's, is enough."""
    publish(database.model, [prediction(1)], is_simulated=publication)
    with TestClient(create_app(settings_for(database.api, is_simulated=edition))) as client:
        client.get("/health/ready")
        for answer in every_answer(client, bearer):
            assert answer.headers["Is-Simulated"] == "true", answer.url
            if answer.headers["content-type"].startswith("text/csv"):
                assert answer.text.splitlines()[1].endswith(",true")
            else:
                assert answer.json()["is_simulated"] is True, answer.url
        listed = client.get("/v1/predictions", headers=bearer()).json()["predictions"]
        assert [each["is_simulated"] for each in listed] == [True]


def test_real_data_bears_no_label(client: Client, bearer: Bearer) -> None:
    for answer in every_answer(client, bearer):
        assert "Is-Simulated" not in answer.headers


def test_every_answer_carries_the_security_headers_and_a_request_id(client: Client, bearer: Bearer) -> None:
    for answer in [
        *every_answer(client, bearer),
        client.get("/schema"),
        client.get("/metrics"),
        client.options("/v1/predictions"),
    ]:
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] in {"no-store", "private, no-cache"}
        assert headers["Server"] == "football"
        assert re.fullmatch(r"[0-9a-f]{32}", headers["X-Request-Id"])


def test_a_request_id_is_taken_over_only_if_it_is_harmless(client: Client) -> None:
    assert client.get("/health/live", headers={"X-Request-Id": "abc-1.2_3"}).headers["X-Request-Id"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, "<script>", ""):
        assert client.get("/health/live", headers={"X-Request-Id": bad}).headers["X-Request-Id"] != bad


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/predictions", {"GET", "HEAD", "OPTIONS"}),
        ("OPTIONS", "/v1/predictions", {"GET", "HEAD", "OPTIONS"}),
        ("POST", f"/v1/predictions/{1:064x}", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/static/site.css", {"GET", "HEAD", "OPTIONS"}),
        ("PUT", "/v1/auth/token", {"POST", "OPTIONS"}),
        ("HEAD", "/v1/auth/token", {"POST", "OPTIONS"}),
    ],
)
def test_what_is_allowed_is_told_with_the_head_where_it_is_answered(
    client: Client, bearer: Bearer, method: str, path: str, allowed: set[str]
) -> None:
    told = client.request(method, path, headers=bearer()).headers["Allow"].split(", ")
    assert sorted(told) == sorted(allowed)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/predictions/unknown", 404),
        ("GET", "/schema/nowhere", 404),
        ("GET", "/schema/nowhere.json", 404),
        ("POST", "/v1/predictions", 405),
        ("HEAD", "/v1/predictions/unknown", 404),
        ("GET", "/v1/predictions?from=2026-03-02&to=2026-03-01", 422),
        ("GET", "/v1/predictions?limit=x", 400),
        ("GET", "/v1/predictions?limit=1&limit=2&cursor=x", 400),
        ("GET", "/v1/predictions/%00", 400),
    ],
)
def test_every_error_is_a_problem(client: Client, bearer: Bearer, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, headers=bearer())
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    if method == "HEAD":
        return
    body = answer.json()
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "request_id", "is_simulated"}
    assert (body["type"], body["status"], body["request_id"]) == ("about:blank", status, answer.headers["X-Request-Id"])
    assert body["title"]
    assert body["detail"]


@pytest.mark.parametrize("path", ["/v1/predictions", "/v1/matches/m1", "/health/live"])
def test_who_asks_for_the_head_alone_gets_what_a_get_would_bring_without_the_body(
    client: Client, bearer: Bearer, path: str
) -> None:
    whole, head = (client.request(method, path, headers=bearer()) for method in ("GET", "HEAD"))
    of_one_request = {"x-request-id", "ratelimit"}
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert {name: value for name, value in head.headers.items() if name not in of_one_request} == {
        name: value for name, value in whole.headers.items() if name not in of_one_request
    }
    known = client.head(path, headers=bearer() | {"If-None-Match": whole.headers.get("ETag", '"none"')})
    assert known.status_code == (304 if "ETag" in whole.headers else 200)
    labels = (("method", "HEAD"), ("role", "anonymous" if path == "/health/live" else "viewer"))
    assert any(name == "serving_requests_total" and set(labels) <= set(told) for name, told in samples(client))


def test_a_fault_of_ours_is_a_problem_that_tells_nothing_of_its_inside(urls: Urls, settings_for: SettingsFor) -> None:
    @get("/broken", opt=allow(Permission.PUBLIC), sync_to_thread=False)
    def broken() -> None:
        raise RuntimeError("the password is hunter2")

    app: Litestar = create_app(settings_for(urls.api))
    app.register(broken)
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/broken")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert answer.json()["detail"] == "Something went wrong on our side; it has been logged."
        assert "hunter2" not in answer.text
        labels = (("method", "GET"), ("role", "anonymous"), ("route", "/broken"), ("status", "500"))
        assert samples(client)["serving_requests_total", labels] == 1


def test_before_the_first_publication_the_service_lives_and_says_what_is_missing(
    database: Urls, settings_for: SettingsFor, bearer: Bearer
) -> None:
    with TestClient(create_app(settings_for(database.api))) as client:
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"], ready.json()["publication_id"]) == (200, "degraded", None)
        for path in ("/v1/predictions", f"/v1/predictions/{1:064x}", "/v1/competitions", "/v1/publication"):
            answer = client.get(path, headers=bearer())
            assert answer.status_code == 404
            assert answer.json()["detail"] == "Nothing has been published yet. Run the pipeline."


def test_readiness_tells_the_age_and_the_state_of_redis(urls: Urls, settings_for: SettingsFor, redis_url: str) -> None:
    for url, redis, status in (("", "off", "ready"), (redis_url, "up", "ready"), ("redis://127.0.0.1:9/0", "down", "degraded")):
        with TestClient(create_app(settings_for(urls.api, redis_url=url))) as client:
            answer = client.get("/health/ready")
        body = answer.json()
        assert (answer.status_code, body["redis"], body["status"], body["database"]) == (200, redis, status, "up")
        assert body["publication_id"] == 2
        assert body["publication_age_seconds"] - body["confirmed_age_seconds"] == pytest.approx(600)


def test_reads_go_on_without_redis(urls: Urls, settings_for: SettingsFor, bearer: Bearer) -> None:
    with TestClient(create_app(settings_for(urls.api, redis_url="redis://127.0.0.1:9/0"))) as client:
        assert client.get("/v1/predictions", headers=bearer()).status_code == 200
        login = client.post("/v1/auth/token", json={"username": "nobody", "password": "x"})
        assert login.status_code == 401


def test_requests_of_the_same_moment_share_one_question_to_the_database() -> None:
    """And its failure too: otherwise each would wait in turn for a database that does not answer."""
    asked = 0

    class Silent(Publications):
        async def latest_publication(self) -> None:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.01)
            raise StoreUnavailable

    async def scenario() -> list[Any]:
        current = CurrentPublication(Silent(Database(NOWHERE)), is_simulated=False)
        return await asyncio.gather(*(current.get() for _ in range(50)), return_exceptions=True)

    assert [type(outcome) for outcome in asyncio.run(scenario())] == [StoreUnavailable] * 50
    assert asked == 1


def test_without_a_database_the_process_lives_and_says_that_it_is_not_ready(settings_for: SettingsFor, bearer: Bearer) -> None:
    with TestClient(create_app(settings_for(NOWHERE))) as client:
        assert client.get("/health/live").json() == {"status": "alive"}
        for path in ("/health/ready", "/v1/predictions", "/v1/competitions"):
            started = time.monotonic()
            answer = client.get(path, headers=bearer())
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert (answer.json()["detail"], answer.headers["Retry-After"]) == ("The database cannot be reached.", "5")
            assert time.monotonic() - started < 3
        assert "NaN" in client.get("/metrics").text


def test_the_service_recovers_by_itself_when_the_database_comes_back(
    database: Urls, postgres: Any, settings_for: SettingsFor, bearer: Bearer
) -> None:
    publish(database.model, [prediction(1)])
    name = database.api.rpartition("/")[2]
    with TestClient(create_app(settings_for(database.api))) as client, psycopg.connect(postgres.url(), autocommit=True) as admin:
        assert client.get("/v1/competitions", headers=bearer()).status_code == 200
        admin.execute(f'alter database "{name}" allow_connections false')
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        wait_for(lambda: client.get("/health/ready").json()["database"] == "down")
        admin.execute(f'alter database "{name}" allow_connections true')
        wait_for(lambda: client.get("/health/ready").json()["status"] == "ready")


def test_requests_are_counted_by_route_and_status_and_never_by_path(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer
) -> None:
    with TestClient(create_app(settings_for(urls.api))) as client:
        for n in (1, 2, 3):
            client.get(f"/v1/predictions/{n:064x}", headers=bearer())
            client.get(f"/v1/predictions/unknown-{n}", headers=bearer())
            client.get(f"/made-up/{n}")
            client.request(f"MADE{n}", "/v1/predictions")
        client.get("/v1/predictions")
        found = samples(client)

    def count(method: str, route: str, status: int, role: str = "viewer") -> float:
        labels = (("method", method), ("role", role), ("route", route), ("status", str(status)))
        return found["serving_requests_total", labels]

    route = "/v1/predictions/{prediction_id}"
    assert (count("GET", route, 200), count("GET", route, 404)) == (3, 3)
    assert count("GET", "unmatched", 404, "anonymous") == 3
    assert count("unmatched", "unmatched", 405, "anonymous") == 3
    assert count("GET", "/v1/predictions", 401, "anonymous") == 1
    for status in ("2xx", "4xx"):
        labels = (("method", "GET"), ("role", "viewer"), ("route", route), ("status", status))
        assert found["serving_request_seconds_count", labels] == 3
    assert found["serving_requests_in_flight", ()] == 1  # the one that asks
    routes = {dict(labels)["route"] for name, labels in found if name == "serving_requests_total"}
    assert routes == {route, "/v1/predictions", "unmatched"}


def test_the_age_of_the_publication_and_the_logins_are_exported(urls: Urls, settings_for: SettingsFor) -> None:
    with TestClient(create_app(settings_for(urls.api))) as client:
        client.get("/health/ready")  # waits for the publication, which the metrics do not
        client.post("/v1/auth/token", json={"username": "nobody", "password": "x"})
        found = samples(client)
    age = (datetime.now(UTC) - (NOW - timedelta(minutes=20))).total_seconds()
    assert found["serving_publication_age_seconds", ()] == pytest.approx(age, abs=5)
    assert found["serving_publication_confirmed_age_seconds", ()] == pytest.approx(age - 600, abs=5)
    assert found["serving_publication_predictions", ()] == 125
    assert found["serving_logins_total", (("outcome", "refused"),)] == 1


def test_the_metrics_are_made_once_a_second_beside_the_requests_however_many_ask(
    settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are open to everybody: made for each who asks, they would keep a worker from all others."""
    made_by: list[threading.Thread] = []

    def counted(*_: Any) -> bytes:
        made_by.append(threading.current_thread())
        return str(len(made_by)).encode()

    monkeypatch.setattr(Metrics, "_tell", counted)

    async def scenario() -> list[bytes]:
        metrics: Metrics = create_app(settings_for(NOWHERE)).dependencies["metrics"].dependency()
        leaving = asyncio.create_task(metrics.text())
        await asyncio.sleep(0)
        leaving.cancel()
        told = await asyncio.gather(*(metrics.text() for _ in range(20)))
        monkeypatch.setattr("serving.telemetry.TOLD_SECONDS", 0.0)
        return [*told, await metrics.text()]

    monkeypatch.setattr("serving.telemetry.TOLD_SECONDS", 60.0)
    assert asyncio.run(scenario()) == [b"1"] * 20 + [b"2"]
    assert threading.current_thread() not in made_by


def test_the_document_is_valid_openapi_3_1_and_every_operation_says_what_it_answers(client: Client) -> None:
    document = client.get("/schema/openapi.json").json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
            assert operation["description"], path
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (path, status)
            protected = operation["security"] == [{"bearer": []}]
            assert protected == ("401" in operation["responses"] and path not in ("/v1/auth/token", "/v1/auth/refresh")), path


OPTIONAL = {"Link", "Is-Simulated"}


def test_every_answer_has_the_headers_that_the_document_says_it_has(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.app.account_rate", lambda _: Rate(0.01, 100))
    with TestClient(create_app(settings_for(urls.api))) as client:
        document = client.get("/schema/openapi.json").json()
        headers = document["components"]["headers"]

        def documented(path: str, status: int) -> set[str]:
            answer = document["paths"][path]["get"]["responses"][str(status)]
            assert all(each == {"$ref": f"#/components/headers/{name}"} for name, each in answer["headers"].items())
            return set(answer["headers"])

        asked = []
        for path, item in document["paths"].items():
            if "get" in item and "{" not in path:
                asked += [(path, client.get(path, headers=each)) for each in ({}, bearer("admin"))]
        asked += [(path, client.get(path, headers=bearer("admin") | {"If-None-Match": answer.headers["ETag"]}))
                  for path, answer in asked if "ETag" in answer.headers]  # fmt: skip
        asked.append(("/v1/teams", client.get("/v1/teams?limit=0", headers=bearer())))
        for _ in range(100):
            asked.append(("/v1/teams", client.get("/v1/teams?limit=1", headers=bearer())))
    with TestClient(create_app(settings_for(NOWHERE))) as client:
        asked.append(("/v1/publication", client.get("/v1/publication", headers=bearer())))
    assert {answer.status_code for _, answer in asked} == {200, 304, 400, 401, 429, 503}
    for path, answer in asked:
        given = {name for name in headers if name in answer.headers}
        told = documented(path, answer.status_code)
        assert given | OPTIONAL == told | OPTIONAL, (path, answer.status_code)
        assert given <= told, (path, answer.status_code)
    (paged,) = {frozenset(documented("/v1/teams", status)) for status in (200, 304)}
    assert {"ETag", "Link", "Cache-Control", "RateLimit", "Vary"} <= paged
    limited = {"Cache-Control", "Is-Simulated", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"}
    assert documented("/v1/teams", 429) == limited
    assert "ETag" not in documented("/health/live", 200)
    assert headers["Retry-After"]["required"]
    assert not any(headers[name]["required"] for name in OPTIONAL)


def test_the_reference_page_needs_nothing_from_elsewhere(client: Client) -> None:
    """It has to work offline and under its own policy: no script, no address but links."""
    answer = client.get("/schema")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = answer.text
    assert not re.search(r"<script|<img|<link|@import|url\(|\son\w+=", page)
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    for path in client.get("/schema/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in page
    for name in re.findall(r'href="#(\w+)"', page):
        assert f'id="{name}"' in page
    assert 'href="/schema/openapi.json"' in page


def test_document_and_reference_are_made_once_and_the_page_names_the_host_that_is_asked(
    settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(document: Any, routes: Any) -> Any:
        made.append("")
        return completed(document, routes)

    monkeypatch.setattr("serving.pages.reference.completed", counted)
    monkeypatch.setattr("serving.examples.completed", counted)
    with TestClient(create_app(settings_for(NOWHERE))) as client:
        for host in ("one.example", "two.example:8443", "one.example"):
            page = client.get("/schema", headers={"Host": host}).text
            assert page.count(f"http://{host}/v1/") == 2
            assert "host.invalid" not in page
        documents = {client.get("/schema/openapi.json").content for _ in range(3)}
    assert (len(documents), len(made)) == (1, 2), "one for the page, one for the document"


def test_the_page_says_that_an_edition_is_simulated_and_where_its_documentation_is(urls: Urls, settings_for: SettingsFor) -> None:
    settings = settings_for(urls.api, is_simulated=True, docs_url="http://127.0.0.1:9/docs?a&b")
    with TestClient(create_app(settings)) as client:
        page = client.get("/schema").text
        assert "<strong>The matches of this edition are simulated.</strong>" in page
        assert 'href="http://127.0.0.1:9/docs?a&amp;b"' in page
        assert json.loads(client.get("/schema/openapi.json").content)["externalDocs"]["url"] == "http://127.0.0.1:9/docs?a&b"


def test_the_reference_is_written_as_static_pages_without_a_running_service(secret_file: Path, tmp_path: Path) -> None:
    environment = {
        "API_DATABASE_URL": NOWHERE,
        "JWT_SECRET_FILE": str(secret_file),
        "DOCS_DIR": str(tmp_path),
        "API_URL": "http://127.0.0.1:8123",
    }
    result = CliRunner().invoke(reference, env=environment)
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "api" / "openapi.json").read_bytes())
    validate(document)
    page = (tmp_path / "api" / "index.html").read_text("utf-8")
    assert not re.search(r"<script|<img|<link|@import|url\(|\son\w+=", page)
    assert {'href="openapi.json"', 'href="../index.html"'} <= set(re.findall(r'href="[^"]+"', page))
    assert "curl -s http://127.0.0.1:8123/v1/auth/token" in page
    for item in document["paths"].values():
        for operation in item.values():
            assert f'<h3 id="{operation["operationId"]}">' in page
    assert sorted(path.name for path in (tmp_path / "api").iterdir()) == ["index.html", "openapi.json"]


def test_without_a_folder_the_reference_says_what_is_missing() -> None:
    result = CliRunner().invoke(reference, env={"DOCS_DIR": ""})
    assert result.exit_code == 1
    assert "DOCS_DIR is not set: name the FOLDER" in result.output


def test_every_operation_that_takes_a_body_documents_that_one_can_be_too_large(client: Client) -> None:
    paths = client.get("/schema/openapi.json").json()["paths"]
    taking = [operation for item in paths.values() for operation in item.values() if "requestBody" in operation]
    assert taking
    assert [each["summary"] for each in taking if "413" not in each["responses"]] == []
