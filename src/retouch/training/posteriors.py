"""Latents of a training's pictures, by number: read from memory, or encoded at every step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from retouch.training.pictures import Fitted, fitted, to_model_range
from retouch.training.settings import Precision


class Posteriors(Protocol):
    """The VAE's posteriors of pictures of one size, unscaled."""

    def __len__(self) -> int:
        """How many pictures there are."""
        ...

    def of(self, rows: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, (B, 4, h, w) float32 each, of pictures `rows`, (B,).

        `side`, (B,), is 0 for the picture and 1 for its mirror image.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How pictures are encoded: with their mirror images or without, and in which precision."""

    mirrored: bool = True
    precision: Precision = "float32"


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """Posteriors in memory: `mean` and `spread` (pictures, 1 or 2, 4, h, w) float16, mirror images second."""

    mean: Tensor
    spread: Tensor

    def __len__(self) -> int:
        return len(self.mean)

    def of(self, rows: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """See `Posteriors`."""
        return self.mean[rows, side].float(), self.spread[rows, side].float()


@dataclass(frozen=True, kw_only=True, eq=False)
class Anew:
    """Posteriors encoded whenever they are asked for: no preparation, at the price of a slower step."""

    vae: AutoencoderKL
    pictures: Sequence[Fitted]
    precision: Precision = "float32"

    def __len__(self) -> int:
        return len(self.pictures)

    def of(self, rows: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """See `Posteriors`."""
        images = torch.stack([fitted(self.pictures[row]) for row in rows.tolist()])
        images = torch.where(side.bool()[:, None, None, None], images.flip(-1), images)
        mean, spread = posterior(self.vae, images, self.precision)
        return mean.float(), spread.float()


@dataclass(frozen=True, kw_only=True, eq=False)
class Joined:
    """The posteriors of several folders behind one another."""

    parts: Sequence[Posteriors]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def of(self, rows: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """See `Posteriors`."""
        first, places, means, spreads = 0, [], [], []
        for part in self.parts:
            here = ((rows >= first) & (rows < first + len(part))).nonzero()[:, 0]
            if len(here):
                mean, spread = part.of(rows[here] - first, side[here])
                places.append(here)
                means.append(mean)
                spreads.append(spread)
            first += len(part)
        order = torch.cat(places).argsort()
        return torch.cat(means)[order], torch.cat(spreads)[order]


@torch.no_grad()
def posterior(vae: AutoencoderKL, images: Tensor, precision: Precision) -> tuple[Tensor, Tensor]:
    """Encode pictures, (B, 3, H, W) uint8; return mean and standard deviation, (B, 4, h, w), on the CPU."""
    device = next(vae.parameters()).device
    inputs: Any = to_model_range(images).to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        found = vae.encode(inputs, return_dict=False)[0]
    return found.mean.cpu(), found.std.cpu()
