"""Figures of a report as inline SVG: curves with points, and means with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

from retouch.core.axis import ticks
from retouch.core.markup import Markup, joined, tag

COLOURS = 8
"""Lines of a figure that have a colour of their own; more begin again, dashed."""
_WIDTH, _HEIGHT = 520, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 12, 44


@dataclass(frozen=True, kw_only=True)
class Point:
    """A place of a figure; `low` and `high` are its interval upwards, `label` what is written beside it."""

    x: float
    y: float
    label: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points under one name, joined in their order; those of one alone stand for themselves."""

    name: str
    points: tuple[Point, ...]
    colour: int = 0


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What is to the right and upwards, and between which numbers."""

    x_title: str
    y_title: str
    x: tuple[float, float]
    y: tuple[float, float]

    def right(self, value: float) -> float:
        """Where a value lies, in the figure's units from the left."""
        return _LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (_WIDTH - _LEFT - _RIGHT)

    def down(self, value: float) -> float:
        """Where a value lies, in the figure's units from the top."""
        return _HEIGHT - _BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0]) * (_HEIGHT - _TOP - _BOTTOM)


def curves(lines: Sequence[Line], *, x_title: str, y_title: str, label: str) -> Markup:
    """Lines over two axes, with intervals where points have them; `label` says in words what is shown."""
    axes = _axes(lines, x_title, y_title)
    drawn = [*_grid(axes), *(_line(line, axes) for line in lines)]
    return tag("svg", *drawn, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=label, class_="curves")


def key(lines: Sequence[Line]) -> Markup:
    """Which colour is what."""
    entries = [tag("span", tag("i", class_=_colour(line.colour)), line.name) for line in lines]
    return tag("p", joined(entries), class_="legend")


def ladder(rows: Sequence[tuple[str, Point]], *, low: float, high: float, baselines: Sequence[str]) -> Markup:
    """A row a contestant: a dot at its mean on a line from `low` to `high`, with its interval and the mean in words."""
    return tag("div", *(_rung(name, point, low, high, name in baselines) for name, point in rows), class_="ladder")


def _rung(name: str, point: Point, low: float, high: float, baseline: bool) -> Markup:
    def part(value: float) -> float:
        return 100 * (value - low) / (high - low)

    ends = (point.y if point.low is None else point.low, point.y if point.high is None else point.high)
    start, end = part(ends[0]), part(ends[1])
    track = tag(
        "span",
        tag("i", class_="span", style=f"left:{start:.2f}%;width:{end - start:.2f}%"),
        tag("i", class_="dot", style=f"left:{part(point.y):.2f}%"),
        class_="rail",
    )
    kind = "rung baseline" if baseline else "rung"
    return tag("div", tag("span", name, class_="name"), track, tag("span", point.label, class_="count"), class_=kind)


def _axes(lines: Sequence[Line], x_title: str, y_title: str) -> Axes:
    points = [point for line in lines for point in line.points]
    heights = [value for point in points for value in (point.y, point.low, point.high) if value is not None]
    return Axes(x_title=x_title, y_title=y_title, x=_padded([point.x for point in points]), y=_padded(heights))


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 0.05 * max(1.0, abs(high))
    return low - margin, high + margin


def _grid(axes: Axes) -> list[Markup]:
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    made = []
    for value, text in ticks(*axes.y, 5):
        height = axes.down(value)
        made.append(tag("line", x1=_LEFT, x2=right, y1=height, y2=height, class_="axis"))
        made.append(tag("text", text, x=_LEFT - 8, y=height + 4, class_="tick side"))
    for value, text in ticks(*axes.x, 6):
        made.append(tag("text", text, x=axes.right(value), y=floor + 17, class_="tick"))
    made.append(tag("line", x1=_LEFT, x2=right, y1=floor, y2=floor, class_="axis foot"))
    made.append(tag("text", axes.x_title, x=(_LEFT + right) / 2, y=_HEIGHT - 6, class_="title"))
    turn = f"rotate(-90 14 {floor / 2:.0f})"
    made.append(tag("text", axes.y_title, x=14, y=floor / 2, transform=turn, class_="title"))
    return made


def _line(line: Line, axes: Axes) -> Markup:
    places = [(axes.right(point.x), axes.down(point.y)) for point in line.points]
    made: list[Markup] = []
    for point, (x, _) in zip(line.points, places, strict=True):
        if point.low is not None and point.high is not None:
            made.append(tag("line", x1=x, x2=x, y1=axes.down(point.low), y2=axes.down(point.high), class_="whisker"))
    if len(places) > 1:
        path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        made.append(tag("path", d=path, class_="curve"))
    for point, (x, y) in zip(line.points, places, strict=True):
        made.append(tag("circle", tag("title", f"{line.name} {point.label}"), cx=x, cy=y, r=4.0))
        if point.label and len(line.points) > 1:
            made.append(tag("text", point.label, x=x + 7, y=y - 6, class_="note"))
    return tag("g", *made, class_=_colour(line.colour))


def _colour(number: int) -> str:
    return f"c{number % COLOURS}" + (" again" if number >= COLOURS else "")
