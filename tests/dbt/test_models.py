"""What silver and gold make of small files written here: identity, times, cut-offs and point-in-time features."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import dagster as dg
import numpy as np
import pytest

from pipelines.defs.agreement import sources_agree_on_results
from pipelines.defs.anomalies import season_checks
from pipelines.forecast import anomalies, contract
from pipelines.settings import Settings
from pipelines.sources import stream
from pipelines.store import bronze, season_days
from pipelines.store.warehouse import Warehouse
from tests.sources.football_data_org import answer, match

Row = Mapping[str, object]
MakeWorld = Callable[[], Any]

E0_2022 = "mmz4281/2223/E0.csv"
E0_2023 = "mmz4281/2324/E0.csv"
GOLD = (
    *("gold.dim_competition", "gold.dim_team", "gold.fct_match", "gold.fct_odds"),
    *("gold.feat_form", "gold.feat_rest", "gold.feat_season", "gold.feat_market", "gold.feat_match", "gold.fct_disagreement"),
)
TOLD_DIFFERENTLY = "select source, other_source, what, value, other_value, believed_source from gold.fct_disagreement"


def csv(rows: Sequence[Row]) -> bytes:
    """A file in football-data.co.uk's form: the columns in the order in which the rows bring them up."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names), *(",".join(str(row.get(name, "")) for name in names) for row in rows)]
    return ("\r\n".join(lines) + "\r\n").encode()


def result(day: str, home: str, away: str, score: str = "", *, division: str = "E0", **cells: object) -> Row:
    """A line of a main file: day as in the file, score as 2:1 or empty."""
    goals = score.split(":") if score else ["", ""]
    mark = "" if not score else "H" if goals[0] > goals[1] else "A" if goals[0] < goals[1] else "D"
    teams = {"HomeTeam": home, "AwayTeam": away}
    return {"Div": division, "Date": day, **teams, "FTHG": goals[0], "FTAG": goals[1], "FTR": mark, **cells}


def abroad(league: str, day: str, home: str, away: str, **cells: object) -> Row:
    """A line of Argentina's file, or of the new leagues' fixtures."""
    return {"Country": "Argentina", "League": league, "Date": day, "Home": home, "Away": away, **cells}


def prices(rng: np.random.Generator) -> dict[str, object]:
    """A believable triple under each of several names: before the match and at kick-off."""
    chances = rng.dirichlet([8.0, 5.0, 6.0])
    return {
        f"{name}{letter}": round(float(1 / (chance * 1.05) * factor), 2)
        for name, factor in (("B365", 1.0), ("PS", 1.02), ("Avg", 1.01), ("PSC", 1.03), ("AvgC", 1.02))
        for letter, chance in zip("HDA", chances, strict=True)
    }


