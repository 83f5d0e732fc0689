"""How two pictures differ, pixel by pixel."""

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

TOLERANCE = 2
"""Levels of 255 up to which a channel counts as the same."""
_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class PixelDifference:
    """differing: the share of pixels of which a channel differs by more than `TOLERANCE`, in 0…1.

    psnr: in dB, over all channels; None where nothing differs.
    """

    differing: float
    psnr: float | None


def pixel_difference(left: bytes, right: bytes) -> PixelDifference | None:
    """Compare two PNGs; None where their sizes differ. Transparency counts where one has it."""
    with Image.open(io.BytesIO(left), formats=("PNG",)) as one, Image.open(io.BytesIO(right), formats=("PNG",)) as two:
        if one.size != two.size:
            return None
        mode = "RGBA" if "A" in one.mode + two.mode else "RGB"
        here, there = np.asarray(one.convert(mode)), np.asarray(two.convert(mode))
    differing, squares = 0, 0
    # A part at a time: differences take twice the memory of the pictures.
    for row in range(0, here.shape[0], _ROWS):
        gap = np.abs(here[row : row + _ROWS].astype(np.int16) - there[row : row + _ROWS])
        differing += int((gap.max(axis=2) > TOLERANCE).sum())
        squares += int((gap.astype(np.int64) ** 2).sum())
    psnr = None if squares == 0 else 10 * math.log10(255**2 * here.size / squares)
    return PixelDifference(differing=differing / (here.shape[0] * here.shape[1]), psnr=psnr)
