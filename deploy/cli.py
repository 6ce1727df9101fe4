"""The command `football`: gathers what each package contributes, and the commands that start, stop and show the platform.

Belongs here: arguments, messages for a person, exit codes. Heavy imports happen inside the commands, so that
`football --help` is quick.
"""

import contextlib
import importlib.metadata
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.settings import PROJECT_DIR, Settings, hand_on

if TYPE_CHECKING:
    from deploy.edition import Edition
    from deploy.installation import Installation

ENV_NAMES = ("API_URL", "DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "DAGSTER_URL", "DOCS_URL")


class Football(click.Group):
    """The commands of all packages; a failure is a sentence, or with --debug a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.all_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self.all_commands.get(cmd_name)

    @cached_property
    def all_commands(self) -> dict[str, click.Command]:
        """By name; those of the other packages through the entry points `football.commands`."""
        own = {command.name or "": command for command in commands}
        for entry_point in importlib.metadata.entry_points(group="football.commands"):
            if entry_point.module == __name__:
                continue
            try:
                contributed = entry_point.load()
            except Exception as error:  # one broken package must not take `football stop` away
                click.echo(f"The commands of {entry_point.name} cannot be loaded: {error}", err=True)
                continue
            own |= {command.name: _in_edition(command) for command in contributed}
        return own

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params["debug"] or Settings.read().is_debugging:
                raise
            kind = "" if type(error).__module__.startswith("deploy.") else f"{type(error).__name__}: "
            raise click.ClickException(f"{kind}{error}\n(football --debug {ctx.invoked_subcommand or ''} shows where)") from error


def _in_edition(command: click.Command) -> click.Command:
    """A command of another package, which finds the environment of the edition set when it runs."""
    invoke = command.invoke

    def invoke_in_edition(ctx: click.Context) -> object:
        here = installation()
        hand_on(here.environment(here.edition()))
        return invoke(ctx)

    command.invoke = invoke_in_edition  # type: ignore[method-assign]
    return command


def installation() -> "Installation":
    """The installation that the environment describes."""
    from deploy.installation import Installation

    return Installation(Settings.read())


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and when it is done."""
    begin = time.monotonic()
    click.echo(f"  {what} … ", nl=False)
    try:
        yield
    except BaseException:
        click.echo("failed")
        raise
    click.echo(f"{time.monotonic() - begin:.1f} s")


@click.command()
@click.option("--edition", "name", help="demo, live, or a rehearsal such as as-of-2023-05-01t1200. Default: the one in service.")
def up(name: str | None) -> None:
    """Start everything in the background, in its newest shape; quick when all is up."""
    from deploy import operate
    from deploy.edition import named

    here = installation()
    edition = named(name) if name else here.edition()
    begin = time.monotonic()
    operate.start(here, edition, step)
    with contextlib.ExitStack() as waiting:
        _ensure_demo_account(here, edition, waiting)
        operate.wait_until_answering(here, operate.LISTENING, step)
    click.echo(f"{edition.name} is up ({time.monotonic() - begin:.1f} s)")
    _show_addresses(here)


@click.command()
def demo() -> None:
    """Run the whole platform on simulated matches, and leave it running."""
    from deploy.edition import DEMO

    _build_and_serve(installation(), DEMO)


@click.command()
def run() -> None:
    """Run the whole platform on real matches, and leave it running.

    FOOTBALL_DATA_URL, COMPETITIONS, SEASONS and SOURCES say which; AS_OF=2023-05-01T12:00Z rehearses that moment in a
    database of its own.
    """
    from deploy.edition import LIVE, rehearsal

    here = installation()
    edition = rehearsal(here.settings.as_of) if here.settings.as_of else LIVE
    here.forget_scope(edition)
    _build_and_serve(here, edition)


def _build_and_serve(here: "Installation", edition: "Edition") -> None:
    """Bring up what the pipeline needs, run it while the rest starts, and say where everything is."""
    from deploy import operate
    from deploy.programs import pipelines_environment

    begin = time.monotonic()
    label = "simulated matches, not real ones" if edition.is_simulated else "real matches"
    click.echo(f"Edition {edition.name}: {label}")
    was_up = operate.start(here, edition, step)
    with contextlib.ExitStack() as waiting:
        _ensure_demo_account(here, edition, waiting)
        command = "predictions" if was_up and _is_built_today(here, edition) else "build"
        exit_code = subprocess.call(
            [sys.executable, "-m", "pipelines", command], env=pipelines_environment(here, edition), cwd=PROJECT_DIR
        )
        if exit_code != 0:
            raise click.exceptions.Exit(exit_code)
        _built_mark(here, edition).write_text(_today())
        operate.wait_until_answering(here, operate.LISTENING, step)
    click.echo(f"\n{edition.name} is up ({time.monotonic() - begin:.0f} s): {label}")
    _show_addresses(here)
    _show_login(here, edition)


def _built_mark(here: "Installation", edition: "Edition") -> Path:
    return here.state_dir(edition) / "built-on"


def _is_built_today(here: "Installation", edition: "Edition") -> bool:
    """Whether running the pipeline again could change nothing: simulated seasons change with the day only."""
    mark = _built_mark(here, edition)
    return edition.is_simulated and mark.exists() and mark.read_text() == _today()


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _ensure_demo_account(here: "Installation", edition: "Edition", waiting: contextlib.ExitStack) -> None:
    """Have the service make the demo account while other things go on; checked when `waiting` ends."""
    from deploy.programs import base_environment

    environment = here.environment(edition)
    names = ("API_DATABASE_URL", "DEMO_LOGIN_FILE", "EDITION")
    process = subprocess.Popen(
        [sys.executable, "-c", "from serving.cli import account; account()", "demo"],
        env=base_environment(here) | {name: environment[name] for name in names},
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def check() -> None:
        output, _ = process.communicate(timeout=60)
        if process.returncode != 0:
            click.echo(f"The demo account could not be made: {output.strip()}", err=True)

    waiting.callback(check)


def _show_addresses(here: "Installation") -> None:
    addresses = here.addresses()
    for what, url in (
        ("API", f"{addresses['API_URL']}/schema"),
        ("Dagster", addresses["DAGSTER_URL"]),
        ("MLflow", addresses["MLFLOW_TRACKING_URI"]),
        ("docs", addresses["DOCS_URL"]),
    ):
        click.echo(f"  {what:<8} {url}")


def _show_login(here: "Installation", edition: "Edition") -> None:
    environment = here.environment(edition)
    file = Path(environment["DEMO_LOGIN_FILE"])
    if not file.exists():
        return
    login = json.loads(file.read_text())
    api = environment["API_URL"]
    body = shlex.quote(json.dumps(login))
    token = f"curl -s {api}/v1/auth/token -H 'Content-Type: application/json' -d {body}"
    pick = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])'"
    click.echo(f"  login    {login['username']} / {login['password']}\n")
    click.echo(f'curl -s {api}/v1/predictions -H "Authorization: Bearer $({token} | {pick})"')


