"""From what a placement network says of every cell to a few places that differ."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from retouch.models.placement_network import Places, chosen, drawn

MAXIMUM_PROPOSALS = 32
_ALIKE = 0.3
"""The share of the smaller of two places, covered by both, from which they count as the same."""
_SHARPER = 1.5
"""The power of the likelihoods by which further places are drawn: the unlikely ones stay away."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposal:
    """One place: `mask` (H, W) in 0…1, how surely the object covers each pixel, and its `likelihood` in 0…1.

    The likelihood is that of the object's middle being in the place's cell or one of the eight about it.
    """

    mask: Tensor
    likelihood: float


def proposals(
    places: Places, size: tuple[int, int], *, count: int, generator: Generator, inner: Tensor | None = None
) -> list[Proposal]:
    """At most `count` places in one picture (B = 1) of `size` (height, width): the likeliest, then ones drawn.

    `inner`, (h, w) bool, are the cells where an object's middle may be. There are fewer where no more differ.
    """
    shares, together = _shares(places, inner)[0], likelihoods(places, inner)[0]
    left, found = shares.clone(), list[Proposal]()
    while len(found) < count and bool((left > 0).any()):
        weights = left.flatten() ** _SHARPER
        cell = int(torch.multinomial(weights, 1, generator=generator)) if found else int(shares.argmax())
        row, column = divmod(cell, shares.shape[1])
        box, outline = chosen(places, torch.tensor([cell], device=left.device))
        mask = drawn(box, outline, size)[0]
        left[row, column] = 0
        if bool((mask >= 0.5).any()) and all(_common(mask, other.mask) < _ALIKE for other in found):
            left[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 0
            found.append(Proposal(mask=mask, likelihood=float(together[row, column])))
    return found


def likelihoods(places: Places, inner: Tensor | None = None) -> Tensor:
    """(B, h, w), how likely an object's middle is in a cell or one of the eight about it; 0 outside `inner`."""
    shares = _shares(places, inner)
    summed = functional.avg_pool2d(shares[:, None], 3, stride=1, padding=1)[:, 0] * 9
    return summed if inner is None else summed * inner


def _shares(places: Places, inner: Tensor | None) -> Tensor:
    """(B, h, w), how likely an object's middle is in each cell."""
    likely = places.likely if inner is None else places.likely.masked_fill(~inner, float("-inf"))
    return likely.flatten(1).softmax(dim=1).view_as(likely)


def _common(one: Tensor, other: Tensor) -> float:
    one, other = one >= 0.5, other >= 0.5
    return int((one & other).sum()) / max(1, min(int(one.sum()), int(other.sum())))
