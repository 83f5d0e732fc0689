"""The levels of a U-Net that something else than torch computes, those of torch where it does not."""

from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from retouch.models.computed import Computed
from retouch.models.forms import ShortForm, UNetForm
from retouch.models.levels import TorchLevels


class ComputedLevels:
    """See `Levels`; the shortened network is made when it is first needed."""

    def __init__(self, unet: UNet2DConditionModel, fast: Computed, layers: int) -> None:
        self._fast, self._torch, self._layers = fast, TorchLevels(unet, layers), layers
        self._whole, self._short = UNetForm(unet), ShortForm(unet, layers)

    def whole(self, *arguments: Tensor, **named: Any) -> tuple[Tensor, Tensor]:
        """See `Levels`."""
        answers = self._fast.answers(self._whole, (arguments, {**named, "return_dict": False}))
        return self._torch.whole(*arguments, **named) if answers is None else (answers[0], answers[-self._layers])

    def short(self, given: Tensor, *arguments: Tensor, **named: Any) -> Tensor:
        """See `Levels`. Raises ModelError where the shortened network cannot be computed so."""
        answers = self._fast.answers(self._short, ((given, *arguments), {**named, "return_dict": False}))
        return self._torch.short(given, *arguments, **named) if answers is None else answers[0]
