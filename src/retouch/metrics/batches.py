"""Edits in batches of pictures of one size, on the device that measures them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from retouch.metrics.metric import Mask, Picture, Sample
from retouch.metrics.sample_metric import Values

_PIXELS = 16 * 512 * 512
"""How many pixels a batch may have, so that memory does not grow with the size of pictures."""


def scored_by_size(samples: Sequence[Sample], score: Callable[[Sequence[Sample]], Tensor]) -> Values:
    """Values (B,) of samples of any sizes, from what scores samples of one size, (b,)."""
    values = np.zeros(len(samples))
    for places in places_by_size([sample.output for sample in samples]):
        values[places] = score([samples[place] for place in places]).double().cpu().numpy()
    return values


def stacked(pictures: Sequence[Picture], device: torch.device | str) -> Tensor:
    """Pictures (H, W, 3) uint8 of one size as (B, 3, H, W) uint8 on the device."""
    return torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2).contiguous()


def stacked_masks(masks: Sequence[Mask], device: torch.device | str) -> Tensor:
    """Masks (H, W) of one size as (B, H, W) bool on the device."""
    return torch.from_numpy(np.stack(masks)).to(device)


def places_by_size(shown: Sequence[Picture]) -> Iterator[list[int]]:
    """The places of pictures (H, W, 3) of one size, no more at once than memory is meant to hold."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for place, picture in enumerate(shown):
        sizes.setdefault(picture.shape[:2], []).append(place)
    for (height, width), places in sizes.items():
        step = max(1, _PIXELS // (height * width))
        yield from (places[start : start + step] for start in range(0, len(places), step))
