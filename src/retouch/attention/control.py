"""The seam of attention control: processors put into a U-Net for a while, and taken out again exactly."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from retouch.core.errors import ModelError, SettingsError
from retouch.diffusion.loop import Step

Attend = Callable[[Attention, Tensor, Tensor, Tensor | None], Tensor | None]
"""A layer, what it is given, (R, T, C), what it reads, (R, L, D), and what is added to its logits, (R, T, L) or None,
to (R, T, C); None where it is to attend as ever.

R rows are K branches of B samples, branch by branch; the branch with the text is the last.
"""

Bias = Callable[[Attention, Tensor, Tensor], Tensor | None]
"""A layer, what it is given, (R, T, C), and what it reads, (R, L, D), to what is added to its logits, (R, T, L)."""

Addition = Callable[[Attention, Tensor], Tensor | None]
"""A layer and what it is given, (R, T, C), to what is added to its answer, (R, T, C); None where nothing is."""


class Control(Protocol):
    """Changes how a U-Net attends during one denoising of B samples; `before` and `after` are hooks of that loop.

    Where a control is of pairs, a batch holds n sources and then, in the same order, their n targets.
    """

    def over(self, unet: UNet2DConditionModel) -> AbstractContextManager[None]:
        """Hold the U-Net under control; leaving restores its processors, whatever happened meanwhile.

        Raises:
            SettingsError: a layer is under another control already.
            ModelError: a layer attends in a way that control would lose.
        """
        ...

    def before(self, step: Step, latents: Tensor) -> Tensor:
        """Hear which step begins; (B, C, h, w) in and out."""
        ...

    def after(self, step: Step, latents: Tensor) -> Tensor:
        """Mend the latents behind a step; (B, C, h, w) in and out."""
        ...


def attending(layers: Mapping[str, Attention], attend: Callable[[str], Attend]) -> AbstractContextManager[None]:
    """Let each of the layers attend as `attend` says for its name; the processors before are back at the end.

    Raises SettingsError or ModelError as `Control.over` does, before anything is changed.
    """
    return _replaced(layers, lambda name, plain: _Controlled(attend(name), plain), (_Controlled, _Biased, _Added))


def biasing(layers: Mapping[str, Attention], bias: Bias) -> AbstractContextManager[None]:
    """Add to the logits of each of the layers, which may be under a control that attends already.

    Raises SettingsError or ModelError as `Control.over` does, before anything is changed.
    """
    return _replaced(layers, lambda _name, plain: _Biased(bias, plain), (_Biased,))


def adding(layers: Mapping[str, Attention], addition: Callable[[str], Addition]) -> AbstractContextManager[None]:
    """Add to the answer of each of the layers what `addition` says for its name, whatever controls it otherwise.

    Raises SettingsError or ModelError as `Control.over` does, before anything is changed.
    """
    return _replaced(layers, lambda name, plain: _Added(addition(name), plain), (_Added,))


@contextmanager
def _replaced(
    layers: Mapping[str, Attention], make: Callable[[str, Any], Any], refused: tuple[type, ...]
) -> Iterator[None]:
    for name, layer in layers.items():
        _check(name, layer, refused)
    before = {name: layer.get_processor() for name, layer in layers.items()}
    try:
        for name, layer in layers.items():
            _put(layer, make(name, before[name]))
        yield
    finally:
        for name, layer in layers.items():
            _put(layer, before[name])


def without_bias(bias: Tensor | None) -> None:
    """Raise ModelError where something is to be added to the logits of a layer whose logits are not its own."""
    if bias is not None:
        raise ModelError("A layer that borrows its attention was given a bias or a mask, which has no place there.")


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
        read = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        found = self._attend(attn, hidden_states, read, attention_mask)
        return self._plain(attn, hidden_states, encoder_hidden_states, attention_mask) if found is None else found


class _Biased:
    """A processor whose logits are added to, by handing it what diffusers calls an attention mask."""

    def __init__(self, bias: Bias, plain: Any) -> None:
        self._bias = bias
        self._plain = plain

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        read = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        own = self._bias(attn, hidden_states, read)
        if own is not None:
            attention_mask = own if attention_mask is None else attention_mask + own
        return self._plain(attn, hidden_states, encoder_hidden_states, attention_mask)


class _Added:
    """A processor whose answer is added to."""

    def __init__(self, addition: Addition, plain: Any) -> None:
        self._addition = addition
        self._plain = plain

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        answer = self._plain(attn, hidden_states, encoder_hidden_states, attention_mask)
        more = self._addition(attn, hidden_states)
        return answer if more is None else answer + more


def _put(layer: Attention, processor: Any) -> None:
    layer.set_processor(processor)


def _check(name: str, layer: Any, refused: tuple[type, ...]) -> None:
    innermost = layer.processor
    while isinstance(innermost, (_Controlled, _Biased, _Added)):
        if isinstance(innermost, refused):
            raise SettingsError("The U-Net is under a control of attention already; leave that one first.")
        innermost = innermost._plain
    if isinstance(innermost, nn.Module):
        kind = type(innermost).__name__
        raise ModelError(f"The layer {name} attends with weights of its own ({kind}); take them out to control it.")
    extras = (layer.group_norm, layer.spatial_norm, layer.norm_q, layer.norm_k, layer.norm_cross)
    if any(extras) or layer.residual_connection or layer.rescale_output_factor != 1:
        raise ModelError(f"The layer {name} is none of Stable Diffusion 1's; use a model of that family.")
