"""The command that measures the pipeline beside the floor."""

from pathlib import Path

import click


@click.command()
def bench() -> None:
    """Measure a first build and a day's refresh of this empty edition beside the floor."""
    import os
    import shutil
    import tempfile

    from pipelines.benchmark import N_CHANGED, REFRESH_SECONDS, change_files, measure_floor, measure_run
    from pipelines.benchmark_learning import (
        BACKTEST_SECONDS,
        RATINGS_SECONDS,
        REFIT_SECONDS,
        TRAINING_SECONDS,
        compare_dixon_coles,
        measure_learning,
    )
    from pipelines.evidence import write_evidence
    from pipelines.settings import Settings
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    if not settings.football_data_url.startswith("file://"):
        raise click.ClickException("set FOOTBALL_DATA_URL=file://… to a mirror: a benchmark does not measure the network")
    click.echo("first build, one training included")
    build = measure_run("build", "--train", environment=os.environ, echo=click.echo)
    click.echo("floor")
    floor = measure_floor(settings, Warehouse(settings.model_url), click.echo)
    with tempfile.TemporaryDirectory() as folder:
        site = change_files(Path(settings.football_data_url.removeprefix("file://")), Path(folder) / "mirror")
        click.echo(f"a day's refresh, {N_CHANGED} changed files")
        refresh = measure_run("refresh", environment={**os.environ, "FOOTBALL_DATA_URL": site}, echo=click.echo)
    click.echo("the week's training: every set's model from nothing")
    train = measure_run("train", environment=os.environ, echo=click.echo)
    click.echo("learning, on everything that was loaded")
    warehouse = Warehouse(settings.model_url)
    learning, dixon_coles = measure_learning(warehouse, click.echo), compare_dixon_coles(warehouse, click.echo)
    click.echo("backtest of market over five seasons, no tree grown before")
    shutil.rmtree(settings.trees_dir, ignore_errors=True)
    backtest = measure_run("backtest", "--from=2019", "--to=2023", "--set=market", environment=os.environ, echo=click.echo)
    ratio = build.seconds / sum(floor.values())
    figures = {
        "build_seconds": build.seconds, "build_stages": build.stages, "build_startup_seconds": build.startup_seconds,
        "build_peak_bytes": build.peak_bytes, "build_peaks": build.peaks, "floor": floor, "ratio": ratio,
        "refresh_seconds": refresh.seconds, "refresh_startup_seconds": refresh.startup_seconds, "refresh_stages": refresh.stages,
        "refresh_peak_bytes": refresh.peak_bytes,
        "train_seconds": train.seconds, "train_stages": train.stages, "train_peak_bytes": train.peak_bytes,
        "learning": learning, "dixon_coles": dixon_coles, "backtest_seconds": backtest.seconds,
    }  # fmt: skip
    evidence = write_evidence(settings.evidence_dir, "bench-pipeline", figures)
    click.echo(
        f"build {build.seconds:.0f} s (start-up {build.startup_seconds:.0f} s) = {ratio:.1f} × the floor of "
        f"{sum(floor.values()):.0f} s; peak {build.peak_bytes / 2**30:.2f} GiB\n"
        f"refresh {refresh.seconds:.1f} s, of which start-up {refresh.startup_seconds:.1f} s; "
        f"peak {refresh.peak_bytes / 2**30:.2f} GiB\n"
        f"training of the three sets {train.seconds:.0f} s = {train.seconds / sum(floor.values()):.1f} × the floor\n"
        f"backtest of market over five seasons {backtest.seconds:.0f} s\n"
        f"{evidence}"
    )
    missed = [
        what
        for what, bad in (
            ("ratio ≤ 6", ratio > 6),
            ("peak ≤ 3 GB", build.peak_bytes > 3e9),
            ("refresh ≤ 15 s beyond start-up", refresh.seconds - refresh.startup_seconds > REFRESH_SECONDS),
            ("ratings and memories ≤ 15 s", learning["ratings_and_memories"] > RATINGS_SECONDS),
            ("refit of each set ≤ 60 s", any(s > REFIT_SECONDS for name, s in learning.items() if "refit" in name)),
            ("training of each set ≤ 240 s", any(s > TRAINING_SECONDS for name, s in learning.items() if "training" in name)),
            ("backtest of five seasons ≤ 12 min", backtest.seconds > BACKTEST_SECONDS),
        )
        if bad
    ]
    if missed:
        raise click.ClickException(f"missed: {', '.join(missed)}")
