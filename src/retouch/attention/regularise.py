"""Attention regularised inside a region: kept from tokens that are not of the edit, or drawn to those that are."""

from contextlib import AbstractContextManager

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional

from retouch.attention.control import biasing
from retouch.attention.layers import cross_layers, grid
from retouch.attention.stop_words import STOP_WORDS
from retouch.attention.words import Places, Reader, bare, check_span
from retouch.core.errors import ModelError, SettingsError
from retouch.diffusion.loop import Step

COARSEST = 0.25
"""Layers whose side is more than this share of the latents' are regularised: over 16² at 64², over 8² at 32²."""


class AttendInside:
    """softmax(QKᵀ/√d + B) in cross-attention (LIME, arXiv 2312.09256, section 3.2): B at positions in the region only.

    mask: (B, 1, h, w), of the latents' size; a position is in the region where half of any of its cells is.
    bias: (L,), what is added to the logits of each token; see `avoid` and `favour`.
    coarsest: layers of a side up to this share of the latents' attend as ever.
    span: from and to which fraction of the steps.

    All branches are regularised, at the places of the instruction's tokens, as in the published code.
    Raises SettingsError where `coarsest` is no share or `span` no span.
    """

    def __init__(
        self, mask: Tensor, bias: Tensor, *, coarsest: float = COARSEST, span: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        if not 0 <= coarsest <= 1:
            raise SettingsError(f"The coarsest layers are {coarsest} of the latents' side; give a share from 0 to 1.")
        self._mask, self._bias = (mask >= 0.5).float(), bias
        self._coarsest, self._span = coarsest, check_span(span)
        self._now = True
        self._known: dict[tuple[int, int], Tensor] = {}

    def over(self, unet: UNet2DConditionModel) -> AbstractContextManager[None]:
        """Hold every layer that reads the text; what else controls it attends with the bias."""
        return biasing(cross_layers(unet), self._biased)

    def before(self, step: Step, latents: Tensor) -> Tensor:
        """See whether this step is regularised. Raises SettingsError for a batch other than the masks'."""
        if len(latents) != len(self._mask) or latents.shape[-2:] != self._mask.shape[-2:]:
            shapes = [" x ".join(map(str, tensor.shape)) for tensor in (self._mask, latents)]
            raise SettingsError(f"The masks are {shapes[0]} and the latents {shapes[1]}; give each sample its mask.")
        start, end = self._span
        self._now = start <= step.progress < end
        return latents

    def after(self, step: Step, latents: Tensor) -> Tensor:  # noqa: ARG002
        """Leave the latents as they are."""
        return latents

    def _biased(self, layer: Attention, hidden: Tensor, read: Tensor) -> Tensor | None:  # noqa: ARG002
        rows, positions = hidden.shape[:2]
        height, width = self._mask.shape[-2:]
        if not self._now or not self._mask.any() or positions <= self._coarsest**2 * height * width:
            return None
        if read.shape[1] != len(self._bias):
            raise ModelError(
                f"A layer reads {read.shape[1]} tokens and the text has {len(self._bias)}; take out what adds tokens."
            )
        if (rows, positions) not in self._known:
            inside = _at(self._mask, positions).repeat(rows // len(self._mask), 1)
            self._known[rows, positions] = inside[:, :, None] * self._bias
        return self._known[rows, positions].to(hidden)


def avoid(reader: Reader, text: str, weight: float) -> Tensor:
    """A bias of −weight for all tokens that are not of the edit, (L,): the opening mark, stop words and padding.

    The closing mark, which sums up the text, is kept, as in LIME's published code.
    """
    kept = [*related(reader, text), len(reader.ids(text)) - 1]
    bias = torch.full((reader.length,), -weight)
    bias[kept] = 0.0
    return bias


def favour(reader: Reader, text: str, weight: float) -> Tensor:
    """A bias of +weight for the words of the edit, (L,)."""
    bias = torch.zeros(reader.length)
    bias[list(related(reader, text))] = weight
    return bias


def related(reader: Reader, text: str) -> Places:
    """Where the words of an instruction stand that say what it is about."""
    return tuple(place for word, places in reader.words(text) if bare(word) not in STOP_WORDS for place in places)


def _at(mask: Tensor, positions: int) -> Tensor:
    """Masks (B, 1, h, w) at a layer of so many positions, (B, T): 1 where any cell is in the region."""
    size = (mask.shape[-2], mask.shape[-1])
    return functional.adaptive_max_pool2d(mask, grid(size, positions)).flatten(1)