@click.command()
def stop() -> None:
    """Stop everything that `up`, `demo` or `run` started."""
    from deploy import operate

    click.echo("Stopped." if operate.stop(installation()) else "Nothing was running.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def status(as_json: bool) -> None:
    """Show what runs, since when, and where it answers. Exits with 1 if something should run and does not."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from deploy import operate

    here = installation()
    edition = here.edition_in_service()
    lines = operate.status(here)
    if as_json:
        programs = [asdict(line) for line in lines]
        click.echo(json.dumps({"edition": edition.name if edition else None, "programs": programs}, indent=1))
    else:
        table = Table(title=f"Edition {edition.name}" if edition else "No edition in service")
        for column in ("program", "state", "since (UTC)", "pid", "answers", "where"):
            table.add_column(column)
        for line in lines:
            table.add_row(
                line.name,
                line.state,
                f"{datetime.fromtimestamp(line.since, UTC):%Y-%m-%d %H:%M:%S}" if line.since else "",
                str(line.pid or ""),
                {None: "", True: "yes", False: "no"}[line.is_answering],
                line.where,
            )
        Console(width=None if sys.stdout.isatty() else 120).print(table)
    if not here.supervisor.is_running():
        click.echo("Stopped. `football up` starts it.", err=True)
    elif any(line.is_answering is False or line.state in ("stopped", "fatal", "backoff", "exited") for line in lines):
        raise click.exceptions.Exit(1)


@click.command()
@click.option("--all", "is_all", is_flag=True, help="Also the roles' URLs, folders and settings of the programs.")
def env(is_all: bool) -> None:
    """Print the URLs in force as NAME=value lines, quoted for a shell."""
    here = installation()
    edition = here.edition()
    variables = here.environment(edition) | {"DATABASE_URL": here.urls(edition).owner}
    for name in sorted(variables) if is_all else ENV_NAMES:
        click.echo(f"{name}={shlex.quote(variables[name])}")
    if not here.supervisor.is_running():
        click.echo("(nothing is running: football up)", err=True)


@click.command(name="migrate")
@click.option("--new", "message", help="Write the next revision from what the table metadata say, instead of applying them.")
def migrate_command(message: str | None) -> None:
    """Bring the database of the edition to its newest shape."""
    from deploy import migrate, operate

    here = installation()
    edition = here.edition()
    operate.start_servers(here, edition, step)
    if message:
        migrate.revise(here.urls(edition).owner, message)
    click.echo(f"{edition.warehouse} is in its newest shape")


@click.command()
def doctor() -> None:
    """Look for what is wrong with this machine or this installation. Exits with 1 if something is."""
    from deploy import doctor

    findings = doctor.examine(installation())
    for finding in findings:
        click.echo(f"{'ok  ' if finding.is_good else 'BAD '} {finding.what}: {finding.detail}")
    if not all(finding.is_good for finding in findings):
        raise click.exceptions.Exit(1)


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
    if in_service is None or here.is_asked_for_data or not _built_mark(here, in_service).exists():
        return LIVE
    return in_service


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


commands: list[click.Command] = [backtest, bench_pipeline, reproduce, up, demo, run, stop, status, env, migrate_command, doctor]

main = Football(
    "football",
    help="An open football prediction platform: raw match files in, calibrated and auditable probabilities out.",
    params=[click.Option(["--debug"], is_flag=True, help="Show a traceback when something fails.")],
    callback=lambda debug: None,
)
