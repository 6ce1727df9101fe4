"""The command that fetches and loads files of past seasons.

Belongs here: choosing the files, launching the job `backfill`, and saying what stands afterwards.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pipelines.commands.launch import RunFailed, run_job

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from pipelines.sources.protocol import Scope, Source


@click.command()
@click.argument("competitions", nargs=-1, required=True)
@click.option("--from", "first", type=int, help="First season, by the year in which it starts. Default: the oldest there is.")
@click.option("--to", "last", type=int, help="Last season. Default: the one under way.")
@click.option("--source", "only", help="From this source alone. Default: from each of SOURCES that has such files.")
def backfill(competitions: tuple[str, ...], first: int | None, last: int | None, only: str | None) -> None:
    """Fetch and load the files of COMPETITIONS, whatever the day's run asks for.

    \b
    football backfill E0 --from 2015 --to 2020    six seasons of one competition
    football backfill E0 D1 I1 --from 2000        of several
    football backfill ARG                         a league whose seasons are one file
    football backfill all                         everything that there is

    Competitions are written in football-data.co.uk's codes. All files go in one run, four at a time at most, and one that has not
    changed is not sent again; loaded twice, nothing is new. Each is a partition of the asset landing/file in Dagster, where a
    backfill can be started, too. A file that fails leaves the others loaded, and the command exits with 1.

    This fills bronze alone: `football refresh` then carries the matches on to silver, gold and new forecasts, as the next day's
    run does by itself.
    """
    from pipelines.defs.partitions import partition_of
    from pipelines.settings import Settings
    from pipelines.sources.protocol import SourceUnreachable

    settings = Settings.read()
    scope = _scope(settings, competitions, first, last)
    try:
        files = [(name, key) for name, source in _sources(settings, only).items() for key in _keys(source, scope)]
    except SourceUnreachable as error:
        raise click.ClickException(f"{error} Is FOOTBALL_DATA_URL right? Nothing was changed.") from error
    if not files:
        seasons = f"{min(scope.seasons)} to {max(scope.seasons)}"
        raise click.ClickException(f"There are no files of {', '.join(competitions)} for the seasons {seasons}.")
    click.echo(f"{len(files)} files, from {partition_of(*files[0])} to {partition_of(*files[-1])}")
    config = {"ops": {"landing__file": {"config": {"partitions": [partition_of(*file) for file in files]}}}}
    try:
        run_job("backfill", config)
    except RunFailed as error:
        raise RunFailed(f"{error.message}\n{_standing(settings, files)}") from error
    click.echo(f"{_standing(settings, files)} `football refresh` carries them on.")


def _scope(settings: "Settings", competitions: Sequence[str], first: int | None, last: int | None) -> "Scope":
    from pipelines.sources.football_data import DIVISIONS, NEW_LEAGUES, nobody_knows
    from pipelines.sources.listing import Listing
    from pipelines.sources.protocol import FIRST_SEASON, Scope, current_season
    from pipelines.sources.registry import listing_of

    codes = {code.upper() for text in competitions for code in text.split(",") if code}
    offered = (*DIVISIONS, *NEW_LEAGUES, *nobody_knows(Listing.read(listing_of(settings)).keys))
    if unknown := sorted(codes - {*offered, "ALL"}):
        raise click.UsageError(f"There is no competition {', '.join(unknown)}. There are {', '.join(offered)}, and `all`.")
    newest = current_season(settings.now().date())
    first, last = first or FIRST_SEASON, last or newest
    if not FIRST_SEASON <= first <= last <= newest:
        raise click.UsageError(f"Seasons go from {FIRST_SEASON} to {newest}, the first one first, not from {first} to {last}.")
    return Scope(None if "ALL" in codes else frozenset(codes), frozenset(range(first, last + 1)))


def _sources(settings: "Settings", only: str | None) -> "dict[str, Source]":
    from pipelines.sources.registry import open_sources

    sources = open_sources(settings)
    if only is not None and only not in sources:
        raise click.UsageError(f"{only} is not among SOURCES, which names {', '.join(sources)}.")
    return {name: source for name, source in sources.items() if only in (None, name)}


def _keys(source: "Source", scope: "Scope") -> list[str]:
    """The files of competitions and seasons; what a source has besides, coming matches or an inbox, is the day's."""
    from pipelines.sources.protocol import Scope

    besides = set(source.list(Scope(frozenset(), frozenset())))
    return [key for key in source.list(scope) if key not in besides]


def _standing(settings: "Settings", files: Sequence[tuple[str, str]]) -> str:
    from pipelines.store import file_versions
    from pipelines.store.warehouse import Warehouse

    warehouse = Warehouse(settings.reader_url)
    latest = {name: file_versions.latest(warehouse, name) for name in {name for name, _ in files}}
    loaded = [latest[name][key] for name, key in files if key in latest[name] and latest[name][key].state != "refused"]
    return f"{len(loaded)} of {len(files)} files are loaded, with {sum(each.n_loaded for each in loaded):,} lines."
