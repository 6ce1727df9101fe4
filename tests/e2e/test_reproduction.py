"""A published prediction made again from the raw bytes: the same to the last bit, or what is wrong is said.

Each time everything from the files to the ratings is made anew, in an empty edition.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from deploy import database as deploy_database
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from tests.conftest import unmeasured
from tests.e2e.conftest import PROJECT, Platform

MakePlatform = Callable[..., Platform]

SIMULATED = {"IS_SIMULATED": "1"}

ANOTHER_FILE = "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR\nE0,12/08/2023,15:00,Old Town,New Town,1,0,H\n"


def any_prediction(platform: Platform) -> str:
    ((prediction_id,),) = platform.query("select prediction_id from published.prediction order by kickoff_at desc, 1 limit 1")
    return str(prediction_id)


@pytest.fixture(scope="module")
def demo(
    built: Platform,
    postgres: PostgresServer,
    database_template: Secrets,
    server_state: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, str]]:
    """The environment of an installation whose demo edition stands as `built` does, one file that came later included."""
    name, folder = "football_demo", server_state / "demo"
    urls = deploy_database.copy(postgres.url(), built.urls.owner.rpartition("/")[2], name, database_template, with_tools=True)
    shutil.copytree(built.folder, folder)
    inbox = tmp_path_factory.mktemp("inbox")
    (inbox / "later.csv").write_text(ANOTHER_FILE)
    later = Platform(urls, postgres.url(name), folder, built.edition, built.mlflow)
    later.must_run("refresh", SOURCES="simulated,inbox", INBOX_DIR=str(inbox), **SIMULATED)
    assert later.query("select count(*) from published.publication") == [(2,)], "the later file makes another publication"
    yield {
        **os.environ,
        "LOCAL_DIR": str(server_state),
        "EDITION": "demo",
        "DATABASE_URL": postgres.url(),
        "MLFLOW_TRACKING_URI": built.mlflow,
    }
    deploy_database.drop(postgres.url(), name)
    shutil.rmtree(folder)


def traces(postgres: PostgresServer, server_state: Path) -> list[str]:
    """What of a scratch edition is there."""
    with psycopg.connect(postgres.url()) as connection:
        databases = connection.execute("select datname from pg_database where datname like 'football_reproduce%'").fetchall()
    return [name for (name,) in databases] + [path.name for path in server_state.glob("reproduce/")]


def test_from_the_bytes_and_the_model_comes_the_very_prediction_and_nothing_else_stays(
    built: Platform, demo: Mapping[str, str], postgres: PostgresServer, server_state: Path
) -> None:
    prediction_id = any_prediction(built)
    done = subprocess.run(
        [sys.executable, "-m", "deploy", "reproduce", prediction_id, "--json"],
        env=dict(demo),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.stdout, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert [line for line in report["lines"] if not line["is_identical"]] == []
    # It was issued of the files that were there then; what came later has no part in it, nor in the publication that showed it first.
    assert (done.returncode, report["is_identical"], report["publication_id"]) == (0, True, 1)
    assert not any("newer files" in remark for remark in report["remarks"])
    ((n_files,),) = built.query("select count(*) from bronze.source_file")
    assert report["n_files"] == n_files
    values = {line["what"]: line for line in report["lines"]}
    assert values["prediction_id"]["rebuilt"] == prediction_id
    assert values["p_home"]["issued"] == values["p_home"]["published"] == values["p_home"]["rebuilt"]
    assert traces(postgres, server_state) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way_it_takes_its_scratch_edition_away(
    built: Platform, demo: Mapping[str, str], postgres: PostgresServer, server_state: Path, sent: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "deploy", "reproduce", any_prediction(built)],
        env=unmeasured(demo),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert any("transformation" in line for line in process.stdout)  # the child is at work in the scratch database
        assert len(traces(postgres, server_state)) >= 2
        if sent == signal.SIGINT:
            os.killpg(process.pid, sent)  # as a terminal does
        else:
            process.terminate()
        process.stdout.read()
        assert process.wait(timeout=60) != 0
    assert traces(postgres, server_state) == []


def test_a_file_that_was_changed_in_the_landing_zone_is_named(
    built: Platform, make_platform: MakePlatform, tmp_path: Path
) -> None:
    landing = shutil.copytree(built.folder / "landing", tmp_path / "landing")
    ((key, sha256),) = built.query("select key, sha256 from bronze.source_file order by n_loaded desc, key limit 1")
    path = landing / str(sha256)[:2] / str(sha256)[2:4] / str(sha256)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b",2,1,H,", b",3,1,H,", 1))
    scratch = make_platform("tampered")
    done = built.reproduce(any_prediction(built), scratch, LANDING_DIR=str(landing))
    assert done.returncode == 1
    assert f"simulated/{key} are not those that were fetched" in done.stderr
    path.unlink()
    gone = built.reproduce(any_prediction(built), scratch, LANDING_DIR=str(landing))
    assert gone.returncode == 1
    assert "not in the landing zone any more" in gone.stderr
    assert "Traceback" not in done.stderr + gone.stderr


def test_a_number_that_was_forged_in_the_ledger_is_not_what_the_files_and_the_model_give(
    built: Platform, make_platform: MakePlatform
) -> None:
    forged = make_platform("forged", like=built)
    prediction_id = any_prediction(built)
    with psycopg.connect(forged.admin) as connection:
        connection.execute("set session_replication_role = replica")  # no trigger fires
        connection.execute(
            "update forecast.prediction set p_home = p_home + 0.001, p_draw = p_draw - 0.001 where prediction_id = %s",
            [prediction_id],
        )
    done = forged.reproduce(prediction_id, make_platform("unforged"))
    assert done.returncode == 1
    verdicts = {line.split("│")[1].strip(): line.split("│")[-2].strip() for line in done.stdout.splitlines() if "│" in line}
    assert {what for what, verdict in verdicts.items() if verdict == "NO"} == {"p_home", "p_draw"}
    assert "NOT identical" in done.stdout


def test_a_list_of_files_that_was_changed_in_bronze_is_not_the_one_that_was_noted(
    built: Platform, make_platform: MakePlatform
) -> None:
    forged = make_platform("relisted", like=built)
    with psycopg.connect(forged.admin) as connection:
        connection.execute("update bronze.source_file set sha256 = repeat('0', 64) where file_id = 1")
    done = forged.reproduce(any_prediction(built), make_platform("unlisted"))
    assert done.returncode == 1
    assert "is not the one noted when the prediction was issued" in done.stderr
    unknown = forged.reproduce("no-such-prediction", forged)
    assert "There is no prediction no-such-prediction" in unknown.stderr
