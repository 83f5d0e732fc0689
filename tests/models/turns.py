"""A device that is played by copies on the CPU, so that what is there and what stays at home can be told apart."""

import weakref

import torch
from torch import Tensor


class PlayedDevice:
    """Copies weights as a device would hold them, counts the bytes that live there, and has so much `room`."""

    def __init__(self, room: int = 2**40) -> None:
        self.room, self.held, self.most, self.brought = room, 0, 0, 0

    def __call__(self, weight: Tensor) -> Tensor:
        """Bring a weight."""
        if self.held + weight.nbytes > self.room:
            raise torch.OutOfMemoryError("no room")
        copied = weight.clone()
        weakref.finalize(copied.untyped_storage(), self._freed, weight.nbytes)
        self.brought += 1
        self.held += weight.nbytes
        self.most = max(self.most, self.held)
        return copied

    def _freed(self, size: int) -> None:
        self.held -= size
