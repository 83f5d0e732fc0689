"""Reweighting: how much single words of the target count."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.attention.cross_edit import CrossEdit
from retouch.attention.words import Reader
from retouch.core.errors import SettingsError


@dataclass(frozen=True, kw_only=True, eq=False)
class Reweight:
    """Attention re-weighting of Prompt-to-Prompt (arXiv 2208.01626, section 3.2): new_n = previous_n·c_n.

    What comes before is another edit, or the source's maps; `factors` is c, (L,). Maps no longer sum to 1.
    """

    factors: Tensor
    previous: CrossEdit | None = None

    def __call__(self, base: Tensor, own: Tensor) -> Tensor:
        maps = base if self.previous is None else self.previous(base, own)
        return maps * self.factors.to(maps)


def reweighting(
    reader: Reader, text: str, words: Mapping[str, float], *, previous: CrossEdit | None = None
) -> Reweight:
    """Multiply how much `text`'s `words` count; usual factors are 3 to 10, or below 0 to be rid of something.

    Raises:
        SettingsError: the text lacks a word, or a factor is not finite.
    """
    factors = torch.ones(reader.length)
    for word, factor in words.items():
        if not math.isfinite(factor):
            raise SettingsError(f"The factor of '{word}' is {factor}; give a finite number, such as 5.")
        factors[list(reader.places(text, word))] = factor
    return Reweight(factors=factors, previous=previous)
