"""The publication in memory: it answers what the database would, whoever is away, and each answer is made once."""

import asyncio
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import brotli
import psycopg
import pytest
import redis
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from litestar.testing import TestClient

from deploy.database import Urls
from pipelines.announcement import announce
from pipelines.announcement import channel as channel_of_the_pipelines
from pipelines.store.ledger import _digest
from serving.announcements import channel
from serving.answers import SMALLEST_COMPRESSED, Answer, best_encoding
from serving.app import create_app
from serving.current import ANSWER_SECONDS, MAXIMUM_AGE_SECONDS
from serving.earlier import ID
from serving.ending import close, end
from serving.held import Answers, HeldPublication, Key
from serving.identity.buckets import Rate
from serving.identity.roles import Role
from serving.identity.tokens import Tokens
from serving.pages.fixtures import _digest as digest_of_filters
from serving.routes.paging import next_cursor
from serving.routes.predictions import Cursor, Query
from serving.schemas import Prediction, PredictionDetail, Publication
from serving.settings import Settings
from serving.store.database import CONNECT_SECONDS, SILENCE_SECONDS, Database, StoreUnavailable
from serving.store.matches import Matches
from serving.store.publications import Filters, Publications
from serving.unknown import TooManyUnknown, Unknown
from tests.serving.conftest import NOW, PREDICTIONS, Client, prediction, publish
from tests.serving.process import Way, frozen, way_to
from tests.serving.test_service import samples, wait_for

Ask = Callable[..., Any]
SettingsFor = Callable[..., Settings]
Bearer = Callable[..., dict[str, str]]

PUBLICATION = Publication(
    publication_id=2, published_at=NOW, confirmed_at=NOW, data_cutoff=NOW, is_simulated=False, digest="0" * 64,
    n_predictions=len(PREDICTIONS), note=None, git_revision=None,
)  # fmt: skip
DETAILS = [PredictionDetail.of({"publication_id": 2, **row}, is_simulated=False) for row in PREDICTIONS]
HELD = HeldPublication(PUBLICATION, [], {}, DETAILS)
MOMENTS = st.integers(-300, 3000).map(lambda minutes: NOW + timedelta(minutes=minutes))


@settings(max_examples=200, deadline=None)
@given(
    since=MOMENTS,
    until=st.none() | MOMENTS,
    competition=st.sampled_from([None, "E0", "D1", "X"]),
    team=st.sampled_from([None, "Home 3", "england-home3", "ARSENAL", "england-away95", "nobody"]),
    information_set=st.sampled_from([None, "results", "history", "hearsay"]),
    after=st.none() | st.sampled_from(PREDICTIONS).map(lambda row: (row["kickoff_at"], row["prediction_id"])),
    limit=st.integers(1, 60),
)
def test_memory_finds_what_a_look_at_every_row_finds(
    since: Any, until: Any, competition: Any, team: Any, information_set: Any, after: Any, limit: int
) -> None:
    def wanted(row: dict[str, Any]) -> bool:
        names = {row["home_team_id"], row["away_team_id"]}
        lowered = {row["home_team"].lower(), row["away_team"].lower()}
        return (
            row["kickoff_at"] >= since
            and (until is None or row["kickoff_at"] < until)
            and competition in (None, row["competition_id"])
            and (team is None or team in names or team.lower() in lowered)
            and (row["is_best_informed"] if information_set is None else row["information_set"] == information_set)
            and (after is None or (row["kickoff_at"], row["prediction_id"]) > after)
        )

    rows = sorted(PREDICTIONS, key=lambda row: (row["kickoff_at"], row["prediction_id"]))
    filters = Filters(since=since, until=until, competition=competition, team=team, information_set=information_set)
    found = HELD.rows(filters, after, limit)
    assert [row.prediction.prediction_id for row in found] == [row["prediction_id"] for row in rows if wanted(row)][:limit]
    assert all(json.loads(row.encoded)["prediction_id"] == row.prediction.prediction_id for row in found)


def test_only_the_fields_asked_for_are_answered_columns_in_the_order_asked_for(ask: Ask) -> None:
    whole = ask("/v1/predictions", limit=3).json()["predictions"]
    some = ask("/v1/predictions", limit=3, fields="p_home,match_id,p_home").json()["predictions"]
    assert [list(each.items()) for each in some] == [
        [("match_id", each["match_id"]), ("p_home", each["p_home"])] for each in whole
    ]
    lines = ask("/v1/predictions", {"Accept": "text/csv"}, limit=1, fields="p_draw,match_id").text.splitlines()
    assert lines == ["p_draw,match_id", f"{whole[0]['p_draw']},{whole[0]['match_id']}"]
    one = ask(f"/v1/predictions/{90:064x}", fields="selections").json()
    assert one == {"selections": ask(f"/v1/predictions/{90:064x}").json()["selections"]}
    assert "fields=p_home" in ask("/v1/predictions", limit=3, fields="p_home").headers["Link"]


