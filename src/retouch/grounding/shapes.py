"""Shapes in a picture: what a soft mask cuts out, its box, and the shape grown to its sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Shape = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; the last two just outside."""

DILATION = 11
"""Pixels of the published square kernel, for pictures of `DILATION_SIDE`."""
DILATION_SIDE = 512


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How far a shape grows to each side, in pixels."""

    left: int = 0
    up: int = 0
    right: int = 0
    down: int = 0


def cut_out(mask: NDArray[np.float32]) -> Shape:
    """(H, W) where a soft mask is at least a half, or half of its highest value where it nowhere reaches a half."""
    highest = float(mask.max(initial=0.0))
    return mask >= min(0.5, highest / 2) if highest > 0 else np.zeros(mask.shape, dtype=bool)


def box_of(shape: Shape) -> Box | None:
    """The smallest box about a shape, None about an empty one."""
    if not shape.any():
        return None
    rows, columns = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def grown(shape: Shape, growth: Growth) -> Shape:
    """The shape and all that lies within reach of it; what would grow out of the picture is cut off."""
    wide = _swept(shape, before=growth.left, after=growth.right, axis=1)
    return _swept(wide, before=growth.up, after=growth.down, axis=0)


def dilated(shape: Shape) -> Shape:
    """The shape dilated by a square of 11 pixels in 512 of the longer side, and of 3 at the least."""
    reach = max(1, round(DILATION * max(shape.shape) / DILATION_SIDE) // 2)
    return grown(shape, Growth(left=reach, up=reach, right=reach, down=reach))


def _swept(shape: Shape, *, before: int, after: int, axis: int) -> Shape:
    """What is covered when the shape is moved `before` pixels back and `after` pixels on."""
    if before == after == 0:
        return shape
    lines = np.moveaxis(shape, axis, 0)
    length = len(lines)
    # Pixel i is covered where any of i − after … i + before is set: a difference of running counts.
    counts = np.concatenate([np.zeros((1, *lines.shape[1:]), dtype=np.int32), np.cumsum(lines, axis=0, dtype=np.int32)])
    index = np.arange(length)
    first, last = np.maximum(index - after, 0), np.minimum(index + before + 1, length)
    return np.moveaxis(counts[last] > counts[first], 0, axis)
