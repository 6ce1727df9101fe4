"""The commands that judge: how fast pipelines and service are, how good forecasts were, and whether one can be made again.

Belongs here: bringing up what such a command needs, and starting it. What is measured is in `pipelines` and `serving.bench`.
"""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.settings import PROJECT_DIR
from deploy.terminal import built_mark, installation, step

if TYPE_CHECKING:
    from deploy.edition import Edition
    from deploy.installation import Installation


@click.command(name="bench-pipeline")
def bench_pipeline() -> None:
    """Measure a first build and a day's refresh of the full corpus beside the floor.

    FOOTBALL_DATA_URL=file://… names the mirror. Stops what runs: a benchmark wants the machine for itself.
    """
    import shutil

    from deploy import database, operate
    from deploy.edition import BENCH
    from deploy.programs import pipelines_environment

    here = installation()
    operate.stop(here)
    here.forget_scope(BENCH)
    operate.start_servers(here, BENCH, step)
    with step("an empty edition"):
        database.drop(here.admin_url, BENCH.warehouse)
        shutil.rmtree(here.state_dir(BENCH), ignore_errors=True)
    with operate.preparing_code(here, BENCH) as finish:
        operate.start_servers(here, BENCH, step)
        operate.start_applications(here, BENCH, ["mlflow"])
        operate.wait_until_answering(here, ["mlflow"], step)
        with step("definitions"):
            finish()
    everything = {"COMPETITIONS": "all", "SEASONS": "all"} | pipelines_environment(here, BENCH)
    result = subprocess.run([sys.executable, "-m", "pipelines", "bench"], env=everything, cwd=PROJECT_DIR, check=False)
    operate.stop(here)
    raise click.exceptions.Exit(result.returncode)


@click.command()
@click.option("--from", "from_", envvar="FROM", type=int, help="First season (start year); 2019 unless it is said.")
@click.option("--to", envvar="TO", type=int, help="Last season; 2023 unless it is said.")
@click.option(
    "--set", "set_", envvar="SET", help="results, history, market or another entry of MODELS; results unless it is said."
)
@click.option(
    "--out", envvar="OUT", type=click.Path(dir_okay=False, resolve_path=True), help="Also write every forecast to this CSV file."
)
@click.option("--at-most", envvar="AT_MOST", type=float, help="Fail if the main leagues' mean log loss is farther above closing.")
@click.option("--leagues", is_flag=True, help="Show every month of the season and every league, too.")
def backtest(leagues: bool, **wanted: object) -> None:
    """Forecast past seasons by models that saw only earlier ones, and compare with the closing odds.

    On the matches of the edition in service. Where there are none yet, or FOOTBALL_DATA_URL, COMPETITIONS, SEASONS or SOURCES say
    which, the edition `live` is brought up and these are loaded first. FROM, TO, SET, OUT and AT_MOST in the environment stand
    for the options.
    """
    from deploy import operate
    from deploy.programs import pipelines_environment

    here = installation()
    edition = _to_backtest(here)
    if is_asked := here.is_asked_for_data:
        here.forget_scope(edition)
    operate.start(here, edition, step)
    arguments = [f"--{name.strip('_').replace('_', '-')}={value}" for name, value in wanted.items() if value is not None]
    arguments += ["--leagues"] * leagues + ["--data"] * is_asked
    command = [sys.executable, "-m", "pipelines", "backtest", *arguments]
    exit_code = subprocess.call(command, env=pipelines_environment(here, edition), cwd=PROJECT_DIR)
    raise click.exceptions.Exit(exit_code)


def _to_backtest(here: "Installation") -> "Edition":
    """The edition that is named; else the one in service, if it was built and nobody asks for other matches; else `live`."""
    from deploy.edition import LIVE

    if here.settings.edition or here.settings.as_of:
        return here.edition()
    in_service = here.edition_in_service()
    if in_service is None or here.is_asked_for_data or not built_mark(here, in_service).exists():
        return LIVE
    return in_service


@click.command(name="bench-serving")
@click.option("--seconds", type=float, default=30.0, show_default=True, help="How long each figure is measured.")
@click.option("--workers", type=int, default=1, show_default=True, help="Workers of the service measured, and of the ceiling.")
@click.option("--soak", type=float, default=0.0, show_default=True, help="Minutes of a soak afterwards.")
def bench_serving(seconds: float, workers: int, soak: float) -> None:
    """Measure the service beside a bare application, on what the edition in service has published.

    Starts a service of its own beside the running one: PostgreSQL and Valkey must run (`football up` or `make demo`).
    """
    from deploy.programs import base_environment

    here = installation()
    edition = here.edition()
    everything = here.environment(edition)
    names = ("API_DATABASE_URL", "REDIS_URL", "JWT_SECRET_FILE")
    variables = base_environment(here) | here.identity(edition) | {name: everything[name] for name in names}
    evidence = str(Path(everything["EVIDENCE_DIR"]) / "bench-serving.json")
    options = ["--seconds", str(seconds), "--workers", str(workers), "--soak", str(soak), "--evidence", evidence]
    result = subprocess.run([sys.executable, "-m", "serving.bench", *options], env=variables, cwd=PROJECT_DIR, check=False)
    raise click.exceptions.Exit(result.returncode)


@click.command()
@click.argument("prediction_id")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def reproduce(prediction_id: str, as_json: bool) -> None:
    """Make a published prediction again, from the files as they came and its registered model, and compare.

    In a database of its own, which is dropped afterwards. The same to the last bit is promised on the platform and with the lock
    file that it was issued with. Exits with 1 if anything differs, or what it rests on is missing or was changed.
    """
    from deploy import scratch

    raise click.exceptions.Exit(scratch.reproduce(installation(), prediction_id, ["--json"] * as_json))
