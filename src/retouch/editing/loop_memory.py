"""The networks of the loop brought to a device in a memory mode."""

import torch

from retouch.core.errors import SettingsError
from retouch.editing.memory_mode import MemoryMode, check_mode, choose_mode, free_memory, network_size
from retouch.editing.technique import Technique
from retouch.models.checkpoint import Checkpoint
from retouch.models.quiet import quiet_libraries
from retouch.models.resident import Turns, take_turns

TENSORS = 6
"""How many of the decoder's widest tensors to leave room for. Three were measured at Stable Diffusion 1.5's size
(`bench/gpu_memory.py`); recorded calls keep about as many again."""


def check_loop_mode(mode: str, device: torch.device, source: str) -> MemoryMode:
    """A memory mode by its name; raises SettingsError where it is unknown, or not for the loop or the device."""
    if mode == "sequential":
        raise SettingsError(
            f"'{source}' is of the Stable-Diffusion-1 family, for which the memory mode offload takes the least; "
            "choose offload in the place of sequential."
        )
    return check_mode(mode, device)


def loading_device(mode: MemoryMode, device: torch.device) -> torch.device:
    """Where to load networks that `settle` will bring to a device: there, or where it is not sure that they may stay,
    on the CPU."""
    return torch.device("cpu") if mode == "offload" or (mode == "auto" and device.type == "cuda") else device


def settle(technique: Technique, mode: MemoryMode, device: torch.device) -> MemoryMode:
    """Bring the networks of a technique to a device, by the mode or by what `auto` comes to; returns that.

    With `offload` those of the checkpoint take turns there; the small ones that read pictures of an object stay.
    """
    chosen = loop_mode(technique, mode, device, free_memory(device))
    own = tuple(technique.checkpoint.modules.values())
    with quiet_libraries():
        for network in technique.readers:
            network.to(device)
        if chosen == "offload":
            take_turns(own, Turns(device))
        else:
            for network in own:
                network.to(device)
    return chosen


def loop_mode(technique: Technique, mode: MemoryMode, device: torch.device, free: int | None) -> MemoryMode:
    """What `auto` is for a technique where so many bytes are free: all networks where they fit with room to compute,
    else one at a time."""
    networks = (*technique.checkpoint.modules.values(), *technique.readers)
    sizes = {str(number): network_size(network, device) for number, network in enumerate(networks)}
    room = None if free is None else free - working_bytes(technique.checkpoint)
    chosen = choose_mode(mode, sizes, room)
    return "offload" if chosen == "sequential" else chosen


def working_bytes(checkpoint: Checkpoint) -> int:
    """Bytes that decoding one picture of the model's own size takes, roughly: the most that an edit of one takes."""
    widths = checkpoint.vae.config["block_out_channels"]
    # The last block of the decoder begins at full size with the channels of the block before.
    widest = max(widths[:2])
    return TENSORS * widest * checkpoint.spec.native_size**2 * checkpoint.vae.dtype.itemsize
