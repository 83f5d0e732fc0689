"""Changes of a network of low rank that stand beside its weights: put in for as long as they are wanted.

Of a layer y = W·x they make y = W·x + B·(A·x), with A of (rank, inputs) and B of (outputs, rank), as LoRA has it
(arXiv 2106.09685, section 4.1). They are written by the names of `models.delta`, which can add them up for good.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from retouch.core.errors import ModelError
from retouch.models.delta import DOWN, UP

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
"""The projections of attention, by the end of their names."""
_WEIGHT = ".weight"


class LowRank(nn.Module):
    """Changes of the layers of one network, by the layers' names; put in nowhere until `within` is entered."""

    def __init__(self, parts: Mapping[str, Tensor]) -> None:
        """Take changes as `parts` gives them.

        Raises:
            ModelError: a part is not of low rank, or lacks its other half.
        """
        super().__init__()
        self.up, self.down = nn.ParameterDict(), nn.ParameterDict()
        for name, tensor in parts.items():
            layer, kind = name.removesuffix(UP).removesuffix(DOWN), UP if name.endswith(UP) else DOWN
            if layer == name or not layer.endswith(_WEIGHT) or layer + (DOWN if kind == UP else UP) not in parts:
                raise ModelError(f"The change '{name}' is not one of low rank with both its halves; restore the file.")
            (self.up if kind == UP else self.down)[_key(layer)] = nn.Parameter(tensor.clone())

    @classmethod
    def fresh(cls, network: nn.Module, *, rank: int, seed: int, ends: Sequence[str] = ATTENTION) -> "LowRank":
        """Changes that change nothing yet, of every linear layer and convolution whose name is one of `ends`' ends.

        A is Gaussian of deviation 1/rank, B is 0.
        """
        generator = torch.Generator().manual_seed(seed)
        parts: dict[str, Tensor] = {}
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d) and any(f".{name}".endswith(f".{end}") for end in ends):
                outputs, inputs = layer.weight.flatten(1).shape
                parts[name + _WEIGHT + DOWN] = torch.randn(rank, inputs, generator=generator) / rank
                parts[name + _WEIGHT + UP] = torch.zeros(outputs, rank)
        return cls(parts)

    @property
    def rank(self) -> int:
        """The highest of all layers."""
        return max((down.shape[0] for down in self.down.values()), default=0)

    def parts(self) -> dict[str, Tensor]:
        """The changes by name, as `apply_delta` takes them: `<layer>.weight.up` and `<layer>.weight.down`."""
        halves = ((UP, self.up), (DOWN, self.down))
        return {_name(key) + suffix: half[key].detach() for suffix, half in halves for key in half}

    def check(self, network: nn.Module) -> None:
        """Raise ModelError where the network lacks a layer that is changed, or has it in another shape."""
        layers = dict(network.named_modules())
        for key, up in self.up.items():
            name = _name(key)
            layer = layers.get(name.removesuffix(_WEIGHT))
            shape = (up.shape[0], self.down[key].shape[1])
            if not isinstance(layer, nn.Linear | nn.Conv2d) or layer.weight.flatten(1).shape != shape:
                found = "which the U-Net does not have" if layer is None else "which is of another shape there"
                raise ModelError(
                    f"The changes are of '{name}' with {shape[1]} inputs and {shape[0]} outputs, {found}; load them "
                    "over a model like the one they were trained over."
                )

    @contextmanager
    def within(self, network: nn.Module) -> Iterator[None]:
        """Within, the network has the changes; after, it is what it was. Its weights are not touched."""
        layers = dict(network.named_modules())
        with ExitStack() as stack:
            for key in self.up:
                layer = layers[_name(key).removesuffix(_WEIGHT)]
                stack.callback(layer.register_forward_hook(self._changing(key)).remove)
            yield

    def _changing(self, key: str) -> Any:
        def changed(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            seen, up, down = inputs[0], self.up[key].to(output.dtype), self.down[key].to(output.dtype)
            if isinstance(layer, nn.Conv2d):
                shaped = down.view(-1, *layer.weight.shape[1:])
                low = functional.conv2d(seen, shaped, None, layer.stride, layer.padding, layer.dilation)  # pyright: ignore[reportArgumentType]
                return output + functional.conv2d(low, up[:, :, None, None])
            return output + functional.linear(functional.linear(seen, down), up)

        return changed


def _key(name: str) -> str:
    # Parameters may have no dots in their names.
    return name.replace(".", "/")


def _name(key: str) -> str:
    return key.replace("/", ".")
