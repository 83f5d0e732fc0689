"""The input's own detail in a result of the model's size: the change is carried over instead of the blur."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from retouch.core.fit import Fit

WINDOW = 9
"""Side, in the model's pixels, of the neighbourhood in which before and after are compared: a power of two, and one."""
FLAT = 1e-3
"""Variance, of pixels in −1…1, below which a neighbourhood says nothing and detail stays as it is."""
_STRIP = 2**20
"""Pixels of the result that are worked on together: what bounds the memory of a large picture."""


def keeps_detail(fit: Fit, wanted: bool | None) -> bool:
    """Whether a picture's detail is kept: as wanted, and where that is left open if the model sees it smaller."""
    return max(fit.source_size) > max(fit.inner[2:]) if wanted is None else wanted


def carry_detail(source: Image.Image, before: Tensor, after: Tensor, fit: Fit) -> Image.Image:
    """Return `source` edited as `before` became `after`, at its own size.

    In every neighbourhood the change is taken for a linear map of colours, after ≈ A · before + b, as in the guided
    filter (He, Sun and Tang, 2013, equations 14 and 15, with A drawn to the identity where `before` is flat). The
    result is after + A · (source − before), both enlarged: where the edit kept or recoloured something its texture
    comes along, where it put something new A is near zero and the model's own pixels stand.

    Args:
        source: the input, RGB.
        before: the model's reconstruction of it, (3, h, w) in −1…1, of the fit's model size.
        after: the edited picture, the same.
        fit: how the input came to that size.
    """
    left, top, width, height = fit.inner
    before, after = (picture.float().cpu()[:, top : top + height, left : left + width] for picture in (before, after))
    fields = torch.cat([after, before, colour_maps(before, after).flatten(0, 1)])
    pixels = np.asarray(source.convert("RGB"))
    result = np.empty_like(pixels)
    rows = max(1, _STRIP // source.width)
    for start in range(0, source.height, rows):
        strip = torch.from_numpy(pixels[start : start + rows].copy()).permute(2, 0, 1).float() / 127.5 - 1.0
        edited = _strip(fields, strip, start, source.height)
        result[start : start + rows] = ((edited.clamp(-1.0, 1.0) + 1.0) * 127.5).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(result)


def colour_maps(before: Tensor, after: Tensor) -> Tensor:
    """The matrices A of every neighbourhood, (3, 3, h, w), the row of an output channel first; pictures (3, h, w)."""
    means_before, means_after = _means(before), _means(after)

    def covariances(one: Tensor, other: Tensor, means: tuple[Tensor, Tensor]) -> Tensor:
        products = _means((one[:, None] * other[None]).flatten(0, 1)).unflatten(0, (3, 3))
        return (products - means[0][:, None] * means[1][None]).permute(2, 3, 0, 1)

    flat = FLAT * torch.eye(3)
    own = covariances(before, before, (means_before, means_before)) + flat
    shared = covariances(before, after, (means_before, means_after)) + flat
    maps = torch.linalg.solve(own, shared).permute(3, 2, 0, 1)
    return _means(maps.flatten(0, 1)).unflatten(0, (3, 3))


def _means(fields: Tensor) -> Tensor:
    """Means over the window about every cell of (C, h, w), the window cut at the borders."""
    # Down and then across, each by doubling: 2 · 4 additions a cell instead of 80.
    height, width = fields.shape[-2:]
    return _sums(_sums(fields, 1), 2) / (_cells(height)[:, None] * _cells(width))


def _sums(fields: Tensor, axis: int) -> Tensor:
    """Sums over the window about every cell along an axis."""
    size, reach = fields.shape[axis], WINDOW // 2
    padded = functional.pad(fields, (0, 0, reach, reach) if axis == 1 else (reach, reach))
    sums, cells = padded, 1
    while 2 * cells < WINDOW:
        count = sums.shape[axis] - cells
        sums = sums.narrow(axis, 0, count) + sums.narrow(axis, cells, count)
        cells *= 2
    return sums.narrow(axis, 0, size) + padded.narrow(axis, cells, size)


def _cells(size: int) -> Tensor:
    """How many cells the window about each of `size` cells has."""
    places, reach = torch.arange(size), WINDOW // 2
    return (places + reach).clamp(max=size - 1) - (places - reach).clamp(min=0) + 1


def _strip(fields: Tensor, source: Tensor, start: int, full_height: int) -> Tensor:
    """Rows from `start` on of the result, (3, r, W), for those of the source; fields are after, before and A."""
    _, rows, width = source.shape
    down = (torch.arange(start, start + rows) + 0.5) / full_height * 2 - 1
    across = (torch.arange(width) + 0.5) / width * 2 - 1
    grid = torch.stack(torch.meshgrid(down, across, indexing="ij")[::-1], dim=-1)[None]
    enlarged = functional.grid_sample(
        fields[None, :6], grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    maps = functional.grid_sample(fields[None, 6:], grid, mode="bilinear", padding_mode="border", align_corners=False)
    after, before = enlarged[0].split(3)
    return after + (maps[0].unflatten(0, (3, 3)) * (source - before)[None]).sum(dim=1)
