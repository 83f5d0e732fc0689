"""References varied as Paint-by-Example varies them (arXiv 2211.13227, section 3.2), all of a batch at once."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from retouch.core.reference import BACKGROUND

TURN = 20.0
"""Degrees that a reference is turned at the most, either way."""
_GRID = 5
"""Points a side whose random shifts warp a reference."""
_SHIFT = 0.08
"""How far such a point moves, one deviation, in halves of the side."""


def varied(framed: Tensor, generator: Generator, *, background: tuple[int, int, int] = BACKGROUND) -> Tensor:
    """References, (B, 3, S, S) uint8: mirrored in half, turned, 3 of 10 blurred and 3 of 10 warped.

    What comes in from outside is `background`.
    """
    plain = torch.tensor(background, dtype=torch.float32).view(1, 3, 1, 1)
    shown = framed.float() - plain
    shown = functional.grid_sample(shown, _places(framed, generator), align_corners=False)
    blurs = torch.rand(len(framed), 1, 1, 1, generator=generator) < 0.3
    return (torch.where(blurs, _blurred(shown), shown) + plain).clamp(0, 255).round().to(torch.uint8)


def _places(framed: Tensor, generator: Generator) -> Tensor:
    """Where in its reference each pixel comes from, (B, S, S, 2)."""
    count, _, height, width = framed.shape
    draws = torch.rand(count, 3, generator=generator)
    mirror = torch.where(draws[:, 0] < 0.5, -1.0, 1.0)
    angle = (2 * draws[:, 1] - 1) * math.radians(TURN)
    rows = [torch.stack([mirror * angle.cos(), -mirror * angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)]
    matrix = torch.cat([torch.stack(rows, dim=1), torch.zeros(count, 2, 1)], dim=2)
    places = functional.affine_grid(matrix, [count, 3, height, width], align_corners=False)
    shifts = torch.randn(count, 2, _GRID, _GRID, generator=generator) * _SHIFT
    shifts = shifts * (draws[:, 2] < 0.3)[:, None, None, None]
    smooth = functional.interpolate(shifts, size=(height, width), mode="bicubic", align_corners=True)
    return places + smooth.permute(0, 2, 3, 1)


def _blurred(pictures: Tensor) -> Tensor:
    """A Gaussian of a hundredth of the side, (B, 3, S, S)."""
    deviation = max(0.5, pictures.shape[-1] / 100)
    reach = math.ceil(3 * deviation)
    line = torch.exp(-(torch.arange(-reach, reach + 1).float() ** 2) / (2 * deviation**2))
    line = (line / line.sum()).view(1, 1, -1, 1)
    flat = functional.pad(pictures.flatten(0, 1)[:, None], (reach,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(flat, line), line.transpose(2, 3))[:, 0].view_as(pictures)
