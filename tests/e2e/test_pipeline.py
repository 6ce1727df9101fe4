"""The main job from raw files to a publication, as a person would run it.

One build is made and copied: a build costs most of a minute, a copy of its databases a second.
"""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps

import httpx
import psycopg
import pytest

from pipelines.defs.manifest import project_digest
from pipelines.forecast import contract
from pipelines.sources.simulated import Size, write_site
from tests.e2e.conftest import Platform, mirror_at

MakePlatform = Callable[..., Platform]

SIMULATED = {"IS_SIMULATED": "1"}


def at_one_time(test: Callable[[Platform, MakePlatform], None]) -> Callable[[Platform, MakePlatform], None]:
    """A match that kicks off behind `built` has a forecast there, and none in what is compared with it: then both are made anew."""

    @wraps(test)
    def compared(built: Platform, make_platform: MakePlatform) -> None:
        try:
            test(built, make_platform)
        except AssertionError:
            kicked_off = "select count(*) from published.prediction where kickoff_at < now()"
            if built.query(kicked_off) == [(0,)]:
                raise
            anew = make_platform("anew")
            anew.must_run("build", **SIMULATED)
            test(anew, make_platform)

    return compared


def test_a_build_publishes_the_coming_fixtures_and_shows_them_as_simulated(built: Platform) -> None:
    assert "SIMULATED" in built.shown
    ((n_predictions, is_simulated),) = built.query("select n_predictions, is_simulated from published.publication")
    assert is_simulated is True
    ((project, models),) = built.query(
        "select project_sha256, jsonb_path_query_array(models, '$.name')::text from published.transformation"
    )
    assert project == project_digest()
    assert {"gold/feat_match", "gold/fct_odds", "silver/int_match", "silver/stg_football_data__match"} <= set(
        json.loads(str(models))
    )
    told = built.query("select asset, name, passed or not is_blocking from published.check_result")
    assert {("gold/fct_match", "a_club_never_plays_itself"), ("forecast/prediction", "predictions_meet_expectations")} <= {
        (asset, name) for asset, name, _ in told
    }
    assert all(is_good for _, _, is_good in told)
    ((n_fixtures, p_sum_off),) = built.query(
        "select count(*), max(abs(p_home + p_draw + p_away - 1)) from published.prediction where kickoff_at > now() - interval '1 hour'"
    )
    assert n_predictions == n_fixtures >= 15
    # Each says what it means for every market; the outcomes among them are the forecast's own.
    ((n_with_markets, farthest),) = built.query(
        "select count(*) filter (where jsonb_array_length(book -> 'selections') > 100),"
        " max(abs((book #>> '{selections,0,3}')::float8 - p_home)) from published.prediction"
    )
    assert (n_with_markets, farthest < 1e-9) == (n_predictions, True)
    assert p_sum_off < 1e-9
    ((n_played, n_rows),) = built.query("select count(home_goals), count(*) from gold.fct_match")
    assert n_played > 5_000
    assert n_rows - n_played >= n_predictions
    assert built.query("select decision from forecast.model_evidence") == [("promoted",)]
    # Beside the publication stands what does not depend on it.
    ((n_matches, n_results, n_teams, n_champions),) = built.query(
        "select (select count(*) from published.match), (select count(home_goals) from published.match),"
        " (select count(*) from published.team), (select count(*) from published.model where is_champion)"
    )
    assert (n_matches, n_results, n_champions) == (n_rows, n_played, 1)
    assert built.query("select count(distinct home_team_id) from gold.fct_match") == [(n_teams,)]
    assert built.query("select count(*) from published.issued_prediction") == [(n_predictions,)]


def test_every_loaded_file_is_told_to_dagster_once_as_its_partition(built: Platform) -> None:
    told = (
        "select partition, count(*)::int from event_logs"
        """ where asset_key = '["landing", "file"]' and dagster_event_type = 'ASSET_MATERIALIZATION' group by 1 order by 1"""
    )
    with psycopg.connect(built.urls.dagster.replace("+psycopg2", "")) as connection:
        found = connection.execute(told).fetchall()
    assert len(found) > 20
    assert found == built.query("select source || '/' || key, 1 from bronze.source_file order by 1")


