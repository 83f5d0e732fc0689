"""Attention swap: for the first part of the steps the target attends to itself as the source does."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from retouch.attention.borrow import Borrowing, attend_borrowed
from retouch.attention.control import attending, pairs_of, without_bias
from retouch.attention.layers import self_layers
from retouch.core.errors import SettingsError
from retouch.diffusion.loop import Step


class AttentionSwap:
    """The control that InstructPix2Pix made its pairs with (arXiv 2211.09800, section 3.1.2, and its code).

    At step i of N, in every self-attention layer and every branch, the logits of a target become those of its
    source where p > i / (N − 1): at p = 0 never, above 1 always. `shares` are p, one for each of n pairs; a batch
    holds n sources, then their targets. What it calls Prompt-to-Prompt is not the one of `prompt_to_prompt`.

    Raises SettingsError where there is no share, or one is negative or not finite.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        wrong = [share for share in shares if not (math.isfinite(share) and share >= 0)]
        if wrong or not shares:
            raise SettingsError(
                f"The shares of swapped steps are {list(shares)}; give each pair a number of 0 or more, such as 0.5."
            )
        self._shares = tuple(shares)
        self._swapped: tuple[int, ...] = ()
        self._borrowing: dict[int, Borrowing] = {}

    def over(self, unet: UNet2DConditionModel) -> AbstractContextManager[None]:
        """Hold every self-attention layer under control."""
        return attending(self_layers(unet), lambda _name: self._attend)

    def before(self, step: Step, latents: Tensor) -> Tensor:
        """Decide which pairs swap in this step. Raises SettingsError for a batch of another size."""
        pairs_of(latents, expected=len(self._shares))
        done = step.index / max(step.total - 1, 1)
        swapped = tuple(place for place, share in enumerate(self._shares) if share > done)
        if swapped != self._swapped:
            self._swapped, self._borrowing = swapped, {}
        return latents

    def after(self, step: Step, latents: Tensor) -> Tensor:  # noqa: ARG002
        """Leave the latents as they are."""
        return latents

    def _attend(self, layer: Attention, hidden: Tensor, read: Tensor, bias: Tensor | None) -> Tensor | None:  # noqa: ARG002
        if not self._swapped:
            return None
        without_bias(bias)
        return attend_borrowed(layer, hidden, self._origins(len(hidden), hidden.device))

    def _origins(self, rows: int, device: torch.device) -> Borrowing:
        if rows not in self._borrowing:
            pairs = len(self._shares)
            origins = list(range(rows))
            for branch in range(0, rows, 2 * pairs):
                for place in self._swapped:
                    origins[branch + pairs + place] = branch + place
            self._borrowing[rows] = Borrowing.of(origins, device)
        return self._borrowing[rows]