def season(start: date, teams: Sequence[str], seed: int, nonsense_from: date | None, *, has_times: bool) -> list[Row]:
    """A double round robin, a round every third day; from `nonsense_from` on all that is learnt is nonsense."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, (home, away) in enumerate(permutations(teams, 2)):
        day = start + timedelta(days=3 * (number // 3))
        goals, shots, odds = rng.integers(0, 5, 2), rng.integers(0, 9, 2), prices(rng)
        if nonsense_from is not None and day >= nonsense_from:
            goals, shots, odds = np.array([9, number % 9]), np.array([77, 1]), dict.fromkeys(odds, 1.01 + number)
        time = {"Time": f"{12 + number % 9}:30"} if has_times else {}
        statistics = {"HST": shots[0], "AST": shots[1]}
        rows.append(result(f"{day:%d/%m/%Y}", home, away, f"{goals[0]}:{goals[1]}", **time, **statistics, **odds))
    return rows


def two_seasons(nonsense_from: date | None = None) -> dict[str, bytes]:
    """Five clubs in 2022/23 without times; four of them and a new one in 2023/24 with times."""
    return {
        E0_2022: csv(season(date(2022, 8, 6), ["Ash", "Birch", "Cedar", "Date", "Elm"], 1, nonsense_from, has_times=False)),
        E0_2023: csv(season(date(2023, 8, 12), ["Ash", "Birch", "Cedar", "Date", "Fir"], 2, nonsense_from, has_times=True)),
    }


@pytest.fixture(scope="module")
def known_world(new_world: MakeWorld) -> Any:
    """Two seasons, loaded once and transformed."""
    return new_world().load(two_seasons()).transform()


def columns(world: Any, table: str) -> list[str]:
    return list(world.read(f"select * from {table} limit 0").columns)


class TestContract:
    def test_gold_offers_the_columns_that_learning_reads(self, known_world: Any) -> None:
        """The ratings read the one table, every model is fitted on the other."""
        assert set(contract.MATCH_COLUMNS) <= set(columns(known_world, "gold.fct_match"))
        assert columns(known_world, "gold.feat_match") == [
            *("match_id", *contract.WAREHOUSE_FEATURES, *contract.MARKET_COLUMNS, *contract.MOVEMENT_COLUMNS)
        ]

    def test_every_feature_is_a_float_and_every_match_has_a_row(self, known_world: Any) -> None:
        """A whole number column with a null would change its type on the way to Python."""
        types = known_world.read(
            "select distinct data_type from information_schema.columns "
            "where table_schema = 'gold' and table_name = 'feat_match' and column_name <> 'match_id'"
        )
        assert list(types["data_type"]) == ["double precision"]
        assert known_world.read("select count(*) as n from gold.feat_match natural join gold.fct_match")["n"][0] == 40

    def test_the_models_and_the_readers_may_read_what_dbt_made_and_nobody_else(self, known_world: Any) -> None:
        """dbt replaces its tables at every run, and the rights to them must survive it."""
        allowed = known_world.read(
            "select distinct role from unnest(array['football_model', 'football_reader', 'football_api']) as role, "
            "unnest(array['gold.feat_match', 'gold.fct_odds', 'gold.fct_disagreement', 'silver.int_match']) as made "
            "where has_table_privilege(role, made, 'select') order by role"
        )
        assert list(allowed["role"]) == ["football_model", "football_reader"]

    def test_the_project_s_own_unit_and_data_tests_hold(self, known_world: Any) -> None:
        """One invocation for all of them."""
        known_world.invoke(["test"])


class TestSeasonDays:
    def test_sums_of_a_day_are_those_of_its_matches_and_prices(self, known_world: Any) -> None:
        """Computed anew, in Python, from what gold shows."""
        warehouse = Warehouse(known_world.urls.model)
        found = season_days.sums(warehouse, [("E0", 2023)], 1).groupby("season")[list(anomalies.SUMS)].sum()
        matches = warehouse.read("select * from gold.fct_match join gold.feat_market using (match_id) where season = 2023")
        inverse = 1 / matches[[f"pre_match_odds_{outcome}" for outcome in ("home", "draw", "away")]].to_numpy()
        chances = inverse / inverse.sum(axis=1, keepdims=True)
        loss, difference = -np.log(chances), (matches["home_goals"] - matches["away_goals"]).to_numpy()
        outcome = 1 - np.sign(difference).astype(int)
        entropy = (chances * loss).sum(axis=1)
        expected = {
            "n_matches": 20,
            "n_home_wins": (difference > 0).sum(),
            "n_decided": (difference != 0).sum(),
            "n_goals": (matches["home_goals"] + matches["away_goals"]).sum(),
            **dict.fromkeys(("n_priced_before", "n_priced_at_closing", "n_priced"), 20),
            "margin": (inverse.sum(axis=1) - 1).sum(),
            "log_loss": loss[np.arange(20), outcome].sum(),
            "entropy": entropy.sum(),
            "variance": ((chances * loss**2).sum(axis=1) - entropy**2).sum(),
        }
        assert found.index.tolist() == [2022, 2023]
        assert found.loc[2023].to_dict() == pytest.approx(expected)

    def test_a_season_is_recent_by_its_last_result_or_by_when_a_line_of_it_came(self, known_world: Any) -> None:
        """The world was loaded on 1 February 2024, its last match played in September 2023."""
        warehouse = Warehouse(known_world.urls.model)
        later, both = datetime(2024, 2, 2, tzinfo=UTC), [("E0", 2022), ("E0", 2023)]
        assert season_days.recent(warehouse, date(2023, 8, 1), later) == [("E0", 2023)]
        assert season_days.recent(warehouse, date(2024, 1, 1), datetime(2024, 2, 1, tzinfo=UTC)) == both
        assert season_days.recent(warehouse, date(2024, 1, 1), later) == []

    def test_the_newest_season_of_a_league_is_the_last_with_a_result_up_to_today(self, known_world: Any) -> None:
        warehouse = Warehouse(known_world.urls.model)
        assert season_days.newest(warehouse, date(2023, 8, 1), date(2024, 6, 1)) == [("E0", 2023)]
        assert season_days.newest(warehouse, date(2022, 8, 1), date(2023, 7, 1)) == [("E0", 2022)]
        assert season_days.newest(warehouse, date(2024, 1, 1), date(2024, 6, 1)) == []

    def test_both_checks_are_told_with_a_table(self, known_world: Any) -> None:
        """Of two seasons there is nothing to learn limits from."""
        settings = Settings.read({"DATA_CUTOFF": "2023-09-30T12:00Z"})
        results = list(season_checks(settings=settings, warehouse=Warehouse(known_world.urls.model)))
        assert [(each.check_name, each.passed, each.description) for each in results] == [
            ("seasons_are_like_those_before", True, "0 seasons are like those before"),
            ("results_are_as_fresh_as_in_seasons_before", True, "0 seasons are like those before"),
        ]


class TestPointInTime:
    CUT = datetime(2023, 8, 22, 12, tzinfo=UTC)

    @pytest.fixture(scope="class")
    def nonsense_world(self, new_world: MakeWorld) -> Any:
        """The same fixtures, but everything learnt from the cut on is nonsense."""
        return new_world().load(two_seasons(nonsense_from=self.CUT.date())).transform()

    def test_whatever_comes_after_a_cut_earlier_features_are_equal_to_the_bit(
        self, known_world: Any, nonsense_world: Any
    ) -> None:
        """Perturb the future: only rows whose forecast is cut off later may change, and they do."""
        names = ", ".join(f"feature.{name}" for name in (*contract.WAREHOUSE_FEATURES, *contract.MARKET_COLUMNS[:3]))
        query = (
            f"select match.match_id, {names} from gold.feat_match as feature join gold.fct_match as match using (match_id) "
            "where match.as_of {} '" + f"{self.CUT:%Y-%m-%d}" + "' order by match.match_id"
        )
        before, after = query.format("<="), query.format(">")
        earlier = known_world.read(before)
        assert len(earlier) == 32
        assert earlier.equals(nonsense_world.read(before))
        assert not known_world.read(after).equals(nonsense_world.read(after))

    def test_a_result_is_learnt_three_hours_after_kick_off_or_at_the_end_of_a_day_without_a_time(self, known_world: Any) -> None:
        """Days and times are the UK's: 12:30 in August is 11:30 UTC, a day ends at 23:00 UTC."""
        first = known_world.read(
            "select season, kickoff_at, is_time_known, as_of, known_at from gold.fct_match "
            "where match_id in ('e0-2022-ash-birch-1', 'e0-2023-ash-birch-1') order by season"
        )
        expected = [
            ["2022-08-05 23:00", "2022-08-05 23:00", "2022-08-06 23:00"],
            ["2023-08-12 11:30", "2023-08-12 10:30", "2023-08-12 14:30"],
        ]
        moments = first[["kickoff_at", "as_of", "known_at"]].apply(lambda column: column.dt.strftime("%Y-%m-%d %H:%M"))
        assert moments.to_numpy().tolist() == expected
        assert list(first["is_time_known"]) == [False, True]

    def test_a_rehearsal_hides_later_facts_and_keeps_matches_and_earlier_features(
        self, new_world: MakeWorld, known_world: Any
    ) -> None:
        """What a run said on that day is what it says of that day later."""
        rehearsal = new_world().load(two_seasons()).transform(data_cutoff=self.CUT)
        matches = rehearsal.read("select status, count(*) as n from gold.fct_match group by status order by status")
        assert dict(zip(matches["status"], matches["n"], strict=True)) == {"played": 32, "scheduled": 8}
        assert rehearsal.read("select max(known_at) < '2023-08-22 12:00Z' as is_earlier from gold.fct_odds")["is_earlier"][0]
        leaks = "select match_id from gold.fct_match where status = 'scheduled' and home_shots_on_target is not null"
        assert rehearsal.read(leaks).empty
        query = (
            "select * from gold.feat_match where match_id in (select match_id from gold.fct_match "
            "where kickoff_at < '2023-08-22') order by match_id"
        )
        assert rehearsal.read(query).equals(known_world.read(query))


