"""The ledger on a real PostgreSQL: what it takes to change it unseen. The attacker is the superuser, triggers switched off."""

import hashlib
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import psycopg
import pytest

from deploy import database as deploy_database
from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from pipelines.forecast.explain import explanations
from pipelines.store import ledger
from pipelines.store.basis import Basis
from pipelines.store.warehouse import Warehouse

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

WHY = ["contributions", "strength_deviation", "firmness", "features", "feature_names"]
SETS = ("results", "history", "market")
BASIS = Basis(NOW - timedelta(hours=1), 7, "f" * 64, None, "Linux", None)

FEATURES = struct.pack("<3d", 1 / 3, -0.0, struct.unpack("<d", b"\x00\x00\x00\x00\x00\x00\xf8\xff")[0])
"""What the model saw: a negative zero, and a NaN with its sign set, as a division of zero by zero leaves it."""

Attack = Callable[[str], None]


def forecasts(n: int, p_home: float = 0.5) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "match_id": [f"m{k}" for k in range(n)],
            "information_set": "results",
            "model_name": "mödel",
            "model_version": 3,
            "kickoff_at": [NOW + timedelta(hours=k + 1) for k in range(n)],
            "as_of": NOW - timedelta(hours=1),
            "issued_at": NOW,
            "p_home": p_home,
            "p_draw": 0.7 - p_home,
            "p_away": 0.3,
            "expected_home_goals": 1.1 + 1e-15,
            "expected_away_goals": 1 / 3,
            "features_digest": hashlib.sha256(FEATURES).hexdigest(),
            "features": FEATURES,
            "feature_names": [("elo_difference", "rest", "unknown")] * n,
            "contributions": [[["base", 1 / 3, -0.1], ["rest", p_home, 1e-17]]] * n,
            "strength_deviation": 0.6,
            "firmness": "usual",
        }
    )
    for name in ("kickoff_at", "as_of", "issued_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


@pytest.fixture
def warehouse(database: Urls) -> Warehouse:
    """Four predictions, and a second opinion on two of them."""
    warehouse = Warehouse(database.model)
    ledger.issue(warehouse, forecasts(4), BASIS)
    ledger.issue(warehouse, forecasts(2, p_home=0.4), BASIS)
    return warehouse


def test_what_is_appended_together_is_kept_with_what_it_rests_on(warehouse: Warehouse) -> None:
    noted = warehouse.read("select first_sequence, last_sequence, through_file_id, files_sha256 from forecast.issue order by 1")
    assert noted.to_numpy().tolist() == [[1, 4, 7, "f" * 64], [5, 6, 7, "f" * 64]]
    ledger.issue(warehouse, forecasts(2, p_home=0.4), BASIS)
    assert len(warehouse.table("forecast.issue")) == 2, "an unchanged forecast is not issued again"
    with warehouse.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("update forecast.issue set through_file_id = 8")


@pytest.fixture
def attack(postgres: PostgresServer, warehouse: Warehouse) -> Attack:
    return attacker(postgres, warehouse)


def attacker(postgres: PostgresServer, warehouse: Warehouse) -> Attack:
    """Runs a statement as the superuser, with triggers switched off."""

    def run(statement: str) -> None:
        database = warehouse.url.rpartition("/")[2]
        with psycopg.connect(postgres.url(database)) as connection:
            connection.execute("set session_replication_role = replica")  # no trigger fires
            connection.execute(statement)

    return run


def test_an_untouched_ledger_holds_and_ends_where_its_head_says(warehouse: Warehouse, tmp_path: Path) -> None:
    head = ledger.head(warehouse)
    assert head is not None
    assert head.n_predictions == 6
    head.keep(tmp_path / "head.json")
    kept = ledger.Head.read(tmp_path / "head.json")
    assert kept == head
    assert ledger.verify(warehouse, kept) == ledger.Verification(head, ())


def test_it_may_grow_after_its_head_was_kept(warehouse: Warehouse) -> None:
    kept = ledger.head(warehouse)
    ledger.issue(warehouse, forecasts(3, p_home=0.3), BASIS)
    assert kept is not None
    assert ledger.goes_on(warehouse, kept)
    found = ledger.verify(warehouse, kept)
    assert found.faults == ()
    assert found.head is not None
    assert found.head.n_predictions == 9


def test_an_empty_ledger_is_intact_and_has_no_head(database: Urls) -> None:
    assert ledger.head(Warehouse(database.model)) is None
    assert ledger.verify(Warehouse(database.model)) == ledger.Verification(None, ())


def test_the_database_sets_the_link_whatever_is_handed_to_it(warehouse: Warehouse) -> None:
    row = forecasts(1, p_home=0.2).drop(columns=WHY).assign(prediction_id="forged", link="f" * 64)
    warehouse.append("forecast.prediction", row)
    (fault,) = ledger.verify(warehouse).faults
    assert fault == "Prediction forged (number 7) was written by no run that noted what it rests on: it was put in."


def test_a_prediction_that_is_put_in_after_its_match_is_found_though_every_link_follows(warehouse: Warehouse) -> None:
    """By whoever may turn back the clock, and notes an issue for it, too."""
    earlier = {"as_of": NOW - timedelta(days=9), "issued_at": NOW - timedelta(days=8), "kickoff_at": NOW - timedelta(days=7)}
    row = forecasts(1, p_home=0.2).assign(**{name: pd.Timestamp(moment) for name, moment in earlier.items()})
    ledger.issue(warehouse, row, BASIS)
    ((prediction_id,),) = warehouse.read("select prediction_id from forecast.prediction where sequence = 7").to_numpy().tolist()
    assert ledger.verify(warehouse).faults == (
        f"Prediction {prediction_id} (number 7) says it was issued before the one that stands before it: it was put in later.",
    )


@pytest.mark.parametrize(
    ("statement", "n_faults"),
    [
        ("update forecast.prediction set p_home = 0.6, p_draw = 0.1 where sequence = 2", 1),
        ("update forecast.prediction set issued_at = issued_at - interval '1 microsecond' where sequence = 5", 1),
        ("update forecast.prediction set model_version = 4 where sequence = 1", 1),
        ("delete from forecast.prediction where sequence = 3", 1),
        ("delete from forecast.prediction where sequence = 1", 1),
        # One put in between, with a link that follows from the row before it; nor has it the explanation that it names.
        (
            "insert into forecast.prediction overriding system value"
            " select (jsonb_populate_record(p, jsonb_build_object('prediction_id', 'x', 'match_id', 'y', 'sequence', 100))).*"
            " from forecast.prediction as p where sequence = 6",
            3,
        ),
        # Two that change places: both, and the one behind them, no longer follow.
        (
            "alter table forecast.prediction alter sequence drop identity;"
            "update forecast.prediction set sequence = 1002 where sequence = 2;"
            "update forecast.prediction set sequence = 2 where sequence = 3;"
            "update forecast.prediction set sequence = 3 where sequence = 1002",
            3,
        ),
    ],
    ids=["edited", "backdated", "another model", "deleted", "first deleted", "inserted", "reordered"],
)
def test_what_was_done_to_a_row_is_seen(warehouse: Warehouse, attack: Attack, statement: str, n_faults: int) -> None:
    attack(statement)
    assert len(ledger.verify(warehouse).faults) == n_faults


def test_a_tail_that_was_cut_off_is_seen_beside_the_head_and_only_there(warehouse: Warehouse, attack: Attack) -> None:
    kept = ledger.head(warehouse)
    attack("delete from forecast.prediction where sequence = 6")
    assert ledger.verify(warehouse).faults == ()
    (fault,) = ledger.verify(warehouse, kept).faults
    assert "its end was cut off" in fault
    assert kept is not None
    assert not ledger.goes_on(warehouse, kept), "or the next run would keep another head, and nobody would see it any more"
    # Also where others were issued since: a number is never given twice.
    ledger.issue(warehouse, forecasts(1, p_home=0.25), BASIS)
    assert len(ledger.verify(warehouse, kept).faults) == 1


def test_links_made_anew_after_a_change_are_seen_beside_the_head_and_only_there(warehouse: Warehouse, attack: Attack) -> None:
    kept = ledger.head(warehouse)
    attack(
        """
        update forecast.prediction set p_home = 0.6, p_draw = 0.1 where sequence = 2;
        do $$
        declare said forecast.prediction; last text := '';
        begin
            for said in select * from forecast.prediction order by sequence loop
                last := forecast.link(last, said);
                update forecast.prediction set link = last where prediction_id = said.prediction_id;
            end loop;
        end $$
        """
    )
    assert ledger.verify(warehouse).faults == ()
    (fault,) = ledger.verify(warehouse, kept).faults
    assert "made anew" in fault


def test_rows_taken_from_the_middle_with_links_made_anew_are_counted(warehouse: Warehouse) -> None:
    """The last link could be the same only by a collision of SHA-256; the count is for people who read the head."""
    head = ledger.head(warehouse)
    assert head is not None
    forged = ledger.Head(head.n_predictions - 1, head.sequence, head.link)
    assert len(ledger.verify(warehouse, forged).faults) == 1


# --------------------------------------------------------------------------- feature rows


def test_what_the_model_saw_is_kept_to_the_last_bit_with_the_names_of_it(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        kept = connection.execute(
            """
            select content, names, features_digest = encode(sha256(content), 'hex')
            from forecast.prediction
            join forecast.feature_row using (prediction_id)
            join forecast.feature_list using (names_sha256)
            """
        ).fetchall()
    assert kept == [(FEATURES, ["elo_difference", "rest", "unknown"], True)] * 6
    assert len(warehouse.table("forecast.feature_list")) == 1, "names are kept once"


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("array['rest', 'elo_difference', 'unknown']", ["names of features"]),
        ("array['elo_difference', 'rest']", ["names of features", *["as many numbers as names"] * 6]),
    ],
)
def test_changed_names_of_features_are_seen(warehouse: Warehouse, attack: Attack, names: str, found: list[str]) -> None:
    """The same numbers under other names would be another row, whatever the digest says of the numbers."""
    attack(f"update forecast.feature_list set names = {names}")
    faults = ledger.verify(warehouse).faults
    assert [part for part, fault in zip(found, faults, strict=True) if part in fault] == found


