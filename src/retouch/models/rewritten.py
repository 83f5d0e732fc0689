"""Layers of a network in forms of fewer operations, or that something computes faster, with the same answers."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from typing import Any, TypeGuard, TypeVar, cast

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention_processor import Attention, AttnProcessor2_0, FusedAttnProcessor2_0
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.nn import functional

Layer = TypeVar("Layer", bound=nn.Module)


def rewrite_for_openvino(network: nn.Module) -> None:
    """Put such layers into a network, which is the caller's own copy."""
    for block in list(network.modules()):
        for name, layer in list(block.named_children()):
            if _is_plain(layer, GEGLU) and _is_plain(layer.proj, nn.Linear):
                setattr(block, name, _Gated(layer))
            elif isinstance(layer, Upsample2D) and (conv := _plain_convolution(layer)) is not None:
                setattr(block, name, _Upsampling(conv))


@torch.no_grad()
def rewritten_for_gpu(network: nn.Module) -> nn.Module:
    """A copy of a network with such layers for a compiler; it shares the weights of all others."""
    weights = (*network.parameters(), *network.buffers())
    copied = deepcopy(network, {id(each): each for each in weights})
    for block in list(copied.modules()):
        if type(block) is Attention and _attends_to_itself(block):
            block.fuse_projections()
            cast(Any, block).set_processor(FusedAttnProcessor2_0())
        for name, layer in list(block.named_children()):
            if isinstance(layer, Upsample2D) and (conv := _plain_convolution(layer)) is not None:
                setattr(block, name, _UpsamplingAtOnce(conv))
    return copied


class _Upsampling(nn.Module):
    """Nearest-neighbour upsampling by 2 and then a convolution of 3 by 3, as four convolutions of 2 by 2 before it.

    Of the nine cells that a cell of the result is made of, those that are copies of one another are read once, with the
    sum of their weights: which ones depends on whether its row and its column are even or odd. Four of nine
    multiplications are left.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.bias = conv.bias
        self.weights = nn.ParameterList(map(nn.Parameter, _weights_by_parity(conv)))

    def forward(self, hidden_states: Tensor, output_size: object = None) -> Tensor:
        """(R, C, h, w) to (R, C, 2 h, 2 w); no other `output_size`."""
        assert output_size is None
        found = [
            functional.conv2d(functional.pad(hidden_states, (1 - column, column, 1 - row, row)), weight, self.bias)
            for (row, column), weight in zip(PARITIES, self.weights, strict=True)
        ]
        return functional.pixel_shuffle(torch.stack(found, dim=2).flatten(1, 2), 2)


class _UpsamplingAtOnce(nn.Module):
    """The same in one convolution, of four times the channels, whose weights and answers lie channels last.

    It answers for one more row and column than there are; each parity leaves out another of the ends.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = torch.cat(list(_weights_by_parity(conv)))
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = conv.bias

    def forward(self, hidden_states: Tensor, output_size: object = None) -> Tensor:
        """(R, C, h, w) to (R, C, 2 h, 2 w); no other `output_size`."""
        assert output_size is None
        rows, _, height, width = hidden_states.shape
        answers = functional.conv2d(hidden_states, self.weight, padding=1).permute(0, 2, 3, 1).chunk(4, dim=-1)
        parts = [
            answer[:, row : row + height, column : column + width]
            for (row, column), answer in zip(PARITIES, answers, strict=True)
        ]
        found = torch.stack([torch.stack(parts[:2], dim=3), torch.stack(parts[2:], dim=3)], dim=2)
        found = found.reshape(rows, 2 * height, 2 * width, -1)
        return (found if self.bias is None else found + self.bias).permute(0, 3, 1, 2)


PARITIES = tuple(product((0, 1), repeat=2))
"""Of a cell's row and column in the result."""


class _Gated(nn.Module):
    """`GEGLU` with its two halves as products of their own: to part one product's result takes a copy."""

    def __init__(self, layer: GEGLU) -> None:
        super().__init__()
        bias = layer.proj.bias
        weights = [nn.Parameter(half.clone()) for half in layer.proj.weight.detach().chunk(2)]
        biases = [None, None] if bias is None else [nn.Parameter(half.clone()) for half in bias.detach().chunk(2)]
        self.value, self.gate = map(_linear, weights, biases)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(…, D) to (…, E)."""
        return self.value(hidden_states) * functional.gelu(self.gate(hidden_states))


def _weights_by_parity(conv: nn.Conv2d) -> Iterator[Tensor]:
    """The weights (D, C, 2, 2) for each of `PARITIES`."""
    weight = conv.weight.detach()
    for row, column in PARITIES:
        yield _summed(_summed(weight.float(), 2, row), 3, column).to(weight.dtype)


def _summed(weight: Tensor, axis: int, parity: int) -> Tensor:
    """Three weights along an axis as two: the last two together for an even cell, the first two for an odd one."""
    first, middle, last = weight.unbind(axis)
    return torch.stack([first + middle, last] if parity else [first, middle + last], axis)


def _attends_to_itself(block: Attention) -> bool:
    """Whether query, key and value are plain products of the same input."""
    layers = (block.to_q, block.to_k, block.to_v)
    plain = type(block.processor) is AttnProcessor2_0 and all(_is_plain(each, nn.Linear) for each in layers)
    return plain and not block.is_cross_attention


def _plain_convolution(layer: Upsample2D) -> nn.Conv2d | None:
    """The convolution of 3 by 3 that upsampling is followed by, where it is that and nothing else."""
    conv = getattr(layer, "conv", None)
    if not _is_plain(layer, Upsample2D) or not _is_plain(conv, nn.Conv2d) or not layer.interpolate or layer.norm:
        return None
    rest = (conv.kernel_size, conv.padding, conv.padding_mode, conv.stride, conv.dilation, conv.groups)
    return conv if rest == ((3, 3), (1, 1), "zeros", (1, 1), (1, 1), 1) else None


def _is_plain(layer: Any, kind: type[Layer]) -> TypeGuard[Layer]:
    """Whether a layer is of this kind and no other, such as one with an adapter, and nobody listens to it."""
    return type(layer) is kind and not layer._forward_hooks and not layer._forward_pre_hooks


def _linear(weight: nn.Parameter, bias: nn.Parameter | None) -> nn.Linear:
    found = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    found.weight = weight
    if bias is not None:
        found.bias = bias
    return found