class TestIdentity:
    def test_a_fixture_that_was_put_off_is_the_match_that_was_played(self, new_world: MakeWorld) -> None:
        """Its number does not change: a forecast of it stays a forecast of it."""
        world = new_world()
        fixture = {"Div": "E0", "Date": "03/02/2024", "Time": "15:00", "HomeTeam": "Ash", "AwayTeam": "Birch", "AvgA": 4}
        seen = []
        for fixtures, played in (
            ([fixture], []),
            ([{**fixture, "Date": "10/02/2024"}], []),
            ([{**fixture, "Date": "10/02/2024"}], [result("17/02/2024", "Ash", "Birch", "2:1")]),
        ):
            start = [result("12/08/2023", "Cedar", "Ash", "1:0")]
            world.load({"fixtures.csv": csv(fixtures), E0_2023: csv([*start, *played])})
            world.transform(data_cutoff=datetime(2024, 3, 1, tzinfo=UTC) if played else datetime(2024, 2, 2, tzinfo=UTC))
            match = world.read("select match_id, status, source_date::text as day from gold.fct_match where source_home = 'Ash'")
            seen += match.to_numpy().tolist()
        name = "e0-2023-ash-birch-1"
        assert seen == [[name, "scheduled", "2024-02-03"], [name, "scheduled", "2024-02-10"], [name, "played", "2024-02-17"]]

    def test_every_source_and_spelling_comes_together_in_one_match(self, new_world: MakeWorld) -> None:
        """Files of several seasons, spellings, sources and layouts; each line is counted once."""
        world = new_world()
        world.load(
            {
                # twice at one ground in three days; a line without a score, for a match that was not finished
                "mmz4281/2324/G1.csv": csv(
                    [
                        result("20/01/2024", "Levadiakos", "OFI", "1:0", division="G1"),
                        result("23/01/2024", "Levadeiakos ", "OFI Crete", "2:0", division="G1"),
                        result("24/01/2024", "Panathinaikos", "Athinaikos", division="G1"),
                    ]
                ),
                # columns of another era, two spellings in one file, look-alikes
                "mmz4281/0809/D2.csv": csv(
                    [
                        {"Div": "D2", "Date": "15/08/08", "HT": "St. Pauli", "AT": "FC Koln", "FTHG": 1, "FTAG": 1, "FTR": "D"},
                        {"Div": "D2", "Date": "22/08/08", "HT": "F Koln", "AT": "St Pauli", "FTHG": 0, "FTAG": 1, "FTR": "A"},
                    ]
                ),
                "new/ARG.csv": csv(
                    [
                        abroad("Liga Profesional ", "03/02/2023", "Boca", "River", Season=2023, HG=1, AG=1, Res="D", PA=4),
                        abroad("Copa De La Liga Profesional", "03/09/2023", "Boca", "River", Season=2023, HG=2, AG=1, Res="H"),
                    ]
                ),
                "new_league_fixtures.csv": csv(
                    [abroad("Copa Liga Profesional", "09/02/2024", "River", "Boca", Time="23:00", PA=3.5)]
                ),
            }
        )
        by_hand = [("20/01/2024", "Levadeiakos", "OFI", "5:5"), ("21/01/2024", "AEK", "OFI", "0:0")]
        world.load({"by_hand.csv": csv([result(*match, division="G1") for match in by_hand])}, source="inbox")
        other = {"date": "2024-01-21", "team1": "Levadeiakos", "team2": "OFI", "score": {"ft": [3, 3]}}
        world.load({"2023-24/gr.1.json": json.dumps({"name": "2023/24", "matches": [other]}).encode()}, source="openfootball")
        world.transform()
        matches = world.read(
            "select match_id, status, coalesce(home_goals, -1) as home_goals from gold.fct_match order by match_id"
        )
        assert list(matches.itertuples(index=False, name=None)) == [
            ("arg-2023-boca-river-1", "played", 1),
            ("arg-copa-2023-boca-river-1", "played", 2),
            ("arg-copa-2024-river-boca-1", "scheduled", -1),
            ("d2-2008-f-koln-st-pauli-1", "played", 0),
            ("d2-2008-st-pauli-fc-koln-1", "played", 1),
            ("g1-2023-aek-ofi-1", "played", 0),
            ("g1-2023-levadeiakos-ofi-1", "played", 1),
            ("g1-2023-levadeiakos-ofi-2", "played", 2),
            ("g1-2023-panathinaikos-athinaikos-1", "void", -1),
        ]
        quotes = world.read("select match_id, bookmaker, moment, odds_away from gold.fct_odds order by match_id")
        assert quotes.to_numpy().tolist() == [
            ["arg-2023-boca-river-1", "pinnacle", "closing", 4.0],
            ["arg-copa-2024-river-boca-1", "pinnacle", "pre_match", 3.5],
        ]
        found = world.read(TOLD_DIFFERENTLY + " where match_id = 'g1-2023-levadeiakos-ofi-1' order by source, other_source, what")
        own = "football_data"
        assert found.to_numpy().tolist() == [
            [own, "inbox", "score", "1:0", "5:5", own],
            [own, "openfootball", "day", "2024-01-20", "2024-01-21", own],
            [own, "openfootball", "score", "1:0", "3:3", own],
            ["inbox", "openfootball", "day", "2024-01-20", "2024-01-21", own],
            ["inbox", "openfootball", "score", "5:5", "3:3", own],
        ]
        check = sources_agree_on_results(warehouse=Warehouse(world.urls.model))
        assert isinstance(check, dg.AssetCheckResult)
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert check.description == "of 1 matches two sources tell another thing: 1 day, 1 score"
        shown = check.metadata["disagreements"]
        assert isinstance(shown, dg.TableMetadataValue)
        assert [record.data["other_value"] for record in shown.records] == ["5:5", "2024-01-21", "3:3", "2024-01-21", "3:3"]

    def test_a_match_that_two_sources_have_is_one_and_the_league_s_own_file_is_believed(self, new_world: MakeWorld) -> None:
        """What football-data.org has first counts until the league's own file has it; where they differ a check says so."""
        world = new_world()
        own = [
            result("20/01/2024", "Arsenal", "Chelsea", "2:1", Time="15:00", HS=9),
            result("27/01/2024", "Liverpool", "Everton", "0:0", Time="15:00", HS=8),
        ]
        listed = answer(
            match("2024-01-20T15:00:00Z", "Arsenal FC", "Chelsea FC", (2, 1)),
            match("2024-01-28T14:00:00Z", "Liverpool FC", "Everton FC", (3, 0)),  # another day and score, and still that match
            match("2024-01-31T19:45:00Z", "Chelsea FC", "Arsenal FC", (1, 1)),
            match("2024-02-01T12:30:00Z", "Everton FC", "Arsenal FC", (1, 0), status="IN_PLAY"),
            match("2024-03-31T15:00:00Z", "Everton FC", "Liverpool FC"),
            match("2024-04-06T00:00:00Z", "Everton FC", "Chelsea FC", status="SCHEDULED"),
            match("2024-02-10T15:00:00Z", "Chelsea FC", "Everton FC", status="POSTPONED"),
        )
        other = {"date": "2024-02-01", "team1": "Chelsea FC", "team2": "Arsenal FC", "score": {"ft": [1, 1]}}
        world.load({E0_2023: csv(own), "fixtures.csv": csv([result("31/03/2024", "Everton", "Liverpool", Time="17:30")])})
        world.load({"2023-24/en.1.json": json.dumps({"name": "2023/24", "matches": [other]}).encode()}, source="openfootball")
        world.load({"2023/PL.json": listed}, source="football_data_org").transform()
        shown = "select match_id, status, kickoff_at, is_time_known, home_goals, home_shots from gold.fct_match order by match_id"
        found = world.read(shown)
        assert [(*row[:2], f"{row[2]:%m-%d %H:%M}", row[3]) for row in found.itertuples(index=False)] == [
            ("e0-2023-arsenal-chelsea-1", "played", "01-20 15:00", True),
            ("e0-2023-chelsea-arsenal-1", "played", "01-31 19:45", True),
            ("e0-2023-everton-arsenal-1", "scheduled", "02-01 12:30", True),
            ("e0-2023-everton-chelsea-1", "scheduled", "04-05 23:00", False),  # the day begins by the clock of the UK's summer
            (
                "e0-2023-everton-liverpool-1",
                "scheduled",
                "03-31 16:30",
                True,
            ),  # a fixture of the provider's is believed, if no later
            ("e0-2023-liverpool-everton-1", "played", "01-27 15:00", True),
        ]
        assert found["home_goals"].fillna(-1).tolist() == [2, 1, -1, -1, -1, 0]
        assert found["home_shots"].fillna(-1).tolist() == [9, -1, -1, -1, -1, 8]

        differing = world.read(TOLD_DIFFERENTLY + " order by match_id, what")
        own_file, api = "football_data", "football_data_org"
        assert differing.to_numpy().tolist() == [
            [api, "openfootball", "day", "2024-01-31", "2024-02-01", api],  # whom the league's own file leaves alone
            [own_file, api, "kick-off", "2024-03-31T16:30Z", "2024-03-31T15:00Z", own_file],  # of a match still to come
            [own_file, api, "day", "2024-01-27", "2024-01-28", own_file],
            [own_file, api, "score", "0:0", "3:0", own_file],
        ]

        world.load({E0_2023: csv([*own, result("31/01/2024", "Chelsea", "Arsenal", "1:1", Time="19:45", HS=7)])}).transform()
        assert world.read(shown)["home_shots"].fillna(-1).tolist() == [9, 7, -1, -1, -1, 8]

    def test_earlier_states_of_files_leave_no_trace(self, new_world: MakeWorld, known_world: Any) -> None:
        """Half a season, another price and another spelling first, then the final files: the same gold, row for row."""
        final = two_seasons()
        lines = final[E0_2023].decode().splitlines(keepends=True)
        half = "".join(lines[:9]).replace("Fir", "Firr", 1).replace(",2.", ",3.", 5)
        world = new_world().load({E0_2023: half.encode()}).transform()
        assert world.table("gold.fct_match") != known_world.table("gold.fct_match")
        world.load(final).transform()
        for table in GOLD:
            assert world.table(table) == known_world.table(table), table

    def test_day_by_day_comes_to_the_same_as_everything_made_anew(self, new_world: MakeWorld) -> None:
        """Tables keep up with what changed; whatever changed, they must be what a full refresh makes of the same lines."""
        final = two_seasons()
        old, new = (final[key].decode().splitlines(keepends=True) for key in (E0_2022, E0_2023))
        announced = {"Div": "E0", "Time": "15:00", "AvgH": 2, "AvgD": 3.5, "AvgA": 4}
        fixtures = [
            {**announced, "Date": "30/08/2023", "HomeTeam": "Elm", "AwayTeam": "Ash"},
            {**announced, "Date": "02/09/2023", "HomeTeam": "Ash", "AwayTeam": "Elm"},
        ]
        moved = [{**announced, "Date": "05/09/2023", "HomeTeam": "Elm", "AwayTeam": "Ash"}, fixtures[1]]
        below = result("30/08/2023", "Elm", "Bay", "4:1", division="E1")
        other = {"date": "2023-08-20", "team1": "Ash", "team2": "Gum", "score": {"ft": [3, 3]}}
        days = (
            (datetime(2023, 8, 16, tzinfo=UTC), {E0_2022: "".join(old), E0_2023: "".join(new[:5])}),
            (datetime(2023, 8, 24, tzinfo=UTC), {E0_2023: "".join(new[:9]), "fixtures.csv": csv(fixtures).decode()}),
            # An old result is corrected, a line withdrawn, a club renamed, a fixture put off.
            (
                datetime(2023, 8, 28, tzinfo=UTC),
                {
                    E0_2022: "".join([*old[:4], old[4].replace(",H,", ",D,"), *old[6:]]).replace("Cedar", "Ceder", 1),
                    "fixtures.csv": csv(moved).decode(),
                },
            ),
            # A club nobody knew before sorts between others; the fixture was played after all.
            (
                datetime(2023, 9, 10, tzinfo=UTC),
                {E0_2023: "".join(new), "mmz4281/2324/E1.csv": csv([below]).decode()},
            ),
        )
        world = new_world()
        statuses = ("TIMED", "IN_PLAY", "FINISHED", "FINISHED")
        for nth, ((cutoff, files), status) in enumerate(zip(days, statuses, strict=True)):
            world.load({key: content.encode() for key, content in files.items()}, now=cutoff)
            if cutoff.day == 28:
                document = {"name": "2023/24", "matches": [other]}
                world.load({"2023-24/en.1.json": json.dumps(document).encode()}, source="openfootball", now=cutoff)
            # What the API says of a match changes while it is played, and moves.
            live = match("2023-08-24T12:00:00Z", "Gum", "Ash", (1, 0) if cutoff.day == 24 else (1, 2), status=status)
            listed = answer(live, match(f"2023-09-{10 + cutoff.day % 10}T15:00:00Z", "Gum", "Birch"))
            world.load({"2023/PL.json": listed}, source="football_data_org", now=cutoff)
            # Quotes come before the fixtures are announced, and go on; one fixture leaves their day, of the other comes the result.
            quote = {
                "kind": "quote",
                "odds": {"home": 2 + nth / 10, "draw": 3.5, "away": 3.5},
                "bookmaker": "pinnacle",
                "market": "1x2",
            }
            quote |= {"quoted_at": (cutoff - timedelta(hours=1)).isoformat()}
            elm = {"home": "Elm", "away": "Ash", "kickoff_at": "2023-08-30T14:00:00Z"}
            ash = {"home": "Ash", "away": "Elm", "kickoff_at": "2023-09-02T14:00:00Z"}
            told = {"kind": "result", "home_goals": 2, "away_goals": 0, "final_at": "2023-09-02T15:52:00Z"}
            sent = [quote | elm, quote | ash, *([told | ash] if cutoff.month == 9 else [])]
            TestStream.sent(world, [{"schema": 1, "competition": "E0"} | each for each in sent], 10 * nth)
            world.transform(cutoff)
            kept_up = {table: world.table(table) for table in GOLD}
            world.invoke(["build", "--full-refresh", "--resource-type", "seed", "--resource-type", "model"], cutoff)
            for table in GOLD:
                assert kept_up[table] == world.table(table), (cutoff, table)
        found = world.read("select home_goals, away_goals, known_at from gold.fct_match where home_team = 'Ash' and away_team = 'Elm'"
                           " and season = 2023")  # fmt: skip
        assert [list(map(str, row)) for row in found.to_numpy()] == [["2", "0", "2023-09-02 15:52:00+00:00"]]
        streamed = world.read("select match_id, odds_home from gold.fct_odds where moment = 'streamed' order by known_at")
        assert streamed["odds_home"].tolist() == [2.0, 2.1, 2.2, 2.3]
        assert streamed["match_id"].nunique() == 1

    def test_a_second_run_changes_nothing(self, known_world: Any) -> None:
        """With the same cut-off a run is a function of what was delivered."""
        before = {table: known_world.table(table) for table in GOLD}
        known_world.transform()
        assert {table: known_world.table(table) for table in GOLD} == before


