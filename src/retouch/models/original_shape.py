"""The configuration of a Stable-Diffusion-1 model, read from the shapes of its weights under their original names."""

from collections.abc import Mapping
from dataclasses import dataclass

from diffusers.loaders.single_file_utils import (
    create_unet_diffusers_config_from_ldm,
    create_vae_diffusers_config_from_ldm,
)

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer."

HEADS = 8
"""Attention heads of the original U-Net at every resolution; no weight shows them."""

TEXT_HEAD_WIDTH = 64
"""Features of one head of CLIP's text encoder."""

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class NetworkConfigs:
    """What the three networks are built from: configurations of diffusers twice, of CLIP's text encoder once."""

    unet: Mapping[str, object]
    vae: Mapping[str, object]
    text_encoder: Mapping[str, object]


def read_configs(shapes: Shapes) -> NetworkConfigs:
    """The configurations behind the weights of `shapes`, whose names carry the prefixes above.

    Group normalisation has 32 groups and the U-Net 8 heads, as in the original code. Raises KeyError where a weight
    that tells a size is missing.
    """
    return NetworkConfigs(
        unet=unet_config(shapes), vae=vae_config(shapes), text_encoder=_text_config(_below(shapes, TEXT_PREFIX))
    )


def unet_config(shapes: Shapes) -> Mapping[str, object]:
    """The U-Net's configuration; see `read_configs`."""
    return create_unet_diffusers_config_from_ldm(_original(shapes), {})


def vae_config(shapes: Shapes) -> Mapping[str, object]:
    """The VAE's configuration; see `read_configs`."""
    return create_vae_diffusers_config_from_ldm(_original(shapes), {})


def _original(shapes: Shapes) -> dict[str, object]:
    """What the original code would be configured with."""
    parameters = {
        "unet_config": {"params": _unet_parameters(_below(shapes, UNET_PREFIX))},
        "first_stage_config": {"params": {"ddconfig": _vae_parameters(_below(shapes, VAE_PREFIX))}},
    }
    return {"model": {"params": parameters}}


def text_name(name: str) -> str:
    """The name of a text encoder's weight, `TEXT_PREFIX` taken off, as transformers has it."""
    return name.removeprefix("text_model.")


def _below(shapes: Shapes, prefix: str) -> Shapes:
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}


def _unet_parameters(shapes: Shapes) -> dict[str, object]:
    width, channels = shapes["input_blocks.0.0.weight"][:2]
    blocks = _count(shapes, "input_blocks.{}.0.")
    levels = 1 + sum(f"input_blocks.{block}.0.op.weight" in shapes for block in range(blocks))
    per_level = blocks // levels
    firsts = [1 + level * per_level for level in range(levels)]
    attending = [f"input_blocks.{first}.1.transformer_blocks.0.attn2.to_k.weight" in shapes for first in firsts]
    middle = "middle_block.1.transformer_blocks.{}."
    return {
        "in_channels": channels,
        "out_channels": shapes["out.2.weight"][0],
        "model_channels": width,
        "channel_mult": [shapes[f"input_blocks.{first}.0.out_layers.3.weight"][0] // width for first in firsts],
        "attention_resolutions": [2**level for level, attends in enumerate(attending) if attends],
        "num_res_blocks": per_level - 1,
        "transformer_depth": _count(shapes, middle),
        "context_dim": shapes[f"{middle.format(0)}attn2.to_k.weight"][1],
        "num_heads": HEADS,
    }


def _vae_parameters(shapes: Shapes) -> dict[str, object]:
    width, channels = shapes["encoder.conv_in.weight"][:2]
    levels = range(_count(shapes, "encoder.down.{}."))
    return {
        "ch": width,
        "ch_mult": [shapes[f"encoder.down.{level}.block.0.conv2.weight"][0] // width for level in levels],
        "num_res_blocks": _count(shapes, "encoder.down.0.block.{}."),
        "in_channels": channels,
        "out_ch": shapes["decoder.conv_out.weight"][0],
        "z_channels": shapes["decoder.conv_in.weight"][1],
    }


def _text_config(originals: Shapes) -> dict[str, object]:
    shapes = {text_name(name): shape for name, shape in originals.items()}
    vocabulary, width = shapes["embeddings.token_embedding.weight"]
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "projection_dim": width,
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": _count(shapes, "encoder.layers.{}."),
        "num_attention_heads": max(1, width // TEXT_HEAD_WIDTH),
        "max_position_embeddings": shapes["embeddings.position_embedding.weight"][0],
    }


def _count(shapes: Shapes, pattern: str) -> int:
    """How many of `pattern` with 0, 1, … begin a name."""
    number = 0
    while any(name.startswith(pattern.format(number)) for name in shapes):
        number += 1
    return number