def test_no_feature_row_ends_in_the_middle_of_a_number(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "insert into forecast.feature_row select 'another', names_sha256, '\\x000000' from forecast.feature_list"
        )


def test_a_changed_feature_row_is_seen(warehouse: Warehouse, attack: Attack) -> None:
    attack(
        "update forecast.feature_row set content = set_byte(content, 7, 64)"
        " where prediction_id = (select prediction_id from forecast.prediction where sequence = 2)"
    )
    (fault,) = ledger.verify(warehouse).faults
    assert "(number 2)" in fault
    assert fault.startswith("The feature row")


@pytest.mark.parametrize(
    ("gone", "found", "since"),
    [("= 6", [6], 1), ("= 1", [1], 1), ("< 4", [1, 2, 3], 1), ("<= 4", [], 5), ("<= 5", [5], 5)],
    ids=["the last", "the first", "most of the first issue", "the whole first issue", "more than that"],
)
def test_a_feature_row_that_is_gone_is_seen_unless_it_may_be_from_before_they_were_kept(
    warehouse: Warehouse, attack: Attack, gone: str, found: list[int], since: int
) -> None:
    attack(
        "delete from forecast.feature_row"
        f" where prediction_id in (select prediction_id from forecast.prediction where sequence {gone})"
    )
    faults = ledger.verify(warehouse).faults
    assert all(fault.endswith(f"is gone: each is kept from number {since} on.") for fault in faults)
    assert [int(fault.partition("(number ")[2].partition(")")[0]) for fault in faults] == found


