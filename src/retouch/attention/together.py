"""Several controls of attention at once."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from retouch.attention.control import Control
from retouch.diffusion.loop import Step


class Together:
    """Controls entered in order, their hooks in the same order.

    One that only adds to logits comes after one that says how to attend, which then takes what is added into account.
    """

    def __init__(self, *controls: Control) -> None:
        self._controls = controls

    def over(self, unet: UNet2DConditionModel) -> AbstractContextManager[None]:
        """Hold the U-Net under all of them; raises as `Control.over` does."""
        return self._over(unet)

    @contextmanager
    def _over(self, unet: UNet2DConditionModel) -> Iterator[None]:
        with ExitStack() as stack:
            for control in self._controls:
                stack.enter_context(control.over(unet))
            yield

    def before(self, step: Step, latents: Tensor) -> Tensor:
        """Each control's hook; (B, C, h, w) in and out."""
        for control in self._controls:
            latents = control.before(step, latents)
        return latents

    def after(self, step: Step, latents: Tensor) -> Tensor:
        """Each control's hook; (B, C, h, w) in and out."""
        for control in self._controls:
            latents = control.after(step, latents)
        return latents
