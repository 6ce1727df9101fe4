"""What readers get when they ask for predictions."""

import csv
import io
import json
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

from deploy.database import Urls
from serving.app import create_app
from serving.schemas import Explanation
from serving.schemas.rounding import round_probabilities
from serving.settings import Settings
from tests.serving.conftest import BOOK, EXPLANATION, NOW, PREDICTIONS, prediction, publish, said, tell

Ask = Callable[..., Any]
SQL = (
    "' or 1=1 --",
    "'; drop table published.prediction; --",
    "%",
    "_",
    "\\",
    '"',
    "E0' union select 1",
    "$1",
    ":team",
    "%(team)s",
)


def ids(answer: Any) -> list[str]:
    return [each["prediction_id"] for each in answer.json()["predictions"]]


def expected(keep: Callable[[dict[str, Any]], bool] = lambda row: True) -> list[str]:
    rows = sorted(PREDICTIONS, key=lambda row: (row["kickoff_at"], row["prediction_id"]))
    return [row["prediction_id"] for row in rows if row["kickoff_at"] >= NOW and row["is_best_informed"] and keep(row)]


def walk(ask: Ask, **parameters: Any) -> list[str]:
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = ask("/v1/predictions", **parameters, **cursor)
        assert answer.status_code == 200
        seen += ids(answer)
        if answer.json()["next_cursor"] is None:
            return seen
        cursor = {"cursor": answer.json()["next_cursor"]}


def test_a_prediction_carries_names_probabilities_and_its_origin(ask: Ask) -> None:
    answer = ask(f"/v1/predictions/{5:064x}")
    assert answer.status_code == 200
    assert answer.json() == {
        "publication_id": 2,
        "prediction_id": f"{5:064x}",
        "match_id": "e0-2025-home5-away5-1",
        "competition_id": "E0",
        "competition": "Premier League",
        "country": "England",
        "season": 2025,
        "kickoff_at": "2026-03-01T14:00:00Z",
        "is_time_known": True,
        "home_team_id": "england-home5",
        "home_team": "Home 5",
        "away_team_id": "england-away5",
        "away_team": "Away 5",
        "p_home": 0.5,
        "p_draw": 0.3,
        "p_away": 0.2,
        "expected_home_goals": 1.618,
        "expected_away_goals": 0.9,
        "information_set": "results",
        "is_best_informed": True,
        "model_name": "lightgbm",
        "model_version": 7,
        "as_of": "2026-03-01T11:00:00Z",
        "issued_at": "2026-03-01T11:30:00Z",
        "strength_deviation": None,
        "firmness": None,
        "is_simulated": False,
        # Published before there were any.
        "expected_home_points": None,
        "expected_away_points": None,
        "scorelines": None,
        "selections": None,
        "explanation": None,
    }


def test_a_prediction_says_what_it_means_for_every_market(ask: Ask) -> None:
    answer = ask(f"/v1/predictions/{90:064x}").json()
    assert (answer["expected_home_points"], answer["expected_away_points"]) == (0.87, 1.63)
    assert answer["scorelines"] == [[0.123457, 0.876543], [0.0, 0.0]]
    assert [list(each.values()) for each in answer["selections"]] == [
        # The outcomes as in `p_home`, `p_draw`, `p_away`: rounded together, so that they sum to one.
        ["1x2", None, "home", answer["p_home"], 8.1],
        ["1x2", None, "draw", 0.5, 2.0],
        ["1x2", None, "away", answer["p_away"], 2.656],
        ["over_under", 2.25, "over", 0.412346, 2.425],
        ["asian_handicap", -0.5, "away", 0.376543, 2.656],
        ["correct_score", None, "15-15", 0.0, None],
    ]
    assert list(answer["selections"][0]) == ["market", "line", "selection", "probability", "fair_odds"]


