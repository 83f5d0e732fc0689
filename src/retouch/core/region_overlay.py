"""A region shown on its picture: what may change in colour with an outline, the rest faded."""

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from retouch.core.region import Region

TINT = (255, 64, 32)
FADED = 0.45
"""How much of the outside's colour is taken away."""
STRENGTH = 0.35
"""How much of the tint lies on the inside."""


def overlaid(picture: Image.Image, region: Region) -> Image.Image:
    """The picture, RGB, with its region tinted and outlined; raises ImageError where the sizes differ."""
    region.check_size(picture.size)
    plain = picture.convert("RGB")
    grey = Image.merge("RGB", [plain.convert("L")] * 3)
    outside = Image.blend(plain, grey, FADED)
    inside = Image.blend(plain, Image.new("RGB", plain.size, TINT), STRENGTH)
    shown = Image.composite(inside, outside, region.mask)
    return Image.composite(Image.new("RGB", plain.size, TINT), shown, _outline(region.mask))


def _outline(mask: Image.Image) -> Image.Image:
    """The region's edge, inside, a three-hundredth of the picture's longer side wide."""
    hard = Image.fromarray(np.uint8(255) * (np.asarray(mask) >= 128))
    width = 2 * max(1, round(max(mask.size) / 600)) + 1
    return ImageChops.difference(hard, hard.filter(ImageFilter.MinFilter(width)))