@pytest.mark.parametrize(
    ("path", "asked", "whole"),
    [
        ("/v1/predictions", "/v1/predictions", "PredictionPage"),
        ("/v1/predictions/{prediction_id}", f"/v1/predictions/{90:064x}", "PredictionDetail"),
    ],
)
def test_the_document_allows_for_a_part_without_taking_anything_from_the_whole(
    client: Client, ask: Ask, path: str, asked: str, whole: str
) -> None:
    document = client.get("/schema/openapi.json").json()
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]

    def holds(schema: Any, answer: Any) -> bool:
        return bool(Draft202012Validator({**schema, "components": document["components"]}).is_valid(answer.json()))

    part, all_of_it = ask(asked, fields="match_id,p_home"), ask(asked)
    of_whole = {"$ref": f"#/components/schemas/{whole}"}
    assert (holds(schema, part), holds(of_whole, part)) == (True, False)
    assert (holds(schema, all_of_it), holds(of_whole, all_of_it)) == (True, True)


@pytest.mark.parametrize("fields", ["", ",", "p_home,", "p_home;p_away", "password", "selections"])
def test_a_field_that_a_list_has_not_is_refused(ask: Ask, fields: str) -> None:
    assert ask("/v1/predictions", fields=fields).status_code == 400


@pytest.mark.parametrize(("encoding", "decode"), [("gzip", gzip.decompress), ("br", brotli.decompress)])
def test_an_answer_is_compressed_as_the_client_likes_and_tagged_apart(encoding: str, decode: Callable[[bytes], bytes]) -> None:
    answer = Answer(b"football " * 1000)
    plain, packed = answer.sent([]), answer.sent([(b"accept-encoding", encoding.encode())])
    headers = dict(packed.headers)
    assert decode(packed.body) == plain.body
    assert (headers[b"content-encoding"], headers[b"content-length"]) == (encoding.encode(), str(len(packed.body)).encode())
    assert headers[b"etag"] != dict(plain.headers)[b"etag"]
    assert answer.sent([(b"accept-encoding", encoding.encode())]).body is packed.body  # made once
    for tag in (headers[b"etag"], dict(plain.headers)[b"etag"]):
        assert answer.sent([(b"if-none-match", tag)])[::2] == (304, b"")


def test_a_small_answer_is_not_compressed() -> None:
    assert answer_to(Answer(b"x" * (SMALLEST_COMPRESSED - 1))) is None
    assert answer_to(Answer(b"x" * SMALLEST_COMPRESSED)) == b"br"


def answer_to(answer: Answer) -> bytes | None:
    return dict(answer.sent([(b"accept-encoding", b"br, gzip")]).headers).get(b"content-encoding")


@pytest.mark.parametrize(
    ("accepted", "best"),
    [
        (b"gzip, deflate, br", "br"),
        (b"gzip", "gzip"),
        (b"br;q=0.5, gzip;q=1.0", "gzip"),
        (b"br;q=0, gzip", "gzip"),
        (b"*", "br"),
        (b"*;q=0", ""),
        (b"identity", ""),
        (b"gzip;q=many", ""),
    ],
)
def test_the_encoding_is_the_clients_choice(accepted: bytes, best: str) -> None:
    assert best_encoding(accepted) == best


def test_answers_leave_memory_when_they_weigh_too_much_and_when_their_time_is_over() -> None:
    answers = Answers(maximum_bytes=3 * (2 * 1000 + 2048 + 5))
    keys = [Key("/path"[:4], str(n).encode(), is_csv=False) for n in range(4)]
    for key in keys[:3]:
        answers.keep(key, Answer(b"x" * 1000), until=10.0)
    assert answers.get(keys[0], 10.0) is not None  # now the most recently used
    answers.keep(keys[3], Answer(b"x" * 1000))
    assert [answers.get(key, 10.0) is None for key in keys] == [False, True, False, False]
    assert answers.get(keys[0], 10.1) is None


