"""Bringing a batch to where it is computed without waiting for what is computed there now."""

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on `device`; to a GPU it goes through pinned memory, so that the CPU can go on with the next batch."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