def test_a_prediction_says_what_adds_up_to_it_and_what_changed(ask: Ask) -> None:
    assert ask(f"/v1/predictions/{90:064x}").json()["explanation"] == {
        "side": -1.125,
        "draw": -0.2375,
        "contributions": [
            {"group": "base", "side": 0.4, "draw": -0.25},
            {"group": "strength", "side": -1.525, "draw": 0.0125},
            {"group": "rest", "side": 0.0, "draw": 0.0},
        ],
        "change": {
            "prediction_id": "e" * 32,
            "issued_at": "2026-02-27T06:00:00Z",
            # Rounded together, as those of the prediction itself.
            "p_home": 0.111112,
            "p_draw": 0.5,
            "p_away": 0.388888,
            "is_other_model": False,
            "contributions": [
                {"group": "base", "side": 0.0, "draw": 0.0},
                {"group": "strength", "side": 0.01, "draw": -0.02},
                {"group": "rest", "side": 0.0, "draw": 0.0},
            ],
        },
    }


@pytest.mark.parametrize("change", [None, EXPLANATION["change"] | {"contributions": None}], ids=["first", "not explained"])
def test_a_prediction_without_an_explained_one_before_it_explains_itself(change: dict[str, Any] | None) -> None:
    told = Explanation.of(EXPLANATION | {"change": change})
    assert len(told.contributions) == 3
    assert (told.change and told.change.contributions) is None


@given(
    rows=st.lists(
        st.tuples(st.text(max_size=3), *[st.floats(-20, 20, allow_subnormal=False)] * 2).map(list), min_size=1, max_size=12
    )
)
def test_the_contributions_that_are_answered_add_up_to_nine_decimals(rows: list[Any]) -> None:
    told = Explanation.of({"contributions": rows, "change": None})
    assert abs(sum(each.side for each in told.contributions) - told.side) < 5e-10
    assert abs(sum(each.draw for each in told.contributions) - told.draw) < 5e-10


def test_the_list_and_its_csv_stay_without_markets_and_explanations(ask: Ask) -> None:
    (first, *_) = ask("/v1/predictions", competition="D1").json()["predictions"]
    assert not {"selections", "explanation"} & set(first)


def test_a_prediction_says_how_well_its_clubs_are_known(ask: Ask) -> None:
    (first, *_) = ask("/v1/predictions", competition="D1").json()["predictions"]
    assert (first["strength_deviation"], first["firmness"]) == (0.512, "firm")


def test_the_newest_publication_is_served_and_an_earlier_one_is_not(ask: Ask) -> None:
    assert ask(f"/v1/predictions/{0:064x}").json()["p_home"] == 0.5  # 0.4 in the publication before
    assert {each["publication_id"] for each in ask("/v1/predictions", limit=200).json()["predictions"]} == {2}


def test_an_unknown_prediction_is_not_found(ask: Ask) -> None:
    answer = ask("/v1/predictions/no-such-id")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"] == "No prediction of this id was published."


