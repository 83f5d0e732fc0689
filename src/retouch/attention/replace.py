"""Replacement: the target reads its words where the source reads the words in their places."""

from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.attention.words import Places, Reader
from retouch.core.errors import SettingsError


@dataclass(frozen=True, kw_only=True, eq=False)
class Replace:
    """Word swap of Prompt-to-Prompt (arXiv 2208.01626, section 3.2): new_pn = Σ_w base_pw·M_wn, M (L, L)."""

    matrix: Tensor

    def __call__(self, base: Tensor, own: Tensor) -> Tensor:  # noqa: ARG002
        return base @ self.matrix.to(base)


def replacement(reader: Reader, source: str, target: str) -> Replace:
    """Map each word of `source` to the word of `target` in its place.

    Tokens are mapped one to one where both words have as many, else each of the source's to all of the target's
    in equal parts. Marks and padding follow in order, and what has no place any more goes to the last token, so that
    maps go on to sum to 1. (The published code maps what follows the last changed word by its position alone.)

    Raises:
        SettingsError: the numbers of words differ.
    """
    first, second = ([places for _, places in reader.words(text)] for text in (source, target))
    if len(first) != len(second):
        raise SettingsError(
            f"'{source}' has {len(first)} words and '{target}' {len(second)}; replacement needs as many in both, "
            "so refine instead."
        )
    matrix = torch.zeros(reader.length, reader.length)
    matrix[0, 0] = 1.0
    for one, other in zip(first, second, strict=True):
        _map_word(matrix, one, other)
    _map_rest(matrix, _end(first), _end(second))
    return Replace(matrix=matrix)


def _map_word(matrix: Tensor, source: Places, target: Places) -> None:
    if len(source) == len(target):
        matrix[list(source), list(target)] = 1.0
        return
    for place in source:
        # A word that was cut off at the end leaves its share to the last token.
        matrix[place, list(target) or [-1]] = 1.0 / max(len(target), 1)


def _map_rest(matrix: Tensor, source: int, target: int) -> None:
    last = len(matrix) - 1
    for offset in range(len(matrix) - source):
        matrix[source + offset, min(target + offset, last)] = 1.0


def _end(words: list[Places]) -> int:
    """The place after the last word's last token."""
    return 1 + max((place for places in words for place in places), default=0)
