"""A fingerprint of 64 bits that near-duplicates share: the low frequencies of a picture's cosine transform."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DUPLICATE_PROTOCOL = "pair/duplicate-distance/dct-64"
"""The larger of the distances of both pictures of a pair to those of the nearest pair that came before."""
BITS = 64
_SIDE, _LOW = 32, 8


def perceptual_hash(picture: Image.Image) -> np.uint64:
    """Whether each of the 8 x 8 lowest frequencies of the 32 x 32 grey picture is above their median, as bits.

    The constant term counts as below it, so that brightness does not matter.
    """
    grey = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    low = (_cosines() @ grey @ _cosines().T).ravel()
    above = low > np.median(low[1:])
    above[0] = False
    return np.packbits(above).view(">u8")[0].astype(np.uint64)


def hash_distances(one: np.uint64, others: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many of the 64 bits differ, for each of `others`."""
    return np.bitwise_count(np.bitwise_xor(others, one))


def _cosines() -> NDArray[np.float64]:
    """The first rows of the cosine transform, (8, 32); rows of any scale, as only signs around a median matter."""
    return np.cos(np.pi / _SIDE * np.outer(np.arange(_LOW), np.arange(_SIDE) + 0.5))