def test_a_prediction_that_is_no_longer_served_is_told_as_it_was_published_first(
    database: Urls, settings_for: Callable[..., Settings], bearer: Callable[..., dict[str, str]]
) -> None:
    """The ids in the history of a match, and that of the prediction before in an explanation, lead to something."""
    first, passed_over, unpublished = ("1" * 32, "2" * 32, "3" * 32)
    old, issued_at = prediction(1, prediction_id=first, book=BOOK), NOW - timedelta(days=3)
    publish(database.model, [prediction(1, prediction_id="4" * 32)], published_at=NOW - timedelta(days=4))
    publish(database.model, [old], published_at=NOW - timedelta(days=3))
    publish(database.model, [old | {"p_home": 0.4, "p_draw": 0.4}], published_at=NOW - timedelta(days=2))
    publish(database.model, [prediction(1)])
    issued = {first: issued_at, passed_over: issued_at, unpublished: NOW}
    tell(
        database.model,
        {
            "issued_prediction": [
                said(n, old["match_id"], "results", 0.5, prediction_id=prediction_id, issued_at=at)
                for n, (prediction_id, at) in enumerate(issued.items())
            ]
        },
    )
    with TestClient(create_app(settings_for(database.api, is_simulated=True))) as client:
        answer = client.get(f"/v1/predictions/{first}", headers=bearer())
        told = answer.json()
        assert (told["publication_id"], told["p_home"], told["is_simulated"], len(told["selections"])) == (2, 0.5, True, 6)
        assert client.get(f"/v1/predictions/{first}?fields=p_home", headers=bearer()).json() == {"p_home": 0.5}
        again = client.get(f"/v1/predictions/{first}", headers=bearer() | {"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
        for unknown in (passed_over, unpublished):
            assert client.get(f"/v1/predictions/{unknown}", headers=bearer()).status_code == 404


def test_the_list_begins_with_the_next_kickoff_and_leaves_out_what_has_begun(ask: Ask) -> None:
    answer = ask("/v1/predictions")
    assert ids(answer) == expected()[:50]
    assert answer.json()["publication_id"] == 2
    assert answer.json()["published_at"] == "2026-03-01T11:40:00Z"
    assert answer.json()["note"] is None


def test_matches_that_have_begun_are_given_to_those_who_ask_from_earlier(ask: Ask) -> None:
    assert ids(ask("/v1/predictions", **{"from": "2026-03-01"}))[0] == f"{200:064x}"


def test_a_competition_is_chosen_by_its_id(ask: Ask) -> None:
    assert ids(ask("/v1/predictions", competition="D1", limit=200)) == expected(lambda row: row["competition_id"] == "D1")
    assert ids(ask("/v1/predictions", competition="d1")) == []


def test_a_match_is_listed_once_by_its_best_informed_forecast_unless_a_set_is_asked_for(ask: Ask) -> None:
    assert len(ids(ask("/v1/predictions", to="2026-03-01T14:00Z"))) == 4
    of_history = [f"{1000 + n:064x}" for n in (0, 1, 2)]
    assert ids(ask("/v1/predictions", information_set="history")) == of_history
    assert walk(ask, limit=2, information_set="history") == of_history
    assert ids(ask("/v1/predictions", information_set="results")) == expected()[:50]
    assert ids(ask("/v1/predictions", information_set="hearsay")) == []
    # By its id every forecast can be had.
    assert ask(f"/v1/predictions/{1001:064x}").json()["is_best_informed"] is False


@pytest.mark.parametrize("team", ["england-arsenal", "Arsenal", "ARSENAL"])
def test_a_team_is_chosen_by_id_or_by_name_in_any_case_at_home_and_away(ask: Ask, team: str) -> None:
    assert ids(ask("/v1/predictions", team=team, **{"from": "2026-01-01"})) == [f"{200:064x}", f"{201:064x}"]


@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        ("2026-03-01T13:00Z", "2026-03-01T14:00Z", 0, 3),  # the end is exclusive
        ("2026-03-01T14:00:00+01:00", "2026-03-01T15:00+01:00", 0, 3),
        ("2026-03-01T14:00:00 01:00", "2026-03-01T15:00 01:00", 0, 3),  # a plus sign nobody encoded
        ("2026-03-01T13:00", "2026-03-01T14:00", 0, 3),  # UTC where no offset is given
        ("2026-03-01T13:00Z", "2026-03-01", 0, 43),  # a day as the end is inclusive
        ("2026-03-02", "2026-03-02T01:00Z", 44, 47),
    ],
)
def test_days_and_instants_bound_the_list(ask: Ask, since: str, until: str, first: int, last: int) -> None:
    answer = ask("/v1/predictions", **{"from": since, "to": until, "limit": 200})
    assert ids(answer) == [f"{n:064x}" for n in range(first, last + 1)]


@pytest.mark.parametrize("moment", ["yesterday", "2026-02-30", "2026-13-01", "", "0001-01-01T00:00+14:00", "9999-12-31", "1e9"])
def test_a_moment_that_is_none_is_refused_with_an_example(ask: Ask, moment: str) -> None:
    answer = ask("/v1/predictions", to=moment)
    assert answer.status_code == 400
    assert answer.json()["detail"] == "`to` should be a day (2026-01-31) or an instant (2026-01-31T15:00Z)."