INTERNATIONAL = """date,home_team,away_team,home_score,away_score,tournament,city,country,neutral
2024-01-10,Ash,Birch,2,1,Friendly,Ashton,Ash,FALSE
2024-01-30,Birch,Ash,0,0,Simulated Cup,Elsewhere,Cedar,TRUE
2024-01-31,Cedar,Ash,3,0,Simulated Cup,Elsewhere,Cedar,FALSE
2024-02-20,Ash,Cedar,NA,NA,Simulated Cup,Ashton,Ash,FALSE
"""


def test_national_teams_stand_apart_and_leave_clubs_as_they_are_even_those_of_their_names(
    new_world: MakeWorld, known_world: Any
) -> None:
    world = new_world().load(two_seasons()).load({"results.csv": INTERNATIONAL.encode()}, source="international").transform()
    for table in ("gold.fct_match", "gold.feat_match", "gold.fct_odds", "gold.dim_team", "gold.dim_competition"):
        assert world.table(table) == known_world.table(table)
    found = world.read(
        "select status, is_neutral, home_team_id, away_team_id, home_goals, season from gold.fct_international order by kickoff_at"
    )
    # At one o'clock of 1 February the 30th has ended everywhere, and the 31st has only just.
    assert found["status"].tolist() == ["played", "played", "played", "scheduled"]
    assert found["is_neutral"].tolist() == [False, True, False, False]
    assert found["home_team_id"].tolist() == ["national-ash", "national-birch", "national-cedar", "national-ash"]
    assert found["home_goals"].tolist()[:3] == [2, 0, 3]
    assert set(found["home_team_id"]).isdisjoint(world.read("select team_id from gold.dim_team")["team_id"])
    assert set(contract.NATIONAL_MATCH_COLUMNS) <= set(columns(world, "gold.fct_international"))


