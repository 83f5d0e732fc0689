"""How often the right partner ranks first: captions for pictures, pictures for captions, and sides of a pair."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from retouch.core.errors import DataError
from retouch.core.seeds import derive_seed
from retouch.metrics.clip import directional_similarity

TOP_ONE_PROTOCOL = "retrieval/top-1/equal-captions-count"
SIDES_PROTOCOL = "retrieval/both-sides-of-a-pair-told-apart"


def choice_protocol(choices: int) -> str:
    """The protocol of `ranked_first` among so many captions."""
    return f"retrieval/own-caption-first-of-{choices}/different-captions"


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


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Of `edited` pairs whose captions differ: the share told apart, and the mean directional similarity."""

    edited: int
    told_apart: float
    directional: float


def compared_sides(pictures: Tensor, texts: Tensor, captions: Sequence[tuple[str, str]]) -> Sides | None:
    """Compare both sides of pairs, unit vectors (pairs, 2, D) each; None where no caption changes."""
    edited = torch.tensor([source != target for source, target in captions])
    if not edited.any():
        return None
    return Sides(
        edited=int(edited.sum()),
        told_apart=float(sides_told_apart(pictures, texts)[edited].float().mean()),
        directional=float(directional_similarity(pictures, texts)[edited].mean()),
    )


def ranked_first(pictures: Tensor, texts: Tensor, names: Sequence[str], *, choices: int = 10, seed: int = 0) -> Tensor:
    """Say for each picture whether its own caption is the most similar of `choices` different ones, (N,) bool.

    `pictures` and `texts` are unit vectors, (N, D) each, with partners in the same row; `names` are the captions. The
    other captions are drawn from those of the other pictures, the same for the same seed.

    Raises:
        DataError: there are fewer different captions than choices.
    """
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    if len(first) < choices:
        raise DataError(
            f"There are {len(first)} different captions, too few to choose among {choices}; "
            "give more records or fewer choices."
        )
    right = []
    for place, name in enumerate(names):
        others = [row for other, row in first.items() if other != name]
        drawn = Random(derive_seed(seed, "choices", place)).sample(others, choices - 1)
        similarities = texts[[place, *drawn]] @ pictures[place]
        right.append(bool(similarities[0] > similarities[1:].max()))
    return torch.tensor(right)
