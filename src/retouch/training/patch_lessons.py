"""What the patches of a vision transformer show, from segments: shares of every label."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from retouch.core.errors import SettingsError
from retouch.models.clip import DualEncoder
from retouch.training.segments import Segments


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchLessons:
    """Segments of pictures as an encoder frames them.

    `places` maps a picture's number to its row in `numbers`, (N, 1, S, S) uint8, and `told`, (N, things, labels)
    bool: which of the `labels`, as "aspect=value", thing n − 1 of a picture has. `patch` is in pixels.
    """

    places: Mapping[int, int]
    numbers: Tensor
    told: Tensor
    labels: tuple[str, ...]
    patch: int

    @classmethod
    def of(cls, segments: Mapping[int, Segments], encoder: DualEncoder) -> "PatchLessons":
        """Frame the segments of all pictures that have some. Raises SettingsError where none has."""
        if not segments:
            raise SettingsError("The records have no segments to teach; leave segments out, or make rooms anew.")
        named = [[{f"{k}={v}" for k, v in thing.items()} for thing in found.things] for found in segments.values()]
        labels = tuple(sorted({label for things in named for thing in things for label in thing}))
        told = torch.zeros(len(named), max(map(len, named)), len(labels), dtype=torch.bool)
        for row, things in enumerate(named):
            for place, thing in enumerate(things):
                told[row, place] = torch.tensor([label in thing for label in labels])
        config: Any = encoder.model.config
        return cls(
            places={picture: row for row, picture in enumerate(segments)},
            numbers=torch.stack([_framed(found.numbers, encoder) for found in segments.values()]),
            told=told,
            labels=labels,
            patch=config.vision_config.patch_size,
        )

    def of_pictures(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Which of (B,) pictures are known, as (K,) places in the batch, and the numbers of these, (K, 1, S, S)."""
        known = [place for place, picture in enumerate(pictures.tolist()) if picture in self.places]
        rows = [self.places[int(pictures[place])] for place in known]
        return torch.tensor(known, dtype=torch.long), self.numbers[rows]

    def shares(self, pictures: Tensor, numbers: Tensor) -> Tensor:
        """The share of each label in each patch, (K, P, labels), of known pictures with moved numbers, (K, S, S)."""
        cells = numbers.unfold(1, self.patch, self.patch).unfold(2, self.patch, self.patch)
        cells = cells.flatten(3).flatten(1, 2).long()
        counts = torch.zeros(*cells.shape[:2], self.told.shape[1] + 1)
        counts.scatter_add_(2, cells, torch.ones(cells.shape))
        rows = [self.places[picture] for picture in pictures.tolist()]
        return counts[:, :, 1:] / self.patch**2 @ self.told[rows].float()


def _framed(numbers: bytes, encoder: DualEncoder) -> Tensor:
    with Image.open(io.BytesIO(numbers)) as image:
        return encoder.framing.framed(image.convert("L"), method=Image.Resampling.NEAREST)[:1]