def test_national_results_at_the_cutoff_or_later_are_hidden(new_world: MakeWorld) -> None:
    cut = datetime(2024, 1, 31, 12, tzinfo=UTC)
    world = new_world().load({"results.csv": INTERNATIONAL.encode()}, source="international").transform(data_cutoff=cut)
    found = world.read("select status, home_goals, known_at, as_of from gold.fct_international order by kickoff_at")
    assert found["status"].tolist() == ["played", "scheduled", "scheduled", "scheduled"]
    assert found["home_goals"].notna().tolist() == found["known_at"].notna().tolist() == [True, False, False, False]
    assert (found["as_of"] <= cut).all()


def test_the_whole_corpus_arrives_once(new_world: MakeWorld, corpus: Any) -> None:
    """Every match of every file is a match here, and none is there twice."""
    root = corpus / "football-data"
    files = sorted((root / "mmz4281").glob("*/*.csv")) + sorted((root / "new").glob("*.csv"))
    world = new_world().load({path.relative_to(root).as_posix(): path.read_bytes() for path in files})
    world.transform(data_cutoff=datetime(2026, 1, 1, tzinfo=UTC))
    counts = world.read(
        "select source_division ~ '^[A-Z]{3}$' as is_new, count(*) as n, count(distinct match_id) as n_ids, "
        "count(*) filter (where home_goals is null) as n_without_score, "
        "count(distinct (source_division, source_date, source_home, source_away)) as n_lines "
        "from gold.fct_match group by 1 order by 1"
    )
    assert counts[["n", "n_ids", "n_without_score", "n_lines"]].to_numpy().tolist() == [
        [211_071, 211_071, 2, 211_071],
        [49_356, 49_356, 1, 49_356],
    ]
    clubs = set(world.read("select team_id from gold.dim_team")["team_id"])
    apart = (
        *("germany-f-koln", "germany-fc-koln", "spain-granada", "spain-granada-74", "spain-las-palmas", "spain-u-las-palmas"),
        *("spain-extremadura", "spain-extremadura-ud", "romania-univ-craiova", "romania-u-craiova-1948", "greece-athinaikos"),
        *("greece-panathinaikos", "italy-reggiana", "italy-reggina", "germany-hamburg", "germany-homburg", "france-cannes"),
        *("france-vannes", "spain-ath-bilbao", "spain-ath-bilbao-b"),
    )
    assert clubs.issuperset(apart)
    assert len(clubs) == 1_146

    # Of the seasons with three before them in their league, the five that the rule calls anomalies were cut short or enlarged.
    warehouse = Warehouse(world.urls.model)
    seasons = season_days.recent(warehouse, date(1993, 1, 1), datetime(2100, 1, 1, tzinfo=UTC))
    judged = anomalies.judge(season_days.sums(warehouse, seasons, anomalies.EARLIER), seasons, date(2024, 7, 1))
    assert (len(seasons), len({(each.competition_id, each.season) for each in judged})) == (777, 668)
    assert [(each.competition_id, each.season, each.what) for each in judged if each.is_anomaly] == [
        (competition, season, anomalies.MATCHES)
        for competition, season in (("ARG", 2016), ("G1", 2001), ("IRL", 2020), ("SC2", 2020), ("SC3", 2020))
    ]

    # What openfootball tells otherwise: awarded results, days, and second meetings of one score that it alone has.
    assert world.table("gold.fct_disagreement") == []
    others = sorted((corpus / "openfootball" / "football.json").glob("*/*.json"))
    world.load({f"{path.parent.name}/{path.name}": path.read_bytes() for path in others}, source="openfootball")
    world.transform(data_cutoff=datetime(2026, 1, 1, tzinfo=UTC))
    told = world.read("select what, count(*) as n from gold.fct_disagreement group by what order by what")
    assert told.to_numpy().tolist() == [["day", 16], ["score", 6]]