def test_that_all_feature_rows_are_gone_shows_in_the_names_that_are_left(warehouse: Warehouse, attack: Attack) -> None:
    attack("delete from forecast.feature_row")
    (fault,) = ledger.verify(warehouse).faults
    assert (
        fault
        == f"The feature rows with the names {ledger.names_sha256(['elo_difference', 'rest', 'unknown'])} are gone, all of them."
    )


@pytest.mark.parametrize("table", ["feature_row", "feature_list"])
def test_feature_rows_are_not_changed_afterwards_even_by_the_owner(database: Urls, warehouse: Warehouse, table: str) -> None:
    assert len(warehouse.table(f"forecast.{table}"))
    with psycopg.connect(database.owner) as connection, pytest.raises(psycopg.errors.RestrictViolation, match="stays said"):
        connection.execute(f"delete from forecast.{table}")


# --------------------------------------------------------------------------- explanations


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("update forecast.explanation set contributions = '[[\"base\", 1, 1]]'", "changed"),
        ("update forecast.explanation set firmness = 'firm'", "changed"),
        ("update forecast.explanation set strength_deviation = null", "changed"),
        ("delete from forecast.explanation", "taken away"),
    ],
)
def test_what_was_done_to_an_explanation_is_seen(warehouse: Warehouse, attack: Attack, statement: str, what: str) -> None:
    attack(f"{statement} where prediction_id = (select prediction_id from forecast.prediction where sequence = 2)")
    (fault,) = ledger.verify(warehouse).faults
    assert "(number 2)" in fault
    assert fault.endswith(f"it was {what}.")


def test_an_explanation_cannot_be_changed_together_with_its_digest(warehouse: Warehouse, attack: Attack) -> None:
    attack("update forecast.prediction set explanation_sha256 = repeat('0', 64) where sequence = 2")
    assert len(ledger.verify(warehouse).faults) == 2, "neither does the row follow, nor is the explanation the one it names"