def test_a_list_that_begins_now_changes_when_its_first_match_kicks_off(
    database: Urls, settings_for: SettingsFor, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer kept too long would show a match that is being played."""
    publish(database.model, [prediction(0), prediction(4)])  # an hour after `NOW`, and two
    app = create_app(settings_for(database.api))
    with TestClient(app) as client:
        assert len(client.get("/v1/predictions", headers=bearer()).json()["predictions"]) == 2
        kept = app.state.current.held.answers
        key = Key("/v1/predictions", b"", is_csv=False)
        assert kept.get(key, (NOW + timedelta(hours=1)).timestamp()) is not None
        assert kept.get(key, (NOW + timedelta(hours=1, seconds=1)).timestamp()) is None


def test_made_up_parameters_take_no_place_among_ready_answers(urls: Urls, settings_for: SettingsFor, bearer: Bearer) -> None:
    """Whoever appends what no handler reads gets the answer, and drives out nobody else's."""
    app = create_app(settings_for(urls.api))
    one = f"/v1/predictions/{1:064x}"
    with TestClient(app) as client:
        plain = client.get("/v1/predictions?limit=2", headers=bearer()).content
        for query in ("", "?fields=p_home"):
            client.get(f"{one}{query}", headers=bearer())
        kept = app.state.current.held.answers
        n_before = len(kept)
        for n in range(5):
            for query in (f"limit=2&_={n}", f"{'&' * (n + 1)}limit=2", f"limit=2{'&limit=2' * (n + 1)}", f"x{n}&limit=2"):
                answer = client.get(f"/v1/predictions?{query}", headers=bearer())
                assert (answer.status_code, answer.content) == (200, plain), query
            client.get(f"{one}?limit={n + 1}", headers=bearer())
        assert len(kept) == n_before
        for query in (b"limit=3", b"from=2026-03-01&limit=3"):
            client.get(f"/v1/predictions?{query.decode()}", headers=bearer())
            assert kept.get(Key("/v1/predictions", query, is_csv=False), 0.0) is not None, query
        assert kept.get(Key(one, b"fields=p_home", is_csv=False), 0.0) is not None


@pytest.mark.parametrize(
    ("path", "written", "otherwise"),
    [
        ("/v1/predictions", "", ["limit=50", "limit=%350", "limit=50.0", "limit=5e1"]),
        ("/v1/predictions", "limit=2", ["limit=%32", "%6Cimit=2", "limit=2&"]),
        (
            "/v1/predictions",
            "from=2026-03-01&to=2026-04-01",
            [
                *("to=2026-04-01&from=2026-03-01", "from=2026-03-01T00%3A00Z&to=2026-04-02T00:00:00.000Z"),
                *("from=2026-02-28T23:00-01:00&to=20260402T00", "from=2026-W09-7&to=2026%2D04%2D01"),
            ],
        ),
        ("/v1/predictions", "team=home+1", ["team=Home+1", "team=HOME%201", "team=home%201"]),
        (
            "/v1/predictions",
            "fields=match_id%2Cp_home",
            ["fields=match_id,p_home", "fields=p_home,match_id", "fields=p_home,match_id,p_home"],
        ),
        (f"/v1/predictions/{90:064x}", "fields=match_id%2Cp_home", ["fields=p_home,match_id,p_home,match_id"]),
    ],
)
def test_what_is_asked_in_other_words_is_the_same_answer_kept_once(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, path: str, written: str, otherwise: list[str]
) -> None:
    """Else whoever writes 50 as %350, as 50.0, as 50.00 … would drive out what others ask for."""
    app = create_app(settings_for(urls.api))
    with TestClient(app) as client:
        client.get("/health/ready")
        kept = app.state.current.held.answers
        client.get(f"{path}?{written}", headers=bearer())
        n_before = len(kept)
        answer = kept.get(Key(path, written.encode(), is_csv=False), 0.0)
        assert answer is not None, "the words that the handler itself would use lead to it without more ado"
        for address in (*(f"{path}?{each}" for each in otherwise), f"/{path}//?{written}"):
            for _ in range(2):
                given = client.get(f"http://testserver.local{address}", headers=bearer())
                assert (given.status_code, given.content) == (200, answer.body), address
        assert len(kept) == n_before
        found = samples(client)
    hits = found["serving_cache_lookups_total", (("layer", "answer"), ("outcome", "hit"))]
    assert hits >= len(otherwise) - 1, "what is asked so again is ready, unless it was made up"


def test_the_pages_of_a_list_are_walked_and_kept_in_other_words_too(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer
) -> None:
    """A cursor belongs to what was meant, and has one form, whatever is put between its letters."""
    app = create_app(settings_for(urls.api))
    with TestClient(app) as client:
        first = client.get("/v1/predictions?team=HOME+1&from=2026-01-01&limit=1", headers=bearer()).json()
        assert first["next_cursor"] is None
        asked = {"from": "2026-01-01T00:00Z", "limit": 2}
        cursor = client.get("/v1/predictions", params=asked, headers=bearer()).json()["next_cursor"]
        page = client.get("/v1/predictions", params={"from": "2026-01-01", "limit": 2, "cursor": cursor}, headers=bearer())
        kept = app.state.current.held.answers
        n_before = len(kept)
        for each in (f"{cursor[:9]}!!!!{cursor[9:]}", f"{cursor}====", f"{cursor[:1]}....{cursor[1:]}"):
            again = client.get("/v1/predictions", params={**asked, "cursor": each}, headers=bearer())
            assert (again.status_code, again.content) == (200, page.content)
        assert len(kept) == n_before


def test_columns_in_an_order_of_ones_own_are_answered_and_not_kept(urls: Urls, settings_for: SettingsFor, bearer: Bearer) -> None:
    """There are more orders than anybody wants."""
    app = create_app(settings_for(urls.api))
    with TestClient(app) as client:
        lines = []
        for fields in ("match_id,p_home", "p_home,match_id"):
            answer = client.get(f"/v1/predictions?fields={fields}", headers=bearer() | {"Accept": "text/csv"})
            lines.append(answer.text.splitlines()[0])
            n_kept = len(app.state.current.held.answers)
        assert lines == ["match_id,p_home", "p_home,match_id"]
        assert n_kept == 4, "with the lists that are made beforehand"


def test_ways_of_writing_are_forgotten_when_there_are_too_many_and_never_learnt_when_they_are_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serving.held.MAXIMUM_SPELLINGS", 2)
    answers, meant = Answers(), Key("/path", b"", is_csv=False)
    answers.keep(meant, Answer(b"x"))
    spellings = [Key("/path", b"limit=%d" % n if n else b"limit=" + b"0" * 512, is_csv=False) for n in range(4)]
    for each in spellings:
        answers.learn(each, meant)
    assert [answers.get(each, 0.0) is not None for each in spellings] == [False, False, True, True]
    assert len(answers) == 1


def test_a_ready_answer_asks_the_same_rights_as_any_other(urls: Urls, settings_for: SettingsFor, bearer: Bearer) -> None:
    """It passes authentication and guards, and is counted and labelled like the first."""
    with TestClient(create_app(settings_for(urls.api))) as client:
        first, second = (client.get("/v1/predictions?competition=D1", headers=bearer()) for _ in range(2))
        assert first.content == second.content
        ours = ("date", "x-request-id", "ratelimit")
        headers = [sorted(each for each in answer.headers.items() if each[0] not in ours) for answer in (first, second)]
        assert headers[0] == headers[1]
        for headers in ({}, {"Authorization": "Bearer x"}, bearer(edition="other")):
            assert client.get("/v1/predictions?competition=D1", headers=headers).status_code == 401
        found = samples(client)
    labels = (("method", "GET"), ("role", "viewer"), ("route", "/v1/predictions"), ("status", "200"))
    assert found["serving_requests_total", labels] == 2
    assert found["serving_cache_lookups_total", (("layer", "answer"), ("outcome", "hit"))] == 1
    assert found["serving_cache_lookups_total", (("layer", "answer"), ("outcome", "miss"))] == 1  # nothing was held yet


def test_each_layer_of_cache_tells_its_own_hits(urls: Urls, settings_for: SettingsFor, bearer: Bearer) -> None:
    """The answer that was ready in one encoding is made once in each other."""
    with TestClient(create_app(settings_for(urls.api))) as client:
        for encoding in ("identity", "br", "br", "gzip", "br"):
            client.get("/v1/predictions", headers=bearer() | {"Accept-Encoding": encoding})
        found = samples(client)
    lookups = {
        (layer, outcome): found["serving_cache_lookups_total", (("layer", layer), ("outcome", outcome))]
        for layer, outcome in product(("answer", "encoding"), ("hit", "miss"))
    }
    assert lookups == {("answer", "hit"): 4, ("answer", "miss"): 1, ("encoding", "hit"): 2, ("encoding", "miss"): 2}
    assert found["serving_cache_hit_ratio", (("layer", "answer"),)] == 0.8
    assert found["serving_cache_hit_ratio", (("layer", "encoding"),)] == 0.5


def test_without_the_database_reads_go_on_and_readiness_says_degraded(
    database: Urls, postgres: Any, settings_for: SettingsFor, bearer: Bearer
) -> None:
    publish(database.model, [prediction(n) for n in range(60)])
    name = database.api.rpartition("/")[2]
    paths = ("/v1/predictions", "/v1/predictions?team=Home+7&fields=p_home", f"/v1/predictions/{3:064x}", "/v1/competitions")
    with TestClient(create_app(settings_for(database.api))) as client, psycopg.connect(postgres.url(), autocommit=True) as admin:
        wait_for(lambda: client.get("/health/ready").json()["status"] == "ready")
        admin.execute(f'alter database "{name}" allow_connections false')
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        wait_for(lambda: client.get("/health/ready").json()["database"] == "down")
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        for path in (*paths, "/v1/publication", "/v1/competitions/E0", "/", "/leagues"):
            assert client.get(path, headers=bearer()).status_code == 200, path
        status = client.get("/v1/status", headers=bearer()).json()
        assert (status["database"], status["unknown"]) == ("down", ["backup", "checks", "ledger"])
        assert (status["backup"], status["checks"], status["ledger"]) == (None, None, None)
        page = client.get("/status", headers=bearer()).text
        assert page.count("ot known while the database does not answer.") == 2
        assert "kept no checks" not in page
        page = client.get(f"/matches/{prediction(1)['match_id']}", headers=bearer()).text
        assert page.count("Not known at the moment: the database does not answer.") == 5
        assert "No earlier match is known." not in page
        assert client.get("/v1/publication/checks", headers=bearer()).status_code == 503, "nothing of it is known"
        assert client.get("/v1/predictions/unknown", headers=bearer()).status_code == 404  # no id looks like this
        # It could be of an earlier publication: who asks is told to ask again.
        assert client.get(f"/v1/predictions/{1:032x}", headers=bearer()).status_code == 503
        first = client.get("/v1/predictions", headers=bearer()).json()
        rest = client.get("/v1/predictions", params={"cursor": first["next_cursor"]}, headers=bearer()).json()
        assert (len(first["predictions"]), len(rest["predictions"])) == (50, 10)
        assert samples(client)["serving_database_up", ()] == 0
        admin.execute(f'alter database "{name}" allow_connections true')
        wait_for(lambda: client.get("/health/ready").json()["status"] == "ready")


def test_a_database_that_falls_silent_holds_nobody_up_and_is_told_by_readiness_in_five_seconds(
    database: Urls, settings_for: SettingsFor, bearer: Bearer
) -> None:
    """Its machine is gone, perhaps: no connection is closed, and nothing comes any more."""
    publish(database.model, [prediction(1)])
    with way_to(database.api) as way, TestClient(create_app(settings_for(way.url))) as client:

        def asked(path: str, role: str = "viewer") -> tuple[int, float]:
            begun = time.monotonic()
            return client.get(path, headers=bearer(role)).status_code, time.monotonic() - begun

        wait_for(lambda: client.get("/health/ready").json()["status"] == "ready")
        assert asked("/v1/audit", "admin")[0] == 200
        way.cut()
        begun = time.monotonic()
        wait_for(lambda: client.get("/health/ready").json()["database"] == "down")
        assert time.monotonic() - begun < MAXIMUM_AGE_SECONDS + ANSWER_SECONDS + 1.0
        assert asked("/v1/predictions")[1] < 1.0
        status, seconds = asked("/v1/audit", "admin")  # of the database alone
        assert status == 503
        assert seconds < SILENCE_SECONDS + CONNECT_SECONDS + 1.0
        status, seconds = asked("/v1/publications")
        assert status == 503
        assert seconds < 5.0
        way.mend()
        wait_for(lambda: client.get("/health/ready").json()["status"] == "ready")
        assert asked("/v1/audit", "admin")[0] == 200


def test_a_database_that_falls_silent_while_a_publication_is_loaded_is_told_and_the_next_is_looked_for(
    database: Urls, settings_for: SettingsFor, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(database.model, [prediction(1)])
    details = Publications.details
    with way_to(database.api) as way, TestClient(create_app(settings_for(way.url))) as client:
        wait_for(lambda: client.get("/health/ready").json()["status"] == "ready")

        def cut_off(publications: Publications, *more: Any) -> Any:
            way.cut()
            return details(publications, *more)

        monkeypatch.setattr(Publications, "details", cut_off)
        publish(database.model, [prediction(1, p_home=0.4, p_draw=0.4)])
        wait_for(lambda: not way.is_open)
        begun = time.monotonic()
        wait_for(lambda: client.get("/health/ready").json()["database"] == "down")
        assert time.monotonic() - begun < ANSWER_SECONDS + 1.0
        assert client.get("/v1/predictions", headers=bearer()).json()["publication_id"] == 1
        monkeypatch.undo()
        number = publish(database.model, [prediction(2)])
        way.mend()
        wait_for(lambda: client.get("/v1/predictions", headers=bearer()).json()["publication_id"] == number)


def test_a_transaction_in_a_database_that_falls_silent_ends_and_leaves_its_connection_to_others(
    database: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store.database.SILENCE_SECONDS", 0.5)

    async def test(way: Way) -> None:
        store = Database(way.url, pool_size=1)

        async def write() -> None:
            async with store.transaction() as connection:
                await connection.execute(sa.text("select 1"))
                way.cut()
                await connection.execute(sa.text("select 2"))

        with pytest.raises(StoreUnavailable):
            await write()
        way.mend()
        assert await store.rows(sa.text("select 3 as n")) == [{"n": 3}]
        await store.close()

    with way_to(database.api) as way:
        begun = time.monotonic()
        asyncio.run(test(way))
    assert time.monotonic() - begun < 3.0


def test_ids_that_nobody_published_reach_the_database_a_bounded_number_of_times(
    database: Urls, settings_for: SettingsFor, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be an id never does, another once between two publications, and of all no more than an account may."""
    reached: list[str] = []
    first_with = Publications.first_with

    async def counted(publications: Publications, prediction_id: str) -> int | None:
        reached.append(prediction_id)
        return await first_with(publications, prediction_id)

    monkeypatch.setattr(Publications, "first_with", counted)
    monkeypatch.setattr("serving.unknown.BUDGET", Rate(per_second=1e-6, burst=4))
    publish(database.model, [prediction(1)])
    with TestClient(create_app(settings_for(database.api))) as client:

        def ask(*ids: str) -> list[int]:
            return [client.get(f"/v1/predictions/{each}", headers=bearer()).status_code for each in ids]

        assert ask("unknown", "a" * 31, "a" * 33, "A" * 32, "g" * 32) == [404] * 5
        assert reached == []
        one, two, three, four = (each * 32 for each in "1234")
        assert ask(one, one, two, one, two) == [404] * 5
        assert reached == [one, two]
        number = publish(database.model, [prediction(1, p_home=0.4, p_draw=0.4)])
        wait_for(lambda: client.get("/v1/predictions", headers=bearer()).json()["publication_id"] == number, seconds=5)
        assert ask(one, three, one, three) == [404] * 4
        assert reached == [one, two, one, three]
        assert ask(four, one, f"{1:064x}") == [429, 404, 200]
        assert reached == [one, two, one, three]
        refused = client.get(f"/v1/predictions/{four}", headers=bearer())
        assert (refused.headers["Retry-After"], refused.json()["title"]) == ("1", "Too Many Requests")


def test_no_more_ids_are_remembered_than_the_memory_that_is_meant_for_them(
    database: Urls, settings_for: SettingsFor, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.unknown.MAXIMUM_REMEMBERED", 2)
    publish(database.model, [prediction(1)])
    app = create_app(settings_for(database.api))
    with TestClient(app) as client:
        for each in "1234":
            assert client.get(f"/v1/predictions/{each * 32}", headers=bearer()).status_code == 404
        assert [*app.dependencies["unknown"].dependency()._remembered] == [("prediction", each * 32) for each in "34"]


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those of a few ids that there is nothing of that the database was asked for, in that order."""
    asked: list[str] = []
    rows = Database.rows

    async def counted(database: Database, statement: Any) -> list[dict[str, Any]]:
        asked.extend({str(each) for each in statement.compile().params.values()} & {"71", "72", "73", "74"})
        return await rows(database, statement)

    monkeypatch.setattr(Database, "rows", counted)
    return asked


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/predictions/{}/lineage", "/v1/matches/{}", "/v1/matches/{}/predictions", "/v1/teams/{}", "/v1/publications/{}"),
        *("/v1/competitions/{}/season", "/v1/competitions/{}/season?season=2020", "/v1/models/{}/evidence"),
        *("/v1/matches?competition={}", "/v1/matches?team={}", "/v1/matches?team=england-a&opponent={}"),
        *("/v1/teams?competition={}", "/v1/teams?search={}", "/v1/record/distance?information_set={}"),
        *("/v1/record/predictions?competition={}", "/v1/record/predictions?team={}", "/v1/publications?cursor={}"),
    ],
)
def test_whatever_there_is_nothing_of_is_looked_for_once_and_by_an_account_not_too_often(
    urls: Urls, settings_for: SettingsFor, secret_file: Path, monkeypatch: pytest.MonkeyPatch, reached: list[str], path: str
) -> None:
    monkeypatch.setattr("serving.unknown.BUDGET", Rate(per_second=1e-6, burst=3))
    tokens = Tokens.from_file(secret_file, "live")
    with TestClient(create_app(settings_for(urls.api))) as client:

        def ask(account: str, *ids: str) -> list[int]:
            headers = {"Authorization": "Bearer " + tokens.issue(account, Role.ANALYST, "a session")}
            asked = [next_cursor({}, None, each) for each in ids] if is_cursor else ids
            return [client.get(path.format(each), headers=headers).status_code for each in asked]

        client.get("/health/ready")
        is_cursor = "cursor" in path
        vain = 400 if is_cursor else 200 if "?" in path and "season" not in path else 404
        assert ask("1", "71", "71", "72", "71", "73", "74") == [vain] * 5 + [429]
        assert reached == ["71", "72", "73"]
        assert ask("2", "71", "74") == [vain, vain], "another account may"
        assert reached == ["71", "72", "73", "74"]


@pytest.mark.parametrize(("path", "vain"), [("/v1/predictions", 410), ("/", 303)])
def test_a_cursor_into_publications_that_there_are_not_is_looked_for_like_any_id(
    urls: Urls,
    settings_for: SettingsFor,
    bearer: Bearer,
    monkeypatch: pytest.MonkeyPatch,
    reached: list[str],
    path: str,
    vain: int,
) -> None:
    """Cursors are not signed: anybody can make one that names a publication, and the number is remembered in one place alone."""
    monkeypatch.setattr("serving.unknown.BUDGET", Rate(per_second=1e-6, burst=3))
    app = create_app(settings_for(urls.api))
    with TestClient(app) as client:
        first = client.get("/v1/predictions?limit=5", headers=bearer()).json()["next_cursor"]
        known = Cursor.decode(first)

        def ask(*numbers: int) -> list[int]:
            cursors = [Cursor(number, known.query, known.kickoff_at, known.prediction_id).encode() for number in numbers]
            given = {"limit": "5"} if path != "/" else {}
            answers = [
                client.get(path, params={**given, "cursor": each}, headers=bearer(), follow_redirects=False) for each in cursors
            ]
            return [each.status_code for each in answers]

        assert ask(71, 71, 72, 73, 74, 71) == [vain, vain, vain, vain, 429, vain]
        assert reached == ["71", "72", "73"]
        assert app.state.current._earlier == {}


@pytest.mark.parametrize(("path", "digest"), [("/v1/predictions", Query().digest()), ("/", digest_of_filters({}))])
def test_rows_of_an_earlier_publication_that_there_are_not_are_looked_for_like_any_id(
    urls: Urls,
    settings_for: SettingsFor,
    bearer: Bearer,
    monkeypatch: pytest.MonkeyPatch,
    reached: list[str],
    path: str,
    digest: str,
) -> None:
    """A cursor made by hand may begin wherever its maker likes."""
    monkeypatch.setattr("serving.unknown.BUDGET", Rate(per_second=1e-6, burst=3))
    with TestClient(create_app(settings_for(urls.api))) as client:

        def ask(*places: str) -> list[int]:
            cursors = [Cursor(1, digest, NOW + timedelta(days=99), each).encode() for each in places]
            answers = [client.get(path, params={"cursor": each}, headers=bearer(), follow_redirects=False) for each in cursors]
            return [each.status_code for each in answers]

        client.get("/health/ready")
        assert ask("71", "71", "72", "73", "74") == [200, 200, 200, 200, 429]
        assert reached == ["71", "72", "73"]


def test_what_was_looked_for_in_vain_is_looked_for_again_after_its_time(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, monkeypatch: pytest.MonkeyPatch, reached: list[str]
) -> None:
    """It may have been added since."""
    monkeypatch.setattr("serving.unknown.REMEMBERED_SECONDS", 0.0)
    with TestClient(create_app(settings_for(urls.api))) as client:
        assert [client.get("/v1/matches/71", headers=bearer()).status_code for _ in range(2)] == [404, 404]
    assert reached == ["71", "71"]


def test_what_there_is_may_be_asked_for_as_often_as_one_likes(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.unknown.BUDGET", Rate(per_second=1e-6, burst=3))
    with TestClient(create_app(settings_for(urls.api))) as client:
        assert [client.get("/v1/matches/m1", headers=bearer()).status_code for _ in range(10)] == [200] * 10


def test_a_hundred_things_that_there_are_may_be_asked_for_at_once_and_an_outage_uses_nothing_up(urls: Urls) -> None:
    """Only what there is nothing of counts, however many are looked for at a time, and whatever becomes of the look."""

    async def test() -> None:
        database = Database(urls.api)
        matches, current = Matches(database), SimpleNamespace(last_known=None)
        unknown = Unknown(current)  # type: ignore[arg-type]

        async def outage() -> None:
            raise StoreUnavailable("away")

        for number in range(200):
            with pytest.raises(StoreUnavailable):
                await unknown.find("1", "match", f"m{number}", outage)
        found = await asyncio.gather(*(unknown.find("1", "match", "m1", lambda: matches.match("m1")) for _ in range(100)))
        assert {each.match_id for each in found if each is not None} == {"m1"}
        assert None not in found
        vain = (unknown.find("1", "match", f"x{number}", lambda: matches.match("x")) for number in range(100))
        refused = [each for each in await asyncio.gather(*vain, return_exceptions=True) if each is not None]
        assert {type(each) for each in refused} == {TooManyUnknown}
        assert 50 < len(refused) <= 60
        await database.close()

    asyncio.run(test())


def test_an_account_keeps_two_connections_from_others_and_all_who_look_for_something_four() -> None:
    """Of the eight for which those who log in wait as well, by filters that find something and take their time."""

    async def test() -> None:
        unknown, done = Unknown(SimpleNamespace(last_known=None)), asyncio.Event()  # type: ignore[arg-type]
        looking: Counter[str] = Counter()

        async def find(account: str, name: str) -> str | None:
            async def look() -> str:
                looking[account] += 1
                await done.wait()
                return name

            return await unknown.find(account, "match", name, look)

        asked = []
        for account in "123":
            asked += [asyncio.create_task(find(account, f"m{number}")) for number in range(10)]
            for _ in range(20):  # until nobody gets any further
                await asyncio.sleep(0)
        assert looking == {"1": 2, "2": 2}
        done.set()
        assert await asyncio.gather(*asked) == [f"m{number}" for number in range(10)] * 3
        assert looking == {"1": 10, "2": 10, "3": 10}
        assert [*unknown._turns_of] == []

    asyncio.run(test())


def test_publications_are_told_from_memory_and_from_what_all_workers_share(
    database: Urls, postgres: Any, settings_for: SettingsFor, bearer: Bearer, redis_url: str
) -> None:
    """Also while the database is away; what nobody asked for before is not known."""
    unasked, earlier, served = [publish(database.model, [prediction(n)]) for n in (1, 2, 3)]
    settings = settings_for(database.api, redis_url=redis_url)
    with TestClient(create_app(settings)) as one, TestClient(create_app(settings)) as other:
        for client in (one, other):
            wait_for(lambda: client.get("/health/ready").json()["status"] == "ready")  # noqa: B023 - called at once
        paths = ["/v1/publications", f"/v1/publications/{earlier}"]
        before = [one.get(path, headers=bearer()).json() for path in paths]
        with psycopg.connect(postgres.url(), autocommit=True) as admin:
            name = database.api.rpartition("/")[2]
            admin.execute(f'alter database "{name}" allow_connections false')
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
            wait_for(lambda: other.get("/health/ready").json()["database"] == "down")
            assert [other.get(path, headers=bearer()).json() for path in paths] == before
            assert other.get(f"/v1/publications/{served}", headers=bearer()).json()["publication_id"] == served
            assert other.get(f"/v1/publications/{unasked}", headers=bearer()).status_code == 503
            admin.execute(f'alter database "{name}" allow_connections true')


def test_what_takes_its_end_for_an_outage_is_told_again_until_it_ends() -> None:
    told = 0

    async def follow() -> None:
        nonlocal told
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told += 1
                if told == 3:
                    raise

    async def test() -> None:
        task, failed = asyncio.create_task(follow()), asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        await end([task, failed])
        assert task.done()
        assert failed.cancelled()
        await end([task])

    asyncio.run(test())
    assert told == 3


def test_what_does_not_close_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.ending.CLOSING_SECONDS", 0.05)
    closed = []

    async def closing() -> None:
        closed.append(1)

    async def hanging() -> None:
        await asyncio.Event().wait()

    asyncio.run(close(closing, hanging, closing))
    assert closed == [1]


def test_the_ledgers_ids_are_what_the_service_takes_for_one() -> None:
    assert ID.fullmatch(_digest(("a prediction",)))


def test_a_frozen_redis_costs_reads_nothing(urls: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str) -> None:
    with TestClient(create_app(settings_for(urls.api, redis_url=redis_url))) as client:
        client.get("/v1/predictions", headers=bearer())
        with frozen(redis_url):
            seconds = []
            for number in range(100):
                begun = time.perf_counter()
                path = f"/v1/predictions?limit={number % 50 + 1}"
                assert client.get(path, headers=bearer()).status_code == 200
                seconds.append(time.perf_counter() - begun)
            assert sorted(seconds)[94] < 0.2
            assert client.get("/health/ready").json()["redis"] == "down"


def test_both_halves_speak_of_a_new_publication_on_one_channel() -> None:
    assert channel("live") == channel_of_the_pipelines("live")


def test_an_announced_publication_is_served_before_its_second_is_over(
    database: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.current.MAXIMUM_AGE_SECONDS", 60.0)
    publish(database.model, [prediction(1)])
    with (
        TestClient(create_app(settings_for(database.api, redis_url=redis_url))) as client,
        redis.Redis.from_url(redis_url) as admin,
    ):
        assert client.get("/v1/predictions", headers=bearer()).json()["publication_id"] == 1
        wait_for(lambda: admin.pubsub_numsub(channel("live"))[0][1] == 1)
        number = publish(database.model, [prediction(1, p_home=0.4, p_draw=0.4)])
        assert announce(redis_url, "live", number)
        wait_for(lambda: client.get("/v1/predictions", headers=bearer()).json()["publication_id"] == number, seconds=5)


@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:9/0", "nonsense"])
def test_a_publication_stands_whether_or_not_anybody_can_be_told(url: str) -> None:
    assert announce(url, "live", 1) is False


def test_a_prediction_in_the_list_is_the_detail_without_its_details() -> None:
    assert {row.prediction.prediction_id for row in HELD._rows} == {row["prediction_id"] for row in PREDICTIONS}
    assert set(Prediction.__struct_fields__) < set(PredictionDetail.__struct_fields__)
