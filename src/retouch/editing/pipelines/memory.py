"""The networks of a pipeline brought to a device in a memory mode, and what that takes of it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from retouch.editing.memory_mode import MemoryMode, NetworkSize, choose_mode, free_memory, network_size


def place(pipeline: Any, mode: MemoryMode, device: torch.device) -> MemoryMode:
    """Bring a pipeline to a device, by the mode or by what `auto` comes to; returns that."""
    chosen = choose_mode(mode, network_sizes(pipeline, device), free_memory(device))
    if chosen == "full":
        pipeline.to(device)
    elif chosen == "offload":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    return chosen


def network_sizes(pipeline: Any, device: torch.device) -> dict[str, NetworkSize]:
    """The size of each network, see `network_size`."""
    networks = {name: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}
    return {name: network_size(network, device) for name, network in networks.items()}


def gigabytes(billions: Mapping[str, float], mode: MemoryMode) -> float:
    """Gigabytes that weights of two bytes take on the device, computed from parameters in thousands of millions.

    Layer by layer there is little of them at any time; what is computed with comes on top of all.
    """
    if mode == "sequential":
        return LAYERS
    return 2 * (sum(billions.values()) if mode in ("auto", "full") else max(billions.values()))


LAYERS = 1.0
"""Gigabytes at the most for a layer of any family, and the next."""
