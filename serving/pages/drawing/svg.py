"""Elements of SVG as markup.

Belongs here: writing elements, and scales from values to places. Does not belong here: any particular graphic.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape


def element(name: str, *children: Markup | str, **attributes: object) -> Markup:
    """An element: `class_` becomes class, `stroke_width` stroke-width; floats get two decimals, attributes of None none."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"' for key, value in attributes.items() if value is not None
    )
    return Markup(f"<{name}{written}>{Markup().join(children)}</{name}>")  # noqa: S704  # children are escaped by the join


def picture(width: float, height: float, title: str, *children: Markup, kind: str = "chart") -> Markup:
    """A graphic that grows with its column and is announced by its title."""
    return element(
        "svg",
        element("title", title),
        *children,
        class_=kind,
        viewBox=f"0 0 {_text(width)} {_text(height)}",
        role="img",
        aria_label=title,
    )


def text(x: float, y: float, content: str, anchor: str = "start", class_: str | None = None) -> Markup:
    """A label."""
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def path(points: Iterable[tuple[float, float]], class_: str, is_closed: bool = False) -> Markup:
    """A line through the points, or the area that they enclose."""
    places = "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return element("path", d=f"M{places}{'Z' if is_closed else ''}", class_=class_)


@dataclass(frozen=True)
class Scale:
    """From [low, high] to [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where the value lies."""
        return self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.end - self.start)


def round_steps(low: float, high: float, about: int = 5) -> list[float]:
    """At most `about` + 1 multiples of 1, 2 or 5 times a power of ten within [low, high]."""
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(k * power for k in (1, 2, 5, 10) if span / (k * power) <= about + 1e-9)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def axes(x: Scale, y: Scale, x_ticks: Iterable[tuple[float, str]], y_ticks: Iterable[tuple[float, str]]) -> list[Markup]:
    """Hair lines across at the ticks of y, labels left and below."""
    lines = [
        part
        for value, label in y_ticks
        for part in (
            element("line", x1=x.start, x2=x.end, y1=y(value), y2=y(value), class_="grid"),
            text(x.start - 6, y(value) + 4, label, "end"),
        )
    ]
    # The outermost labels stay within the picture.
    anchors = {x.low: "start", x.high: "end"}
    return lines + [text(x(value), y.start + 18, label, anchors.get(value, "middle")) for value, label in x_ticks]


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
