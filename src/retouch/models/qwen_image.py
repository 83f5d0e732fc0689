"""The autoencoder of Qwen-Image, made for films, as all that edit or train with it see it: pictures of one frame."""

from typing import Any

import torch
from torch import Tensor

PATCH = 2
"""Latents of a token's side."""


def encode_frame(vae: Any, pictures: Tensor) -> Tensor:
    """Pictures, (B, 3, H, W) in −1…1, as latents, (B, C, h, w): the posterior's mode, normalised."""
    latents = vae.encode(pictures[:, :, None], return_dict=False)[0].mode()
    mean, deviation = _statistics(vae, latents)
    return ((latents - mean) / deviation)[:, :, 0]


def decode_frame(vae: Any, latents: Tensor) -> Tensor:
    """The pictures, (B, 3, H, W) in −1…1, of such latents."""
    mean, deviation = _statistics(vae, latents)
    return vae.decode(latents[:, :, None] * deviation + mean, return_dict=False)[0][:, :, 0]


def _statistics(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation by channel, (1, C, 1, 1, 1) each, as the autoencoder's settings have them."""
    mean, deviation = (
        torch.tensor(values).view(1, -1, 1, 1, 1).to(like)
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, deviation