def test_a_range_that_ends_before_it_begins_is_refused(ask: Ask) -> None:
    assert ask("/v1/predictions", **{"from": "2026-03-02", "to": "2026-03-01"}).status_code == 422


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many", "1.5", "9" * 30])
def test_a_limit_out_of_bounds_is_refused_and_named(ask: Ask, limit: str) -> None:
    answer = ask("/v1/predictions", limit=limit)
    assert answer.status_code == 400
    assert [(each["key"], each["source"]) for each in answer.json()["errors"]] == [("limit", "query")]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(7, 200), competition=st.sampled_from([None, "E0", "D1"]))
def test_walking_the_pages_shows_every_row_exactly_once(ask: Ask, limit: int, competition: str | None) -> None:
    """Four matches kick off at the same moment: a cursor of the kick-off alone would lose or repeat some."""
    chosen = {} if competition is None else {"competition": competition}
    assert walk(ask, limit=limit, **chosen) == expected(lambda row: competition in (None, row["competition_id"]))


def test_pages_of_one_row_are_walked_as_well(ask: Ask) -> None:
    assert walk(ask, limit=1, to="2026-03-01T16:00Z") == [f"{n:064x}" for n in range(12)]


def test_a_walk_stays_in_the_publication_it_began_in(
    database: Urls, settings_for: Callable[..., Settings], bearer: Callable[..., dict[str, str]]
) -> None:
    """The new publication is without the rows that are still to come: changing over would lose them."""
    publish(database.model, [prediction(n) for n in range(10)])
    with TestClient(create_app(settings_for(database.api))) as client:
        first = client.get("/v1/predictions", params={"limit": 6}, headers=bearer()).json()
        publish(database.model, [prediction(n, p_home=0.4, p_draw=0.4) for n in range(3)])
        second = client.get("/v1/predictions", params={"limit": 6, "cursor": first["next_cursor"]}, headers=bearer()).json()
        assert [each["prediction_id"] for each in second["predictions"]] == [f"{n:064x}" for n in range(6, 10)]
        assert second["publication_id"] == first["publication_id"]
        assert second["next_cursor"] is None


def test_the_link_header_leads_to_the_next_page(ask: Ask, client: Any, bearer: Callable[..., dict[str, str]]) -> None:
    answer = ask("/v1/predictions", limit=5, team="Home 1", **{"from": "2026-01-01"})
    assert "Link" not in answer.headers  # the only page
    answer = ask("/v1/predictions", limit=5, competition="E0")
    link, _, relation = answer.headers["Link"].partition(">; ")
    assert relation == 'rel="next"'
    assert ids(client.get(link.removeprefix("<"), headers=bearer())) == expected(lambda row: row["competition_id"] == "E0")[5:10]


@pytest.mark.parametrize("cursor", ["x", "!!!", "é", "e30", "W10", "WzEsMl0", "bnVsbA", "WzEsImEiLCIyMDI2Il0", "A" * 600])
def test_a_cursor_that_is_not_ours_is_refused(ask: Ask, cursor: str) -> None:
    answer = ask("/v1/predictions", cursor=cursor)
    assert answer.status_code == 400
    assert answer.json()["detail"] == "This cursor is not one that the service gave out."


def test_a_cursor_for_another_query_is_refused(ask: Ask) -> None:
    cursor = ask("/v1/predictions", limit=5, competition="E0").json()["next_cursor"]
    answer = ask("/v1/predictions", limit=5, competition="D1", cursor=cursor)
    assert answer.status_code == 400
    assert "another query" in answer.json()["detail"]


def test_a_cursor_into_a_publication_that_is_gone_says_so(ask: Ask) -> None:
    from base64 import urlsafe_b64encode

    from serving.routes.predictions import Cursor

    cursor = Cursor.decode(ask("/v1/predictions", limit=5).json()["next_cursor"])
    gone = urlsafe_b64encode(json.dumps([99, cursor.query, cursor.kickoff_at.isoformat(), cursor.prediction_id]).encode())
    assert ask("/v1/predictions", cursor=gone.decode().rstrip("=")).status_code == 410