def test_every_published_forecast_is_explained_and_the_contributions_add_up_to_it(built: Platform) -> None:
    ((n, n_explained, farthest_side, farthest_draw),) = built.query(
        """
        select
            count(*), count(explanation), max(abs(side - ln(p_home / p_away))), max(abs(draw - ln(p_draw / sqrt(p_home * p_away))))
        from published.prediction
        cross join lateral (
            select sum((part ->> 1)::float8) as side, sum((part ->> 2)::float8) as draw
            from jsonb_array_elements(explanation -> 'contributions') as part
        ) as told
        """
    )
    assert n == n_explained > 0
    assert farthest_side < 1e-9
    assert farthest_draw < 1e-9
    ((match_id, club, p_home),) = built.query("select match_id, home_team, p_home from published.prediction order by 1 limit 1")
    for text in (str(match_id), str(club).upper()):
        shown = built.must_run("explain", text)
        assert f"{club} – " in shown
    assert f"{p_home:.1%} / " in built.must_run("explain", str(match_id))
    ((n_levels,),) = built.query("select count(*) from published.prediction where firmness in ('firm', 'usual', 'loose')")
    assert n_levels == n
    nobody = built.run("explain", "nobody-plays-here")
    assert (nobody.returncode, "no coming fixture fits" in nobody.stderr) == (1, True)


def test_what_the_model_saw_is_kept_of_every_forecast_and_is_what_its_digest_says(built: Platform) -> None:
    ((n, n_kept, n_right, n_names),) = built.query(
        """
        select
            count(*), count(content), count(*) filter (where encode(sha256(content), 'hex') = features_digest),
            min(cardinality(names)) filter (where length(content) = 8 * cardinality(names))
        from published.issued_prediction left join published.feature_row using (prediction_id)
        """
    )
    assert n == n_kept == n_right > 0
    assert n_names == len(contract.FEATURES["results"])


def test_the_ledger_refuses_to_be_rewritten_by_the_role_that_writes_it(built: Platform) -> None:
    with psycopg.connect(built.urls.model) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("update forecast.prediction set p_home = 0.5")
    with psycopg.connect(built.admin) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("update forecast.prediction set p_home = 0.5")


@at_one_time
def test_the_same_files_again_leave_every_table_as_it_was(built: Platform, make_platform: MakePlatform) -> None:
    platform = make_platform("again", like=built)
    before = platform.content()
    assert before == built.content()
    platform.must_run("build", **SIMULATED)
    assert platform.content() == before


@at_one_time
def test_killed_at_any_moment_and_run_again_the_tables_are_the_same(built: Platform, make_platform: MakePlatform) -> None:
    """Moments at which something is half done: files kept and not loaded, tables made in part, a model kept without its record."""
    platform = make_platform("killed")
    landing = platform.folder / "landing"
    is_dbt_writing = (
        "select count(*) > 0 from pg_stat_activity where datname = current_database() and application_name = 'dbt'"
        " and backend_xid is not null and to_regclass('silver.int_match') is not null"
    )

    def is_model_kept() -> bool:
        address = f"{platform.mlflow}/api/2.0/mlflow/registered-models/get"
        return httpx.get(address, params={"name": f"results-{platform.edition}"}).is_success

    moments: dict[str, Callable[[], bool]] = {
        "ingestion": lambda: any(landing.glob("**/*")),
        "transformation": lambda: platform.query(is_dbt_writing) == [(True,)],
        "training": is_model_kept,
        "publication": lambda: True,
    }
    for step, is_now in moments.items():
        platform.killed(step, is_now, "build", **SIMULATED)
    platform.must_run("build", **SIMULATED)
    assert platform.content() == built.content()


def test_an_unreachable_source_is_a_sentence_and_leaves_everything_standing(built: Platform, make_platform: MakePlatform) -> None:
    platform = make_platform("unreachable", like=built)
    before = platform.content()
    done = platform.run("build", **mirror_at("http://127.0.0.1:9") | {"COMPETITIONS": "E0", "SEASONS": "2023"})
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "still stands" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert platform.content() == before


