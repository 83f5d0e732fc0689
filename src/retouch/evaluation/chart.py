"""Small line and point charts as SVG, light or dark as the reader's page is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9")
_WIDTH, _HEIGHT = 720, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 64, 56
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222 } .title { font-size: 16px; font-weight: 600 }
.axis { stroke: #888 } .grid { stroke: #ddd } .page { fill: #fff } .quiet { fill: #555 }
@media (prefers-color-scheme: dark) {
text { fill: #eee } .axis { stroke: #999 } .grid { stroke: #3a3a3a } .page { fill: #181818 } .quiet { fill: #bbb } }
"""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point with what a pointer over it shows, and maybe a text beside it."""

    x: float
    y: float
    title: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points under one name, joined by a line or not; `faint` ones stand back."""

    name: str
    marks: tuple[Mark, ...]
    joined: bool = True
    faint: bool = False
    large: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A title, what the axes are, and what is drawn."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]

    def svg(self) -> str:
        """The whole document; not-a-number points are left out."""
        shown = [mark for series in self.series for mark in _finite(series.marks)]
        frame = _Frame(
            x=_Scale.over([mark.x for mark in shown], _LEFT, _WIDTH - _RIGHT),
            y=_Scale.over([mark.y for mark in shown], _HEIGHT - _BOTTOM, _TOP),
        )
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style>",
            f'<rect class="page" width="{_WIDTH}" height="{_HEIGHT}"/>',
            f'<text class="title" x="{_LEFT}" y="24">{escape(self.title)}</text>',
            *_axes(frame, self.x, self.y),
            *_legend(self.series),
            *(part for number, series in enumerate(self.series) for part in _drawn(series, number, frame)),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float
    step: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> "_Scale":
        """A scale over the values with round ticks."""
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        span = (high - low) or max(abs(high), 1.0) * 0.1
        rough = span / 5
        magnitude = 10 ** math.floor(math.log10(rough))
        step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
        return cls(math.floor((low - 0.02 * span) / step) * step, math.ceil((high + 0.02 * span) / step) * step,
                   start, end, step)  # fmt: skip

    def at(self, value: float) -> float:
        """Where a value lies."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values."""
        return [self.low + number * self.step for number in range(round((self.high - self.low) / self.step) + 1)]


@dataclass(frozen=True, kw_only=True)
class _Frame:
    x: _Scale
    y: _Scale


def _axes(frame: _Frame, x: str, y: str) -> list[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for tick in frame.y.ticks():
        at = frame.y.at(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:.4g}</text>')
    for tick in frame.x.ticks():
        at = frame.x.at(tick)
        parts.append(f'<text x="{at:.1f}" y="{bottom + 20}" text-anchor="middle">{tick:.4g}</text>')
    middle = (_TOP + bottom) / 2
    return [
        *parts,
        f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>',
        f'<text class="quiet" x="{(_LEFT + right) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x)}</text>',
        f'<text class="quiet" x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">'
        f"{escape(y)}</text>",
    ]


def _legend(series: Sequence[Series]) -> list[str]:
    parts, at = [], float(_LEFT)
    for number, each in enumerate(series):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f'<circle cx="{at + 6:.0f}" cy="44" r="5" fill="{colour}"{_opacity(each)}/>')
        parts.append(f'<text x="{at + 16:.0f}" y="48">{escape(each.name)}</text>')
        at += 40 + 7.2 * len(each.name)
    return parts


def _drawn(series: Series, number: int, frame: _Frame) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    marks = _finite(series.marks)
    places = [(frame.x.at(mark.x), frame.y.at(mark.y)) for mark in marks]
    parts = []
    if series.joined and len(places) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    radius = 7 if series.large else 4
    for mark, (x, y) in zip(marks, places, strict=True):
        told = f"<title>{escape(mark.title)}</title>" if mark.title else ""
        circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"{_opacity(series)}'
        parts.append(f"{circle}>{told}</circle>" if told else f"{circle}/>")
        if mark.label:
            end = x > _WIDTH * 0.6
            anchor, beside = ("end", x - 10) if end else ("start", x + 10)
            parts.append(f'<text x="{beside:.1f}" y="{y - 8:.1f}" text-anchor="{anchor}">{escape(mark.label)}</text>')
    return parts


def _opacity(series: Series) -> str:
    return ' opacity="0.4"' if series.faint else ""


def _finite(marks: Sequence[Mark]) -> list[Mark]:
    return [mark for mark in marks if math.isfinite(mark.x) and math.isfinite(mark.y)]
