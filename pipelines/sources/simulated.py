"""Simulated football: seasons of invented clubs, written as football-data.co.uk would publish them.

Belongs here: a small football world, and the writing of it in the site's layout and file format, so that the ordinary
`football_data` adapter reads it. Does not belong here: how goals are distributed (`simulated_scores`), what bookmakers quote
(`simulated_bookmakers`), reading the files back, or any judgement of forecasts. The division codes are the site's; every club and
referee is invented and says so (`MARKER`).

The world is a function of the seed alone: strengths and results are drawn season by season from `FIRST_SEASON` on,
and `today` merely decides how much of it has been published. A later day therefore only appends.

Log rates of goals are `level ± home advantage / 2 + attack - defence`. Attack and defence follow an AR(1) around each club's own
mean.
"""

import os
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.sources.simulated_bookmakers import BOOKS, quotes
from pipelines.sources.simulated_scores import N_GOALS, Floats, outcomes, score_grid

Integers = NDArray[np.int64]

MARKER: Final = "Sim"
FIRST_SEASON: Final = 2012
HORIZON: Final = timedelta(days=7)
"""How far ahead `fixtures.csv` and `new_league_fixtures.csv` look, today included."""


@dataclass(frozen=True)
class Size:
    """How much of the world the files hold; the default is about 8,000 matches in six seasons."""

    n_seasons: int = 6
    n_clubs: int = 18
    """Clubs of each division with promotion and relegation; even."""
    n_summer_clubs: int = 20
    """Clubs of the calendar-year league; even. Twenty keep twenty matches in each week of the other leagues' summer."""


@dataclass(frozen=True)
class _Country:
    number: int
    divisions: tuple[str, ...]
    """Best first; the single code of a country in the "new" format names its file."""
    is_calendar_year: bool
    has_referee: bool
    stems: str
    """Beginnings of club names, with blanks between; as many clubs as stems times endings can be named."""
    endings: str

    def club(self, index: int) -> str:
        stems, endings = self.stems.split(), self.endings.split()
        turn, stem = divmod(index, len(stems))
        return f"{MARKER} {stems[stem]}{endings[(turn + stem) % len(endings)]}"


_COUNTRIES: Final = (
    _Country(
        number=0,
        divisions=("E0", "E1"),
        is_calendar_year=False,
        has_referee=True,
        stems="Ash Bram Crox Dun Elder Fern Glim Haver Ivel Kestre Lark Marl Nettle Osmer Pebble Quen Rush Stave Thistle Wren",
        endings="combe wickham moor thorpe",
    ),
    _Country(
        number=1,
        divisions=("D1", "D2"),
        is_calendar_year=False,
        has_referee=False,
        stems="Alm Birken Drossel Eich Fink Grau Hasel Immen Jager Kranich Linden Mohn Neb Ott Pappel Quell Rehn Silb Tann Wald",
        endings="rode bruck hain au",
    ),
    _Country(
        number=2,
        divisions=("BRA",),
        is_calendar_year=True,
        has_referee=False,
        stems="Ara Buri Capi Dura Embu Figue Guara Ibira Jabu Lajo Manga Nhandu Oiti Pira Quixa Sapu Taqua Umbu Vereda Xique",
        endings="tinga poranga mirim acu",
    ),
)

# (days after the week's Friday, UK time), one for each match of a round in turn; the same every week, so that any seven
# days in a row see each weekly league exactly once.
_WEEKEND: Final = (
    *((0, "20:00"), (1, "12:30"), (1, "15:00"), (1, "15:00"), (1, "15:00"), (1, "17:30")),
    *((2, "14:00"), (2, "16:30"), (3, "20:00")),
)
_SUMMER_WEEKEND: Final = ((1, "20:00"), (1, "22:30"), (2, "20:00"), (2, "22:00"), (1, "01:00"))
_SUMMER_MIDWEEK: Final = ((5, "23:00"), (6, "01:30"), (5, "22:00"), (6, "00:30"), (5, "23:30"))

_HOME_ADVANTAGE: Final = 0.26
_LEVEL: Final = float(np.log(1.33))
_MEAN_SD: Final = 0.25
_TIER_GAP: Final = 0.12
_DRIFT_SD: Final = 0.14
_WEEKLY_MEMORY: Final = 0.97
_SUMMER_MEMORY: Final = 0.7


