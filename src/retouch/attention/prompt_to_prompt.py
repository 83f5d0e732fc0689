"""Prompt-to-Prompt: a target made with its source's attention, edited word by word."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional

from retouch.attention.borrow import Borrowing, attend_borrowed
from retouch.attention.control import Attend, attending, pairs_of, without_bias
from retouch.attention.cross_edit import CrossEdit
from retouch.attention.layers import cross_layers, keys, output, probabilities, queries, self_layers, values
from retouch.attention.local_blend import LocalBlend
from retouch.attention.words import TimeGate, check_span
from retouch.diffusion.loop import Step

SELF_POSITIONS = 16**2
"""Self-attention of larger maps stays the target's own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Edits:
    """What Prompt-to-Prompt changes (arXiv 2208.01626, algorithm 1).

    `cross` edits cross-attention for the tokens and steps of `gate`; self-attention of up to `self_positions`
    positions is the source's during `self_span`, fractions of the steps; `blend` keeps the rest of the picture.
    """

    cross: CrossEdit
    gate: TimeGate
    self_span: tuple[float, float] = (0.0, 0.4)
    self_positions: int = SELF_POSITIONS
    blend: LocalBlend | None = None

    def __post_init__(self) -> None:
        check_span(self.self_span)


@dataclass(kw_only=True, eq=False)
class _Now:
    """What the step at hand asks for: n pairs, the tokens under control, (L,), and whether self-attention is."""

    pairs: int
    gate: Tensor
    borrows: bool
    edits: bool
    borrowing: dict[int, Borrowing] = field(default_factory=dict)


class PromptToPrompt:
    """The control of Prompt-to-Prompt over a batch of n sources, then their targets, all of the same two texts.

    Only the branch with the text, the last, is changed.
    """

    def __init__(self, edits: Edits) -> None:
        self._edits = edits
        self._now: _Now | None = None

    def over(self, unet: UNet2DConditionModel) -> AbstractContextManager[None]:
        """Hold every attention layer under control."""
        if self._edits.blend is not None:
            self._edits.blend.begin()
        return attending({**self_layers(unet), **cross_layers(unet)}, self._attend)

    def before(self, step: Step, latents: Tensor) -> Tensor:
        """Decide what this step changes. Raises SettingsError where the batch is no sources and targets."""
        gate = self._edits.gate.at(step.index, step.total)
        start, end = (int(step.total * share) for share in self._edits.self_span)
        self._now = _Now(
            pairs=pairs_of(latents),
            gate=gate.to(latents.device),
            borrows=start <= step.index < end,
            edits=bool(gate.any()),
        )
        return latents

    def after(self, step: Step, latents: Tensor) -> Tensor:  # noqa: ARG002
        """Blend, where that is asked for."""
        return latents if self._edits.blend is None else self._edits.blend.blend(latents)

    def _attend(self, name: str) -> Attend:
        middle = name.startswith("mid_block")

        def attend(layer: Attention, hidden: Tensor, read: Tensor, bias: Tensor | None) -> Tensor | None:
            if self._now is None:
                return None
            if layer.is_cross_attention:
                return self._cross(self._now, layer, (hidden, read, bias), seen=not middle)
            return self._self(self._now, layer, hidden, bias)

        return attend

    def _self(self, now: _Now, layer: Attention, hidden: Tensor, bias: Tensor | None) -> Tensor | None:
        if not now.borrows or hidden.shape[1] > self._edits.self_positions:
            return None
        without_bias(bias)
        rows = len(hidden)
        if rows not in now.borrowing:
            targets = rows - now.pairs
            origins = [*range(targets), *range(targets - now.pairs, targets)]
            now.borrowing[rows] = Borrowing.of(origins, hidden.device)
        return attend_borrowed(layer, hidden, now.borrowing[rows])

    def _cross(
        self, now: _Now, layer: Attention, given: tuple[Tensor, Tensor, Tensor | None], *, seen: bool
    ) -> Tensor | None:
        hidden, read, bias = given
        blend = self._edits.blend if seen else None
        if not now.edits and blend is None:
            return None
        query, key, value = queries(layer, hidden), keys(layer, read), values(layer, read)
        told = 2 * now.pairs
        base, own = probabilities(query[-told:], key[-told:], None if bias is None else bias[-told:]).chunk(2)
        if now.edits:
            gate = now.gate.to(own)
            own = self._edits.cross(base, own) * gate + own * (1 - gate)
        maps = torch.cat([base, own])
        if blend is not None:
            blend.see(maps)
        attended = maps @ value[-told:]
        if len(hidden) > told:
            rest = None if bias is None else bias[:-told, None]
            without = functional.scaled_dot_product_attention(query[:-told], key[:-told], value[:-told], rest)
            attended = torch.cat([without, attended])
        return output(layer, attended)
