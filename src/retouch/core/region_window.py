"""The part of a picture in which a small region is edited, enlarged."""

from retouch.core.region import Region

CONTEXT = 0.5
"""What is seen about a region on each side, as a share of its longer side."""
GAIN = 2.0
"""How many times larger a region must become for a crop to be worth what the model no longer sees."""
Box = tuple[int, int, int, int]
"""(left, top, right, bottom)."""


def window(region: Region, *, native: int) -> Box:
    """The square about a small region of a picture larger than a model of `native` pixels sees; else all of it.

    The square is no smaller than the model's size: a crop larger than life shows the model nothing that it did not see,
    in proportions that it does not know.
    """
    width, height = region.mask.size
    whole = (0, 0, width, height)
    box = region.mask.getbbox()
    if box is None:
        return whole
    left, top, right, bottom = box
    longer = max(right - left, bottom - top)
    side = max(round(longer * (1 + 2 * CONTEXT)), native)
    if side * GAIN > min(width, height):
        return whole
    start = _start((left + right) // 2 - side // 2, side, width), _start((top + bottom) // 2 - side // 2, side, height)
    return start[0], start[1], start[0] + side, start[1] + side


def _start(wanted: int, side: int, length: int) -> int:
    return min(max(wanted, 0), length - side)
