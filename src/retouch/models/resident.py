"""Networks that take turns on a device: the one that computes lies there, the others wait on the CPU."""

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from retouch.models.state import version

CPU = torch.device("cpu")
COMPUTED_IN = (torch.float32, torch.bfloat16, torch.float16)
"""Types of weights that networks compute in as they are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Stay:
    """A weight that was brought to the device: the numbers that stayed on the CPU, and how it was when it came."""

    weight: Tensor
    home: Tensor
    address: int
    version: int

    @property
    def is_as_it_came(self) -> bool:
        return version(self.weight) == self.version and self.weight.data_ptr() == self.address


class Turns:
    """One device and the networks that take turns on it; see `take_turns`.

    A network's weights stay on the CPU while copies of them are on the device, so that going away costs nothing; those
    that were changed there are taken back. The parameters themselves remain the same objects. Of several threads one
    computes at a time.
    """

    def __init__(self, device: torch.device, carry: Callable[[Tensor], Tensor] | None = None) -> None:
        """Take the device, and what copies a weight to it where that is not plain copying."""
        self.device = device
        self._carry = carry or (lambda weight: weight.to(device))
        self._lock = RLock()
        self._here: weakref.ref[nn.Module] | None = None
        self._stays: dict[int, _Stay] = {}

    @contextmanager
    def holding(self, network: nn.Module) -> Iterator[torch.device]:
        """Have the network on the device, and no other, while the block runs; it stays until another one comes."""
        with self._lock:
            if self._here is None or self._here() is not network:
                self._leave()
                self._bring(network)
            yield self.device

    def address(self, weight: Tensor) -> int:
        """Where a weight lies on the CPU, or where it is if it has no place there."""
        stay = self._stays.get(id(weight))
        return stay.home.data_ptr() if stay is not None and stay.is_as_it_came else weight.data_ptr()

    def _bring(self, network: nn.Module) -> None:
        self._here = weakref.ref(network)
        try:
            for weight in _weights(network):
                home = weight.data
                weight.data = self._carry(home)
                stay = _Stay(weight=weight, home=home, address=weight.data_ptr(), version=version(weight))
                self._stays[id(weight)] = stay
        except BaseException:
            # Where memory does not suffice, no network may lie in two places.
            self._leave()
            raise

    def _leave(self) -> None:
        network = None if self._here is None else self._here()
        self._here = None
        for weight in () if network is None else _weights(network):
            stay = self._stays.get(id(weight))
            weight.data = stay.home if stay is not None and stay.is_as_it_came else weight.data.to(CPU)
        self._stays.clear()
        if network is not None and self.device.type == "cuda":
            torch.cuda.empty_cache()


_TURNS: "WeakKeyDictionary[nn.Module, Turns]" = WeakKeyDictionary()


def take_turns(networks: Iterable[nn.Module], turns: Turns) -> None:
    """Let networks, which are brought to the CPU, take turns from now on.

    Whatever computes with one of them does so within `ready`. Copies of a network are networks of their own, which take
    no turns.
    """
    for network in networks:
        network.to(CPU)
        _TURNS[network] = turns


def takes_turns(network: nn.Module) -> bool:
    """Whether a network lies on its device only while it computes."""
    return network in _TURNS


@contextmanager
def ready(network: nn.Module) -> Iterator[torch.device]:
    """Have a network where it computes while the block runs, and say where that is; not to be nested for others."""
    turns = _TURNS.get(network)
    if turns is None:
        yield device_of(network)
        return
    with turns.holding(network) as device:
        yield device


def device_of(network: nn.Module) -> torch.device:
    """Where a network computes, wherever it lies; the CPU for one without weights."""
    turns = _TURNS.get(network)
    if turns is not None:
        return turns.device
    weight = next(network.parameters(), None)
    return CPU if weight is None else weight.device


def dtype_of(network: nn.Module) -> torch.dtype:
    """The type a network computes in."""
    found = next((each.dtype for each in network.parameters() if each.is_floating_point()), torch.float32)
    # What diffusers keeps in fewer bits it computes in another type, which its own `dtype` looks for in all layers.
    return found if found in COMPUTED_IN else cast(Any, network).dtype


def addresses(network: nn.Module, weights: Sequence[Tensor]) -> list[int]:
    """Where the weights of a network lie, the same before, during and after its turns."""
    turns = _TURNS.get(network)
    return [weight.data_ptr() if turns is None else turns.address(weight) for weight in weights]


def _weights(network: nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()
