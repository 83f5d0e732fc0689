"""Memory modes: how the networks of a model share a device, and which of the ways fits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from retouch.core.errors import SettingsError

MemoryMode = Literal["auto", "full", "offload", "sequential"]
"""All networks on the device, one at a time, or one layer at a time; or whichever fits."""
ROOM = 0.2
"""Memory for what is computed, as a share of the weights before they were quantised: that makes them smaller alone."""


@dataclass(frozen=True, kw_only=True)
class NetworkSize:
    """Bytes of a network: as it is `kept`, with weights of two bytes each (`plain`), and `placed` on the device."""

    kept: int
    plain: int
    placed: int = 0

    @property
    def wanted(self) -> float:
        """What it takes on a device to compute with it."""
        return self.kept + ROOM * max(self.kept, self.plain)


def check_mode(mode: str, device: torch.device) -> MemoryMode:
    """A memory mode by its name; raises SettingsError where it is unknown, or there is nothing to move weights to."""
    if mode not in get_args(MemoryMode):
        raise SettingsError(f"The memory mode is '{mode}'; expected one of {', '.join(get_args(MemoryMode))}.")
    if mode in ("offload", "sequential") and device.type == "cpu":
        raise SettingsError(f"The memory mode {mode} moves weights to a GPU while they work; on the CPU choose auto.")
    return cast(MemoryMode, mode)


def choose_mode(mode: MemoryMode, sizes: Mapping[str, NetworkSize], free: int | None) -> MemoryMode:
    """What `auto` is, for networks of such sizes and so many bytes `free`, None where they cannot be counted.

    All networks where they fit with room to compute, else one at a time where the largest does, else layers. Weights
    that lie on the device already, as quantised ones do, are not in what is free, and not wanted again.
    """
    if mode != "auto":
        return mode
    if free is None:
        return "full"
    room = free + sum(size.placed for size in sizes.values())
    if sum(size.wanted for size in sizes.values()) <= room:
        return "full"
    return "offload" if max(size.wanted for size in sizes.values()) <= room else "sequential"


def network_size(network: nn.Module, device: torch.device) -> NetworkSize:
    """The size of a network, with what quantised weights keep beside them, and of that what lies on the device."""
    kept = [tensor for weight in (*network.parameters(), *network.buffers()) for tensor in _kept(weight)]
    return NetworkSize(
        kept=sum(tensor.nbytes for tensor in kept),
        plain=sum(2 * _count(weight) for weight in network.parameters()),
        placed=sum(tensor.nbytes for tensor in kept if tensor.device.type == device.type),
    )


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device, what this process holds and does not use among them; None where they cannot be
    counted."""
    if device.type != "cuda":
        return None
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def _kept(weight: Tensor) -> Iterator[Tensor]:
    """A weight, and the scales that bitsandbytes keeps beside one of fewer bits."""
    yield weight
    scale = getattr(weight, "SCB", None)
    if isinstance(scale, Tensor):
        yield scale
    state = getattr(weight, "quant_state", None)
    while state is not None:
        yield from (value for value in vars(state).values() if isinstance(value, Tensor))
        state = getattr(state, "state2", None)


def _count(weight: Tensor) -> int:
    """How many numbers a weight stands for; two of four bits share a byte."""
    state = getattr(weight, "quant_state", None)
    return weight.numel() if state is None else prod(state.shape)
