"""Write tiny models as the original Stable Diffusion code would have named their weights."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from diffusers.loaders.single_file_utils import DIFFUSERS_TO_LDM_MAPPING
from safetensors.torch import save_file
from torch import Tensor, nn

from retouch.models.architecture import TINY, Architecture

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

ORIGINAL_TINY = replace(
    TINY,
    unet_widths=(32, 64),
    heads=8,
    vae_widths=(32, 32, 32, 32),
    norm_groups=32,
    vae_norm_groups=32,
    text_width=64,
    text_heads=1,
)
"""As small as a model can be whose numbers of groups and heads are those of the original code."""


def write_original(
    checkpoint: "Checkpoint", file: Path, *, averaged: "Checkpoint | None" = None, tokenizer: bool = True
) -> Path:
    """Write one file with the U-Net of `averaged` as the moving average, and the tokenizer's folder beside it."""
    tensors = original_layout(checkpoint)
    if averaged:
        prefix = "model.diffusion_model."
        names = [name for name in tensors if name.startswith(prefix)]
        means = original_layout(averaged)
        tensors |= {"model_ema." + name.removeprefix("model.").replace(".", ""): means[name] for name in names}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)
    if tokenizer:
        checkpoint.tokenizer.save_pretrained(file.parent / "tokenizer")
    return file


def original_layout(checkpoint: "Checkpoint", architecture: Architecture = TINY) -> dict[str, Tensor]:
    """A checkpoint under the names of the original Stable Diffusion code: the inverse of diffusers' reader."""
    vae = _renamed(checkpoint.vae, "first_stage_model.", partial(_vae_name, architecture))
    # The original code attends with convolutions of one pixel.
    attention = re.compile(r".*\.attn_1\.(q|k|v|proj_out)\.weight")
    vae = {name: value[:, :, None, None] if attention.match(name) else value for name, value in vae.items()}
    return {
        **vae,
        **_renamed(checkpoint.unet, "model.diffusion_model.", partial(_unet_name, architecture)),
        **_renamed(checkpoint.text_encoder, "cond_stage_model.transformer.text_model.", lambda name: name),
    }


def _renamed(module: nn.Module, prefix: str, rename: Callable[[str], str]) -> dict[str, Tensor]:
    return {prefix + rename(name): value.clone() for name, value in module.state_dict().items()}


def _replaced(name: str, pairs: dict[str, str]) -> str:
    for ours, original in pairs.items():
        name = name.replace(ours, original)
    return name


_UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def _unet_name(architecture: Architecture, name: str) -> str:
    fixed = DIFFUSERS_TO_LDM_MAPPING["unet"]["layers"]
    if name in fixed:
        return fixed[name]
    found = re.fullmatch(r"(down_blocks|up_blocks|mid_block)(?:\.(\d+))?\.([a-z]+)\.(\d+)\.(.*)", name)
    assert found, name
    where, block, part, layer, rest = found.groups()
    inner = _replaced(rest, _UNET_RESNET) if part == "resnets" else rest
    if where == "mid_block":
        return f"middle_block.{1 if part == 'attentions' else 2 * int(layer)}.{inner}"
    width = architecture.unet_layers + 1
    slot = {"resnets": 0, "attentions": 1}.get(part)
    if where == "down_blocks":
        if slot is None:
            return f"input_blocks.{(int(block) + 1) * width}.0.{inner.replace('conv', 'op')}"
        return f"input_blocks.{1 + int(block) * width + int(layer)}.{slot}.{inner}"
    if slot is None:
        attends = tuple(reversed(architecture.attention))[int(block)]
        return f"output_blocks.{int(block) * width + architecture.unet_layers}.{2 if attends else 1}.{inner}"
    return f"output_blocks.{int(block) * width + int(layer)}.{slot}.{inner}"


def _vae_name(architecture: Architecture, name: str) -> str:
    fixed = DIFFUSERS_TO_LDM_MAPPING["vae"]
    if name in fixed:
        return fixed[name]
    last = len(architecture.vae_widths) - 1
    name = re.sub(r"up_blocks\.(\d+)", lambda found: f"up.{last - int(found[1])}", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    pairs = {
        "mid_block.attentions.0": "mid.attn_1",
        "down_blocks": "down",
        "resnets": "block",
        "conv_shortcut": "nin_shortcut",
        "upsamplers.0": "upsample",
        "downsamplers.0": "downsample",
        "group_norm": "norm",
        "to_q": "q",
        "to_k": "k",
        "to_v": "v",
        "to_out.0": "proj_out",
    }
    return _replaced(name, pairs)
