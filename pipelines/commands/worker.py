"""The command that makes this machine a worker.

Belongs here: starting Celery's worker on the application of `pipelines.machines`.
"""

import click


@click.command()
@click.option("--name", default="football", help="Told apart by it from others on the same machine.")
def worker(name: str) -> None:
    """Execute steps of runs that another machine started, one at a time, until stopped.

    For EXECUTOR=celery. It needs the same code, the variables that `football env --worker` prints where the runs start, and the
    edition's folder on a disk that both share. SIGTERM lets it finish the step at hand; after a kill another worker executes
    that again.
    """
    from pipelines.machines import worker_app
    from pipelines.settings import Settings, SettingsError

    try:
        app = worker_app(Settings.read())
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    options = ["--concurrency", "1", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    app.worker_main(["worker", "--queues", "dagster", "--hostname", f"{name}@%h", *options])
