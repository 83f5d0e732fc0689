"""How often the right partner ranks first: captions for pictures, pictures for captions, and sides of a pair."""

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

TOP_ONE_PROTOCOL = "retrieval/top-1/equal-captions-count"
SIDES_PROTOCOL = "retrieval/both-sides-of-a-pair-told-apart"


def top_one(similarities: Tensor, names: Sequence[Hashable]) -> tuple[float, float]:
    """Return the shares of rows and of columns whose most similar partner is the right one.

    `similarities` is (N, N), pictures by captions, right partners on the diagonal. Partners with equal
    `names`, the captions, are as right as the diagonal.
    """
    equal = torch.tensor([[one == other for other in names] for one in names])
    places = torch.arange(len(names))
    rows = equal[places, similarities.argmax(dim=1).cpu()]
    columns = equal[similarities.argmax(dim=0).cpu(), places]
    return float(rows.float().mean()), float(columns.float().mean())


def sides_told_apart(pictures: Tensor, texts: Tensor) -> Tensor:
    """Say for each pair whether each side's picture fits its own caption better than the other side's.

    Both are unit vectors, (pairs, 2, D). Returns (pairs,) bool.
    """
    similarities = pictures @ texts.transpose(1, 2)
    own = similarities.diagonal(dim1=1, dim2=2)
    return (own > similarities.flip(2).diagonal(dim1=1, dim2=2)).all(dim=1)
