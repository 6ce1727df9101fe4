"""What places in a league table are worth: the rules of competitions, by season.

Belongs here: which places win a title, promotion or a European cup, and which are relegated, as announced before a season
begins. Does not belong here: any table (`standings`), or rules that nobody could know beforehand, such as a place that
becomes worth something because a cup winner already has one.

A rule is five places above or at which a club ends to win something, 0 where there is no such place; those from the bottom
are negative, -3 being the last of which all three below go down. In this order:

- `title`;
- `promotion`: direct promotion, in a first division the Champions League or what leads to it;
- `play_off`: promotion play-offs, in a first division the other European cups, or the half that plays for the title;
- `safety`: neither relegated nor in a relegation play-off;
- `last_chance`: at least in that play-off, where there is one.
"""

from typing import Final

Rule = tuple[int, int, int, int, int]

LINES: Final = ("title", "promotion", "play_off", "safety", "last_chance")

UNKNOWN: Final[Rule] = (0, 0, 0, 0, 0)

EVER: Final = 0
"""A first season before all that are known."""

RULES: Final[dict[str, dict[int, Rule]]] = {
    "E0": {EVER: (1, 4, 6, -3, 0)},
    "E1": {EVER: (1, 2, 6, -3, 0)},
    "E2": {EVER: (1, 2, 6, -4, 0)},
    "E3": {EVER: (1, 3, 7, -1, 0), 2002: (1, 3, 7, -2, 0)},
    "EC": {EVER: (1, 0, 5, -4, 0), 2017: (1, 3, 7, -4, 0)},
    "SC0": {EVER: (1, 2, 6, -1, 0), 2013: (1, 2, 6, -2, -1)},
    "SC1": {EVER: (1, 0, 0, -2, 0), 2013: (1, 0, 4, -2, -1)},
    "SC2": {EVER: (1, 2, 0, -2, 0), 2006: (1, 0, 4, -2, -1)},
    "SC3": {EVER: (1, 2, 0, 0, 0), 2006: (1, 0, 4, 0, 0), 2014: (1, 0, 4, -1, 0)},
    "D1": {EVER: (1, 3, 6, -3, 0), 2008: (1, 3, 6, -3, -2), 2011: (1, 4, 6, -3, -2)},
    "D2": {EVER: (1, 3, 0, -4, 0), 2008: (1, 2, 3, -3, -2)},
    "SP1": {EVER: (1, 4, 6, -3, 0)},
    "SP2": {EVER: (1, 3, 0, -4, 0), 2010: (1, 2, 6, -4, 0)},
    "I1": {EVER: (1, 4, 6, -4, 0), 2004: (1, 4, 6, -3, 0), 2012: (1, 3, 5, -3, 0), 2017: (1, 4, 6, -3, 0)},
    "I2": {EVER: (1, 4, 0, -4, 0), 2004: (1, 2, 6, -4, -3), 2013: (1, 2, 8, -4, -3)},
    "F1": {EVER: (1, 3, 5, -3, 0), 2016: (1, 3, 5, -3, -2), 2022: (1, 3, 5, -4, 0), 2023: (1, 3, 5, -3, -2)},
    "F2": {EVER: (1, 3, 0, -3, 0), 2016: (1, 2, 5, -3, -2), 2022: (1, 2, 0, -4, 0), 2023: (1, 2, 5, -4, -3)},
    "N1": {EVER: (1, 2, 5, -3, -1), 2005: (1, 2, 9, -3, -1), 2008: (1, 2, 8, -3, -1), 2017: (1, 2, 7, -3, -1)},
    "B1": {EVER: (1, 2, 4, -2, 0), 2009: (1, 4, 6, -1, 0), 2023: (1, 6, 12, -4, 0)},
    "P1": {EVER: (1, 2, 5, -3, 0), 2006: (1, 3, 5, -2, 0), 2018: (1, 3, 5, -3, 0), 2020: (1, 3, 5, -3, -2)},
    "G1": {EVER: (1, 2, 5, -3, 0), 2019: (1, 2, 6, -2, -1)},
    "T1": {EVER: (1, 2, 5, -3, 0)},
    "BRA": {EVER: (1, 4, 12, -4, 0), 2016: (1, 6, 12, -4, 0)},
    "CHN": {EVER: (1, 3, 0, -2, 0)},
    "FIN": {EVER: (1, 3, 0, -2, -1)},
    "IRL": {EVER: (1, 3, 0, -2, -1)},
    "JPN": {EVER: (1, 3, 0, -3, 0), 2018: (1, 3, 0, -3, -2)},
    "MEX": {EVER: (0, 0, 8, 0, 0), 2020: (0, 4, 12, 0, 0)},
    "NOR": {EVER: (1, 3, 0, -3, -2)},
    "RUS": {EVER: (1, 2, 5, -4, -2)},
    "SWE": {EVER: (1, 3, 0, -3, -2)},
    "SWZ": {EVER: (1, 2, 5, -1, 0), 2018: (1, 2, 5, -2, -1)},
}
"""Competition to its rule from each season on.

Leagues with conferences, or whose splits and halved points took another form every few years, are left out (ARG, AUT, DNK, POL,
ROU, USA). Others that split (SC0, FIN since 2019, SWZ since 2023), halve the points (B1) or play two halves (MEX) have rules,
with the lines of the regular part. Their tables go on through all that is played under a season's name, by the results alone:
after a split a club seems able to leave its half, what was halved counts in full, and Mexico's two halves are one table."""


def rule(competition_id: str, season: int) -> Rule:
    """The rule of a competition in a season; `UNKNOWN` if there is none."""
    rules = RULES.get(competition_id, {EVER: UNKNOWN})
    return rules[max(first for first in rules if first <= season)]
