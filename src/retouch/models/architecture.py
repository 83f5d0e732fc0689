"""Randomly initialised checkpoints of a given shape: the start of a training, and the subject of a test."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from retouch.models.checkpoint import Checkpoint, TextTower
from retouch.models.spec import CHANNELS, PUBLISHED, ConditioningSpec, Kind


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The sizes of a Stable-Diffusion-1 model; the classes are always the same.

    `*_widths` are channels by resolution, finest first; `attention` says which U-Net resolutions have
    cross-attention, `heads` the number of attention heads at each; `vae_attention` whether the VAE attends
    at its coarsest resolution.
    """

    unet_widths: tuple[int, ...]
    unet_layers: int
    attention: tuple[bool, ...]
    heads: int
    vae_widths: tuple[int, ...]
    vae_layers: int
    norm_groups: int
    vae_norm_groups: int
    vae_attention: bool
    text_width: int
    text_layers: int
    text_heads: int
    text_length: int


TINY = Architecture(
    unet_widths=(16, 32),
    unet_layers=1,
    attention=(True, False),
    heads=2,
    vae_widths=(8, 8, 8, 8),
    vae_layers=1,
    norm_groups=8,
    vae_norm_groups=8,
    vae_attention=True,
    text_width=16,
    text_layers=1,
    text_heads=2,
    text_length=16,
)
"""Small enough for tests: milliseconds a step, factor-8 VAE like the big ones."""

STABLE_DIFFUSION_1 = Architecture(
    unet_widths=(320, 640, 1280, 1280),
    unet_layers=2,
    attention=(True, True, True, False),
    heads=8,
    vae_widths=(128, 256, 512, 512),
    vae_layers=2,
    norm_groups=32,
    vae_norm_groups=32,
    vae_attention=True,
    text_width=768,
    text_layers=12,
    text_heads=12,
    text_length=77,
)
"""Stable Diffusion 1.5: a U-Net of 859.5M parameters."""

POCKET = Architecture(
    unet_widths=(64, 128, 192, 192),
    unet_layers=1,
    attention=(False, True, True, True),
    heads=4,
    vae_widths=(16, 32, 64, 128),
    vae_layers=1,
    norm_groups=16,
    vae_norm_groups=2,
    vae_attention=False,
    text_width=192,
    text_layers=4,
    text_heads=4,
    text_length=48,
)
"""The pocket family's editor: 17M parameters in the U-Net, 256 px."""

SCHEDULE: dict[str, object] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "set_alpha_to_one": False,
}
"""The noise schedule of Stable Diffusion 1."""

ZERO_TERMINAL_SCHEDULE: dict[str, object] = {
    **SCHEDULE,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": False,
}
"""The same, ending in pure noise (arXiv 2305.08891): what a model trained from nothing wants."""


def random_checkpoint(
    architecture: Architecture,
    tokenizer: CLIPTokenizer,
    *,
    kind: Kind = "instruct",
    spec: ConditioningSpec | None = None,
    schedule: Mapping[str, object] = MappingProxyType(SCHEDULE),
    seed: int = 0,
) -> Checkpoint:
    """A checkpoint with random weights, float32 on the CPU, in evaluation mode; `seed` fixes every weight."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        checkpoint = Checkpoint(
            unet=_unet(architecture, CHANNELS[kind]),
            vae=random_vae(architecture),
            text=TextTower(encoder=_text_encoder(architecture, tokenizer), tokenizer=tokenizer),
            scheduler_config={"_class_name": "DDIMScheduler", **schedule},
            spec=spec or PUBLISHED[kind],
            source="random",
        )
    for module in checkpoint.modules.values():
        module.eval().requires_grad_(False)
    if checkpoint.spec.denoises == "change":
        _change_nothing(checkpoint.unet)
    return checkpoint


def _change_nothing(unet: Any) -> None:
    """Let a network that answers with changes begin with none."""
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)


def _unet(shape: Architecture, channels: int) -> UNet2DConditionModel:
    down = tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in shape.attention)
    up = tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(shape.attention))
    return UNet2DConditionModel(
        in_channels=channels,
        out_channels=4,
        block_out_channels=shape.unet_widths,
        layers_per_block=shape.unet_layers,
        down_block_types=down,
        up_block_types=up,
        # The class calls the number of heads by the name of their size, and keeps it so for old files.
        attention_head_dim=shape.heads,
        cross_attention_dim=shape.text_width,
        norm_num_groups=shape.norm_groups,
    )


def random_vae(shape: Architecture) -> AutoencoderKL:
    """An autoencoder with random weights from torch's own generator."""
    levels = len(shape.vae_widths)
    settings: dict[str, Any] = {
        "block_out_channels": shape.vae_widths,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
    }
    return AutoencoderKL(
        **settings,
        layers_per_block=shape.vae_layers,
        latent_channels=4,
        norm_num_groups=shape.vae_norm_groups,
        mid_block_add_attention=shape.vae_attention,
        scaling_factor=0.18215,
    )


def _text_encoder(shape: Architecture, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    marks: dict[str, Any] = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = CLIPTextConfig(
        **marks,
        vocab_size=len(tokenizer),
        hidden_size=shape.text_width,
        intermediate_size=4 * shape.text_width,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.text_heads,
        max_position_embeddings=shape.text_length,
        projection_dim=shape.text_width,
    )
    return CLIPTextModel(config)
