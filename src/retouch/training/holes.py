"""Holes about an object, as Paint-by-Example makes them (arXiv 2211.13227, section 3.3): boxes and odd shapes."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_REACH = 0.4
"""Of the free room on each side: how far a box may reach into it."""
_SAMPLES = np.linspace(0.05, 0.9, 18)
"""Where a curve is sampled."""
_JITTER = 5.0 / 512
"""Of the picture's side: how far each of its points may move."""

Box = tuple[int, int, int, int]


def hole(mask: NDArray[np.uint8], generator: np.random.Generator, *, odd: float = 0.5) -> NDArray[np.uint8]:
    """A hole that holds an object, (H, W) uint8 of 0 and 255, from a mask of it of that size, above 0 somewhere.

    The object's box is let out on each side by up to 0.4 of the room there; in a share `odd` the hole is bounded by
    four quadratic Bézier curves from corner to corner of the tight box, bent towards the middles of the wide one.
    """
    height, width = mask.shape
    tight = _box(mask)
    wide = _let_out(tight, (width, height), generator)
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    if generator.random() < odd:
        draw.polygon(_curved(tight, wide, (width, height), generator), fill=255)
    else:
        draw.rectangle((wide[0], wide[1], wide[2] - 1, wide[3] - 1), fill=255)
    return np.asarray(image)


def _box(mask: NDArray[np.uint8]) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _let_out(box: Box, size: tuple[int, int], generator: np.random.Generator) -> Box:
    left, top, right, bottom = box
    shares = generator.uniform(0, _REACH, 4)
    return (
        left - math.floor(left * shares[0]),
        top - math.floor(top * shares[1]),
        right + math.floor((size[0] - right) * shares[2]),
        bottom + math.floor((size[1] - bottom) * shares[3]),
    )


def _curved(
    tight: Box, wide: Box, size: tuple[int, int], generator: np.random.Generator
) -> Sequence[tuple[float, float]]:
    left, top, right, bottom = tight
    middle = ((wide[0] + wide[2]) / 2, (wide[1] + wide[3]) / 2)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    bends = [(middle[0], wide[1]), (wide[2], middle[1]), (middle[0], wide[3]), (wide[0], middle[1])]
    points: list[tuple[float, float]] = []
    reach = _JITTER * max(size)
    for start, bend, end in zip(corners, bends, [*corners[1:], corners[0]], strict=True):
        for t in _SAMPLES:
            weights = (1 - t) ** 2, 2 * t * (1 - t), t**2
            shift = generator.uniform(-reach, reach, 2)
            points.append(
                tuple(  # pyright: ignore[reportArgumentType]
                    sum(w * p[axis] for w, p in zip(weights, (start, bend, end), strict=True)) + shift[axis]
                    for axis in (0, 1)
                )
            )
    return points
