"""Whether a network is as it was: its layers, what is set on them, and its weights."""

import hashlib
import operator
from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

SAMPLES = 8
"""Numbers of each weight that are looked at."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_BY_SIZE = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class AsItWas:
    """A network's layers, and what an answer of theirs depends on: processors, flags, hooks, adapters and weights.

    Of the network itself its `forward` and its hooks may change. Asked at each call, of hundreds of layers, so that the
    lists are made by what Python has in C.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        layers = list(network.modules())
        # Whoever listens inside hears nothing where the layers are not called.
        self._is_heard = any(layer.__dict__[kind] for layer in layers[1:] for kind in _HOOKS)
        self._layers = [layer.__dict__ for layer in layers[1:]]
        own = _own(network)
        self._tables = [each for each in chain(own, *map(dict.values, self._layers)) if isinstance(each, dict)]
        self._parts = self._all_parts()
        self._weights = [*network.parameters(), *network.buffers()]
        self._numbers = self._all_numbers()
        self._samples = Samples(self._weights)
        self._sampled = self._samples.read()

    def still_is(self) -> bool:
        """Whether nothing of it was changed."""
        if self._is_heard:
            return False
        parts = self._all_parts()
        same = len(parts) == len(self._parts) and all(map(operator.is_, parts, self._parts))
        return same and self._all_numbers() == self._numbers and self._samples.read() == self._sampled

    def _all_parts(self) -> list[object]:
        found = _own(self._network)
        found += chain.from_iterable(map(dict.values, self._layers))
        found += chain.from_iterable(map(dict.values, self._tables))
        return found

    def _all_numbers(self) -> list[int]:
        found = list(map(Tensor.data_ptr, self._weights))
        found += map(version, self._weights)
        return found


class Samples:
    """A few numbers of each weight that lies on the CPU, as they are whenever they are read.

    Torch does not count what is written through `weight.data`, which is how LoRAs are fused and averages are copied.
    """

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self._views = [_spread(each) for each in weights if each.device.type == "cpu" and _is_dense(each)]

    def read(self) -> bytes:
        """The bytes of all of them."""
        return b"".join(map(np.ndarray.tobytes, self._views))

    def digest(self) -> bytes:
        """Sixteen bytes that stand for all of them."""
        return hashlib.blake2b(self.read(), digest_size=16).digest()


def version(weight: Tensor) -> int:
    """How often a weight was changed, as far as torch counts; 0 for one of its inference mode, where it does not."""
    return 0 if weight.is_inference() else weight._version


def _own(network: nn.Module) -> list[object]:
    return [value for name, value in network.__dict__.items() if name != "forward" and "hooks" not in name]


def _spread(weight: Tensor) -> "np.ndarray[tuple[int, ...], np.dtype[np.integer]]":
    size = weight.numel()
    raw = weight.detach().as_strided((size,), (1,))
    return raw.view(_BY_SIZE[weight.element_size()]).numpy()[:: -(-size // SAMPLES)]


def _is_dense(weight: Tensor) -> bool:
    """Whether a weight's numbers lie one beside the other, in whatever order, and are of a type that can be read."""
    size, plain = weight.numel(), weight.layout == torch.strided and not weight.is_complex()
    if not size or not plain or weight.element_size() not in _BY_SIZE:
        return False
    return sum((side - 1) * step for side, step in zip(weight.shape, weight.stride(), strict=True)) + 1 == size
