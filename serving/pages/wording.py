"""Names and numbers as people read them.

Belongs here: words for what the JSON answers name by identifiers, and the forms of numbers and moments. Does not belong here:
markup.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final

INFORMATION_SETS: Final = {
    "results": "results only",
    "history": "results and past prices",
    "market": "today’s prices too",
}
"""What a forecast was allowed to know."""

GROUPS: Final = {
    "base": (
        "Home ground",
        "two average clubs meet, with home advantage as it is on average; "
        "what a country or a club has more or less of it is in strength, play and past prices",
    ),
    "strength": ("Strength", "ratings from results"),
    "play": ("Play", "shots, corners, cards and goals"),
    "form": ("Form", "the last five matches"),
    "season": ("Season", "this season so far"),
    "rest": ("Rest", "days since the last match"),
    "stakes": ("Stakes", "what can be won or lost in the table"),
    "experience": ("Experience", "how many matches of the clubs are known"),
    "occasion": ("Occasion", "level of the league, time of year"),
    "memory": ("Past prices", "what markets thought of both clubs before"),
    "quotes": ("Prices", "the average price of this match"),
    "bookmakers": ("Bookmakers", "single ones, where they stand apart from the average"),
    "movement": ("Price movement", "how the price of this match has moved"),
}
"""Groups of an explanation: what they are called, and what they hold."""

MARKETS: Final = {
    "1x2": "Result",
    "double_chance": "Double chance",
    "draw_no_bet": "Draw no bet",
    "both_teams_score": "Both teams score",
    "clean_sheet": "Clean sheet",
    "winning_margin": "Winning margin",
    "asian_handicap": "Asian handicap",
    "correct_score": "Correct score",
    "over_under": "Goals over / under",
}
"""Markets in the order in which they are listed: short ones first."""

FIRMNESS: Final = {
    "firm": "Firm: the strengths of both clubs are well known.",
    "usual": "As firm as most.",
    "loose": "Loose: little is known of how strong these clubs are now, or the model is of two minds.",
}

SHADES: Final = 20


def whole_percents(*probabilities: float) -> list[int]:
    """Percentages without decimals that sum to 100 where the probabilities sum to 1."""
    return _parts(100, probabilities)


def percents(*probabilities: float) -> list[str]:
    """Cells with one decimal, as `percent` writes them, that sum to 100 where the probabilities sum to 1."""
    tenths = _parts(1000, probabilities)
    return [percent(p, 1) if n == 0 else f"{n / 10:.1f}%" for n, p in zip(tenths, probabilities, strict=True)]


def _parts(whole: int, shares: Sequence[float]) -> list[int]:
    """So many of `whole` as each share comes to (largest remainders get what is left over)."""
    exact = [whole * share for share in shares]
    parts = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: exact[i] - parts[i], reverse=True)
    for i in by_remainder[: round(sum(exact)) - sum(parts)]:
        parts[i] += 1
    return parts


def percent(p: float, decimals: int = 0) -> str:
    """A probability for a cell; what is above nothing is never shown as nothing."""
    least = 10.0**-decimals
    return f"<{least:.{decimals}f}%" if 0 < 100 * p < least / 2 else f"{100 * p:.{decimals}f}%"


def signed(value: float, decimals: int = 2) -> str:
    """With its sign, a proper minus; what rounds to nothing has none."""
    text = f"{value:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def shade(p: float, most: float = 1.0) -> str:
    """The class of a cell whose tint tells its value: `s0` to `s20`, the last for `most` and above."""
    return f"s{round(SHADES * min(max(p / most, 0.0), 1.0))}" if most > 0 else "s0"


def day(moment: date) -> str:
    """Saturday 7 March 2026."""
    return f"{moment:%A} {moment.day} {moment:%B %Y}"


def short_day(moment: date) -> str:
    """7 Mar 2026."""
    return f"{moment.day} {moment:%b %Y}"


def clock(moment: datetime) -> str:
    """15:00."""
    return f"{moment:%H:%M}"


def instant(moment: datetime) -> str:
    """7 Mar 2026, 15:00 UTC."""
    return f"{short_day(moment)}, {moment:%H:%M} UTC"


def age(seconds: float) -> str:
    """How long ago in one unit: 3 minutes, 5 hours, 2 days."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {name}s"
    return "under 2 minutes" if seconds < 120 else f"{int(seconds)} seconds"


def season(first_year: int) -> str:
    """2025/26 for the season that begins in 2025."""
    return f"{first_year}/{(first_year + 1) % 100:02d}"


def handicap(line: float) -> str:
    """−0.75, 0, +1.5."""
    return "0" if line == 0 else signed(line).rstrip("0").rstrip(".")


def selection(market: str, name: str, home: str, away: str) -> str:
    """What a bet would be placed on, with the clubs' names; not for markets with lines."""
    sides = {"home": home, "away": away, "draw": "Draw", "any_other": "Any other score"}
    if market == "double_chance":
        one, _, other = name.partition("_or_")
        return f"{sides[one]} or {sides[other] if other != 'draw' else other}"
    if market == "winning_margin" and name != "draw":
        side, _, goals = name.partition("_by_")
        return f"{sides[side]} by {goals.replace('_or_more', ' or more')}"
    return sides.get(name, name.replace("-", "–").capitalize())


def ordinal(position: int) -> str:
    """1st, 2nd, 3rd, 4th …"""
    suffix = "th" if position % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{suffix}"


def likeliest(probabilities: Sequence[float]) -> int | None:
    """Where the one largest is; None if two share that place."""
    most = max(probabilities)
    places = [i for i, p in enumerate(probabilities) if p == most]
    return places[0] if len(places) == 1 else None


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "age": age,
    "clock": clock,
    "day": day,
    "instant": instant,
    "ordinal": ordinal,
    "percent": percent,
    "season": season,
    "shade": shade,
    "short_day": short_day,
    "signed": signed,
}
"""Those that templates use as filters."""
