"""How the networks of a pipeline share a device: all of them there, one at a time, or layer by layer."""

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

import torch

from retouch.core.errors import SettingsError

MemoryMode = Literal["auto", "full", "offload", "sequential"]
ROOM = 1.2
"""Memory for what is computed, as a multiple of the weights beside it."""


def check_mode(mode: str, device: torch.device) -> MemoryMode:
    """A memory mode by its name; raises SettingsError where it is unknown, or there is nothing to move weights to."""
    if mode not in get_args(MemoryMode):
        raise SettingsError(f"The memory mode is '{mode}'; expected one of {', '.join(get_args(MemoryMode))}.")
    if mode in ("offload", "sequential") and device.type == "cpu":
        raise SettingsError(f"The memory mode {mode} moves weights to a GPU while they work; on the CPU choose auto.")
    return cast(MemoryMode, mode)


def choose_mode(mode: MemoryMode, sizes: Mapping[str, int], free: int | None) -> MemoryMode:
    """What `auto` is, for networks of so many bytes and so many bytes `free`, None where they cannot be counted.

    All networks where they fit with room to compute, else one at a time where the largest does, else layers.
    """
    if mode != "auto":
        return mode
    if free is None or sum(sizes.values()) * ROOM <= free:
        return "full"
    return "offload" if max(sizes.values()) * ROOM <= free else "sequential"


def place(pipeline: Any, mode: MemoryMode, device: torch.device) -> MemoryMode:
    """Bring a pipeline to a device, by the mode or by what `auto` comes to; returns that."""
    chosen = choose_mode(mode, network_bytes(pipeline), _free(device))
    if chosen == "full":
        pipeline.to(device)
    elif chosen == "offload":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    return chosen


def network_bytes(pipeline: Any) -> dict[str, int]:
    """Bytes of the weights of each network."""
    return {
        name: sum(weight.numel() * weight.element_size() for weight in part.parameters())
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    }


def gigabytes(billions: Mapping[str, float], mode: MemoryMode) -> float:
    """Gigabytes that weights of two bytes take on the device, computed from parameters in thousands of millions.

    Layer by layer there is little of them at any time; what is computed with comes on top of all.
    """
    if mode == "sequential":
        return LAYERS
    return 2 * (sum(billions.values()) if mode in ("auto", "full") else max(billions.values()))


LAYERS = 1.0
"""Gigabytes at the most for a layer of any family, and the next."""


def _free(device: torch.device) -> int | None:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