def _prices(moment: str, short: tuple[str, ...], suffixes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{book}{moment}{suffix}" for book in short for suffix in suffixes)


def _odds_columns(moment: str) -> tuple[str, ...]:
    """Odds columns of a main league file at one moment ("" before the match, "C" closing), in the site's order."""
    return (
        *_prices(moment, (*BOOKS, "Max", "Avg"), ("H", "D", "A")),
        *_prices(moment, ("B365", "P", "Max", "Avg"), (">2.5", "<2.5")),
        f"AH{moment}h",
        *_prices(moment, ("B365", "P", "Max", "Avg"), ("AHH", "AHA")),
    )


_PRE_MATCH: Final = ("Div", "Date", "Time", "HomeTeam", "AwayTeam", *_odds_columns(""))
_MAIN: Final = (
    *("Div", "Date", "Time", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "FTR", "HTHG", "HTAG", "HTR", "Referee"),
    *("HS", "AS", "HST", "AST", "HF", "AF", "HC", "AC", "HY", "AY", "HR", "AR"),
    *_odds_columns(""),
    *_odds_columns("C"),
)
_NEW: Final = {
    **{name: name for name in ("Country", "League", "Season", "Date", "Time")},
    **{"Home": "HomeTeam", "Away": "AwayTeam", "HG": "FTHG", "AG": "FTAG", "Res": "FTR"},
    **{name: name for name in _prices("C", ("PS", "Max", "Avg", "B365"), ("H", "D", "A"))},
}
"""Column of a "new" league file to the column of the simulation."""
_NEW_FIXTURES: Final = {
    **{name: _NEW[name] for name in ("Country", "League", "Date", "Time", "Home", "Away")},
    **{f"P{outcome}": f"PS{outcome}" for outcome in "HDA"},
    **{name: name for name in _prices("", ("Max", "Avg"), ("H", "D", "A"))},
}


def write_site(folder: Path, today: date, seed: int, size: Size = Size()) -> list[Path]:
    """Write the files the site would offer on the morning of `today` and return their paths.

    Matches before `today` have results; those of `today` and the seven days after it stand in the fixtures files with
    their pre-match odds. Files of seasons that have left the window stay as they are.

    Raises:
        ValueError: `today` lies before the first simulated season, or a league has an odd number of clubs.
    """
    matches = simulate(today, seed, size)
    cells = {name: _texts(matches[name]) for name in (*_MAIN, "Country", "League", "Season")}
    is_played, is_new = matches["is_played"], matches["Country"].notna()
    main = {name: name for name in _MAIN}
    files = {
        "fixtures.csv": _csv({n: c for n, c in cells.items() if n in _PRE_MATCH}, np.flatnonzero(~is_played & ~is_new), main),
        "new_league_fixtures.csv": _csv(cells, np.flatnonzero(~is_played & is_new), _NEW_FIXTURES),
    }
    home = np.where(is_new, "new/" + matches["Div"] + ".csv", "mmz4281/" + matches["folder"] + "/" + matches["Div"] + ".csv")
    for name in sorted(set(home[is_played])):
        rows = np.flatnonzero(is_played & (home == name))
        if is_new[rows[0]]:
            # The site's "new" files open with a byte-order mark, the others do not.
            files[name] = b"\xef\xbb\xbf" + _csv(cells, rows, _NEW)
        else:
            files[name] = _csv(cells, rows, {column: column for column in _MAIN if (cells[column][rows] != "").any()})
    paths = []
    for name, content in sorted(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # A reader never meets half a file.
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
        unfinished.write_bytes(content)
        paths.append(unfinished.replace(path))
    return paths


def simulate(today: date, seed: int, size: Size = Size()) -> pd.DataFrame:
    """Everything the simulator knows of the matches in the files of `today`, in order of kick-off.

    Returns:
        One row per match, with the columns of a main league file (numbers as numbers, missing where a league lacks one),
        `season` (start year), `is_played`, and the truth that no file shows: `p_home`, `p_draw`, `p_away` and the goal
        rates `home_rate`, `away_rate`. Rows not yet played carry their future result too.

    Raises:
        ValueError: as `write_site`.
    """
    if size.n_clubs % 2 or size.n_summer_clubs % 2:
        raise ValueError("a simulated league needs an even number of clubs")
    end = today + HORIZON
    frames = []
    for country in _COUNTRIES:
        last = end.year if _first_friday(country, end.year) <= end else end.year - 1
        if last < FIRST_SEASON:
            raise ValueError(f"the simulated world begins in August {FIRST_SEASON}, after {today}")
        frames += _simulate_country(country, seed, size, last)
    matches = pd.concat(frames, ignore_index=True)
    matches = matches[matches["day"] <= np.datetime64(end)].sort_values(["day", "Time", "Div", "HomeTeam"], ignore_index=True)
    matches["Date"] = matches["day"].dt.strftime("%d/%m/%Y")
    matches["folder"] = [f"{season % 100:02}{(season + 1) % 100:02}" for season in matches["season"]]
    matches["is_played"] = matches["day"] < np.datetime64(today)
    return matches


def _simulate_country(country: _Country, seed: int, size: Size, last: int) -> list[pd.DataFrame]:
    n_clubs = size.n_summer_clubs if country.is_calendar_year else size.n_clubs
    n_tiers = len(country.divisions)
    born = np.random.default_rng([seed, country.number])
    means = born.normal(0.0, _MEAN_SD, (n_tiers * n_clubs, 2))
    means += np.repeat(_TIER_GAP * (np.arange(n_tiers)[::-1] - (n_tiers - 1) / 2), n_clubs)[:, None]
    drift: Floats = np.zeros(means.shape)
    tiers = np.arange(n_tiers * n_clubs).reshape(n_tiers, n_clubs)
    frames = []
    for season in range(FIRST_SEASON, last + 1):
        rng = np.random.default_rng([seed, country.number, season])
        n_weeks = 1 + max(int(_weeks(country, tier, 2 * n_clubs - 2)[-1]) for tier in range(n_tiers))
        path = np.empty((n_weeks, *means.shape))
        memory = _SUMMER_MEMORY
        shocks: Floats = np.asarray(rng.normal(0.0, _DRIFT_SD, path.shape))
        for week in range(n_weeks):
            drift = memory * drift + np.sqrt(1 - memory**2) * shocks[week]
            path[week] = means + drift
            memory = _WEEKLY_MEMORY
        tables = []
        for tier, division in enumerate(country.divisions):
            played, log_rates, points = _play(rng, country, season, tier, clubs=tiers[tier], path=path)
            tables.append(tiers[tier][np.argsort(-points, kind="stable")])
            if season > last - size.n_seasons:
                # A stream of its own: what is observed of a season must not depend on whether the one before was shown.
                observer = np.random.default_rng([seed, country.number, season, 1 + tier])
                goals = np.stack([played["FTHG"], played["FTAG"]], axis=1)
                observed = _statistics(observer, country, goals, log_rates) | quotes(observer, log_rates, has_handicap=tier == 0)
                frames.append(pd.DataFrame({"Div": division, **played, **observed}))
        tiers = _promote(np.array(tables))
    return frames


def _play(
    rng: np.random.Generator, country: _Country, season: int, tier: int, *, clubs: Integers, path: Floats
) -> tuple[dict[str, Any], Floats, Floats]:
    """One division's season: its matches as columns, their log rates, and the clubs' points (goal difference as the fraction)."""
    rounds = _double_round_robin(len(clubs), rng)
    n_rounds, n_pairs, _ = rounds.shape
    home, away = rounds.reshape(-1, 2).T
    weeks = _weeks(country, tier, n_rounds)
    slots = [
        _slots(country, number)[pair % len(_slots(country, number))] for number in range(n_rounds) for pair in range(n_pairs)
    ]
    days = np.repeat(7 * weeks, n_pairs) + np.array([day for day, _ in slots])
    at_home, on_road = (path[np.repeat(weeks, n_pairs), clubs[side]] for side in (home, away))
    log_rates = np.stack([at_home[:, 0] - on_road[:, 1], on_road[:, 0] - at_home[:, 1]], axis=1)
    log_rates += _LEVEL + np.array([_HOME_ADVANTAGE, -_HOME_ADVANTAGE]) / 2
    grid = score_grid(log_rates)
    score = (grid.reshape(len(grid), -1).cumsum(axis=1) < rng.random((len(grid), 1))).sum(axis=1).clip(max=N_GOALS**2 - 1)
    goals = np.stack(np.divmod(score, N_GOALS), axis=1)

    points = np.zeros(len(clubs))
    for side, difference in ((home, goals[:, 0] - goals[:, 1]), (away, goals[:, 1] - goals[:, 0])):
        points += np.bincount(side, np.where(difference > 0, 3, difference == 0) + difference / 1000, len(clubs))
    p_home, p_draw, p_away = outcomes(grid)
    names = np.array([country.club(int(club)) for club in clubs], dtype=object)
    columns: dict[str, Any] = {
        "season": season,
        "day": np.datetime64(_first_friday(country, season)) + days.astype("timedelta64[D]"),
        "Time": np.array([time for _, time in slots], dtype=object),
        "HomeTeam": names[home],
        "AwayTeam": names[away],
        "Country": "Brazil" if country.is_calendar_year else None,
        "League": "Serie A" if country.is_calendar_year else None,
        "Season": season,
        "FTHG": goals[:, 0],
        "FTAG": goals[:, 1],
        "p_home": p_home,
        "p_draw": p_draw,
        "p_away": p_away,
        "home_rate": np.exp(log_rates[:, 0]),
        "away_rate": np.exp(log_rates[:, 1]),
    }
    return columns, log_rates, points


def _promote(tables: Integers) -> Integers:
    """Next season's divisions from the final tables: the last of the upper change places with the first of the lower."""
    tiers = tables.copy()
    n_moving = max(1, tables.shape[1] // 6)
    for upper in range(len(tables) - 1):
        tiers[upper, -n_moving:], tiers[upper + 1, :n_moving] = tables[upper + 1, :n_moving], tables[upper, -n_moving:]
    return tiers


# --------------------------------------------------------------------------- calendar


def _first_friday(country: _Country, year: int) -> date:
    start = date(year, 3, 22) if country.is_calendar_year else date(year, 8, 7)
    return start + timedelta(days=(4 - start.weekday()) % 7)


def _weeks(country: _Country, tier: int, n_rounds: int) -> Integers:
    """The week of each round, counted from the season's first Friday.

    The calendar-year league plays its first four rounds weekly and then twice a week, through the other leagues'
    summer. Each of the others pauses for four weeks, no two at the same time, so that no week is without matches.
    """
    if country.is_calendar_year:
        numbers = np.arange(n_rounds)
        return np.where(numbers < 4, numbers, 4 + (numbers - 4) // 2)
    place = 2 * country.number + tier
    pauses = {6 + place, 17 + 2 * place, 18 + 2 * place, 30 + place}
    return np.array([week for week in range(n_rounds + 4) if week not in pauses][:n_rounds])


def _slots(country: _Country, number: int) -> tuple[tuple[int, str], ...]:
    if not country.is_calendar_year:
        return _WEEKEND
    return _SUMMER_WEEKEND if number < 4 or number % 2 == 0 else _SUMMER_MIDWEEK


def _double_round_robin(n_clubs: int, rng: np.random.Generator) -> Integers:
    """Rounds by pairs by (home, away) by the circle method; the second half mirrors the first."""
    first, *others = rng.permutation(n_clubs)
    half = []
    for number in range(n_clubs - 1):
        circle = np.array([first, *np.roll(others, number)])
        pairs = np.stack([circle[: n_clubs // 2], circle[::-1][: n_clubs // 2]], axis=1)
        turned = np.arange(n_clubs // 2) % 2 == 1
        turned[0] = number % 2 == 1
        pairs[turned] = pairs[turned, ::-1]
        half.append(rng.permutation(pairs))
    return np.array([*half, *(pairs[:, ::-1] for pairs in half)])


# --------------------------------------------------------------------------- goals and what goes with them


def _statistics(rng: np.random.Generator, country: _Country, goals: Integers, log_rates: Floats) -> dict[str, Any]:
    """What is noted of a match; shots on target include the goals, shots include those on target."""
    half_time = rng.binomial(goals, 0.45)
    strength = np.exp(log_rates - _LEVEL)
    on_target = goals + rng.poisson(3.0 * strength)
    shots = on_target + rng.poisson(7.5 * strength**0.7)
    pairs = {
        "HT{}G": half_time,
        "{}S": shots,
        "{}ST": on_target,
        "{}F": rng.poisson(11.0, goals.shape),
        "{}C": rng.poisson(1.5 + 0.28 * shots),
        "{}Y": rng.poisson(1.8, goals.shape),
        "{}R": rng.binomial(1, 0.06, goals.shape),
    }
    columns: dict[str, Any] = {name.format(side): values[:, at] for name, values in pairs.items() for at, side in enumerate("HA")}
    for name, score in (("FTR", goals), ("HTR", half_time)):
        columns[name] = np.array(["H", "D", "A"], dtype=object)[1 - np.sign(score[:, 0] - score[:, 1])]
    referees = np.array(
        [f"{MARKER} Referee {number:02}" if country.has_referee else None for number in range(1, 21)], dtype=object
    )
    return {**columns, "Referee": referees[rng.integers(len(referees), size=len(goals))]}


# --------------------------------------------------------------------------- files


@cache
def _price_texts() -> NDArray[np.object_]:
    """Hundredths to the site's spelling of a price, without trailing zeros; 0 is no price."""
    return np.array(["", *(f"{hundredths / 100:g}" for hundredths in range(1, 10_001))], dtype=object)


def _texts(values: "pd.Series[Any]") -> NDArray[np.object_]:
    if values.dtype.kind == "f":
        return np.asarray(_price_texts()[(values.fillna(0.0).to_numpy() * 100).round().astype(int)])
    return values.astype(object).where(values.notna(), "").astype(str).to_numpy(dtype=object)


def _csv(cells: dict[str, NDArray[np.object_]], rows: Integers, columns: dict[str, str]) -> bytes:
    """The file of these rows: its columns to ours, CRLF, a final newline; a column without cells stays empty."""
    empty = [""] * len(rows)
    chosen = [cells[name][rows].tolist() if name in cells else empty for name in columns.values()]
    lines = [",".join(columns), *(",".join(row) for row in zip(*chosen, strict=True))]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
