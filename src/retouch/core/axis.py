"""Round numbers for an axis, and how they are written."""

import math


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `least`."""
    scale = 10.0 ** math.floor(math.log10(max(least, 1e-9)))
    return next(step * scale for step in (1.0, 2.0, 5.0, 10.0) if step * scale >= least)


def shown(value: float, step: float) -> str:
    """A number of an axis with as many digits as its step has."""
    digits = max(0, int(-math.floor(math.log10(step))))
    # A zero that rounding left a sign on has none.
    return f"{value + 0.0 if abs(value) > step / 2 else 0.0:.{digits}f}"


def ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    """Round numbers from `low` to `high`, some `count` of them, as numbers and as written."""
    step = round_step((high - low) / count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(place * step, shown(place * step, step)) for place in range(first, last + 1)]
