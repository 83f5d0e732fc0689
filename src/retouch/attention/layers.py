"""The attention layers of a U-Net, and the steps in which one of them attends."""

from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from retouch.core.errors import ModelError


def self_layers(unet: UNet2DConditionModel) -> dict[str, Attention]:
    """The layers in which a picture's positions read one another, by name, in the order of the modules."""
    return {name: layer for name, layer in _layers(unet).items() if not layer.is_cross_attention}


def cross_layers(unet: UNet2DConditionModel) -> dict[str, Attention]:
    """The layers in which a picture's positions read the text, by name, in the order of the modules."""
    return {name: layer for name, layer in _layers(unet).items() if layer.is_cross_attention}


def queries(layer: Any, hidden: Tensor) -> Tensor:
    """(R, T, C) → (R, heads, T, d)."""
    return _by_head(layer, layer.to_q(hidden))


def keys(layer: Any, read: Tensor) -> Tensor:
    """(R, L, D) → (R, heads, L, d)."""
    return _by_head(layer, layer.to_k(read))


def values(layer: Any, read: Tensor) -> Tensor:
    """(R, L, D) → (R, heads, L, d)."""
    return _by_head(layer, layer.to_v(read))


def probabilities(query: Tensor, key: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(QKᵀ/√d + B), (R, heads, T, L), the softmax in float32; the bias B is (R, T, L)."""
    # Scaled ahead of the product, which float16 could not hold otherwise.
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    scores = scores if bias is None else scores + bias[:, None]
    return torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)


def grid(size: tuple[int, int], positions: int) -> tuple[int, int]:
    """Rows and columns of a layer of so many positions, for latents of a size (h, w).

    Raises ModelError where such latents have no such layer.
    """
    rows, columns = size
    while rows * columns > positions:
        # Halved as the U-Net's convolutions of stride 2 do.
        rows, columns = -(-rows // 2), -(-columns // 2)
    if rows * columns != positions:
        raise ModelError(f"A layer has {positions} positions, which {size[0]} x {size[1]} latents do not halve to.")
    return rows, columns


def output(layer: Any, attended: Tensor) -> Tensor:
    """(R, heads, T, d) → (R, T, C): the heads side by side through the layer's last projection."""
    return layer.to_out[0](attended.transpose(1, 2).flatten(2))


def _layers(unet: UNet2DConditionModel) -> dict[str, Attention]:
    return {name: module for name, module in unet.named_modules() if isinstance(module, Attention)}


def _by_head(layer: Any, projected: Tensor) -> Tensor:
    return projected.unflatten(-1, (layer.heads, -1)).transpose(1, 2)