def test_a_negative_zero_and_an_unknown_deviation_are_kept_without_a_fault(database: Urls) -> None:
    warehouse = Warehouse(database.model)
    odd = forecasts(1).assign(contributions=[[["base", -0.0, 1e-300]]], strength_deviation=float("nan"))
    ledger.issue(warehouse, odd, BASIS)
    assert ledger.verify(warehouse).faults == ()


def test_each_prediction_is_kept_with_what_adds_up_to_it_to_the_last_bit(warehouse: Warehouse) -> None:
    standing = ledger.in_force(warehouse, NOW, SETS).set_index("match_id")
    found = ledger.explained(warehouse, list(standing["prediction_id"])).set_index("prediction_id")
    for match_id, p_home in (("m0", 0.4), ("m1", 0.4), ("m2", 0.5), ("m3", 0.5)):
        said = found.loc[standing.loc[match_id, "prediction_id"], "contributions"]
        assert said == [["base", 1 / 3, -0.1], ["rest", p_home, 1e-17]]
    assert set(found["strength_deviation"]) == {0.6}
    assert set(ledger.told(warehouse)["firmness"]) == {"usual"}


def test_the_prediction_before_is_that_of_the_same_match_and_information_set(warehouse: Warehouse) -> None:
    ledger.issue(warehouse, forecasts(1, p_home=0.35).assign(information_set="market", model_version=9), BASIS)
    standing = ledger.in_force(warehouse, NOW, SETS)
    first = ledger.explained(warehouse, list(standing["prediction_id"]))
    found = standing.merge(first, on="prediction_id").set_index(["match_id", "information_set"])
    followed = found.loc[("m0", "results")]
    assert (followed["before_p_home"], followed["before_model_version"]) == (0.5, 3)
    assert followed["before_contributions"] == [["base", 1 / 3, -0.1], ["rest", 0.5, 1e-17]]
    for match in (("m0", "market"), ("m3", "results")):
        assert found.loc[match, "before_prediction_id"] is None
        assert found.loc[match, "before_contributions"] is None


def test_what_is_not_said_anew_is_not_explained_anew(warehouse: Warehouse) -> None:
    """The explanation is of the model and the features that made the row."""
    before = ledger.in_force(warehouse, NOW, SETS)
    again = forecasts(2, p_home=0.4).assign(contributions=[[["base", 9.0, 9.0]]] * 2, issued_at=NOW + timedelta(minutes=1))
    assert set(ledger.issue(warehouse, again, BASIS)["prediction_id"]) <= set(before["prediction_id"])
    found = ledger.explained(warehouse, list(before["prediction_id"]))
    assert len(found) == 4
    assert all(said[0] == ["base", 1 / 3, -0.1] for said in found["contributions"])


def test_no_prediction_is_kept_without_its_explanation(database: Urls) -> None:
    warehouse = Warehouse(database.model)
    with pytest.raises(psycopg.errors.NotNullViolation):
        ledger.issue(warehouse, forecasts(1).assign(contributions=None), BASIS)
    assert ledger.in_force(warehouse, NOW, SETS).empty


