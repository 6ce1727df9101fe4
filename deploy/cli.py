"""The command `football`: gathers what each package contributes, and the commands that start, stop and show the platform.

Belongs here: arguments, messages for a person, exit codes (of the commands that judge: `judging`). Heavy imports happen inside
the commands, so that `football --help` is quick.
"""

import contextlib
import importlib.metadata
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.judging import backtest, bench_pipeline, bench_serving, db_report, reproduce
from deploy.settings import PROJECT_DIR, Settings, hand_on
from deploy.terminal import built_mark, installation, step

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
        _ensure_reference(here, edition, waiting)
        operate.wait_until_answering(here, operate.LISTENING, step)
    click.echo(f"{edition.name} is up ({time.monotonic() - begin:.1f} s)")
    _show_addresses(here)


@click.command()
def demo() -> None:
    """Run the whole platform on simulated matches, and leave it running."""
    from deploy.edition import DEMO

    here = installation()
    here.forget_scope(DEMO)
    _build_and_serve(here, DEMO)


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
        _ensure_reference(here, edition, waiting)
        command = "predictions" if was_up and _is_built_today(here, edition) else "build"
        exit_code = subprocess.call(
            [sys.executable, "-m", "pipelines", command], env=pipelines_environment(here, edition), cwd=PROJECT_DIR
        )
        if exit_code != 0:
            raise click.exceptions.Exit(exit_code)
        built_mark(here, edition).write_text(_today())
        operate.wait_until_answering(here, operate.LISTENING, step)
    link = _account_command(here, edition, "link")
    output, _ = link.communicate(timeout=60)
    click.echo(f"\n{edition.name} is up ({time.monotonic() - begin:.0f} s): {label}")
    # Whoever has made an account of that name his own signs in by hand.
    _show_addresses(here, f"{output.strip()}  (signs a browser in, once)" if link.returncode == 0 else "")
    _show_login(here, edition)


def _is_built_today(here: "Installation", edition: "Edition") -> bool:
    """Whether running the pipeline again could change nothing: simulated seasons change with the day only."""
    mark = built_mark(here, edition)
    return edition.is_simulated and mark.exists() and mark.read_text() == _today()


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _ensure_demo_account(here: "Installation", edition: "Edition", waiting: contextlib.ExitStack) -> None:
    """Have the service make the demo account while other things go on; checked when `waiting` ends."""
    _check_later(_account_command(here, edition, "demo"), waiting, "The demo account could not be made")


def _ensure_reference(here: "Installation", edition: "Edition", waiting: contextlib.ExitStack) -> None:
    """Have the service write the API's reference likewise, unless it is newer than the service's code."""
    page = Path(here.environment(edition)["DOCS_DIR"]) / "api" / "index.html"
    changed_at = max(path.stat().st_mtime for path in (PROJECT_DIR / "serving").rglob("*.py"))
    if page.exists() and page.stat().st_mtime > changed_at:
        return
    names = ("API_DATABASE_URL", "JWT_SECRET_FILE", "DOCS_DIR", "API_URL", "EDITION", "IS_SIMULATED")
    writing = _service_command(here, edition, names, "reference")
    _check_later(writing, waiting, "The API's reference could not be written")


def _check_later(process: "subprocess.Popen[str]", waiting: contextlib.ExitStack, complaint: str) -> None:
    """Say so when `waiting` ends if a process failed."""

    def check() -> None:
        output, _ = process.communicate(timeout=60)
        if process.returncode != 0:
            click.echo(f"{complaint}: {output.strip()}", err=True)

    waiting.callback(check)


def _account_command(here: "Installation", edition: "Edition", command: str) -> "subprocess.Popen[str]":
    names = ("API_DATABASE_URL", "API_URL", "DEMO_LOGIN_FILE", "EDITION")
    return _service_command(here, edition, names, "account", command)


def _service_command(
    here: "Installation", edition: "Edition", names: Sequence[str], command: str, *arguments: str
) -> "subprocess.Popen[str]":
    """A command of the service's, begun, with these variables of the edition."""
    from deploy.programs import base_environment

    environment = here.environment(edition)
    return subprocess.Popen(
        [sys.executable, "-c", f"from serving.cli import {command}; {command}()", *arguments],
        env=base_environment(here) | {name: environment[name] for name in names},
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _show_addresses(here: "Installation", pages: str = "") -> None:
    addresses = here.addresses()
    for what, url in (
        ("pages", pages or addresses["API_URL"]),
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
@click.option("--worker", "is_worker", is_flag=True, help="What runs are given, and workers need: no secret of the service's.")
@click.option("--secret", "is_secret", is_flag=True, help="That as the Secret of an edition's pods (EXECUTOR=k8s), for kubectl.")
def env(is_all: bool, is_worker: bool, is_secret: bool) -> None:
    """Print the URLs in force as NAME=value lines, quoted for a shell."""
    from deploy.programs import SERVICE_ONLY, pods_secret

    here = installation()
    edition = here.edition()
    if is_secret:
        click.echo(json.dumps(pods_secret(here, edition), indent=1))
        return
    if is_worker:
        variables = {name: value for name, value in here.environment(edition).items() if name not in SERVICE_ONLY}
    else:
        variables = here.environment(edition) | {"DATABASE_URL": here.urls(edition).owner}
    for name in sorted(variables) if is_all or is_worker else ENV_NAMES:
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


commands: list[click.Command] = [
    backtest, bench_pipeline, bench_serving, db_report, reproduce, up, demo, run, stop,
    status, env, migrate_command, doctor,
]  # fmt: skip

main = Football(
    "football",
    help="An open football prediction platform: raw match files in, calibrated and auditable probabilities out.",
    params=[click.Option(["--debug"], is_flag=True, help="Show a traceback when something fails.")],
    callback=lambda debug: None,
)
