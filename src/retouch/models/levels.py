"""A U-Net computed whole, telling what its finest level was given, or that level alone, which goes on from it."""

import copy
from collections.abc import Mapping
from typing import Any, Protocol

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn


class Levels(Protocol):
    """The two ways of computing a U-Net, whose own arguments are `arguments` and `named`."""

    def whole(self, *arguments: Tensor, **named: Any) -> tuple[Tensor, Tensor]:
        """The answer, and what the finest block of the way up was given, (R, C, h, w)."""
        ...

    def short(self, given: Tensor, *arguments: Tensor, **named: Any) -> Tensor:
        """The answer where the coarser levels gave `given`, (R, C, h, w): the finest level is computed alone."""
        ...


class TorchLevels:
    """The levels of a U-Net as torch computes them, with whatever is put into its layers; it stays as it is."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._whole, self._short = WholeUNet(unet), ShortUNet(unet)

    def whole(self, *arguments: Tensor, **named: Any) -> tuple[Tensor, Tensor]:
        """See `Levels`."""
        return self._whole(*arguments, **named)

    def short(self, given: Tensor, *arguments: Tensor, **named: Any) -> Tensor:
        """See `Levels`."""
        return self._short(given, *arguments, **named)


class WholeUNet(nn.Module):
    """`Levels.whole` over the layers of a U-Net."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        *others, last = unet.up_blocks
        self.unet = copied(unet, up_blocks=nn.ModuleList([*others, _Finest(last)]))

    def forward(self, *arguments: Tensor, **named: Any) -> tuple[Tensor, Tensor]:
        """See `Levels`."""
        return _answer(self.unet, None, arguments, named)


class ShortUNet(nn.Module):
    """`Levels.short` over the layers of a U-Net's finest level."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        first = copied(unet.down_blocks[0], downsamplers=None)
        last = _Finest(unet.up_blocks[-1])
        parts = {"down_blocks": nn.ModuleList([first]), "mid_block": None, "up_blocks": nn.ModuleList([last])}
        self.unet = copied(unet, **parts)

    def forward(self, given: Tensor, *arguments: Tensor, **named: Any) -> Tensor:
        """See `Levels`."""
        return _answer(self.unet, given, arguments, named)[0]


class _Finest(nn.Module):
    """The finest block of the way up, which goes on from what it has; without any, it keeps what comes."""

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


def _answer(unet: Any, given: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """The answer of a U-Net that ends in `_Finest`, and what that one went on from."""
    finest = unet.up_blocks[-1]
    finest.given = given
    try:
        return unet(*arguments, return_dict=False, **named)[0], finest.given
    finally:
        finest.given = None


def copied(network: Any, **parts: nn.Module | None) -> Any:
    """A network that shares all its parts with another, but for some; what stands before its `forward` stays behind."""
    found = copy.copy(network)
    found.__dict__["_modules"] = {**network._modules, **parts}
    found.__dict__.pop("forward", None)
    return found
