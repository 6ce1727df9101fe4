"""The commands that judge: how fast pipelines, service and database are, how good forecasts were, whether one can be made again.

Belongs here: bringing up what such a command needs, and starting it. What is measured is in `pipelines` and `serving.bench`.
"""

import subprocess
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

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
@click.option("--workers", type=int, default=1, show_default=True, help="Workers of each server measured.")
@click.option("--soak", type=float, default=0.0, show_default=True, help="Minutes of a soak afterwards.")
def bench_serving(**wanted: float) -> None:
    """Measure the service on what the edition in service has published, beside three other servers.

    A bare application that sends the same bytes is the ceiling; `mlflow models serve` with the edition's champion, and FastAPI on
    uvicorn reading the same row, are what one would build instead. Starts all of them beside what runs: PostgreSQL, Valkey and
    MLflow must (`football up` or `make demo`).
    """
    from deploy.installation import NO_TELEMETRY
    from deploy.programs import base_environment

    here = installation()
    edition = here.edition()
    everything = here.environment(edition)
    names = ("API_DATABASE_URL", "REDIS_URL", "JWT_SECRET_FILE", "MLFLOW_TRACKING_URI", *NO_TELEMETRY)
    variables = base_environment(here) | here.identity(edition) | {name: everything[name] for name in names}
    options = [f"--{name}={value}" for name, value in (wanted | {"evidence": everything["EVIDENCE_DIR"]}).items()]
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


@click.command(name="db-report")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--reset", "is_reset", is_flag=True, help="Afterwards forget the statements: count from now on.")
@click.option("--top", type=int, default=12, show_default=True, help="How many lines of each table are shown.")
def db_report(as_json: bool, is_reset: bool, top: int) -> None:
    """Show what the database server counted, and whether a statement somebody waits for takes too long.

    Statements, unused indexes, dead rows, sizes, cache, connections of the edition in service; all of it is kept in
    `.local/evidence/db-report.json`. Exits with 1 if a statement of the service ever took more than 50 ms, or one of a screen
    more than 500 ms.
    """
    from deploy import database, database_report
    from pipelines.evidence import write_evidence

    here = installation()
    edition = here.edition()
    found = database_report.examine(here.urls(edition).monitor)
    path = write_evidence(here.local_dir / "evidence", "db-report", {"edition": edition.name, **found})
    if as_json:
        click.echo(path.read_text(), nl=False)
    else:
        _show_report(found, top)
    if is_reset:
        database_report.forget(database.of_warehouse(here.admin_url, edition.warehouse))
    if any(verdict["is_met"] is False for verdict in found["verdicts"]):
        raise click.exceptions.Exit(1)


def _show_report(found: dict[str, Any], top: int) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 150)

    def show(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(column, no_wrap=column != "statement")
        for row in rows:
            table.add_row(*row)
        console.print(table)

    def milliseconds(each: dict[str, Any]) -> tuple[str, ...]:
        numbers = tuple(f"{each[name]:,.1f}" for name in ("total_ms", "mean_ms", "max_ms"))
        return each["role"], f"{each['calls']:,}", *numbers, each["statement"][:80]

    timed = ("role", "calls", "total ms", "mean ms", "longest ms", "statement")
    limits = {verdict["role"]: verdict["limit_ms"] for verdict in found["verdicts"]}
    above = [each for each in found["statements"] if each["max_ms"] > limits.get(each["role"], float("inf"))]
    show("Statements by total time", timed, map(milliseconds, found["statements"][:top]))
    show("Above their role's limit", timed, map(milliseconds, sorted(above, key=lambda each: -each["max_ms"])[:top]))
    show(
        "Unused indexes",
        ("table", "index", "MiB"),
        ((each["table"], each["index"], f"{each['n_bytes'] / 2**20:,.1f}") for each in found["unused_indexes"][:top]),
    )
    show(
        "Biggest tables",
        ("table", "MiB", "dead %", "found by"),
        ((t["table"], f"{t['n_bytes'] / 2**20:,.1f}", f"{t['dead_percent']:.1f}", t["method"]) for t in found["tables"][:top]),
    )
    show(
        f"Connections, of {found['max_connections']}",
        ("role", "open", "active", "idle in transaction", "pool of a worker"),
        (
            (each["role"], *(str(each[name]) for name in ("open", "active", "idle_in_transaction")), str(each["pool"] or ""))
            for each in found["connections"]
        ),
    )
    whole = found["database"]
    console.print(f"{whole['n_bytes'] / 2**20:,.0f} MiB, {whole['hit_percent'] or 0:.2f} % of pages from the cache")
    show(
        "Limits",
        ("role", "limit ms", "longest ms", "statements", "above", "met"),
        (
            (v["role"], f"{v['limit_ms']:.0f}", f"{v['worst_ms']:,.1f}", str(v["n_statements"]), str(v["n_above"]),
             {True: "yes", False: "NO", None: "nothing was asked"}[v["is_met"]])
            for v in found["verdicts"]
        ),
    )  # fmt: skip
    counted = found["counted"]
    console.print(
        f"Statements are counted since {counted['since']}; {counted['n_forgotten']:,} times some were forgotten for others."
    )
