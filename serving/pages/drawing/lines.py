"""Charts with axes: how something moved in time, and how often what was said came true.

Belongs here: places of lines, points and bands. Does not belong here: computing what they show.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from markupsafe import Markup

from serving.pages.drawing.svg import Scale, axes, element, path, picture, round_steps, text
from serving.pages.wording import short_day

WIDTH, HEIGHT = 440.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 14.0, 28.0

Point = tuple[datetime, float]


def movement(series: Sequence[tuple[str, str, Sequence[Point]]], until: datetime, title: str) -> Markup:
    """Probabilities that stay as they are until the next is issued.

    `series` are class, label and points (moment, probability) of each line; the last value stays until `until`.
    """
    x = _time([moment for _, _, points in series for moment, _ in points] + [until], right=70.0)
    y = Scale(0.0, 1.0, HEIGHT - BOTTOM, TOP)
    parts: list[Markup] = axes(x, y, _days(x), [(k / 4, f"{25 * k}%") for k in range(5)])
    ends = _apart([y(points[-1][1]) for _, _, points in series], 14.0)
    for (name, label, points), end in zip(series, ends, strict=True):
        corners: list[tuple[float, float]] = []
        for moment, p in points:
            if corners:
                corners.append((x(moment.timestamp()), corners[-1][1]))
            corners.append((x(moment.timestamp()), y(p)))
        corners.append((x(until.timestamp()), corners[-1][1]))
        parts += [path(corners, f"line {name}"), text(x.end + 5, end + 4, label)]
    return picture(WIDTH, HEIGHT, title, *parts)


def band(points: Sequence[tuple[datetime, float, float, float]], title: str) -> Markup:
    """A line (moment, value, low, high) with its interval, beside the line of nothing."""
    x = _time([moment for moment, *_ in points])
    low, high = min(0.0, *(each[2] for each in points)), max(0.0, *(each[3] for each in points))
    y = Scale(low, high, HEIGHT - BOTTOM, TOP)
    across = [x(moment.timestamp()) for moment, *_ in points]
    upper = [(place, y(each[3])) for place, each in zip(across, points, strict=True)]
    lower = [(place, y(each[2])) for place, each in zip(across, points, strict=True)]
    middle = [(place, y(each[1])) for place, each in zip(across, points, strict=True)]
    return picture(
        WIDTH,
        HEIGHT,
        title,
        *axes(x, y, _days(x), [(value, f"{value:+g}".replace("-", "−") if value else "0") for value in round_steps(low, high)]),
        path([*upper, *reversed(lower)], "band", is_closed=True),
        element("line", x1=x.start, x2=x.end, y1=y(0.0), y2=y(0.0), class_="zero"),
        path(middle, "line home"),
    )


def reliability(points: Sequence[tuple[str, float, float, float, float]], title: str) -> Markup:
    """What was said against what came: class, said, came, and the interval of what came; on the diagonal they agree."""
    side = WIDTH - LEFT - RIGHT
    height = side + TOP + BOTTOM
    x, y = Scale(0.0, 1.0, LEFT, LEFT + side), Scale(0.0, 1.0, TOP + side, TOP)
    ticks = [(k / 4, f"{25 * k}%") for k in range(5)]
    parts = [*axes(x, y, ticks, ticks), element("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="zero")]
    for name, said, came, low, high in points:
        parts.append(element("line", x1=x(said), x2=x(said), y1=y(low), y2=y(high), class_=f"whisker {name}"))
        parts.append(_mark(name, x(said), y(came)))
    return picture(WIDTH, height, title, *parts)


def _mark(name: str, x: float, y: float) -> Markup:
    """Outcomes differ by form as well: home is a disc, draw a square, away a triangle."""
    if name == "home":
        return element("circle", cx=x, cy=y, r=4.0, class_=name)
    if name == "draw":
        return element("rect", x=x - 3.5, y=y - 3.5, width=7.0, height=7.0, class_=name)
    return element("path", d=f"M{x:.2f} {y - 5:.2f}l4.5 8.5h-9z", class_=name)


def _time(moments: Sequence[datetime], right: float = RIGHT) -> Scale:
    seconds = [moment.timestamp() for moment in moments]
    return Scale(min(seconds), max(seconds), LEFT, WIDTH - right)


def _days(x: Scale) -> list[tuple[float, str]]:
    """The ends of the axis, named by their days; one where both are of the same day."""
    labels = [(at, short_day(datetime.fromtimestamp(at, UTC))) for at in (x.low, x.high)]
    return labels if labels[0][1] != labels[1][1] else labels[:1]


def _apart(places: Sequence[float], least: float) -> list[float]:
    """The places, moved down as far as needed for labels not to cover each other."""
    result = list(places)
    order = sorted(range(len(result)), key=lambda i: result[i])
    for above, below in pairwise(order):
        result[below] = max(result[below], result[above] + least)
    return result
