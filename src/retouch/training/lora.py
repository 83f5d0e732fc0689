"""Low-rank updates of a U-Net's attention (arXiv 2106.09685): put in, merged, written as others read them."""

import copy
from pathlib import Path
from typing import Any

from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
"""The projections that get an update."""

OTHERS = (
    "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv",
    "upsamplers.0.conv", "time_emb_proj",
)  # fmt: skip
"""The other layers that can have one, as LCM-LoRA has them (arXiv 2311.05556)."""


def add_lora(unet: UNet2DConditionModel, *, rank: int, first_convolution: bool, convolutions: bool = False) -> None:
    """Add trainable updates of `rank` (and of the same α) to a frozen U-Net.

    With `convolutions` the other layers get some too, not those of attention alone.
    With `first_convolution` that is trained whole: a start of four channels has learned nothing about the
    source's, and no update of attention could.
    """
    targets = (*ATTENTION, *OTHERS) if convolutions else ATTENTION
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(targets)))
    unet.conv_in.requires_grad_(first_convolution)


def merged(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Return a U-Net without adapters that computes what `unet` does with its own."""
    plain: Any = copy.deepcopy(unet)
    plain.fuse_lora()
    plain.unload_lora()
    return plain


def lora_updates(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    """The updates alone by the names that `load_lora_weights` of diffusers reads."""
    weights: Any = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    return {f"unet.{name}": weight for name, weight in weights.items()}


def write_lora(unet: UNet2DConditionModel, folder: Path) -> None:
    """Write the updates alone, as `load_lora_weights` of diffusers reads them."""
    weights: Any = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    folder.mkdir(parents=True, exist_ok=True)
    StableDiffusionLoraLoaderMixin.save_lora_weights(folder, unet_lora_layers=weights, safe_serialization=True)
