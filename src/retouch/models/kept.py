"""What networks made of their inputs, kept by content for as long as the weights stay as they are."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import count
from threading import Lock
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from retouch.models.resident import addresses, takes_turns
from retouch.models.state import Samples, version

LIMIT = 128 * 2**20
"""Bytes that are kept; a picture of 512 x 512 takes 3 MB with its latents."""

_Key = tuple[object, ...]


class Kept:
    """Results of networks by what went in; the least recently used are forgotten beyond `limit` bytes.

    A result counts for the network's weights as they were when it was made: once one of them is changed, moved or
    exchanged it is made anew; a network that takes turns on a device has not moved. Threads may share it; what two ask
    for at once is made twice.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._results: OrderedDict[_Key, Tensor] = OrderedDict()
        self._size = 0
        self._lock = Lock()
        # A number for each network, since Python gives the identity of what is gone to others.
        self._numbers: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()
        self._count = count()
        self._samples: WeakKeyDictionary[nn.Module, tuple[list[int], Samples]] = WeakKeyDictionary()

    def get(self, network: nn.Module, what: str, read: Tensor, make: Callable[[], Tensor]) -> Tensor:
        """What `make` returns for `read`, from an earlier call where there was one; not to be changed in place.

        Args:
            network: what `make` runs.
            what: tells results of one network and input apart.
            read: the input, any shape.
            make: computes the result, without gradients.
        """
        key = (what, self._state(network), _content(read))
        with self._lock:
            found = self._results.get(key)
            if found is not None:
                self._results.move_to_end(key)
                return found
        with torch.no_grad():
            made = make()
        with self._lock:
            if key not in self._results and made.nbytes <= self._limit:
                self._results[key] = made
                self._size += made.nbytes
            while self._size > self._limit:
                self._size -= self._results.popitem(last=False)[1].nbytes
        return made

    def clear(self) -> None:
        """Forget all, so that what is asked for next is made anew."""
        with self._lock:
            self._results.clear()
            self._size = 0

    def _state(self, network: nn.Module) -> _Key:
        with self._lock:
            number = self._numbers.setdefault(network, next(self._count))
        weights = (*network.parameters(), *network.buffers())
        places = addresses(network, weights)
        states = ((at, each.dtype, version(each)) for at, each in zip(places, weights, strict=True))
        return (number, hash(tuple(states)), b"" if takes_turns(network) else self._sampled(network, weights, places))

    def _sampled(self, network: nn.Module, weights: Sequence[Tensor], places: list[int]) -> bytes:
        found = self._samples.get(network)
        if found is None or found[0] != places:
            found = self._samples[network] = (places, Samples(weights))
        return found[1].digest()


def _content(values: Tensor) -> _Key:
    raw = values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
    return (values.device, values.dtype, tuple(values.shape), hashlib.blake2b(raw, digest_size=16).digest())
