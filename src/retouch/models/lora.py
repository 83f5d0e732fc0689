"""Put LoRAs (arXiv 2106.09685) into a loaded checkpoint by adding them to its weights."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from retouch.core.errors import ModelError
from retouch.core.lora import Lora
from retouch.models.checkpoint import Checkpoint
from retouch.models.lora_file import LoraFile, Update, read_lora, shown

_NETWORKS = {
    "lora_unet_": "unet",
    "unet.": "unet",
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
    "text_encoder.": "text_encoder",
    "text_model.": "text_encoder",
}
"""Which network a layer is of, by the beginning of its stored name; the U-Net without any of these."""

_SECOND_TEXT_ENCODER = ("lora_te2_", "text_encoder_2.")

_FORMER_PROJECTIONS = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
"""How diffusers once called the projections of the text encoder's attention."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Placed:
    """An update at its weight, to be multiplied by `factor`."""

    weight: Tensor
    update: Update
    factor: float


def fuse_loras(checkpoint: Checkpoint, loras: Sequence[Lora]) -> None:
    """Add `loras` to the weights of `checkpoint`, in place: W ← W + scale · α / rank · up · down, summed in float32.

    Layers of the U-Net and of the text encoder can be changed. A LoRA made for another kind of U-Net fits where the
    shapes agree. All are checked before any is added.

    Raises:
        ModelError: a file is missing, damaged or no LoRA, or does not fit the checkpoint's layers.
    """
    layers = {
        name: _layers(checkpoint.modules[name]) for name in ("unet", "text_encoder") if name in checkpoint.modules
    }
    placed = [found for lora in loras for found in _place(checkpoint.source, layers, lora)]
    for one in placed:
        _add(one)


def _layers(network: nn.Module) -> dict[str, tuple[str, Tensor]]:
    """Name and weight of every layer that can have an update, by the name with underscores for dots."""
    return {
        name.replace(".", "_"): (name, module.weight)
        for name, module in network.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d))
    }


def _place(source: str, layers: Mapping[str, Mapping[str, tuple[str, Tensor]]], lora: Lora) -> Iterator[_Placed]:
    content = read_lora(lora.source)
    for stored, update in content.updates.items():
        network, flat = _locate(stored, content)
        if flat not in layers.get(network, {}):
            raise ModelError(
                f"The LoRA '{content.file}' changes '{stored}', a layer that the {network} of '{source}' does not "
                "have; use a LoRA made for a model of this shape."
            )
        name, weight = layers[network][flat]
        _check_shape(update, weight, name, content, source)
        yield _Placed(weight=weight, update=update, factor=lora.scale * _scaling(update, network, name, content))


def _locate(stored: str, content: LoraFile) -> tuple[str, str]:
    """The network and, with underscores for dots, the layer that a stored name means."""
    name = stored.removeprefix("base_model.model.")
    if name.startswith(_SECOND_TEXT_ENCODER):
        raise ModelError(
            f"The LoRA '{content.file}' is of the SDXL family (it changes '{stored}'); expected Stable Diffusion 1."
        )
    beginning = next((beginning for beginning in _NETWORKS if name.startswith(beginning)), "")
    network = _NETWORKS.get(beginning, "unet")
    flat = name.removeprefix(beginning).replace(".", "_").replace("_processor_", "_")
    if network == "unet":
        return network, f"{flat}_0" if flat.endswith("_to_out") else flat
    flat = flat.removeprefix("text_model_")
    for former, present in _FORMER_PROJECTIONS.items():
        flat = flat.replace(f"self_attn_{former}", f"self_attn_{present}")
    return network, flat


def _check_shape(update: Update, weight: Tensor, name: str, content: LoraFile, source: str) -> None:
    into, out = update.down.flatten(1).shape[1], update.up.shape[0]
    if (out, into) == tuple(weight.flatten(1).shape):
        return
    if name == "conv_in":
        raise ModelError(
            f"The LoRA '{content.file}' changes the first convolution for {update.down.shape[1]} input channels, but "
            f"the U-Net of '{source}' takes {weight.shape[1]}; use a LoRA that leaves 'conv_in' alone or was made for "
            "this kind of model."
        )
    raise ModelError(
        f"The LoRA '{content.file}' has weights of shapes {shown(update.up)} (up) and {shown(update.down)} (down) for "
        f"'{name}', which is {shown(weight)} in '{source}'; use a LoRA made for a model of this shape."
    )


def _scaling(update: Update, network: str, name: str, content: LoraFile) -> float:
    """α / rank, or α / √rank where the settings say so (arXiv 2312.03732)."""
    settings = content.settings_of(network)
    alpha = update.alpha
    if alpha is None:
        # Here, since most edits are without LoRAs, and peft takes long to import.
        from peft.utils.other import get_pattern_key

        patterns = settings.get("alpha_pattern")
        patterns = patterns if isinstance(patterns, dict) else {}
        full_name = name if network == "unet" else f"text_model.{name}"
        alpha = patterns.get(get_pattern_key(list(patterns), full_name), settings.get("lora_alpha", update.rank))
    if not isinstance(alpha, (int, float)):
        raise ModelError(f"The LoRA '{content.file}' has {alpha!r} as the alpha of '{name}', expected a number.")
    return alpha / (math.sqrt(update.rank) if settings.get("use_rslora") else update.rank)


@torch.no_grad()
def _add(placed: _Placed) -> None:
    weight = placed.weight
    up, down = (
        factor.to(device=weight.device, dtype=torch.float32).flatten(1)
        for factor in (placed.update.up, placed.update.down)
    )
    change = (placed.factor * (up @ down)).reshape(weight.shape)
    weight.copy_(weight.float() + change)
