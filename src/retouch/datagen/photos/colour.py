"""CIE Lab for float pictures, and which palette colour a region has."""

import numpy as np

from retouch.datagen.photos.opencv import cv2
from retouch.scenes.palette import COLOURS, RESERVED_COLOURS

# A name is clear where its palette colour is this near (CIE76) and the runner-up this much farther.
NEAR_ENOUGH = 22.0
CLEARLY_NEARER = 5.0
ACHROMATIC = ("white", "grey", "black")
MOST_CHROMA_OF_GREY = 8.0


def to_lab(image: np.ndarray) -> np.ndarray:
    """sRGB (H, W, 3) float32 in [0, 1] to CIE Lab (D65), L in [0, 100]."""
    return cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2Lab)


def from_lab(lab: np.ndarray) -> np.ndarray:
    """CIE Lab (H, W, 3) to sRGB float32 in [0, 1], clipped to the gamut."""
    return np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_Lab2RGB), 0.0, 1.0)


def lab_of(colour: str) -> np.ndarray:
    """The Lab value (3,) of a palette colour."""
    rgb = np.array(COLOURS[colour], np.float32).reshape(1, 1, 3) / 255
    return to_lab(rgb)[0, 0]


def colour_name(lab: np.ndarray) -> str | None:
    """The palette colour nearest to `lab` (3,), or None where none is clearly nearest or it is reserved.

    Only what has hardly any chroma is called white, grey or black, and only what has some by another name.
    """
    achromatic = float(np.hypot(lab[1], lab[2])) < MOST_CHROMA_OF_GREY
    names = [name for name in COLOURS if (name in ACHROMATIC) == achromatic]
    distances = {name: float(np.linalg.norm(lab_of(name) - lab)) for name in names}
    first, second = sorted(distances, key=distances.__getitem__)[:2]
    clear = distances[first] < NEAR_ENOUGH and distances[second] - distances[first] > CLEARLY_NEARER
    return first if clear and first not in RESERVED_COLOURS else None
