"""Figures as inline SVG and bars: a histogram with its threshold, and shares of kept and rejected."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from retouch.core.axis import round_step, shown
from retouch.core.markup import Markup, joined, tag

_WIDTH, _HEIGHT, _FOOT, _HEAD = 480, 150, 22, 24
_BINS = 32


def histogram(
    kept: Sequence[float], rejected: Sequence[float], *, least: float | None, label: str, whole: bool = False
) -> Markup:
    """Kept above rejected, in some 32 bins (one a number where `whole`), with a line at the threshold."""
    values = np.asarray([*kept, *rejected], dtype=np.float64)
    edges = _edges(values, least, whole)
    sides = [np.histogram(np.asarray(side, dtype=np.float64), edges)[0] for side in (rejected, kept)]
    peak = max(1, int((sides[0] + sides[1]).max()))
    floor = _HEIGHT - _FOOT
    right = least is None or least < (edges[0] + edges[-1]) / 2
    parts = [*_peak(peak, right), *_stacked(sides, peak, floor)]
    parts += [tag("line", x1=0, x2=_WIDTH, y1=floor, y2=floor, class_="axis"), *_ticks(edges, whole)]
    if least is not None:
        parts += _threshold(least, edges, floor)
    return tag("svg", *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=label)


def bars(rows: Mapping[str, tuple[int, int]], *, share: bool = False, counted: str = "kept") -> Markup:
    """A bar a row of what was kept and rejected, with the number of those `counted`.

    With `share` a bar is the row's own whole, else the longest bar is the largest row.
    """
    most = max(map(sum, rows.values()), default=1)
    made = (_bar(name, counts, sum(counts) if share else most, share, counted) for name, counts in rows.items())
    return tag("div", *made, class_="bars")


def _bar(name: str, counts: tuple[int, int], whole: int, share: bool, counted: str) -> Markup:
    sides: dict[str, int] = {"kept": counts[0], "rejected": counts[1]}
    parts = {side: 100 * count / max(1, whole) for side, count in sides.items() if count}
    fills = [tag("i", class_=side, style=f"width:{part:.2f}%") for side, part in parts.items()]
    figure, part = f"{sides[counted]:,}", None
    if share:
        figure += f" of {sum(counts):,}"
        part = tag("small", f"{100 * sides[counted] / max(1, sum(counts)):.0f}%")
    return tag(
        "div",
        tag("span", name, class_="name"),
        tag("span", *fills, class_="track"),
        tag("span", figure, part, class_="count"),
        class_="bar",
    )


def _stacked(sides: Sequence[NDArray[np.int64]], peak: int, floor: int) -> list[Markup]:
    width, base, made = _WIDTH / len(sides[0]), np.zeros(len(sides[0])), []
    for name, counts in zip(("rejected", "kept"), sides, strict=True):
        heights = counts / peak * (floor - _HEAD)
        for place, height in enumerate(heights):
            if height:
                left, top = place * width + 0.5, floor - base[place] - height
                box = {"x": left, "y": float(top), "width": max(0.5, width - 1), "height": float(height)}
                made.append(tag("rect", class_=name, **box))
        base = base + heights
    return made


def _peak(peak: int, right: bool) -> list[Markup]:
    """The height of the highest bin, with its number at the side where the threshold is not."""
    line = tag("line", x1=0, x2=_WIDTH, y1=_HEAD, y2=_HEAD, class_="axis")
    place = {"x": _WIDTH, "text_anchor": "end"} if right else {"x": 0, "text_anchor": "start"}
    return [line, tag("text", f"{peak:,}", y=_HEAD - 5, class_="peak", **place)]


def _edges(values: NDArray[np.float64], least: float | None, whole: bool) -> NDArray[np.float64]:
    if whole:
        return np.arange(0.5, (values.max() if values.size else 1) + 1.5)
    wanted = np.append(values, [] if least is None else [least])
    low, high = (float(wanted.min()), float(wanted.max())) if wanted.size else (0.0, 1.0)
    width = max(high - low, 1e-3) / _BINS
    # One edge lies at the threshold, so that no bin is on both sides of it.
    start = low if least is None else least
    return start + width * np.arange(np.floor((low - start) / width) - 1, np.ceil((high - start) / width) + 2)


def _ticks(edges: NDArray[np.float64], whole: bool) -> list[Markup]:
    low, high = float(edges[0]), float(edges[-1])
    step = round_step((high - low) / 5)
    step = max(1.0, step) if whole else step
    first = np.ceil(low / step) * step
    places = {float(value): float((value - low) / (high - low)) for value in np.arange(first, high, step)}
    return [
        tag("text", shown(value, step), x=place * _WIDTH, y=_HEIGHT - 6, class_="tick")
        for value, place in places.items()
        if 0.03 < place < 0.97
    ]


def _threshold(least: float, edges: NDArray[np.float64], floor: int) -> list[Markup]:
    across = float((least - edges[0]) / (edges[-1] - edges[0]) * _WIDTH)
    left = across > _WIDTH / 2
    anchor = {"text_anchor": "end"} if left else {}
    text = tag("text", f"≥ {least:g}", x=across + (-5 if left else 5), y=11, class_="threshold", **anchor)
    return [tag("line", x1=across, x2=across, y1=2, y2=floor, class_="threshold"), text]


def legend(names: Mapping[str, str]) -> Markup:
    """Which colour is what."""
    entries = [tag("span", tag("i", class_=side), name) for side, name in names.items()]
    return tag("p", joined(entries), class_="legend")
