"""Pictures to latents and back, in the form a checkpoint wants its condition."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from PIL import Image
from torch import Generator, Tensor

from retouch.core.errors import ModelError
from retouch.models.checkpoint import Checkpoint
from retouch.models.resident import dtype_of, ready


def to_pixels(images: Sequence[Image.Image]) -> Tensor:
    """RGB images of one size as (B, 3, H, W), float32, from -1 (black) to 1 (white)."""
    levels = np.stack([np.asarray(image.convert("RGB")) for image in images]).transpose(0, 3, 1, 2)
    # By NumPy: torch would wake all threads for what takes a millisecond.
    pixels = np.ascontiguousarray(levels).astype(np.float32)
    pixels /= 127.5
    pixels -= 1.0
    return torch.from_numpy(pixels)


def to_images(pixels: Tensor) -> tuple[Image.Image, ...]:
    """The inverse of `to_pixels`; values outside -1 to 1 are clipped."""
    levels = ((pixels.float().clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8)
    arrays = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return tuple(Image.fromarray(array) for array in arrays)


@torch.no_grad()
def encode_source(checkpoint: Checkpoint, pixels: Tensor, generators: Sequence[Generator] | None = None) -> Tensor:
    """The source's latents (B, 4, H/8, W/8), float32, as the condition the checkpoint was trained with.

    Args:
        checkpoint: its spec says whether the posterior's mode or a sample, scaled or not.
        pixels: (B, 3, H, W) from -1 to 1; H and W multiples of the VAE's factor.
        generators: one a picture, needed where the condition is a sample.

    Raises:
        ModelError: the checkpoint wants a sample and no generators were given.
    """
    vae, spec = checkpoint.vae, checkpoint.spec
    posterior = _posterior(checkpoint, pixels)
    if spec.condition_posterior == "mode":
        latents = posterior.mode().float()
    elif generators is None:
        raise ModelError(
            f"'{checkpoint.source}' conditions on a sample of the VAE's posterior; give one generator for each picture."
        )
    else:
        noise = torch.cat([torch.randn((1, *posterior.mean.shape[1:]), generator=each) for each in generators])
        latents = posterior.mean.float() + posterior.std.float() * noise.to(posterior.mean.device)
    return latents * scaling_factor(vae) if spec.condition_scaled else latents


@torch.no_grad()
def clean_latents(checkpoint: Checkpoint, pixels: Tensor) -> Tensor:
    """Pixels (B, 3, H, W) from -1 to 1 as the scaled latents (B, 4, H/8, W/8) that the loop ends with, float32."""
    return _posterior(checkpoint, pixels).mode().float() * scaling_factor(checkpoint.vae)


@torch.no_grad()
def decode_latents(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Scaled latents (B, 4, h, w), as the loop leaves them, to pixels (B, 3, 8h, 8w), float32, about ±1."""
    return _decoded(vae, latents / scaling_factor(vae))


@torch.no_grad()
def reconstruct(checkpoint: Checkpoint, pixels: Tensor) -> Tensor:
    """Pixels (B, 3, H, W) through the autoencoder and back, by the posterior's mode; float32, about ±1."""
    vae = checkpoint.vae

    def made(picture: Tensor) -> Tensor:
        return _decoded(vae, _posterior(checkpoint, picture).mode())

    return torch.cat([checkpoint.kept.get(vae, "round trip", each, partial(made, each)) for each in pixels.split(1)])


def scaling_factor(vae: AutoencoderKL) -> float:
    """What latents are multiplied by to have about unit variance."""
    return float(vae.config["scaling_factor"])


def _posterior(checkpoint: Checkpoint, pixels: Tensor) -> DiagonalGaussianDistribution:
    """What the autoencoder makes of pixels (B, 3, H, W), each picture by itself: the same in any company."""
    vae = checkpoint.vae

    def made(picture: Tensor) -> Tensor:
        with ready(vae) as device:
            # To the device first: the CPU would take longer to change the type.
            return vae.encode(picture.to(device).to(dtype_of(vae)), return_dict=False)[0].parameters

    moments = [checkpoint.kept.get(vae, "posterior", each, partial(made, each)) for each in pixels.split(1)]
    return DiagonalGaussianDistribution(torch.cat(moments))


def _decoded(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Latents (B, 4, h, w) as the autoencoder has them to pixels (B, 3, 8h, 8w), float32, a picture at a time.

    The decoder is at its widest where the picture is largest: a batch of eight would take eight times the memory.
    """
    with ready(vae) as device:
        unscaled: Any = latents.to(device, dtype_of(vae))
        return torch.cat([vae.decode(each, return_dict=False)[0].float() for each in unscaled.split(1)])