def _changed(line: bytes, header: bytes, **cells: str) -> bytes:
    """The line with other texts in some of its cells."""
    names, texts = header.strip().split(b","), line.rstrip(b"\r\n").split(b",")
    for name, text in cells.items():
        texts[names.index(name.encode())] = text.encode()
    return b",".join(texts) + b"\r\n"


@at_one_time
def test_bad_files_are_set_aside_with_a_reason_and_the_run_goes_on(built: Platform, make_platform: MakePlatform) -> None:
    """Seasons older than those of the platform come from a mirror in which nearly every file is bad in its own way."""
    platform = make_platform("bad", like=built)
    before = platform.query("select match_id, home_goals, away_goals from gold.fct_match order by 1")
    ((n_published,),) = platform.query("select n_predictions from published.publication order by publication_id desc limit 1")
    mirror = platform.folder / "mirror"
    write_site(mirror, datetime.now(UTC).date(), 1, Size(n_seasons=10))
    seasons = sorted(path.name for path in (mirror / "mmz4281").iterdir())
    known = {path.name for path in (platform.folder / "simulated" / "mmz4281").iterdir()}
    for path in (*mirror.glob("new/*.csv"), *mirror.glob("*.csv"), *(mirror / "mmz4281" / code for code in known)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    first, second, third, fourth = (code for code in seasons if code not in known)

    good = {
        f"{code}/{division}": (mirror / "mmz4281" / code / f"{division}.csv").read_bytes()
        for code in (first, second, third, fourth)
        for division in ("E0", "E1", "D1", "D2")
    }
    lines = {name: content.splitlines(keepends=True) for name, content in good.items()}

    def spoilt(name: str, place: int, **cells: str) -> bytes:
        of = lines[name]
        return b"".join([*of[:place], _changed(of[place], of[0], **cells), *of[place + 1 :]])

    nul, wide = lines[f"{first}/D1"], lines[f"{third}/E1"]
    # File to its bad content, the lines of the good one that are lost by it, and what is said of them.
    bad: dict[str, tuple[bytes, list[int] | None, list[tuple[int | None, str]]]] = {
        f"{first}/E0": (good[f"{first}/E0"][:-40], [306], [(307, "broken_off")]),
        f"{first}/E1": (b"<!DOCTYPE html><html><body>503</body></html>", None, [(None, "html")]),
        f"{first}/D1": (b"".join([*nul[:9], nul[9][:20] + b"\0\0\0" + nul[9][23:], *nul[10:]]), [9], [(10, "nul_bytes")]),
        f"{first}/D2": (spoilt(f"{first}/D2", 7, Date="31/02/2018"), [7], [(8, "bad_date")]),
        f"{second}/D1": (spoilt(f"{second}/D1", 5, FTHG="-1"), [5], [(6, "impossible_score")]),
        f"{second}/D2": (spoilt(f"{second}/D2", 6, FTAG="99"), [6], [(7, "impossible_score")]),
        f"{third}/E0": (
            lines[f"{third}/E0"][0].rstrip() + b",x" * 2000 + b"\r\n" + b"".join(lines[f"{third}/E0"][1:]),
            None,
            [(None, "too_many_columns")],
        ),
        f"{third}/E1": (b"".join([*wide[:4], wide[4].rstrip() + b",1" * 2000 + b"\r\n", *wide[5:]]), [4], [(5, "too_many_columns")]),
        f"{third}/D1": (b"", None, [(None, "empty")]),
        f"{third}/D2": (good[f"{third}/D1"], None, [(None, "other_competition")]),
    }  # fmt: skip
    cells = {
        f"{second}/E0": {
            3: {"B365H": ("0", "impossible_price"), "B365CD": ("#", "not_a_number"), "WHA": ("-", "not_a_number")},
            8: {"PSH": ("1001", "impossible_price")},
        },
        f"{second}/E1": {
            4: {"HS": ("-3", "impossible_count"), "HC": ("x", "not_a_number"), "HTHG": ("1.5", "impossible_count")},
            5: {"Time": ("25:61", "impossible_time")},
        },
    }
    for name, (content, _, _) in bad.items():
        (mirror / "mmz4281" / f"{name}.csv").write_bytes(content)
    for name, of in cells.items():
        spoilt_lines = list(lines[name])
        for place, changes in of.items():
            spoilt_lines[place] = _changed(
                spoilt_lines[place], spoilt_lines[0], **{column: text for column, (text, _) in changes.items()}
            )
        (mirror / "mmz4281" / f"{name}.csv").write_bytes(b"".join(spoilt_lines))

    shown = platform.must_run("build", **SIMULATED | mirror_at(mirror.as_uri()) | {"SOURCES": "simulated,football_data"})

    # Each line and file set aside says why, and nothing else is set aside.
    assert sorted(
        platform.query(
            "select f.key, q.line_number, q.reason from bronze.quarantine as q join bronze.source_file as f using (file_id)"
        ),
        key=str,
    ) == sorted(((f"mmz4281/{name}.csv", *entry) for name, (_, _, said) in bad.items() for entry in said), key=str)
    # Each cell that counts as empty says why.
    unusable = {
        (f"mmz4281/{name}.csv", place + 1, column, text, reason)
        for name, of in cells.items()
        for place, changes in of.items()
        for column, (text, reason) in changes.items()
    }
    assert (
        set(
            platform.query(
                "select f.key, c.line_number, c.column_name, c.content, c.reason"
                " from bronze.unusable_cell as c join bronze.source_file as f using (file_id)"
            )
        )
        == unusable
    )

    # Every other match is there, with its score; what the platform had is as it was.
    def matches(name: str, lost: list[int] | None) -> set[tuple[object, ...]]:
        names = lines[name][0].strip().split(b",")
        wanted = [names.index(column) for column in (b"HomeTeam", b"AwayTeam", b"FTHG", b"FTAG")]
        kept = [] if lost is None else [line for place, line in enumerate(lines[name]) if place and place not in lost]
        found = [[line.split(b",")[place].decode() for place in wanted] for line in kept]
        return {(name, home, away, int(goals), int(conceded)) for home, away, goals, conceded in found}

    expected = set().union(*(matches(name, bad[name][1] if name in bad else []) for name in good))
    assert len(expected) == 12 * 306 - 6
    first_year = 2000 + int(first[:2])
    found = platform.query(
        "select m.season, c.source_division, h.name, a.name, m.home_goals, m.away_goals from gold.fct_match as m"
        " join silver.competition as c using (competition_id)"
        " join gold.dim_team as h on h.team_id = m.home_team_id join gold.dim_team as a on a.team_id = m.away_team_id"
        f" where m.season between {first_year} and {first_year + 3} and c.source_division in ('E0', 'E1', 'D1', 'D2')"
    )
    assert {(f"{year % 100:02}{year % 100 + 1:02}/{division}", *rest) for year, division, *rest in found} == expected  # type: ignore[operator]
    assert len(found) == len(expected)
    after = platform.query(
        f"select match_id, home_goals, away_goals from gold.fct_match where season > {first_year + 3} or season < {first_year} order by 1"
    )
    assert after == before
    ((price, others),) = platform.query(
        "select max(o.odds_home) filter (where o.bookmaker = 'bet365'), count(o.odds_home) filter (where o.bookmaker <> 'bet365')"
        " from bronze.football_data_match as d join silver.stg_football_data__quote as o using (row_id)"
        f" where d.key = 'mmz4281/{second}/E0.csv' and d.line_number = 4 and o.moment = 'pre_match' and o.market = '1x2'"
    )
    assert (price, others) == (None, 5)

    # The run reached its end, and its checks say all this in the UI.
    assert platform.query("select n_predictions from published.publication order by publication_id desc limit 1") == [
        (n_published,)
    ]
    for sentence in (
        "621 lines of 10 files are set aside",
        "8 cells of 2 files say nothing usable: they count as empty, the rest of their lines is in use",
        "5 of 43 files are not intact, 4 unusable",
    ):
        assert sentence in shown
    with psycopg.connect(platform.urls.dagster.replace("+psycopg2", "")) as connection:
        ((status, evaluation),) = connection.execute(
            "select execution_status, evaluation_event from asset_check_executions"
            " where check_name = 'every_filled_cell_says_something' order by id desc limit 1"
        ).fetchall()
    assert status == "FAILED"
    assert "A decimal price is more than 1 and at most 1000" in evaluation
