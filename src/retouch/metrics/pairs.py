"""How well the pictures of a pair fit each other and their captions: four similarities to filter pairs by."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from PIL import Image

from retouch.metrics.clip import Encoder, directional_similarity

PairMeasure = Literal["image-image", "caption-source", "caption-target", "directional"]
MEASURES: tuple[PairMeasure, ...] = get_args(PairMeasure)


def pair_protocol(measure: PairMeasure, encoder: str) -> str:
    """The protocol a measure's values are kept under: the measure and the protocol of the encoder."""
    return f"pair/{measure}/{encoder}"


def pair_similarities(
    pictures: Sequence[tuple[Image.Image, Image.Image]], captions: Sequence[tuple[str, str]], encoder: Encoder
) -> list[Mapping[PairMeasure, float]]:
    """Compare sources, targets and their captions: cosines in [−1, 1], one mapping a pair.

    "image-image" is cos(I₀, I₁), "caption-source" cos(I₀, T₀), "caption-target" cos(I₁, T₁), "directional"
    cos(I₁ − I₀, T₁ − T₀), 0 where a side does not change (InstructPix2Pix, arXiv 2211.09800, section 3.1).
    """
    seen = encoder.pictures([picture for pair in pictures for picture in pair]).unflatten(0, (-1, 2))
    read = encoder.texts([caption for pair in captions for caption in pair]).unflatten(0, (-1, 2))
    fits = (seen * read).sum(dim=-1)
    values = torch.stack(
        [(seen[:, 0] * seen[:, 1]).sum(dim=-1), fits[:, 0], fits[:, 1], directional_similarity(seen, read)], dim=1
    )
    return [dict(zip(MEASURES, map(float, row), strict=True)) for row in values]
