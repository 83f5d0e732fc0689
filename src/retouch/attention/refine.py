"""Refinement: where both texts have a token, the target reads it where the source does."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.attention.words import Reader

GAP, MATCH, MISMATCH = 0, 1, -1
"""Scores of the alignment."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Refine:
    """Phrases added, of Prompt-to-Prompt (arXiv 2208.01626, section 3.2): new_n = base_m(n)·α_n + own_n·(1 − α_n).

    `origins` is m, (L,): the source's token for each of the target's; `shared` α, (L,), 0 where there is none.
    """

    origins: Tensor
    shared: Tensor

    def __call__(self, base: Tensor, own: Tensor) -> Tensor:
        shared = self.shared.to(own)
        return base[..., self.origins.to(base.device)] * shared + own * (1 - shared)


def refinement(reader: Reader, source: str, target: str) -> Refine:
    """Align the tokens of both texts; padding is aligned with padding in the same place."""
    origins = torch.arange(reader.length)
    shared = torch.ones(reader.length)
    for place, origin in enumerate(align(reader.ids(source), reader.ids(target))):
        origins[place] = 0 if origin is None else origin
        shared[place] = 0.0 if origin is None else 1.0
    return Refine(origins=origins, shared=shared)


def align(source: Sequence[int], target: Sequence[int]) -> list[int | None]:
    """For each of the target's tokens its partner's place in the source, None where it has none.

    The best global alignment (Needleman and Wunsch, 1970) at no cost for gaps; of equally good ones that
    which leaves the target's last tokens alone, then the source's.
    """
    best = _scores(source, target)
    partners: list[int | None] = [None] * len(target)
    row, column = len(source), len(target)
    while row and column:
        if best[row][column] == best[row][column - 1] + GAP:
            column -= 1
        elif best[row][column] == best[row - 1][column] + GAP:
            row -= 1
        else:
            row, column = row - 1, column - 1
            partners[column] = row
    return partners


def _scores(source: Sequence[int], target: Sequence[int]) -> list[list[int]]:
    """The best score of aligning the first tokens of both, by their numbers."""
    best = [[GAP * column for column in range(len(target) + 1)]]
    for row, one in enumerate(source, 1):
        best.append([GAP * row])
        for column, other in enumerate(target, 1):
            paired = best[row - 1][column - 1] + (MATCH if one == other else MISMATCH)
            best[row].append(max(best[row][column - 1] + GAP, best[row - 1][column] + GAP, paired))
    return best
