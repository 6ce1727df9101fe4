"""The note that says who made silver and gold, on a real PostgreSQL under the roles that write and read it."""

import time

import psycopg
import pytest

from deploy.database import Urls
from pipelines.store.silver import HalfMade, Silver


def test_before_the_first_run_nothing_is_made_and_nobody_may_learn(database: Urls) -> None:
    assert Silver(database.transform).made_by() is None
    with pytest.raises(HalfMade, match="there was none"):
        Silver(database.model).require_whole()


def test_a_run_that_reached_its_end_is_told_to_the_role_that_learns(database: Urls) -> None:
    silver = Silver(database.transform)
    silver.begin("a1", anew=True)
    silver.end("a1")
    assert silver.made_by() == "a1"
    assert Silver(database.model).require_whole() == 0  # of no file at all


@pytest.mark.parametrize(("anew", "made_by"), [(False, "a1"), (True, None)])
def test_what_a_failed_run_left_is_completed_but_made_anew_where_it_was_being_made_anew(
    database: Urls, anew: bool, made_by: str | None
) -> None:
    silver = Silver(database.transform)
    silver.end("a1")
    silver.begin("a1", anew=anew)
    assert silver.made_by() == made_by
    with pytest.raises(HalfMade, match="Run the day once more"):
        Silver(database.model).require_whole()


def test_a_dbt_that_outlived_its_run_is_ended_before_another_begins(database: Urls) -> None:
    with (
        psycopg.connect(database.transform, application_name="dbt") as stray,
        psycopg.connect(database.transform, application_name="somebody") as other,
    ):
        Silver(database.transform).begin("a1", anew=False)
        time.sleep(0.1)
        with pytest.raises(psycopg.OperationalError):
            stray.execute("select 1")
        assert other.execute("select 1").fetchone() == (1,)
        stray.close()


def test_what_a_query_finds_is_shown_in_part_and_a_query_that_fails_says_why(database: Urls) -> None:
    silver = Silver(database.transform)
    found = silver.first_rows("-- a comment\nselect n as place from generate_series(1, 9) as n -- and another", 3)
    assert found.to_dict("list") == {"place": [1, 2, 3]}
    failed = silver.first_rows("select 1 / 0", 3)
    assert failed.to_dict("list") == {"not shown, because": ["division by zero"]}
