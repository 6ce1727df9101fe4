"""Silver's casts and what ingestion says beforehand of the same texts: one verdict, whoever is asked."""

from collections.abc import Callable
from typing import Any

import jinja2
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.postgres import PostgresServer
from pipelines.sources.cells import judge_count, judge_handicap, judge_price, judge_time
from tests.dbt.conftest import PROJECT

JUDGES: dict[str, Callable[[str], str | None]] = {
    "price": judge_price,
    "handicap": judge_handicap,
    "whole_number": judge_count,
    "time_of_day": judge_time,
}

TEXTS = [
    *("0", "1", "1.0", "1.01", "1000", "1000.0001", "1001", "-2", "+2", "2,5", "2.5.", ".5", "5.", ".", "#", "-", "", " ", "x"),
    *(
        "2.5 ",
        " 2.5",
        "2.5\xa0",
        "\t2.5\n",
        "2 .5",
        "1e1",
        "1e3",
        "1e4",
        "1e400",
        "1e-400",
        "2e",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
    ),
    *(
        "0x1F",
        "0x1.8p1",
        "0x",
        "0xg",
        "0b11",
        "0o17",
        "1_000",
        "1__0",
        "_1",
        "1_",
        "0x_1F",
        "0x1p9999",
        "012",
        "-0",
        "-0x0",
        "+5",
    ),
    *("32767", "32768", "-1", "-32768", "-32769", "1.5", "9" * 400, "0" * 400 + "7", "0." + "0" * 400 + "1", "٣", "３", "1\x0b"),
    *("-0.5", "-0.5,-1", "0,+0.5", "-225", "1234", "0.1234567891", "--1", "+-1"),
    *("20:45", " 20:45", "20:45 ", "9:05", "24:00", "23:59:59", "23:59:60", "20:60", "25:00", "20.45", "2045", "8:45 PM", "now"),
    *("allballs", "20:45+01", "20:45 Europe/London", "T20:45", "20:45:30.5", "1:2", "２0:45", "\t20:45", "20:45\n"),
]


@pytest.fixture(scope="module")
def cast(postgres: PostgresServer) -> Any:
    """`cast(macro, texts)`: what the macro makes of each text, on a real server."""
    macros = jinja2.Environment().from_string((PROJECT / "macros/casts.sql").read_text("utf-8")).module
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:

        def of(macro: str, texts: list[str]) -> list[object]:
            expression = str(getattr(macros, macro)("text"))
            query = f"select {expression} from unnest(%s::text[]) with ordinality as given (text, place) order by place"
            return [value for (value,) in connection.execute(query, [texts]).fetchall()]

        yield of


@pytest.mark.parametrize("macro", JUDGES)
def test_ingestion_calls_a_text_unusable_exactly_if_silver_makes_it_null(macro: str, cast: Any) -> None:
    values = cast(macro, TEXTS)
    judged = {text: JUDGES[macro](text) for text in TEXTS}
    assert {text: value is None for text, value in zip(TEXTS, values, strict=True)} == {
        text: reason is not None for text, reason in judged.items()
    }


NUMERIC = st.text(alphabet="0123456789+-.,:eExX_ab p#\xa0\t", max_size=8)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.one_of(NUMERIC, st.text(max_size=6).filter(lambda t: "\0" not in t)), min_size=20, max_size=200))
def test_whatever_the_text_both_say_the_same(cast: Any, texts: list[str]) -> None:
    sound = [text for text in texts if text.isprintable() or text.isascii()]
    for macro, judge in JUDGES.items():
        values = cast(macro, sound)
        assert [text for text, value in zip(sound, values, strict=True) if (value is None) != (judge(text) is not None)] == []


def test_negative_statistics_are_none(cast: Any) -> None:
    assert cast("whole_number", ["-1", "0", "7"]) == [None, 0, 7]


def test_two_handicaps_at_once_are_none(cast: Any) -> None:
    assert cast("handicap", ["-0.5,-1", "-0.75", "NaN"]) == [None, -0.75, None]
