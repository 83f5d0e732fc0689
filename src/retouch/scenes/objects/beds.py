"""Beds."""

import numpy as np

from retouch.scenes.catalogue import KINDS
from retouch.scenes.objects.craft import LINEN, Builder, Design, corners, legs, part, shade
from retouch.scenes.parts import Mesh, Part, joined, moved, turned
from retouch.scenes.primitives import rounded
from retouch.scenes.sheets import pillow

MATTRESS = KINDS["bed"].surface
"""Height of a made bed's upper side as a share of the bed's height."""


def _headboard(design: Design, width: float, back: float, height: float) -> Mesh:
    """Return a padded headboard: plain, in channels, or in two cushions."""
    style, x = design.style(3), width / 2
    if style == 0:
        return rounded([-x, back - 0.1, 0.1], [x, back, height], 0.035, segments=2)
    if style == 1:
        edges = np.linspace(-x, x, 9)
        low = np.stack([edges[:-1], np.full(8, back - 0.1), np.full(8, 0.1)], axis=-1)
        high = np.stack([edges[1:], np.full(8, back), np.full(8, height)], axis=-1)
        return rounded(low, high, 0.04, segments=2)
    frame = rounded([-x, back - 0.05, 0.1], [x, back, height * 0.97], 0.02)
    pads = rounded(
        [[-x + 0.03, back - 0.12, height * 0.45], [0.01, back - 0.12, height * 0.45]],
        [[-0.01, back - 0.02, height], [x - 0.03, back - 0.02, height]],
        0.05,
        segments=2,
    )
    return joined([frame, pads])


def bed(design: Design) -> list[Part]:
    """A double bed: padded frame and headboard, white mattress and pillows, a blanket in the main colour."""
    width, depth, height = design.size
    x, y, top = width / 2, depth / 2, MATTRESS * height
    foot = 0.1
    frame = rounded([-x + 0.02, -y, foot], [x - 0.02, y - 0.05, 0.24 + foot], 0.03, segments=2)
    head = _headboard(design, width, y, height)
    mattress = rounded([-x + 0.05, -y + 0.04, 0.3], [x - 0.05, y - 0.1, top - 0.02], 0.06, segments=2)
    end = y - design.between(0.62, 0.8)
    blanket = rounded([-x + 0.025, -y + 0.012, 0.2 + foot], [x - 0.025, end, top], 0.07, segments=3)
    fold = rounded([-x + 0.022, end - 0.16, 0.32 + foot], [x - 0.022, end + 0.02, top + 0.012], 0.05, segments=2)
    parts = [part(design.main, frame, head, blanket)]
    parts.append(part(LINEN if design.chance(0.7) else shade(design.main, 0.25), fold))
    parts.append(part(LINEN, mattress, *_pillows(width, y - 0.12, top)))
    parts.append(part(design.frame, legs(corners(width, depth, 0.1), foot + 0.02, 0.06, 1)))
    return parts


def _pillows(width: float, back: float, top: float) -> list[Mesh]:
    """Return two pillows leaning on the headboard."""
    one = turned(pillow(width * 0.42, 0.17, 0.42), 0, -0.95)
    return [moved(one, [sign * width * 0.23, back - 0.2, top + 0.14]) for sign in (-1, 1)]


BUILDERS: dict[str, Builder] = {"bed": bed}
