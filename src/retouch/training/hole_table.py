"""Pictures with holes where their object was: what a model that fills them sees, encoded ahead."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from retouch.core.fit import Fit
from retouch.core.reference import load_reference
from retouch.core.seeds import derive_seed
from retouch.models.image_encoder import ImageEncoder
from retouch.training.cache import Preparation, posteriors_of
from retouch.training.holes import hole
from retouch.training.pictures import Fitted, fitted
from retouch.training.posteriors import Posteriors
from retouch.training.referenced import ReferencedTable
from retouch.training.varied import varied

GREY = 128
"""What stands in a hole, of 255: the middle of what the autoencoder reads."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HoleTable:
    """Samples with `each` holes each: hole k of sample n is number n · each + k.

    masked: the pictures with their holes.
    keep: (holes, H/2, W/2) bool, where the picture stays.
    """

    samples: ReferencedTable
    each: int
    masked: Posteriors
    keep: Tensor

    def __len__(self) -> int:
        return len(self.samples)

    def kept(self, holes: Tensor, side: Tensor) -> Tensor:
        """Where pictures stay, (B, 1, H/2, W/2) float32, mirrored where `side`, (B,), is 1."""
        keep = self.keep[holes].float()
        return torch.where(side[:, None, None] == 1, keep.flip(-1), keep)[:, None]


def hole_table(preparation: Preparation, samples: ReferencedTable, *, each: int, odd: float, seed: int) -> HoleTable:
    """Make `each` holes about the object of every sample, a share `odd` of odd shapes, and encode what is left."""
    keep: list[Tensor] = []
    pictures: list[Fitted] = []
    for row, mask in enumerate(samples.masks.numpy()):
        shown = fitted(samples.pictures[int(samples.shown[row])])
        for number in range(each):
            generator = np.random.default_rng(derive_seed(seed, "hole", row, number))
            inside = hole((mask > 127).astype(np.uint8) if (mask > 127).any() else mask, generator, odd=odd)
            keep.append(torch.from_numpy(inside == 0))
            pictures.append(_with_hole(shown, inside))
    masked = posteriors_of(preparation, pictures, done=0, total=len(pictures))
    return HoleTable(samples=samples, each=each, masked=masked, keep=torch.stack(keep))


def drawn_references(
    encoder: ImageEncoder, references: Sequence[Sequence[bytes]], generator: Generator, *, vary: bool
) -> Tensor:
    """One of each sample's references as the encoder sees it, (B, 3, side, side) uint8, varied or as it is.

    Without variation it is the first.
    """
    draws = torch.rand(len(references), generator=generator).tolist()
    picked = [views[int(draw * len(views)) if vary else 0] for views, draw in zip(references, draws, strict=True)]
    framed = torch.stack([encoder.framed(load_reference(data).squared()) for data in picked])
    return varied(framed, generator) if vary else framed


def _with_hole(shown: Tensor, inside: np.ndarray) -> Fitted:
    pixels = shown.permute(1, 2, 0).numpy().copy()
    pixels[inside.repeat(2, axis=0).repeat(2, axis=1)[: pixels.shape[0], : pixels.shape[1]] > 0] = GREY
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    height, width = pixels.shape[:2]
    return Fitted.of(buffer.getvalue(), Fit.for_model((width, height), native=max(width, height), multiple=1))
