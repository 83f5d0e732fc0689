"""From what an edit was told of its regions to the region of one instruction in one picture."""

from PIL import Image

from retouch.core.fit import Fit
from retouch.core.region import Region
from retouch.core.region_settings import MAXIMUM_PIXELS, RegionSettings
from retouch.core.region_shape import grow, shrink
from retouch.editing.protocol import RegionSource

SOFTNESS = 2
"""Pixels of the model over which a result turns into its input where that is left open."""


def located(asked: RegionSource, picture: Image.Image, instruction: str, how: RegionSettings) -> Region | None:
    """The region of an instruction in a picture, looked for where it must be, grown or shrunk; None: all of it.

    Raises ImageError where it is not of the picture's size, and whatever a finder raises.
    """
    found = asked if isinstance(asked, Region) or asked is None else asked(picture, instruction)
    if found is None:
        return None
    found.check_size(picture.size)
    pixels = how.grow or 0
    return grow(found, pixels) if pixels >= 0 else shrink(found, -pixels)


def softness(how: RegionSettings, fit: Fit) -> int:
    """Pixels of the picture over which a result turns into it."""
    if how.feather is not None:
        return how.feather
    scale = fit.source_size[0] / fit.inner[2]
    return min(MAXIMUM_PIXELS, max(1, round(SOFTNESS * scale)))
