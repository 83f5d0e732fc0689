"""The seam of attention control: processors put into a U-Net for a while, and taken out again exactly."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from retouch.core.errors import ModelError, SettingsError
from retouch.diffusion.loop import Step

Attend = Callable[[Attention, Tensor, Tensor], Tensor | None]
"""A layer, what it is given, (R, T, C), and what it reads, (R, L, D), to (R, T, C); None where it is to attend as ever.

R rows are K branches of B samples, branch by branch; the branch with the text is the last.
"""


class Control(Protocol):
    """Changes how a U-Net attends during one denoising; `before` and `after` are hooks of that loop.

    A batch holds n sources and then, in the same order, their n targets.
    """

    def over(self, unet: UNet2DConditionModel) -> AbstractContextManager[None]:
        """Hold the U-Net under control; leaving restores its processors, whatever happened meanwhile.

        Raises:
            SettingsError: a layer is under another control already.
            ModelError: a layer attends in a way that control would lose.
        """
        ...

    def before(self, step: Step, latents: Tensor) -> Tensor:
        """Hear which step begins; (2n, C, h, w) in and out."""
        ...

    def after(self, step: Step, latents: Tensor) -> Tensor:
        """Mend the latents behind a step; (2n, C, h, w) in and out."""
        ...


@contextmanager
def attending(layers: Mapping[str, Attention], attend: Callable[[str], Attend]) -> Iterator[None]:
    """Let each of the layers attend as `attend` says for its name; the processors before are back at the end.

    Raises SettingsError or ModelError as `Control.over` does, before anything is changed.
    """
    for name, layer in layers.items():
        _check(name, layer)
    before = {name: layer.get_processor() for name, layer in layers.items()}
    try:
        for name, layer in layers.items():
            _put(layer, _Controlled(attend(name), before[name]))
        yield
    finally:
        for name, layer in layers.items():
            _put(layer, before[name])


def pairs_of(latents: Tensor, *, expected: int | None = None) -> int:
    """How many pairs a batch of sources and their targets, (2n, C, h, w), holds.

    Raises SettingsError where it is no such batch, or not of `expected` pairs.
    """
    count, odd = divmod(len(latents), 2)
    if odd or expected not in (None, count):
        wanted = "an even number" if expected is None else str(2 * expected)
        raise SettingsError(
            f"The control of attention got {len(latents)} samples, expected {wanted}: the sources, then their targets."
        )
    return count


class _Controlled:
    """A processor under control, which leaves to the one that was there what the control does not change."""

    def __init__(self, attend: Attend, plain: Any) -> None:
        self._attend = attend
        self._plain = plain

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        if attention_mask is not None:
            raise ModelError("A layer under control was given an attention mask, which no control knows; leave it out.")
        read = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        found = self._attend(attn, hidden_states, read)
        return self._plain(attn, hidden_states, encoder_hidden_states) if found is None else found


def _put(layer: Attention, processor: Any) -> None:
    layer.set_processor(processor)


def _check(name: str, layer: Any) -> None:
    if isinstance(layer.processor, _Controlled):
        raise SettingsError("The U-Net is under a control of attention already; leave that one first.")
    if isinstance(layer.processor, nn.Module):
        kind = type(layer.processor).__name__
        raise ModelError(f"The layer {name} attends with weights of its own ({kind}); take them out to control it.")
    extras = (layer.group_norm, layer.spatial_norm, layer.norm_q, layer.norm_k, layer.norm_cross)
    if any(extras) or layer.residual_connection or layer.rescale_output_factor != 1:
        raise ModelError(f"The layer {name} is none of Stable Diffusion 1's; use a model of that family.")