@pytest.mark.parametrize("text", SQL)
@pytest.mark.parametrize("name", ["competition", "team"])
def test_sql_in_a_filter_is_only_a_name_that_nobody_bears(ask: Ask, name: str, text: str) -> None:
    answer = ask("/v1/predictions", **{name: text})
    assert (answer.status_code, ids(answer)) == (200, [])
    assert ask("/v1/predictions/" + text.replace("/", "")).status_code == 404
    assert len(ids(ask("/v1/predictions", limit=200))) == len(expected())


@pytest.mark.parametrize("text", ["\0", "a\0b", "\n", "x" * 101, ""])
def test_text_that_the_database_cannot_hold_is_refused_before_it_is_asked(ask: Ask, text: str) -> None:
    assert ask("/v1/predictions", team=text).status_code == 400


def test_a_client_that_has_the_answer_gets_304_without_it(ask: Ask) -> None:
    for path in ("/v1/predictions?limit=5", f"/v1/predictions/{1:064x}", "/v1/competitions"):
        answer = ask(path)
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["Vary"] == "Accept, Accept-Encoding, Authorization, Cookie"
        tag = answer.headers["ETag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = ask(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert ask(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_another_answer_has_another_tag(ask: Ask) -> None:
    paths = ("/v1/predictions?limit=5", "/v1/predictions?limit=6", "/v1/predictions?limit=5&competition=D1")
    tags = {ask(path).headers["ETag"] for path in paths} | {ask(paths[0], headers={"Accept": "text/csv"}).headers["ETag"]}
    assert len(tags) == 4


def test_csv_has_the_same_columns_and_values_as_json(ask: Ask) -> None:
    answer = ask("/v1/predictions", headers={"Accept": "text/csv"}, limit=100)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "Link" in answer.headers
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    for row, twin in zip(rows, ask("/v1/predictions", limit=100).json()["predictions"], strict=True):
        assert row == {
            name: "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in twin.items()
        }


def test_browsers_get_json(ask: Ask) -> None:
    answer = ask("/v1/predictions", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.headers["content-type"] == "application/json"


def test_an_empty_publication_is_served_with_its_note(
    database: Urls, settings_for: Callable[..., Settings], bearer: Callable[..., dict[str, str]]
) -> None:
    publish(database.model, [], note="The source lists no coming match.")
    with TestClient(create_app(settings_for(database.api))) as client:
        answer = client.get("/v1/predictions", headers=bearer())
    assert answer.status_code == 200
    assert (answer.json()["predictions"], answer.json()["note"]) == ([], "The source lists no coming match.")


def test_a_new_publication_is_served_within_its_second(
    database: Urls, settings_for: Callable[..., Settings], bearer: Callable[..., dict[str, str]]
) -> None:
    publish(database.model, [prediction(1)])
    app = create_app(settings_for(database.api))
    with TestClient(app) as client:
        assert client.get("/v1/predictions", headers=bearer()).json()["publication_id"] == 1
        publish(database.model, [prediction(1, kickoff_at=NOW + timedelta(days=1))])
        time.sleep(1.5)  # it is looked for every second
        assert client.get("/v1/predictions", headers=bearer()).json()["publication_id"] == 2


@given(parts=st.tuples(*(st.floats(1e-6, 1),) * 3))
def test_rounded_probabilities_sum_to_exactly_one_and_move_less_than_a_millionth(parts: tuple[float, float, float]) -> None:
    exact = [part / sum(parts) for part in parts]
    rounded = round_probabilities(*exact)
    assert sum(Decimal(repr(p)) for p in rounded) == 1
    assert all(abs(p - q) < 1e-6 + 1e-12 for p, q in zip(rounded, exact, strict=True))


def test_what_is_left_over_after_rounding_goes_to_the_largest_remainder() -> None:
    assert round_probabilities(1 / 3, 1 / 3, 1 / 3) == (0.333334, 0.333333, 0.333333)
    assert round_probabilities(0.1234562, 0.4999999, 0.3765439) == (0.123456, 0.5, 0.376544)
