"""The pictures and masks of records as arrays."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


def picture(data: bytes) -> Picture:
    """Decode PNG bytes to (H, W, 3) uint8."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def mask(data: bytes | None, like: Picture) -> NDArray[np.bool_]:
    """Decode a mask to (H, W) bool; all False where there is none."""
    if data is None:
        return np.zeros(like.shape[:2], dtype=bool)
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("L")) > 127
