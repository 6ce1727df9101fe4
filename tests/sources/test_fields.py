"""The fields of JSON records, and of what kind their values are."""

import json

from pipelines.sources import football_data_org, openfootball
from pipelines.sources.fields import MAX_FIELDS, fields
from pipelines.sources.kinds import ENOUGH
from tests.sources.football_data_org import answer, match

MANY = [{"at": "2024-01-20T15:00:00Z", "score": {"full": {"home": n, "away": None}}, "tags": [n], "old": True} for n in range(9)]


def test_paths_lead_to_values_and_each_has_the_kind_of_nearly_all_of_them() -> None:
    names, kinds = fields(MANY)
    assert names == ("at", "old", "score.full.away", "score.full.home", "tags")
    assert kinds == {"at": "moment", "old": "true or false", "score.full.home": "number", "tags": "list"}
    assert fields([{"n": "7"}] * ENOUGH)[1] == {"n": "number in quotation marks"}
    assert fields([{"n": "7"}] * (ENOUGH - 1))[1] == {}, "too few to tell"


def test_what_few_records_have_is_no_field_and_a_null_in_place_of_an_object_is_none() -> None:
    few = [{**record, "note": "awarded"} if n < ENOUGH - 1 else record for n, record in enumerate(MANY)]
    assert fields(few) == fields(MANY)
    undecided = [{**record, "score": None} if n % 2 else record for n, record in enumerate([*MANY, *MANY])]
    assert fields(undecided)[0] == fields(MANY)[0]
    assert fields([{"score": None}] * ENOUGH) == (("score",), {})
    assert fields(["no record", None, 1]) == ((), {})


def test_names_that_are_data_or_cannot_be_stored_stay_few_and_out() -> None:
    assert len(fields([{f"club {n}": n for n in range(1000)}])[0]) == MAX_FIELDS
    assert fields([{"a\0": 1, "b\ud800": 1, "c" * 1000: 1, "d": 1}])[0] == ("d",)
    deep: dict[str, object] = {"x": 1}
    for _ in range(400):
        deep = {"x": deep}
    assert fields([deep]) == ((), {})


def test_files_of_json_tell_their_fields_matches_or_not() -> None:
    listed = football_data_org.parse(answer(*(match(f"2024-01-{1 + n:02}T15:00:00Z", f"A{n}", "B", (n, 1)) for n in range(8))))
    assert {"utcDate", "homeTeam.name", "score.fullTime.home", "competition.code", "season.winner", "referees"} <= set(
        listed.header or ()
    )
    assert (listed.kinds["utcDate"], listed.kinds["score.fullTime.home"]) == ("moment", "number")
    assert list(listed.header or ()) == sorted(listed.header or ())
    renamed = [{"day": "2024-01-20", "team1": f"A{n}", "team2": "B", "score": {"ft": [1, 0]}} for n in range(8)]
    parsed = openfootball.parse(json.dumps({"name": "X", "matches": renamed}).encode())
    assert (len(parsed.rows), parsed.header, parsed.n_header) == (0, ("day", "score.ft", "team1", "team2"), 0)
    assert openfootball.parse(b'{"name": "X", "matches": []}').header is None
