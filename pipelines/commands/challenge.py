"""The command that puts forecasts beside those of the 2023 Soccer Prediction Challenge.

Belongs here: reading the challenge's file and the results of its days, printing. How its fixtures are found and what is scored is
`pipelines.forecast.challenge`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands.terminal import console

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

FIXTURE_COLUMNS = {
    "Lge": "league",
    "Date": "date",
    "HT": "home",
    "AT": "away",
    "prd_W": "contestant_p_home",
    "prd_D": "contestant_p_draw",
    "prd_L": "contestant_p_away",
}
"""Columns of a submission to the challenge, and what they are here."""

NEW_COLUMNS = {
    **{"Home": "HomeTeam", "Away": "AwayTeam", "HG": "FTHG", "AG": "FTAG"},
    **{f"{old}{outcome}": f"{new}{outcome}" for old, new in (("Avg", "AvgC"), ("P", "PSC")) for outcome in "HDA"},
}
"""Columns of the "new" leagues' files that the main leagues' files call otherwise; some have closing odds under older names."""

SEASON = 2022
"""Start year of the season in which the challenge took place."""


@click.command()
@click.argument("forecasts", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("submission", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def challenge(forecasts: Path, submission: Path) -> None:
    """Score FORECASTS of the 2023 Soccer Prediction Challenge's fixtures beside a SUBMISSION to it and the closing odds.

    FORECASTS is what `football predictions --out` writes in a rehearsal of the challenge's first day (AS_OF=2023-04-14T00:00Z),
    SUBMISSION the challenge's set of fixtures with a contestant's probabilities. Results and closing odds are read from the files
    at FOOTBALL_DATA_URL.
    """
    import pandas as pd
    from rich.table import Table

    from pipelines.evidence import write_evidence
    from pipelines.forecast.challenge import FIRST_DAY, LEAGUES, PUBLISHED, find, judge
    from pipelines.settings import Settings

    settings = Settings.read()
    try:
        fixtures = pd.read_csv(submission, usecols=list(FIXTURE_COLUMNS)).rename(columns=FIXTURE_COLUMNS)
        ours = pd.read_csv(forecasts, parse_dates=["as_of"])
    except ValueError as error:
        raise click.ClickException(f"one of the files is not in the expected form: {error}") from error
    if (late := ours["as_of"] > pd.Timestamp(FIRST_DAY, tz="UTC")).any():
        raise click.ClickException(
            f"{late.sum():,} forecasts knew what became known on {FIRST_DAY} or later, and must not be judged"
        )
    fixtures["date"] = pd.to_datetime(fixtures["date"], format="%d/%m/%Y").dt.strftime("%Y-%m-%d")
    results = read_results(settings.football_data_url)
    found = find(fixtures, results)
    said, both = beside(found, ours)
    if both.empty:
        raise click.ClickException("none of the fixtures was forecast by every set: are FORECASTS those of the rehearsal?")
    scores = judge(said, both["outcome"].to_numpy(), both["date"])
    has_files = fixtures["league"].map(LEAGUES).isin(results["division"])
    counts = {"fixtures": len(fixtures), "in_our_leagues": int(has_files.sum()), "found": len(found), "judged": len(both)}
    table = Table(title=f"{counts['judged']} of the challenge's {counts['fixtures']} fixtures, the same matches")
    for column in ("", "RPS", "above theirs", "95 % interval", "log loss", "above theirs", "95 % interval"):
        table.add_column(column, justify="right" if column else "left")
    for name, row in scores.iterrows():
        cells = [
            (
                f"{row[score]:.4f}",
                f"{row[f'above_{score}']:+.4f}",
                f"{row[f'above_{score}_low']:+.4f}…{row[f'above_{score}_high']:+.4f}",
            )
            for score in ("rps", "log_loss")
        ]
        table.add_row(str(name), *cells[0], *cells[1])
    console().print(table)
    click.echo(
        f"{counts['in_our_leagues']} fixtures are in leagues that the files have, {counts['found']} of them were found there"
    )
    click.echo(
        "published, of 714 matches of all leagues (RPS): " + ", ".join(f"{who} {rps:.4f}" for who, rps in PUBLISHED.items())
    )
    click.echo("no two sets of leagues have the same level, and so few matches cannot rank models")
    figures = {**counts, "scores": scores.to_dict("index"), "published_rps": dict(PUBLISHED)}
    click.echo(f"figures: {write_evidence(settings.evidence_dir, 'challenge', figures)}")


def beside(found: "pd.DataFrame", ours: "pd.DataFrame") -> "tuple[dict[str, npt.NDArray[np.float64]], pd.DataFrame]":
    """What everybody said of the fixtures that all forecast, the contestant first.

    Args:
        found: what `challenge.find` returns, with the contestant's and the market's probabilities.
        ours: forecasts in the form of a backtest's file.

    Returns:
        Forecaster to (n, 3) probabilities, and the n fixtures.
    """
    import numpy as np

    from pipelines.forecast.contract import FEATURES, PROBABILITIES

    match = ["division", "date", "home", "away"]
    names = dict(zip(("source_division", "match_date", "source_home", "source_away"), match, strict=True))
    both = found
    sets = [name for name in FEATURES if name in set(ours["information_set"])]
    for name in sets:
        part = ours.loc[ours["information_set"] == name, [*names, *PROBABILITIES]].rename(columns=names)
        both = both.merge(part.rename(columns={p: f"{name}_{p}" for p in PROBABILITIES}), on=match, validate="one_to_one")
    columns = {name: [f"{name}_{p}" for p in PROBABILITIES] for name in ("contestant", *sets, "closing odds")}
    both = both.dropna(subset=[column for each in columns.values() for column in each])
    return {name: both[each].to_numpy(dtype=np.float64) for name, each in columns.items()}, both


def read_results(url: str) -> "pd.DataFrame":
    """The played matches of the season's files, with their closing odds: the average, or Pinnacle's where there is none.

    Returns:
        `division` (the name of the file), `date` (ISO), `home`, `away`, `outcome` and `closing odds_p_*` without the margin.
    """
    import numpy as np
    import pandas as pd

    from pipelines.forecast.challenge import LEAGUES
    from pipelines.forecast.contract import PROBABILITIES
    from pipelines.forecast.devig import devig
    from pipelines.forecast.metrics import outcome_of
    from pipelines.sources.football_data import FootballData
    from pipelines.sources.http import Web
    from pipelines.sources.protocol import Delivery, Scope

    source = FootballData(url, Web())
    rows = []
    for key in source.list(Scope(frozenset(LEAGUES.values()), frozenset({SEASON}))):
        delivery = source.fetch(key)
        if isinstance(delivery, Delivery):
            names = NEW_COLUMNS if key.startswith("new/") else {}
            parsed = source.parse(key, delivery.content).rows
            rows += [
                {names.get(name, name): text for name, text in row.cells.items()} | {"division": Path(key).stem} for row in parsed
            ]
    cells = pd.DataFrame(rows).dropna(subset=["FTHG", "FTAG"]).reset_index(drop=True)
    quoted = {
        book: cells.reindex(columns=[f"{book}{outcome}" for outcome in "HDA"]).apply(pd.to_numeric, errors="coerce").to_numpy()
        for book in ("AvgC", "PSC")
    }
    closing = devig(np.where(np.isnan(quoted["AvgC"]).any(axis=1, keepdims=True), quoted["PSC"], quoted["AvgC"]))
    return pd.DataFrame(
        {
            "division": cells["division"],
            "date": pd.to_datetime(cells["Date"], format="%d/%m/%Y").dt.strftime("%Y-%m-%d"),
            "home": cells["HomeTeam"].str.strip(),
            "away": cells["AwayTeam"].str.strip(),
            "outcome": outcome_of(cells["FTHG"].astype("float64"), cells["FTAG"].astype("float64")),
            **{f"closing odds_{name}": closing[:, k] for k, name in enumerate(PROBABILITIES)},
        }
    )