@pytest.mark.parametrize("change", ["update forecast.explanation set contributions = '[]'", "delete from forecast.explanation"])
def test_an_explanation_is_not_changed_afterwards_even_by_the_owner(warehouse: Warehouse, database: Urls, change: str) -> None:
    with psycopg.connect(warehouse.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(change)
    with psycopg.connect(database.owner) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute(change)


def test_a_prediction_older_than_explanations_has_none(warehouse: Warehouse) -> None:
    warehouse.append("forecast.prediction", forecasts(1, p_home=0.2).drop(columns=WHY).assign(prediction_id="old"))
    (found,) = ledger.explained(warehouse, ["old"]).to_dict("records")
    assert found["contributions"] is None
    assert found["before_p_home"] == 0.4
    assert ledger.explained(warehouse, []).empty


def test_what_is_kept_can_be_published_with_what_changed(warehouse: Warehouse) -> None:
    standing = ledger.in_force(warehouse, NOW, SETS).set_index("match_id")["prediction_id"]
    told = explanations(ledger.explained(warehouse, list(standing)))
    change = told[standing["m0"]]["change"]
    assert datetime.fromisoformat(change.pop("issued_at")) == NOW
    assert change.pop("prediction_id") not in set(standing)
    assert change == {
        "p_home": 0.5,
        "p_draw": pytest.approx(0.2),
        "p_away": 0.3,
        "is_other_model": False,
        "contributions": [("base", 0.0, 0.0), ("rest", pytest.approx(-0.1), 0.0)],
    }
    assert told[standing["m3"]]["change"] is None


def at(database: Urls, moment: str | None) -> None:
    """Have the ledger go by this moment, or by the server's clock."""
    with psycopg.connect(database.owner) as owner:
        owner.execute("delete from forecast.rehearsal")
    if moment is not None:
        deploy_database.rehearse(database.owner, moment)


def test_the_database_asks_its_own_clock_whether_it_is_before_kick_off_whatever_the_row_says_of_itself(database: Urls) -> None:
    warehouse, rows = Warehouse(database.model), forecasts(2).drop(columns=WHY).assign(prediction_id=["p1", "p2"])
    rows["issued_at"] = pd.Timestamp(NOW + timedelta(minutes=59))
    at(database, (NOW + timedelta(hours=1)).isoformat())  # the first match's kick-off
    with pytest.raises(psycopg.errors.CheckViolation, match="match m0 was refused: it kicked off at"):
        warehouse.append("forecast.prediction", rows)
    assert warehouse.table("forecast.prediction").empty, "all of it or nothing"
    warehouse.append("forecast.prediction", rows[1:])
    at(database, None)
    with pytest.raises(psycopg.errors.CheckViolation, match="match m1 was refused: it kicked off at"):
        warehouse.append("forecast.prediction", rows[1:].assign(prediction_id="p3"))


@pytest.mark.parametrize(
    ("issued", "is_refused"),
    [
        (timedelta(minutes=-16), True),
        (timedelta(minutes=-14), False),
        (timedelta(0), False),
        (timedelta(minutes=2), True),
    ],
    ids=["backdated", "a long run", "now", "to come"],
)
def test_nor_may_a_row_say_another_moment_of_issue_than_the_clock_by_more_than_a_run_takes(
    database: Urls, issued: timedelta, is_refused: bool
) -> None:
    at(database, None)
    now = pd.Timestamp.now("UTC").as_unit("us")
    moments = {"as_of": now - timedelta(hours=2), "issued_at": now + issued, "kickoff_at": now + timedelta(days=1)}
    row = forecasts(1).drop(columns=WHY).assign(prediction_id="p", **moments)
    if is_refused:
        with pytest.raises(psycopg.errors.CheckViolation, match="it says it was issued at"):
            Warehouse(database.model).append("forecast.prediction", row)
    else:
        Warehouse(database.model).append("forecast.prediction", row)


@pytest.mark.parametrize("ahead", [ledger.MOST_BEFORE_WRITING, -ledger.MOST_AFTER], ids=["the database's", "this machine's"])
def test_where_a_clock_is_wrong_that_is_said_and_nothing_is_silently_left_out(database: Urls, ahead: timedelta) -> None:
    warehouse, second = Warehouse(database.model), timedelta(seconds=1 if ahead > timedelta(0) else -1)
    at(database, (NOW + ahead + second).isoformat())
    with pytest.raises(ledger.ClocksDiffer, match="it is 2026-03-01 12:00:00 UTC here, and 2026-03-01 1"):
        ledger.issue(warehouse, forecasts(3), BASIS)
    at(database, (NOW + ahead).isoformat())
    assert len(ledger.issue(warehouse, forecasts(3), BASIS)) == 3


def test_a_match_that_may_begin_while_it_is_written_is_left_out_and_the_others_are_issued(database: Urls) -> None:
    warehouse = Warehouse(database.model)
    at(database, NOW.isoformat())
    said = forecasts(3)
    said.loc[0, "kickoff_at"] = NOW + ledger.LEAST_LEAD
    said.loc[1, "kickoff_at"] = NOW + ledger.LEAST_LEAD + timedelta(microseconds=1)
    assert ledger.issue(warehouse, said, BASIS)["match_id"].tolist() == ["m1", "m2"]
    assert warehouse.table("forecast.prediction")["match_id"].tolist() == ["m1", "m2"]
    assert ledger.issue(warehouse, said[:1], BASIS).empty


def test_who_issues_cannot_turn_back_the_clock(database: Urls) -> None:
    for statement in (
        "insert into forecast.rehearsal (moment) values ('-infinity')",
        "update forecast.rehearsal set moment = '-infinity'",
        "create or replace function forecast.clock() returns timestamptz language sql as 'select ''-infinity''::timestamptz'",
        "alter table forecast.prediction disable trigger before_kickoff",
    ):
        with psycopg.connect(database.model) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
