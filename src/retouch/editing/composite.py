"""Put an edited picture into its source: outside the region to the bit the source, a soft seam inside."""

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from retouch.core.region import Region
from retouch.core.region_shape import feather

_SMOOTH = 7
"""Side, in the model's pixels, of the neighbourhood whose mean shift counts."""


def composite(source: Image.Image, edited: Image.Image, region: Region, *, softness: int) -> Image.Image:
    """The edited picture in the region, turning into the source over `softness` pixels inside its edge; RGB."""
    return Image.composite(edited, source, feather(region, softness).mask)


def without_shift(edited: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    """Take from an edited picture the shift of colours that the autoencoder did to what lies about the region.

    What the edited picture differs from its source by outside the region is carried inward from its edge, and taken
    away everywhere. Pictures are (3, H, W), the mask (1, H, W), 0 outside the region.
    """
    outside = (mask <= 0).to(edited)
    values = functional.avg_pool2d(((edited - source) * outside)[None], _SMOOTH, stride=1, padding=_SMOOTH // 2)
    weights = functional.avg_pool2d(outside[None], _SMOOTH, stride=1, padding=_SMOOTH // 2)
    return edited - _filled(values, weights)[0]


def _filled(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted values spread to where there is no weight, coarse cells first; (1, C, h, w), (1, 1, h, w)."""
    height, width = values.shape[-2:]
    if max(height, width) == 1:
        return values / weights.clamp_min(torch.finfo(values.dtype).tiny)
    coarse = _filled(*(functional.avg_pool2d(field, 2, ceil_mode=True) for field in (values, weights)))
    spread = functional.interpolate(coarse, scale_factor=2, mode="bilinear")[..., :height, :width]
    # A full weight is one's own value; less of it leaves room for what lies further off.
    return values + (1 - weights).clamp_min(0) * spread
