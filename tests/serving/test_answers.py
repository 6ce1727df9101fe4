"""What is answered about clubs, matches, seasons and the record: the values of a small world."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from litestar.testing import TestClient

from deploy.database import Urls
from serving.app import create_app
from tests.serving.conftest import NOW, Client, match, prediction, publish, tell

Ask = Callable[..., Any]

LISTS = ("/v1/teams", "/v1/matches", "/v1/record/predictions")
ANSWERS = (
    *LISTS,
    *("/v1/teams/england-a", "/v1/matches/m1", "/v1/matches/m1/predictions", "/v1/competitions/E0/season"),
    *("/v1/competitions/E0", "/v1/record/calibration", "/v1/record/distance", "/v1/status"),
    *(
        "/v1/publication",
        "/v1/publication/checks",
        "/v1/record",
        "/v1/record/verification",
        "/v1/models",
        "/v1/models/results/evidence",
    ),
    *(f"/v1/predictions/{1:064x}/lineage", "/v1/publications", "/v1/publications/1"),
)


@pytest.mark.parametrize("path", ANSWERS)
def test_nobody_is_told_without_saying_who_they_are_and_nothing_is_sent_twice(client: Client, ask: Ask, path: str) -> None:
    assert client.get(path).status_code == 401
    first = ask(path)
    assert first.status_code == 200
    assert first.json()["is_simulated"] is False
    again = ask(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", LISTS)
def test_walking_the_pages_shows_every_row_once(ask: Ask, path: str) -> None:
    (name,) = {"teams", "matches", "predictions"} & set(ask(path).json())
    whole = ask(path).json()[name]
    walked: list[Any] = []
    cursor, links = None, 0
    while True:
        page = ask(path, limit=2, **({"cursor": cursor} if cursor else {}))
        walked += page.json()[name]
        links += "Link" in page.headers
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
        assert f"cursor={cursor}" in page.headers["Link"]
    assert (walked, links) == (whole, (len(whole) - 1) // 2)
    assert ask(path, cursor="nonsense").status_code == 400
    other = ask(path, limit=1).json()["next_cursor"]
    assert ask(path, cursor=other, competition="E0").status_code == 400


def test_clubs_are_found_by_a_part_of_their_name(ask: Ask) -> None:
    assert [team["team_id"] for team in ask("/v1/teams", search="club B").json()["teams"]] == ["england-b"]
    assert ask("/v1/teams", search="%").json()["teams"] == []
    assert ask("/v1/teams", competition="D1").json()["teams"] == []
    text = ask("/v1/teams", {"Accept": "text/csv"}, limit=1).text
    assert text == "team_id,name,country,competition_id,season\nengland-a,Club A,England,E0,2025\n"


def test_a_clubs_form_is_what_it_played_last(ask: Ask) -> None:
    answer = ask("/v1/teams/england-a").json()
    assert (answer["name"], answer["competition_id"]) == ("Club A", "E0")
    assert [(each["match_id"], each["home_goals"], each["away_goals"]) for each in answer["form"]] == [
        ("m3", 1, 1),
        ("m1", 2, 1),
        ("m0", 0, 4),
    ]
    assert ask("/v1/teams/nobody").status_code == 404


def found(ask: Ask, **filters: Any) -> list[str]:
    return [each["match_id"] for each in ask("/v1/matches", **filters).json()["matches"]]


def test_matches_are_filtered_by_every_filter(ask: Ask) -> None:
    assert found(ask) == ["m0", "m1", "m2", "m3", "m5"]
    assert found(ask, season=2024) == ["m0"]
    assert found(ask, competition="D1") == []
    assert found(ask, team="england-b", opponent="england-a") == ["m1", "m3"]
    assert found(ask, status="scheduled") == ["m5"]
    day = (NOW - timedelta(weeks=2)).date().isoformat()
    assert found(ask, **{"from": day, "to": day}) == ["m2"]
    assert ask("/v1/matches", **{"from": "yesterday"}).status_code == 400
    assert ask("/v1/matches", status="postponed").status_code == 400


@pytest.mark.parametrize("path", ["/v1/predictions", "/v1/matches", "/v1/record/predictions", "/v1/audit"])
def test_a_time_that_ends_before_it_begins_is_refused_wherever_one_can_be_given(
    client: Client, bearer: Callable[..., dict[str, str]], path: str
) -> None:
    def status(since: str, until: str) -> int:
        return client.get(path, params={"from": since, "to": until}, headers=bearer("admin")).status_code

    assert (status("2026-03-02", "2026-03-01"), status("2026-03-01", "2026-03-01")) == (422, 200)


def test_a_match_comes_with_its_result_and_the_last_word_of_the_set_that_knew_most(ask: Ask) -> None:
    answer = ask("/v1/matches/m1").json()
    assert answer == {
        "is_simulated": False, "match_id": "m1", "competition_id": "E0", "season": 2025, "kickoff_at": "2026-02-08T12:00:00Z",
        "is_time_known": True, "status": "played", "home_team_id": "england-a", "home_team": "Club A",
        "away_team_id": "england-b", "away_team": "Club B", "home_goals": 2, "away_goals": 1, "home_half_time_goals": None,
        "away_half_time_goals": None,
        "forecast": {
            "prediction_id": "said2", "information_set": "market", "issued_at": "2026-02-01T14:00:00Z",
            "p_home": 0.4, "p_draw": 0.25, "p_away": 0.35,
        },
    }  # fmt: skip
    assert ask("/v1/matches/m2").json()["forecast"] is None
    line = ask("/v1/matches", {"Accept": "text/csv"}, season=2025, limit=1).text.splitlines()[1]
    assert line == ("m1,E0,2025,2026-02-08T12:00:00Z,true,played,england-a,Club A,england-b,Club B,2,1,said2,0.4,0.25,0.35")
    assert ask("/v1/matches/m9").status_code == 404


def test_the_history_says_of_each_prediction_what_it_took_the_place_of(ask: Ask) -> None:
    history = ask("/v1/matches/m1/predictions").json()["predictions"]
    names = ("prediction_id", "information_set", "supersedes", "change_home", "change_draw", "change_away", "is_other_model")
    assert [tuple(each[name] for name in names) for each in history] == [
        ("said1", "results", None, None, None, None, None),
        ("said2", "market", None, None, None, None, None),
        ("said3", "results", "said1", -0.05, 0.0, 0.05, True),
    ]
    assert history[0]["contributions"] == [{"group": "base", "side": 0.333333333333, "draw": -0.1}]
    assert history[2]["contributions"] is None
    assert ask("/v1/matches/m2/predictions").json()["predictions"] == []
    assert ask("/v1/matches/m9/predictions").status_code == 404


def test_a_season_has_its_table_and_how_it_may_end(ask: Ask) -> None:
    answer = ask("/v1/competitions/E0/season").json()
    assert (answer["season"], answer["latest_result_at"], answer["n_relegated"]) == (2025, "2026-02-22T12:00:00Z", 1)
    shown = ("position", "team", "played", "won", "drawn", "lost", "goals_for", "goals_against", "goal_difference", "points")
    assert [tuple(row[name] for name in shown) for row in answer["table"]] == [
        (1, "Club A", 2, 1, 1, 0, 3, 2, 1, 4),
        (2, "Club C", 1, 0, 1, 0, 0, 0, 0, 1),
        (2, "Club D", 1, 0, 1, 0, 0, 0, 0, 1),
        (4, "Club B", 2, 0, 1, 1, 2, 3, -1, 1),
    ]
    best = answer["outlook"][0]
    assert best == {
        "team_id": "england-a", "team": "Club A", "points": 4, "expected_points": 5.23, "n_left": 2, "p_title": 0.25,
        "p_top_four": 1.0, "p_relegated": 0.3333, "places": [0.5, 0.25, 0.25, 0.0],
    }  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(ask("/v1/competitions/E0/season", {"Accept": "text/csv"}).text)))
    simulated = ("team", "points", "expected_points", "n_left", "p_title", "p_top_four", "p_relegated", "places")
    assert [tuple(row[name] for name in simulated) for row in rows[:2]] == [
        ("Club A", "4", "5.23", "2", "0.25", "1.0", "0.3333", "[0.5,0.25,0.25,0.0]"),
        ("Club C", "1", *[""] * 6),
    ]
    before = ask("/v1/competitions/E0/season", season=2024).json()
    assert (len(before["table"]), before["outlook"], before["n_relegated"]) == (2, None, None)
    assert ask("/v1/competitions/E0/season", season=1999).status_code == 404
    assert ask("/v1/competitions/D1/season").status_code == 404


def test_one_competition_is_told_as_in_the_list(ask: Ask) -> None:
    listed = ask("/v1/competitions").json()
    head = {name: listed[name] for name in ("is_simulated", "publication_id")}
    for each in listed["competitions"]:
        assert ask(f"/v1/competitions/{each['competition_id']}").json() == head | each
    assert ask("/v1/competitions/X").status_code == 404


def test_the_record_is_summed_up_with_its_calibration(ask: Ask) -> None:
    answer = ask("/v1/record").json()
    verification = ask("/v1/record/verification").json()
    assert answer["ledger"] == {name: verification[name] for name in ("verified_at", "n_predictions", "is_intact")}
    assert [(row["group_by"], row["n"], row["log_loss"], row["market_log_loss"]) for row in answer["scoreboard"]] == [
        ("all", 2, 1.0, None),
        ("competition", 2, 1.0, None),
    ]
    assert answer["calibration"][0]["frequency_high"] == 0.91
    assert ask("/v1/record/calibration").json() == {"is_simulated": False, "calibration": answer["calibration"]}
    assert ask("/v1/record/calibration", information_set="market").json()["calibration"] == []
    lines = ask("/v1/record/calibration", {"Accept": "text/csv"}).text.splitlines()
    assert lines == [
        "information_set,outcome,bin,n,p_mean,frequency,frequency_low,frequency_high",
        "results,home,0,2,0.45,0.5,0.09,0.91",
    ]
    assert len(ask("/v1/record", group_by="competition").json()["scoreboard"]) == 1


def test_the_distance_to_the_market_is_told_by_day_where_there_were_closing_odds(ask: Ask) -> None:
    (day,) = ask("/v1/record/distance", information_set="market").json()["days"]
    settled = ask("/v1/record/predictions", information_set="market").json()["predictions"]
    (counted,) = [each for each in settled if each["market_log_loss"] is not None]
    assert day["day"] == counted["kickoff_at"][:10] + "T00:00:00Z"
    assert (day["information_set"], day["n"], day["low"], day["high"]) == ("market", 1, None, None)
    assert day["total"] == day["distance"] == pytest.approx(counted["log_loss"] - counted["market_log_loss"], abs=1e-6)
    assert ask("/v1/record/distance").json()["days"] == [], "of history nothing was issued"
    assert ask("/v1/record/distance", information_set="results").json()["days"] == [], "no closing odds"


def test_a_set_without_scores_has_no_scoreboard(ask: Ask) -> None:
    assert ask("/v1/record", information_set="market").json()["scoreboard"] == []
    assert ask("/v1/record", {"Accept": "text/csv"}, group_by="all").text.splitlines()[1].startswith("results,0,all,all,2,1.0,")


def test_each_settled_prediction_is_listed_with_its_score(ask: Ask) -> None:
    settled = ask("/v1/record/predictions", horizon_hours=0).json()["predictions"]
    shown = ("prediction_id", "outcome", "p_home", "log_loss", "market_log_loss")
    assert [tuple(each[name] for name in shown) for each in settled] == [
        ("said2", "home", 0.4, 0.916291, 0.9),
        ("said3", "home", 0.45, 0.916291, None),
    ]
    assert len(ask("/v1/record/predictions", information_set="results").json()["predictions"]) == 2
    assert ask("/v1/record/predictions", competition="D1").json()["predictions"] == []


def test_settled_predictions_are_those_of_a_club_and_of_a_time(ask: Ask) -> None:
    """All three are of m1: A against B, on 8 February."""

    def n(**filters: Any) -> int:
        return len(ask("/v1/record/predictions", **filters).json()["predictions"])

    assert [n(team=f"england-{each}") for each in "abc"] == [3, 3, 0]
    assert [n(**{"from": each}) for each in ("2026-02-08", "2026-02-08T12:00Z", "2026-02-08T12:01Z")] == [3, 3, 0]
    assert [n(to=each) for each in ("2026-02-07", "2026-02-08", "2026-02-08T12:00Z")] == [0, 3, 0]
    assert n(team="england-a", horizon_hours=24, **{"from": "2026-02-01", "to": "2026-02-28"}) == 1
    assert ask("/v1/record/predictions", to="soon").status_code == 400


def test_the_ledgers_state_is_the_last_verdict(ask: Ask) -> None:
    assert ask("/v1/record/verification").json() == {
        "is_simulated": False, "verified_at": "2026-03-01T12:00:00Z", "n_predictions": 4, "head_sequence": 4,
        "head_link": f"{4:064x}", "is_intact": True, "faults": [],
    }  # fmt: skip


def test_each_set_has_its_champion_why_it_is_one_and_what_last_stood_against_it(ask: Ask) -> None:
    (model,) = ask("/v1/models").json()["models"]
    assert (model["champion"]["model_version"], model["champion"]["registry_run_id"]) == (2, "run2")
    assert model["promotion"] == {
        "model_name": "results", "model_version": 2, "decided_at": "2026-02-23T12:00:00Z", "decision": "promoted",
        "reasons": ["Reason 3."],
    }  # fmt: skip
    assert (model["challenger"]["model_version"], model["challenger"]["decision"]) == (5, "kept_champion")
    (row,) = csv.DictReader(io.StringIO(ask("/v1/models", {"Accept": "text/csv"}).text))
    assert row == {name: str(value) for name, value in (model["champion"] | {"is_champion": "true"}).items()} | {
        "promoted_at": "2026-02-23T12:00:00Z", "challenger_version": "5", "challenger_decided_at": "2026-02-25T12:00:00Z",
    }  # fmt: skip
    evidence = ask("/v1/models/results/evidence").json()["evidence"]
    assert [(each["model_version"], each["figures"]["log_loss"]) for each in evidence] == [
        (5, 0.5), (4, 0.4), (2, 0.3), (3, 0.2), (1, 0.1),
    ]  # fmt: skip
    assert ask("/v1/models/nobodys/evidence").status_code == 404


def test_the_checks_behind_the_publication_are_told_those_first_that_found_something(ask: Ask) -> None:
    answer = ask("/v1/publication/checks").json()
    assert answer["publication_id"] == 2
    assert answer["checks"] == [
        {
            "asset": asset, "name": name, "passed": found is None, "is_blocking": found is None, "description": found,
            "checked_at": "2026-03-01T12:00:00Z",
        }
        for asset, name, found in (
            ("bronze/quarantine", "nothing_waits_in_quarantine", "12 lines of 1 files are set aside"),
            ("gold/fct_match", "no_match_is_lost_on_the_way_to_gold", None),
        )
    ]  # fmt: skip
    page = ask("/status", {"Accept": "text/html"}).text
    assert "2 checks of the data in the last run, at 1 Mar 2026, 12:00 UTC: 1 passed, 1 found something." in page
    assert "12 lines of 1 files are set aside" in page
    assert "no match is lost on the way to gold" not in page


def test_the_state_of_everything_is_told_with_when_it_was_found(ask: Ask) -> None:
    assert ask("/v1/status").json() == {
        "is_simulated": False, "edition": "live", "rehearsed_at": "2026-03-01T12:00:00Z",
        "publication": {
            "publication_id": 2, "published_at": "2026-03-01T11:40:00Z", "confirmed_at": "2026-03-01T11:50:00Z",
            "data_cutoff": "2026-03-01T11:00:00Z", "is_simulated": False, "digest": "0" * 64, "n_predictions": 125, "note": None,
            "git_revision": "abc1234",
        },
        "n_files": 2, "pin": None, "checks": {"n_checks": 2, "n_passed": 1, "checked_at": "2026-03-01T12:00:00Z"},
        "ledger": {"verified_at": "2026-03-01T12:00:00Z", "n_predictions": 4, "is_intact": True}, "backup": None,
        "unknown": [], "database": "up", "redis": "off",
    }  # fmt: skip


def test_a_prediction_is_followed_back_to_the_bytes(ask: Ask) -> None:
    answer = ask(f"/v1/predictions/{1:064x}/lineage").json()
    assert answer["publication"]["publication_id"] == 2
    assert answer["publication"]["files"] == {"mmz4281/2526/E0.csv": "a" * 64, "fixtures.csv": "b" * 64}
    assert (answer["ledger"]["sequence"], answer["ledger"]["features_digest"]) == (5, "0" * 64)
    assert list(answer["features"].items()) == [("elo_difference", 118.4), ("home_rest_days", 0.0), ("home_margin_title", None)]
    assert (answer["model"]["model_version"], answer["model"]["git_revision"]) == (1, "abc1234")
    assert answer["basis"] == {
        "data_cutoff": "2026-03-01T11:00:00Z", "through_file_id": 7, "files_sha256": "f" * 64, "git_revision": "abc1234",
        "platform": "Linux", "lock_sha256": None,
    }  # fmt: skip
    assert [(each["asset"], each["passed"]) for each in answer["publication"]["checks"]] == [
        ("bronze/quarantine", False),
        ("gold/fct_match", True),
    ]
    transformation = answer["publication"]["transformation"]
    assert transformation["project_sha256"] == "c" * 64
    assert [(each["name"], each["kind"], each["made_of"]) for each in transformation["models"]] == [
        ("gold/feat_match", "model", ["silver/competition", "silver/int_match"]),
        ("silver/competition", "seed", []),
    ]
    never = ask("/v1/predictions/said2/lineage").json()
    assert (never["publication"], never["model"], never["basis"], never["features"]) == (None, None, None, None)
    assert ask("/v1/predictions/unsaid/lineage").status_code == 404


def test_a_match_page_tells_the_lineage_in_short_and_leads_whoever_may_see_it_to_the_whole(
    ask: Ask, bearer: Callable[..., dict[str, str]]
) -> None:
    page, link = "/matches/e0-2025-home1-away1-1", f'href="/v1/predictions/{1:064x}/lineage"'
    shown = ask(page, {"Accept": "text/html"}).text
    assert (
        "Number 5 of the ledger, first said by publication 2 of 1 Mar 2026, 11:40 UTC → lightgbm version 7 → its feature row "
        "→ 2 dbt models → 1 of 2 checks passed → 2 raw files, each with its hash."
    ) in shown
    assert link in shown
    viewers = ask(page, {"Accept": "text/html", **bearer("viewer")}).text
    assert "Number 5 of the ledger" in viewers
    assert link not in viewers


def test_an_earlier_publication_is_pinned_and_released(
    database: Urls, settings_for: Any, bearer: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.current.MAXIMUM_AGE_SECONDS", 0.0)
    for number in (1, 2, 3):
        publish(database.model, [prediction(number)])
    with TestClient(create_app(settings_for(database.api))) as client:

        def served() -> tuple[list[str], int, Any]:
            listed = client.get("/v1/predictions", headers=bearer()).json()["predictions"]
            answer = client.get("/v1/publications", params={"limit": 1}, headers=bearer()).json()
            return [each["home_team"] for each in listed], answer["served_publication_id"], answer["pin"]

        assert served() == (["Home 3"], 3, None)
        asked = {"publication_id": 1, "reason": "Prices of 3 were wrong."}
        assert client.put("/v1/publications/pin", json=asked, headers=bearer()).status_code == 403
        for number in (2, 1):
            pin = client.put("/v1/publications/pin", json=asked | {"publication_id": number}, headers=bearer("operator")).json()
        assert (pin["publication_id"], pin["reason"], pin["pinned_by"]) == (1, "Prices of 3 were wrong.", "1")
        assert served() == (["Home 1"], 1, pin)
        publish(database.model, [prediction(4)])
        assert served() == (["Home 1"], 1, pin), "whatever is published after it"
        missing = client.put("/v1/publications/pin", json=asked | {"publication_id": 99}, headers=bearer("operator"))
        assert missing.status_code == 404
        assert served()[1] == 1, "a pin that could not be set changes nothing"
        assert client.delete("/v1/publications/pin", headers=bearer("operator")).status_code == 204
        assert served() == (["Home 4"], 4, None)
        assert client.delete("/v1/publications/pin", headers=bearer("operator")).status_code == 404
        assert client.get("/v1/publications/99", headers=bearer()).status_code == 404
        begun = client.get("/v1/publications", params={"limit": 3}, headers=bearer()).json()
        rest = client.get("/v1/publications", params={"cursor": begun["next_cursor"]}, headers=bearer()).json()
        assert [each["publication_id"] for each in (*begun["publications"], *rest["publications"])] == [4, 3, 2, 1]


def test_a_cursor_goes_on_when_matches_are_added_meanwhile(
    database: Urls, settings_for: Any, bearer: Callable[..., dict[str, str]]
) -> None:
    tell(database.model)
    with TestClient(create_app(settings_for(database.api))) as client:
        first = client.get("/v1/matches", params={"limit": 4}, headers=bearer()).json()
        tell(database.model, {"match": [match(4, "b", "c", (1, 0)), match(-1, "c", "b", (0, 1))]})
        rest = client.get("/v1/matches", params={"limit": 4, "cursor": first["next_cursor"]}, headers=bearer()).json()
    assert [each["match_id"] for each in rest["matches"]] == ["m4", "m5"]
