"""Bars: how a whole is shared out, and what speaks for one side or the other.

Belongs here: bars that stand in a row of a table, beside the number they draw; the number is what is read out, so they are hidden
from screen readers. Does not belong here: charts with axes.
"""

from markupsafe import Markup

from serving.pages.drawing.svg import element


def outcome_bar(p_home: float, p_draw: float, p_away: float) -> Markup:
    """One bar of full width, shared by home, draw and away in this order."""
    parts, start = [], 0.0
    for p, name in ((p_home, "home"), (p_draw, "draw"), (p_away, "away")):
        parts.append(element("rect", x=f"{100 * start:.2f}%", width=f"{100 * p:.2f}%", height="100%", class_=name))
        start += p
    return element("svg", *parts, class_="outcomes", aria_hidden="true")


def diverging_bar(value: float, most: float) -> Markup:
    """From the middle to the right for a positive value, to the left for a negative one; `most` fills the half."""
    share = 50 * min(abs(value) / most, 1.0) if most > 0 else 0.0
    return element(
        "svg",
        element("line", x1="50%", x2="50%", y1="0", y2="100%", class_="axis"),
        element(
            "rect",
            x=f"{50 if value >= 0 else 50 - share:.2f}%",
            width=f"{share:.2f}%",
            y="20%",
            height="60%",
            class_="for" if value >= 0 else "against",
        ),
        class_="diverging",
        aria_hidden="true",
    )


def share_bar(p: float) -> Markup:
    """A share of the full width."""
    return element(
        "svg", element("rect", width=f"{100 * p:.2f}%", height="100%", class_="home"), class_="share", aria_hidden="true"
    )
