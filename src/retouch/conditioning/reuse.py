"""Deep features of a U-Net kept from one step for the next ones, which compute its finest level alone (DeepCache).

What a U-Net computes at its coarser levels changes little between neighbouring steps (Ma, Fang and Wang, 2023,
arXiv 2312.00858): every n-th step is computed whole, those between take what the finest level was given then.
"""

import copy
from collections.abc import Mapping
from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn


class DeepFeatures:
    """A U-Net of two levels or more that computes every `every`-th call whole, and all calls whose rows are others.

    What computes the network otherwise than torch tells nothing of its insides; then every call is whole.
    """

    def __init__(self, unet: UNet2DConditionModel, every: int) -> None:
        self._unet, self._every = unet, every
        self._short = _shortened(unet, _Resumed(unet.up_blocks[-1], self))
        self._rows: object = None
        self._since = 0
        self.given: Tensor | None = None
        """What the finest level was given in the last whole call, (R, C, h, w)."""

    def __call__(self, rows: object, *arguments: Tensor, named: Mapping[str, Any]) -> Tensor:
        """The U-Net's answer; `rows` says what the rows of the batch are, and equals itself where they are the same."""
        self._since += 1
        if self.given is not None and rows == self._rows and self._since < self._every:
            return self._short(*arguments, return_dict=False, **named)[0]
        self.given, self._rows, self._since = None, rows, 0
        hook = self._unet.up_blocks[-1].register_forward_pre_hook(self._note, with_kwargs=True)
        try:
            return self._unet(*arguments, return_dict=False, **named)[0]
        finally:
            hook.remove()

    def _note(self, _block: nn.Module, arguments: tuple[Tensor, ...], named: Mapping[str, Tensor]) -> None:
        self.given = named["hidden_states"] if "hidden_states" in named else arguments[0]


class _Resumed(nn.Module):
    """The finest block of the way up, which goes on from the features that are kept."""

    def __init__(self, block: Any, features: DeepFeatures) -> None:
        super().__init__()
        self.resnets = block.resnets
        self.has_cross_attention = getattr(block, "has_cross_attention", False)
        # A module that is assigned as it is would count as a part, and its features as a loop.
        self._others = (block, features)

    def forward(self, hidden_states: Tensor, **named: Any) -> Tensor:
        """Leave out what came, which is of the finest level's way down."""
        del hidden_states
        block, features = self._others
        return block(hidden_states=features.given, **named)


def _shortened(unet: UNet2DConditionModel, last: _Resumed) -> UNet2DConditionModel:
    """A U-Net of the same weights that goes down and up its finest level alone."""
    first = _copied(unet.down_blocks[0], downsamplers=None)
    parts = {"down_blocks": nn.ModuleList([first]), "mid_block": None, "up_blocks": nn.ModuleList([last])}
    return _copied(unet, **parts)


def _copied(network: Any, **parts: nn.Module | None) -> Any:
    """A network that shares all its parts with another, but for some."""
    copied = copy.copy(network)
    copied.__dict__["_modules"] = {**network._modules, **parts}
    # Where something else computes the network, it has put itself before the method.
    copied.__dict__.pop("forward", None)
    return copied
