"""Whether an edit brought what was asked into a region, as a CLIP model sees the region."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.metrics.clip import Encoder

EXEMPLAR_PROTOCOL = "region-clip/box-of-mask-and-reference-stretched-to-square"
_LEAST_SIDE = 32


def region_likeness(
    output: NDArray[np.uint8],
    target: NDArray[np.uint8],
    source: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    encoder: Encoder,
) -> tuple[float, float, float]:
    """Return cosines of the region of (H, W, 3) pictures: output and target, output and source, source and target.

    The region is the smallest square about `mask` (H, W), a quarter larger and moved into the picture.
    """
    left, top, right, bottom = region_square(mask)
    crops = [Image.fromarray(picture[top:bottom, left:right]) for picture in (output, target, source)]
    made, wanted, given = encoder.pictures(crops)
    return float(made @ wanted), float(made @ given), float(given @ wanted)


def exemplar_likeness(
    outputs: Sequence[Image.Image],
    masks: Sequence[NDArray[np.bool_]],
    references: Sequence[Image.Image],
    encoder: Encoder,
) -> NDArray[np.float64]:
    """Return the cosine of each output's region and its reference, (B,), as Paint-by-Example measures it.

    The region is the box from the first to the last pixel of the mask, (H, W). Both are stretched to the encoder's
    square. Published with CLIP's ViT-B/32, 224 pixels, and times a hundred.
    """
    side = encoder.dual.framing.side
    crops = [output.crop(_box(mask)) for output, mask in zip(outputs, masks, strict=True)]
    squares = [
        picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC) for picture in (*crops, *references)
    ]
    made, wanted = encoder.pictures(squares).double().unflatten(0, (2, -1))
    return (made * wanted).sum(dim=1).numpy()


def region_square(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the region in pixels; the whole picture where the mask is empty."""
    height, width = mask.shape
    if not mask.any():
        return 0, 0, width, height
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    side = min(max(round(extent * 1.25), _LEAST_SIDE), height, width)
    top = _start(int(rows[0] + rows[-1] + 1), side, height)
    left = _start(int(columns[0] + columns[-1] + 1), side, width)
    return left, top, left + side, top + side


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom; the whole picture where the mask is empty."""
    if not mask.any():
        return 0, 0, mask.shape[1], mask.shape[0]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _start(doubled_middle: int, side: int, length: int) -> int:
    return min(max((doubled_middle - side) // 2, 0), length - side)
