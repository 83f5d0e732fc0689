"""Pictures as InstructPix2Pix's own evaluator shows them to CLIP, its known fault kept."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from retouch.metrics.batches import places_by_size, stacked
from retouch.metrics.clip import Encoder
from retouch.metrics.metric import Picture

PIXELS = "rgb-minus-1-1"


def manner(encoder: Encoder) -> str:
    """How pictures are framed, as protocols say it."""
    return f"bicubic-stretched-{encoder.dual.framing.side}"


@torch.no_grad()
def seen(encoder: Encoder, shown: Sequence[Picture]) -> Tensor:
    """Unit vectors, (B, D) float64, of pictures whose colours lie in −1…1 where the encoder expects 0…1.

    `metrics/clip_similarity.py` of timothybrooks/instruct-pix2pix, given what its dataset and its editor give it:
    stretched to the encoder's square by torch's bicubic interpolation without widening.
    """
    model: Any = encoder.dual.model
    framing = encoder.dual.framing
    found: dict[int, Tensor] = {}
    for places in places_by_size(shown):
        pixels = stacked([shown[place] for place in places], model.device).float() / 127.5 - 1
        pixels = functional.interpolate(pixels, size=(framing.side, framing.side), mode="bicubic", align_corners=False)
        mean, deviation = (
            torch.tensor(values, device=model.device).view(3, 1, 1) for values in (framing.mean, framing.deviation)
        )
        vectors = model.get_image_features(((pixels - mean) / deviation).to(model.dtype)).pooler_output
        found |= dict(zip(places, functional.normalize(vectors.double(), dim=-1).cpu(), strict=True))
    return torch.stack([found[place] for place in range(len(shown))])
