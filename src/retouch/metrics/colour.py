"""Colour differences between pictures, CIEDE2000 under D65."""

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def mean_lab(picture: Picture, mask: Mask) -> NDArray[np.float64]:
    """Return the mean CIE Lab colour, (3,), of `picture`, (H, W, 3) sRGB, where `mask`, (H, W), holds.

    Raises ValueError where the mask is empty.
    """
    if not mask.any():
        raise ValueError("The mask is empty; a mean colour needs at least one pixel.")
    return rgb2lab(picture[mask][None] / 255.0)[0].mean(axis=0)


def colour_difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return ΔE2000 between two CIE Lab colours, (3,)."""
    return float(deltaE_ciede2000(one, other))


def mean_colour_difference(output: Picture, target: Picture, mask: Mask) -> float:
    """Return ΔE2000 between the two pictures' mean colours inside `mask`."""
    return colour_difference(mean_lab(output, mask), mean_lab(target, mask))


def pixel_differences(output: Picture, target: Picture) -> NDArray[np.float64]:
    """Return ΔE2000 at every pixel, (H, W)."""
    return deltaE_ciede2000(rgb2lab(output / 255.0), rgb2lab(target / 255.0))


def pixel_difference(output: Picture, target: Picture, mask: Mask | None = None) -> float:
    """Return the mean over pixels (inside `mask`, where given) of ΔE2000."""
    difference = pixel_differences(output, target)
    return float(difference.mean() if mask is None else difference[mask].mean())
