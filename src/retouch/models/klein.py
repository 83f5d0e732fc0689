"""FLUX.2 klein as all that know it see it: its patches, its normalised latents, and the settings of its checkpoints."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

PIPELINE = "Flux2KleinPipeline"
"""The diffusers class that edits with it."""
PATCH = 2
"""Latents of a token's side."""


@dataclass(frozen=True, kw_only=True)
class KleinUsual:
    """Steps and text guidance of a checkpoint when nothing else is said; a guidance of 1 is none."""

    steps: int
    guidance: float


DISTILLED = KleinUsual(steps=4, guidance=1.0)
UNDISTILLED = KleinUsual(steps=50, guidance=4.0)


def patched(latents: Tensor) -> Tensor:
    """(B, C, 2h, 2w) as (B, 4C, h, w): a patch's rows, then its columns, within each channel."""
    return functional.pixel_unshuffle(latents, PATCH)


def unpatched(cells: Tensor) -> Tensor:
    """The inverse of `patched`."""
    return functional.pixel_shuffle(cells, PATCH)


def encode_cells(vae: Any, pictures: Tensor) -> Tensor:
    """Pictures, (B, 3, H, W) in −1…1, as cells, (B, C, h, w): the posterior's mode, patched and normalised."""
    cells = patched(vae.encode(pictures, return_dict=False)[0].mode())
    mean, deviation = _statistics(vae, cells)
    return (cells - mean) / deviation


def decode_cells(vae: Any, cells: Tensor) -> Tensor:
    """The pictures, (B, 3, H, W) in −1…1, of such cells."""
    mean, deviation = _statistics(vae, cells)
    return vae.decode(unpatched(cells * deviation + mean), return_dict=False)[0]


def _statistics(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation by channel, (1, C, 1, 1) each: those of the autoencoder's batch norm."""
    deviation = torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + vae.config.batch_norm_eps)
    return vae.bn.running_mean.view(1, -1, 1, 1).to(like), deviation.to(like)
