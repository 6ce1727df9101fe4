"""Editions, and what each process is told: nothing that it has no business with."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.edition import DEMO, LIVE, EditionError, named, rehearsal
from deploy.installation import APPLICATIONS, WITH_CELERY, Installation
from deploy.programs import applications, lay_out, pipelines_environment
from deploy.settings import PROJECT_DIR, Settings


def installation(folder: Path, **environ: str) -> Installation:
    return Installation(
        Settings.read({"LOCAL_DIR": str(folder), "HOME": "/home/somebody", "SECRET_OF_THE_CALLER": "x", **environ})
    )


def test_a_rehearsal_is_an_edition_named_after_its_moment_in_utc() -> None:
    edition = rehearsal("2023-05-01T14:00+02:00")
    assert edition.name == "as-of-2023-05-01t1200"
    assert edition.warehouse == "football_as_of_2023_05_01t1200"
    assert edition.data_cutoff == datetime(2023, 5, 1, 12, tzinfo=UTC)
    assert named(edition.name) == edition == rehearsal("2023-05-01T12:00Z")


@pytest.mark.parametrize("as_of", ["2023-05-01T12:00", "yesterday", ""])
def test_a_moment_without_a_zone_is_refused_because_it_could_be_another_one(as_of: str) -> None:
    with pytest.raises(EditionError, match="an instant with its zone"):
        rehearsal(as_of)


@pytest.mark.parametrize("name", ["prod", "as-of-2023-05-01", "../demo"])
def test_an_unknown_edition_is_refused(name: str) -> None:
    with pytest.raises(EditionError, match="it should be demo, live"):
        named(name)


def test_the_edition_meant_is_the_one_named_then_the_rehearsed_then_the_one_in_service_then_the_demo(tmp_path: Path) -> None:
    assert installation(tmp_path).edition() == DEMO
    installation(tmp_path).put_in_service(LIVE)
    assert installation(tmp_path).edition() == LIVE
    assert installation(tmp_path, AS_OF="2023-05-01T12:00Z").edition().name == "as-of-2023-05-01t1200"
    assert installation(tmp_path, AS_OF="2023-05-01T12:00Z", EDITION="demo").edition() == DEMO


def test_simulated_and_real_data_never_share_a_database_or_a_folder(tmp_path: Path) -> None:
    here = installation(tmp_path)
    demo, live = here.environment(DEMO), here.environment(LIVE)
    of_the_edition = {name for name in demo if name.endswith(("_DATABASE_URL", "_DIR"))} - {"EVIDENCE_DIR"}
    assert {name for name in of_the_edition if demo[name] == live[name]} == set()
    assert (demo["IS_SIMULATED"], live["IS_SIMULATED"]) == ("1", "0")


def test_what_is_asked_of_the_service_reaches_it_and_nothing_else(tmp_path: Path) -> None:
    asked = {"API_RATE_PER_SECOND": "7", "API_TRUSTED_PROXIES": "10.0.0.0/8"}
    programs = applications(installation(tmp_path, **asked), DEMO)
    told = {program.name: {name: program.environment.get(name) for name in asked} for program in programs}
    assert told.pop("api") == asked
    assert {value for each in told.values() for value in each.values()} == {None}


def test_with_a_bucket_raw_files_and_models_go_there_and_its_keys_to_nobody_else(tmp_path: Path) -> None:
    asked = {"S3_BUCKET": "football", "S3_ENDPOINT_URL": "http://127.0.0.1:9000", "AWS_SECRET_ACCESS_KEY": "secret"}
    here = installation(tmp_path, **asked)
    programs = {program.name: program.environment for program in applications(here, LIVE)}
    assert programs["mlflow"]["MLFLOW_ARTIFACTS_DESTINATION"] == "s3://football/live/artifacts"
    assert programs["mlflow"]["MLFLOW_S3_ENDPOINT_URL"] == "http://127.0.0.1:9000"
    assert programs["dagster-code"]["LANDING_URL"] == "s3://football/live/landing"
    keyed = {name for name, environment in programs.items() if environment.get("AWS_SECRET_ACCESS_KEY") == "secret"}
    assert keyed == {"mlflow", "dagster-code"}
    without = {
        program.name: program.environment for program in applications(installation(tmp_path, AWS_SECRET_ACCESS_KEY="mine"), LIVE)
    }
    assert [name for name, environment in without.items() if "AWS_SECRET_ACCESS_KEY" in environment] == []
    assert without["mlflow"]["MLFLOW_ARTIFACTS_DESTINATION"] == str(tmp_path / "live" / "artifacts")
    assert without["dagster-code"]["LANDING_URL"] == ""


def test_what_was_asked_of_an_edition_is_remembered_for_its_schedules_but_the_demo_takes_no_orders_about_data(
    tmp_path: Path,
) -> None:
    asked = installation(tmp_path, COMPETITIONS="E0", SEASONS="2015-2023")
    asked.put_in_service(LIVE)
    later = installation(tmp_path, SEASONS="all")
    assert later.scope(LIVE) == {"COMPETITIONS": "E0", "SEASONS": "all"}
    assert asked.scope(DEMO) == {}
    told = installation(tmp_path, COMPETITIONS="E0", OPENLINEAGE_URL="http://127.0.0.1:5000")
    told.put_in_service(DEMO)
    assert installation(tmp_path).scope(DEMO) == {"OPENLINEAGE_URL": "http://127.0.0.1:5000"}
    assert (tmp_path / "demo" / "scope.json").stat().st_mode & 0o777 == 0o600  # keys may stand in it
    later.forget_scope(LIVE)
    assert later.scope(LIVE) == {"SEASONS": "all"}


def test_a_url_in_the_environment_makes_that_part_somebody_elses_unless_it_is_our_own(tmp_path: Path) -> None:
    ours = installation(tmp_path)
    assert (ours.is_postgres_ours, ours.is_valkey_ours, ours.is_mlflow_ours) == (True, True, True)
    evaluated = installation(
        tmp_path, DATABASE_URL=ours.urls(DEMO).owner, REDIS_URL=ours.redis_url, MLFLOW_TRACKING_URI=ours.mlflow_url
    )
    assert (evaluated.is_postgres_ours, evaluated.is_valkey_ours, evaluated.is_mlflow_ours) == (True, True, True)

    theirs = installation(
        tmp_path,
        DATABASE_URL="postgresql://me:pw@db.example:5432/x",
        REDIS_URL="redis://cache.example",
        MLFLOW_TRACKING_URI="http://ml",
    )
    assert (theirs.is_postgres_ours, theirs.is_valkey_ours, theirs.is_mlflow_ours) == (False, False, False)
    environment = theirs.environment(DEMO)
    assert environment["MODEL_DATABASE_URL"].endswith("@db.example:5432/football_demo")
    assert environment["MODEL_DATABASE_URL"].startswith("postgresql://football_model:")
    assert environment["REDIS_URL"] == "redis://cache.example"
    assert "mlflow" not in {program.name for program in applications(theirs, DEMO)}


def test_every_process_knows_only_the_secrets_it_needs(tmp_path: Path) -> None:
    here = installation(tmp_path)
    programs = {program.name: program for program in applications(here, LIVE)}
    assert tuple(programs) == tuple(name for name in APPLICATIONS if name not in WITH_CELERY)
    secrets = {
        role: here.secrets.get(f"database-{role}")
        for role in ("owner", "ingest", "transform", "model", "api", "reader", "dagster", "mlflow")
    }
    secrets |= {name: here.secrets.get(name) for name in ("valkey", "postgres")}

    def knows(environment: object) -> set[str]:
        return {name for name, secret in secrets.items() if secret in json.dumps(environment)}

    # Valkey's too: they announce there what they have published.
    pipelines = {"ingest", "transform", "model", "reader", "dagster", "mlflow", "valkey"}
    assert {name: knows(dict(program.environment)) for name, program in programs.items()} == {
        "mlflow": {"mlflow"},
        "api": {"api", "valkey"},
        "dagster-code": pipelines,
        "dagster-webserver": {"dagster"},
        "dagster-daemon": {"dagster"},
        "docs": set(),
    }
    assert knows(pipelines_environment(here, LIVE)) == pipelines
    for program in programs.values():
        assert knows(list(program.command)) == set(), "a command line can be read by everybody on the machine"
        assert "SECRET_OF_THE_CALLER" not in program.environment
        assert program.environment["HOME"] == "/home/somebody"


def test_a_broker_and_a_worker_are_ours_exactly_where_steps_go_to_celery_and_nobody_else_s_broker_is_named(
    tmp_path: Path,
) -> None:
    ours = installation(tmp_path, EXECUTOR="celery")
    broker = ours.broker().url
    (worker,) = [program for program in applications(ours, LIVE) if program.name == "worker"]
    assert (worker.environment["EXECUTOR"], worker.environment["BROKER_URL"]) == ("celery", broker)
    assert not {"API_DATABASE_URL", "JWT_SECRET_FILE"} & worker.environment.keys()
    assert [name for name, secret in (("api", "database-api"), ("valkey", "valkey")) if ours.secrets.get(secret) in broker] == []
    knowing = {program.name for program in applications(ours, LIVE) if broker in program.environment.values()}
    assert knowing == {"dagster-code", "worker"}
    assert installation(tmp_path, EXECUTOR="celery", BROKER_URL=broker).has_worker(LIVE)
    for environ in ({}, {"EXECUTOR": "multiprocess"}, {"EXECUTOR": "celery", "BROKER_URL": "redis://queue.example"}):
        theirs = installation(tmp_path, **environ)
        assert not theirs.has_worker(LIVE)
        assert "worker" not in {program.name for program in applications(theirs, LIVE)}
        assert theirs.environment(LIVE).get("BROKER_URL") == environ.get("BROKER_URL")


def test_dagster_finds_its_instance_and_the_one_process_with_the_definitions(tmp_path: Path) -> None:
    here = installation(tmp_path)
    lay_out(here, DEMO)
    home = tmp_path / "demo/dagster"
    assert f"port: {here.ports.get('dagster-code')}" in (home / "workspace.yaml").read_text()
    assert (home / "dagster.yaml").read_text() == (PROJECT_DIR / "deploy/dagster/dagster.yaml").read_text()
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {"dagster", "docs", "inbox", "landing", "simulated"}
