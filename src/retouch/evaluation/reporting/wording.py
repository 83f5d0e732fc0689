"""How columns are called and figures written."""

from collections.abc import Mapping

from retouch.evaluation.likeness import DIRECTIONAL, IMAGE, PATCHES, TEXT, TITLES
from retouch.evaluation.measures import Column
from retouch.evaluation.reporting.statistics import Estimate

LANGDESIGN = tuple(TITLES)
_TITLES: Mapping[str, str] = {"success": "Success", **TITLES}
_HUNDREDS = (IMAGE, TEXT, PATCHES)
"""Published a hundred times as large."""


def title(column: Column) -> str:
    """What a column is called at its head."""
    return _TITLES.get(column.name, column.name)


def arrow(column: Column) -> str:
    """Which direction is the better one."""
    return "↑" if column.better == "higher" else "↓"


def figure(column: Column, value: float) -> str:
    """A value as a table has it: shares in per cent, LangDesign's as published, others by their size."""
    if column.scale == "share":
        return f"{100 * value:.1f}%"
    if column.name in _HUNDREDS:
        return f"{100 * value:.2f}"
    if column.name == DIRECTIONAL:
        return f"{value:.3f}"
    return f"{value:.2f}" if abs(value) >= 10 else (f"{value:.3f}" if abs(value) >= 1 else f"{value:.4f}")


def spread(column: Column, estimate: Estimate) -> str:
    """Its interval."""
    return f"{figure(column, estimate.low).rstrip('%')} – {figure(column, estimate.high)}"


def signed(column: Column, value: float) -> str:
    """A difference: shares in points."""
    text = figure(column, value).replace("%", " pt")
    return text if value < 0 else f"+{text}"


def chance(p: float) -> str:
    """A p-value."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
