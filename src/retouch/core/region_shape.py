"""Regions grown, shrunk, feathered and turned inside out; distances are in the picture's pixels."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.region import Region
from retouch.core.region_settings import MAXIMUM_PIXELS

_HALF = 128

Levels = NDArray[np.uint8]
Distances = NDArray[np.float32]


def grow(region: Region, pixels: int) -> Region:
    """Add all that lies within `pixels` of the region; raises SettingsError below 0 or above 1000."""
    return _reshaped(region, "grow", pixels, _grown)


def shrink(region: Region, pixels: int) -> Region:
    """Take away all that lies within `pixels` of what is outside; raises SettingsError below 0 or above 1000.

    The picture's borders are no edges of a region: what reaches them goes on beyond.
    """
    return _reshaped(region, "shrink", pixels, _shrunk)


def feather(region: Region, pixels: int) -> Region:
    """Soften the edge over `pixels` **inside** the region, so that what was outside stays so.

    Where the region is thinner than that its middle stays whole. Raises SettingsError below 0 or above 1000.
    """
    return _reshaped(region, "feather", pixels, _feathered)


def inverted(region: Region) -> Region:
    """All that the region is not."""
    return Region(mask=region.mask.point([255 - level for level in range(256)]), origin=f"all but {region.origin}")


def _reshaped(region: Region, what: str, pixels: int, shape: Callable[[Levels, int], Levels]) -> Region:
    if isinstance(pixels, bool) or not isinstance(pixels, int) or not 0 <= pixels <= MAXIMUM_PIXELS:
        raise SettingsError(f"{what} is {pixels!r}; expected a whole number of pixels from 0 to {MAXIMUM_PIXELS}.")
    box = _around(region, pixels + 1)
    if not pixels or box is None or region.is_full:
        return region
    mask = region.mask.copy()
    mask.paste(Image.fromarray(shape(np.asarray(region.mask.crop(box)), pixels)), box)
    return replace(region, mask=mask)


def _around(region: Region, margin: int) -> tuple[int, int, int, int] | None:
    """The box of the region with a margin, within the picture: all that a change of shape can reach."""
    box = region.mask.getbbox()
    if box is None:
        return None
    width, height = region.mask.size
    left, top, right, bottom = box
    return max(0, left - margin), max(0, top - margin), min(width, right + margin), min(height, bottom + margin)


def _grown(levels: Levels, pixels: int) -> Levels:
    reached = _distances(levels >= _HALF, pixels) <= pixels
    return np.maximum(levels, np.where(reached, 255, 0).astype(np.uint8))


def _shrunk(levels: Levels, pixels: int) -> Levels:
    kept = _distances(levels < _HALF, pixels) > pixels
    return np.minimum(levels, np.where(kept, 255, 0).astype(np.uint8))


def _feathered(levels: Levels, pixels: int) -> Levels:
    depth = _distances(levels < _HALF, pixels)
    slope = depth / np.maximum(_ridges(depth, pixels), 1.0)
    return np.minimum(levels, (255.0 * slope).clip(0, 255).round().astype(np.uint8))


def _distances(targets: NDArray[np.bool_], reach: int) -> Distances:
    """How far each pixel is from the nearest target, exact up to `reach` and `reach` + 1 beyond; (H, W)."""
    beyond = float(reach + 1)
    along = np.where(targets, 0.0, beyond).astype(np.float32)
    places = np.arange(along.shape[1], dtype=np.float32)
    from_left = places + np.minimum.accumulate(along - places, axis=1)
    from_right = (along + places)[:, ::-1]
    from_right = np.minimum.accumulate(from_right, axis=1)[:, ::-1] - places
    squared = np.minimum(np.minimum(from_left, from_right), beyond) ** 2
    nearest = squared.copy()
    for offset in range(1, min(reach, len(along) - 1) + 1):
        np.minimum(nearest[offset:], squared[:-offset] + offset**2, out=nearest[offset:])
        np.minimum(nearest[:-offset], squared[offset:] + offset**2, out=nearest[:-offset])
    return np.minimum(np.sqrt(nearest), beyond)


def _ridges(depth: Distances, reach: int) -> Distances:
    """The greatest depth within `reach` steps of each pixel, sideways and up or down."""
    found = depth
    for _ in range(reach):
        padded = np.pad(found, 1, mode="edge")
        across = np.maximum(padded[1:-1, :-2], padded[1:-1, 2:])
        down = np.maximum(padded[:-2, 1:-1], padded[2:, 1:-1])
        found = np.maximum(found, np.maximum(across, down))
    return found