class TestStream:
    """What arrives between daily files, from the message to the feature."""

    PLAYED = (result("27/01/2024", "Ash", "Birch", "1:0", Time="15:00"), result("03/02/2024", "Birch", "Ash", Time="15:00"))
    KICKOFF = datetime(2024, 2, 3, 15, tzinfo=UTC)

    @staticmethod
    def _message(**said: object) -> dict[str, object]:
        match = {"schema": 1, "competition": "E0", "home": "Birch", "away": "Ash", "kickoff_at": "2024-02-03T15:00:00Z"}
        return match | said

    def _result(self, score: str, final_at: str) -> dict[str, object]:
        home, away = map(int, score.split(":"))
        return self._message(kind="result", home_goals=home, away_goals=away, final_at=final_at)

    def _quote(self, quoted_at: str, home: float, bookmaker: str = "pinnacle") -> dict[str, object]:
        odds = {"home": home, "draw": 3.5, "away": round(1 / (1.05 - 1 / home - 1 / 3.5), 6)}
        return self._message(kind="quote", bookmaker=bookmaker, market="1x2", odds=odds, quoted_at=quoted_at)

    @staticmethod
    def sent(world: Any, messages: Sequence[Mapping[str, object]], first: int = 0) -> Any:
        read_at = datetime(2024, 2, 4, tzinfo=UTC)
        batch = [stream.Message(first + k, read_at, json.dumps(each).encode()) for k, each in enumerate(messages)]
        file = stream.delivery("football.events", 0, batch, read_at)
        with Warehouse(world.urls.ingest).connect() as connection:
            bronze.load(connection, file, stream.parse(file.content), read_at)
        return world

    @staticmethod
    def _match(world: Any) -> list[object]:
        found = world.read("select status, home_goals, known_at from gold.fct_match where home_team = 'Birch'").iloc[0]
        goals = None if np.isnan(found["home_goals"]) else int(found["home_goals"])
        return [found["status"], goals, None if np.isnat(found["known_at"].to_datetime64()) else f"{found['known_at']:%H:%M}"]

    def test_a_result_is_known_from_the_moment_it_was_final_and_stays_so_when_its_file_comes(self, new_world: MakeWorld) -> None:
        """A cut-off after it would else hide, for an hour, what had been known: a file's results count from three hours after kick-off."""
        world = new_world().load({E0_2023: csv(self.PLAYED)})
        before, after = self.KICKOFF + timedelta(minutes=112), self.KICKOFF + timedelta(minutes=113)
        self.sent(world, [self._result("2:1", "2024-02-03T16:52:00Z")])
        assert self._match(world.transform(before)) == ["scheduled", None, None]
        assert self._match(world.transform(after)) == ["played", 2, "16:52"]
        played = (self.PLAYED[0], result("03/02/2024", "Birch", "Ash", "2:1", Time="15:00"))
        assert self._match(world.load({E0_2023: csv(played)}).transform(after)) == ["played", 2, "16:52"]
        assert self._match(self.sent(world, [self._result("3:1", "2024-02-03T17:30:00Z")], 1).transform(CUTOFF_LATER)) == [
            "played",
            2,
            "18:00",
        ]

    def test_a_corrected_result_replaces_the_one_before_it_and_what_follows_is_as_if_made_at_once(
        self, new_world: MakeWorld
    ) -> None:
        world = self.sent(new_world().load({E0_2023: csv(self.PLAYED)}), [self._result("2:1", "2024-02-03T16:52:00Z")])
        world.transform(CUTOFF_LATER)
        self.sent(world, [self._result("2:2", "2024-02-03T17:10:00Z"), self._quote("2024-02-02T10:00:00Z", 2.0)], 1)
        kept_up = {table: world.transform(CUTOFF_LATER).table(table) for table in GOLD}
        assert self._match(world) == ["played", 2, "17:10"]
        world.invoke(["build", "--full-refresh", "--resource-type", "seed", "--resource-type", "model"], CUTOFF_LATER)
        assert {table: world.table(table) for table in GOLD} == kept_up

    def test_a_quote_is_known_at_its_own_time_and_no_later_one_is_ever_a_feature(self, new_world: MakeWorld) -> None:
        """The future is replaced by nonsense: what is quoted at the cut-off of the forecast or later changes no feature."""
        early = [self._quote("2024-02-01T10:00:00Z", 2.0), self._quote("2024-02-03T13:59:59Z", 2.5)]
        late = ["2024-02-03T14:00:00Z", "2024-02-03T14:30:00Z", "2024-02-03T15:00:00Z", "2024-02-03T15:40:00Z"]

        def features(nonsense: float) -> Any:
            world = new_world().load({E0_2023: csv(self.PLAYED)})
            self.sent(world, [*early, *(self._quote(at, nonsense) for at in late)]).transform(CUTOFF_LATER)
            return world, world.table("gold.feat_match")

        world, seen = features(1.9)
        assert seen == features(9.0)[1]
        row = world.read("select * from gold.feat_match where match_id like '%birch-%ash-1'").iloc[0]
        assert [row["first_quote_odds_home"], row["last_quote_odds_home"]] == [2.0, 2.5]
        quotes = world.read("select known_at, moment, line from gold.fct_odds where bookmaker = 'pinnacle' order by known_at")
        assert [f"{at:%d %H:%M:%S}" for at in quotes["known_at"]] == [
            *("01 10:00:00", "03 13:59:59", "03 14:00:00", "03 14:30:00", "03 15:00:00", "03 15:40:00")
        ]
        assert set(quotes["moment"]) == {"streamed"}

    def test_at_a_rehearsed_moment_the_line_has_moved_as_far_as_was_known_then(self, new_world: MakeWorld) -> None:
        quotes = [("2024-02-01T10:00:00Z", 2.0), ("2024-02-02T10:00:00Z", 2.2), ("2024-02-03T10:00:00Z", 2.5)]
        world = self.sent(new_world().load({E0_2023: csv(self.PLAYED)}), [self._quote(*each) for each in quotes])

        def last(cutoff: datetime) -> float | None:
            found = world.transform(cutoff).read(
                "select last_quote_odds_home as odds from gold.feat_match where match_id like '%birch-%ash-1'"
            )
            return None if np.isnan(found["odds"].iloc[0]) else float(found["odds"].iloc[0])

        assert last(datetime(2024, 2, 2, 10, tzinfo=UTC)) is None, "one quote has not moved, and the second is known from then on"
        assert last(datetime(2024, 2, 2, 11, tzinfo=UTC)) == 2.2
        assert last(CUTOFF_LATER) == 2.5

    def test_what_no_file_has_announced_makes_no_match_and_no_club(self, new_world: MakeWorld) -> None:
        world = new_world().load({E0_2023: csv(self.PLAYED)})
        strangers = [
            self._result("2:1", "2024-02-03T16:52:00Z") | {"home": "Nobody"},
            self._result("2:1", "2024-02-03T16:52:00Z") | {"competition": "XX"},
            self._result("2:1", "2024-01-06T16:52:00Z") | {"kickoff_at": "2024-01-06T15:00:00Z"},
        ]
        self.sent(world, strangers).transform(CUTOFF_LATER)
        assert world.read("select count(*) as n from gold.fct_match")["n"][0] == 2
        assert world.read("select count(*) as n from gold.dim_team")["n"][0] == 2
        world.invoke(["test", "--select", "streamed_messages_that_meet_no_match"], CUTOFF_LATER)

    @pytest.mark.parametrize(("time", "final_at"), [("15:00", "2024-02-03T14:24:00Z"), ("", "2024-02-02T21:50:00Z")])
    def test_the_result_of_a_match_brought_forward_waits_for_a_file_that_knows_of_it(
        self, new_world: MakeWorld, time: str, final_at: str
    ) -> None:
        """By the file's kick-off it would be known after the cut-off of the forecast and before the match, or before both."""
        announced = (self.PLAYED[0], result("03/02/2024", "Birch", "Ash", Time=time))
        kickoff_at = datetime.fromisoformat(final_at) - timedelta(minutes=110)
        told = self._result("2:1", final_at) | {"kickoff_at": kickoff_at.isoformat()}
        world = self.sent(new_world().load({E0_2023: csv(announced)}), [told]).transform(CUTOFF_LATER)
        assert self._match(world)[1:] == [None, None]
        world.invoke(["test", "--select", "a_match_is_played_exactly_if_its_result_is_known"], CUTOFF_LATER)
        with pytest.raises(AssertionError, match="Got 1 result"):
            world.invoke(["--warn-error", "test", "--select", "streamed_messages_that_meet_no_match"], CUTOFF_LATER)


CUTOFF_LATER = datetime(2024, 2, 4, 12, tzinfo=UTC)
