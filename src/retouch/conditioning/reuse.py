"""Deep features of a U-Net kept from one step for the next ones, which compute its finest layers alone (DeepCache).

What a U-Net computes in its deep layers changes little between neighbouring steps (Ma, Fang and Wang, 2023,
arXiv 2312.00858): every n-th step is computed whole, those between take what the finest layers were given then.
"""

from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from retouch.core.settings import ALL_FINE_LAYERS
from retouch.models.computed import computed
from retouch.models.computed_levels import ComputedLevels
from retouch.models.levels import Levels, TorchLevels, fine_layers


class DeepFeatures:
    """A U-Net of two levels or more that computes every `every`-th call whole, and all calls whose rows are others.

    The calls between compute the last `layers` of the way up, of the finest level at most.
    """

    def __init__(self, unet: UNet2DConditionModel, every: int, layers: int = ALL_FINE_LAYERS) -> None:
        self._levels, self._every = _levels(unet, min(layers, fine_layers(unet))), every
        self._rows: object = None
        self._since = 0
        self._given: Tensor | None = None

    def __call__(self, rows: object, *arguments: Tensor, **named: Any) -> Tensor:
        """The U-Net's answer; `rows` says what the rows of the batch are, and equals itself where they are the same."""
        self._since += 1
        if self._given is not None and rows == self._rows and self._since < self._every:
            return self._levels.short(self._given, *arguments, **named)
        # Not kept beside the new ones while they are computed.
        self._given, self._rows, self._since = None, rows, 0
        answer, self._given = self._levels.whole(*arguments, **named)
        return answer


def _levels(unet: UNet2DConditionModel, layers: int) -> Levels:
    fast = computed(unet)
    return TorchLevels(unet, layers) if fast is None else ComputedLevels(unet, fast, layers)
