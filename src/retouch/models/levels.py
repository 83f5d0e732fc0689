"""A U-Net computed whole, telling what its finest layers were given, or those alone, which go on from it."""

import copy
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, Protocol

from diffusers.models.unets.unet_2d_blocks import CrossAttnDownBlock2D, CrossAttnUpBlock2D, DownBlock2D, UpBlock2D
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

IN_A_ROW = (DownBlock2D, CrossAttnDownBlock2D, UpBlock2D, CrossAttnUpBlock2D)
"""Blocks whose layers follow one another, so that they can be parted."""


class Levels(Protocol):
    """The two ways of computing a U-Net, whose own arguments are `arguments` and `named`."""

    def whole(self, *arguments: Tensor, **named: Any) -> tuple[Tensor, Tensor]:
        """The answer, and what the finest layers of the way up were given, (R, C, h, w)."""
        ...

    def short(self, given: Tensor, *arguments: Tensor, **named: Any) -> Tensor:
        """The answer where all before gave `given`, (R, C, h, w): the finest layers are computed alone."""
        ...


class TorchLevels:
    """The last `layers` of the way up, of `fine_layers`, as torch computes them, with whatever is put into them; the
    U-Net stays as it is."""

    def __init__(self, unet: UNet2DConditionModel, layers: int) -> None:
        before = fine_layers(unet) - layers
        self._whole = WholeUNet(unet, [before, layers] if before else [layers])
        self._short = ShortUNet(unet, layers)

    def whole(self, *arguments: Tensor, **named: Any) -> tuple[Tensor, Tensor]:
        """See `Levels`."""
        answer, *_, given = self._whole(*arguments, **named)
        return answer, given

    def short(self, given: Tensor, *arguments: Tensor, **named: Any) -> Tensor:
        """See `Levels`."""
        return self._short(given, *arguments, **named)


class WholeUNet(nn.Module):
    """The whole U-Net, its finest block of the way up in parts of so many layers: its answer, what each was given."""

    def __init__(self, unet: UNet2DConditionModel, parts: Sequence[int]) -> None:
        super().__init__()
        *others, last = unet.up_blocks
        self._parts = len(parts)
        bounds = pairwise(accumulate(parts, initial=0))
        finest = [last] if len(parts) == 1 else [_part(last, start, stop) for start, stop in bounds]
        self.unet = copied(unet, up_blocks=nn.ModuleList([*others, *map(_Keeping, finest)]))

    def forward(self, *arguments: Tensor, **named: Any) -> tuple[Tensor, ...]:
        """The answer, then (R, C, h, w) for each part."""
        return _answers(self.unet, self._parts, None, arguments, named)


class ShortUNet(nn.Module):
    """`Levels.short`: the last `layers` of a U-Net's way up, of `fine_layers`, and what they need of its way down."""

    def __init__(self, unet: UNet2DConditionModel, layers: int) -> None:
        super().__init__()
        first, last = unet.down_blocks[0], unet.up_blocks[-1]
        count = fine_layers(unet)
        if layers < count:
            # The last layer joins what comes into the U-Net, the one before it the first layer's answer, and so on.
            first = _part(first, 0, layers - 1)
            last = _part(last, count - layers, count)
        down = [copied(first, downsamplers=None)] if layers > 1 or count == 1 else []
        parts = {"down_blocks": nn.ModuleList(down), "mid_block": None, "up_blocks": nn.ModuleList([_Keeping(last)])}
        self.unet = copied(unet, **parts)

    def forward(self, given: Tensor, *arguments: Tensor, **named: Any) -> Tensor:
        """See `Levels`."""
        return _answers(self.unet, 1, given, arguments, named)[0]


def fine_layers(unet: UNet2DConditionModel) -> int:
    """Into how many layers the finest level can be parted, counted on its way up; 1 where they are not in a row."""
    first: Any = unet.down_blocks[0]
    last: Any = unet.up_blocks[-1]
    in_a_row = type(first) in IN_A_ROW and type(last) in IN_A_ROW
    return len(last.resnets) if in_a_row and len(last.resnets) == len(first.resnets) + 1 else 1


class _Keeping(nn.Module):
    """Layers of the finest block of the way up, which go on from what they have; without any, they keep what comes."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.block = block
        self.has_cross_attention = getattr(block, "has_cross_attention", False)
        self.given: Tensor | None = None

    @property
    def resnets(self) -> Any:
        """The block's, which say how many tensors it takes of the way down."""
        return self.block.resnets

    def forward(self, hidden_states: Tensor, **named: Any) -> Tensor:
        if self.given is None:
            self.given = hidden_states
        return self.block(hidden_states=self.given, **named)


def _part(block: Any, start: int, stop: int) -> Any:
    """A block of some layers of another."""
    names = [name for name in ("resnets", "attentions") if isinstance(getattr(block, name, None), nn.ModuleList)]
    return copied(block, **{name: getattr(block, name)[start:stop] for name in names})


def _answers(
    unet: Any, parts: int, given: Tensor | None, arguments: tuple[Any, ...], named: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The answer of a U-Net that ends in so many `_Keeping`, and what those went on from."""
    finest = unet.up_blocks[-parts:]
    finest[0].given = given
    try:
        return unet(*arguments, return_dict=False, **named)[0], *(each.given for each in finest)
    finally:
        for each in finest:
            each.given = None


def copied(network: Any, **parts: nn.Module | None) -> Any:
    """A network that shares all its parts with another, but for some; what stands before its `forward` stays behind."""
    found = copy.copy(network)
    found.__dict__["_modules"] = {**network._modules, **parts}
    found.__dict__.pop("forward", None)
    return found
