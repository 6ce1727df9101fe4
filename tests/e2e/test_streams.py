"""The day's run with a stream: what was told between the files reaches gold, and the publication is announced."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
from confluent_kafka import Producer

from pipelines.store import outbox
from pipelines.store.warehouse import Warehouse
from pipelines.streams.relay import send
from tests.e2e.conftest import Platform


def test_quotes_that_came_since_the_build_move_a_line_and_the_new_publication_waits_in_the_outbox(
    built: Platform, make_platform: Callable[..., Platform]
) -> None:
    platform = make_platform("streams", like=built)
    cluster = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    servers = ",".join(f"{each.host}:{each.port}" for each in cluster.list_topics(timeout=10).brokers.values())
    ((match_id, competition, home, away, kickoff_at),) = platform.query(
        "select match_id, competition_id, source_home, source_away, kickoff_at from gold.fct_match"
        " where status = 'scheduled' and is_time_known and kickoff_at > now() + interval '3 hours' order by kickoff_at, match_id limit 1"
    )
    match = {"schema": 1, "competition": competition, "home": home, "away": away, "kickoff_at": kickoff_at.isoformat()}  # type: ignore[attr-defined]
    now = datetime.now(UTC)
    quotes = [
        match
        | {
            "kind": "quote",
            "bookmaker": "pinnacle",
            "market": "1x2",
            "odds": odds,
            "quoted_at": (now - timedelta(hours=ago)).isoformat(),
        }
        for ago, odds in ((5, {"home": 2.0, "draw": 3.5, "away": 4.0}), (1, {"home": 2.5, "draw": 3.5, "away": 3.0}))
    ]
    sender = Producer({"bootstrap.servers": servers})
    for each in (*map(json.dumps, quotes), "poison"):
        sender.produce("football.events", value=each, partition=0)
    assert sender.flush(10) == 0

    with psycopg.connect(platform.admin) as connection:
        connection.execute("update published.publication set digest = 'of other forecasts'")
    platform.must_run("refresh", IS_SIMULATED="1", KAFKA_BOOTSTRAP_SERVERS=servers)

    assert platform.query(
        f"select first_quote_odds_home, last_quote_odds_home from gold.feat_match where match_id = '{match_id}'"
    ) == [(2.0, 2.5)]
    assert platform.query(f"select count(*) from gold.fct_odds where match_id = '{match_id}' and moment = 'streamed'") == [(2,)]
    assert platform.query("select reason from bronze.quarantine where content = 'poison'") == [("unreadable_message",)]
    ((newest, manifest),) = platform.query(
        "select publication_id, manifest::text from published.publication order by publication_id desc limit 1"
    )
    assert "stream/football.events/0" in json.loads(str(manifest))
    waiting = platform.query("select (message ->> 'publication_id')::int from operations.outbox where delivered_at is null")
    assert waiting == [(newest,)]
    relayed = outbox.relay(
        Warehouse(platform.urls.model), lambda each: send({"bootstrap.servers": servers}, "publications", each), now
    )
    assert relayed == (1, 0)
