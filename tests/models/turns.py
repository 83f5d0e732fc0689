"""A device that is played by copies on the CPU, so that what is there and what stays at home can be told apart."""

import weakref
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class PlayedDevice:
    """Copies weights as a device would hold them, counts the bytes that live there, and has so much `room`."""

    def __init__(self, room: int = 2**40) -> None:
        self.room, self.held, self.most, self.brought = room, 0, 0, 0
        self._true: dict[int, Tensor] = {}

    def spoil(self, networks: Iterable[nn.Module]) -> None:
        """Leave no numbers at home, and the true ones here: who computes with a network that was not brought shows."""
        for weight in (each for network in networks for each in network.parameters()):
            self._true[weight.data_ptr()] = weight.detach().clone()
            weight.data.fill_(torch.nan)

    def __call__(self, weight: Tensor) -> Tensor:
        """Bring a weight."""
        if self.held + weight.nbytes > self.room:
            raise torch.OutOfMemoryError("no room")
        copied = self._true.get(weight.data_ptr(), weight).clone()
        weakref.finalize(copied.untyped_storage(), self._freed, weight.nbytes)
        self.brought += 1
        self.held += weight.nbytes
        self.most = max(self.most, self.held)
        return copied

    def _freed(self, size: int) -> None:
        self.held -= size
