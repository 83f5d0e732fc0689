"""Attention with borrowed queries and keys: one row looks where another one does, at its own values."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from retouch.attention.layers import keys, output, queries, values


@dataclass(frozen=True, kw_only=True, eq=False)
class Borrowing:
    """Whose queries and keys the rows of a batch use: row r those of row `lenders[place[r]]`."""

    lenders: Tensor
    place: Tensor

    @classmethod
    def of(cls, origins: list[int], device: torch.device) -> "Borrowing":
        """Let row r use the queries and keys of row `origins[r]`."""
        lenders, place = torch.tensor(origins).unique(return_inverse=True)
        return cls(lenders=lenders.to(device), place=place.to(device))


def attend_borrowed(layer: Any, hidden: Tensor, borrowing: Borrowing) -> Tensor:
    """Self-attention softmax(q_o k_oᵀ/√d)·v of rows (R, T, C), o the row that lends.

    The same as putting the lender's logits in the place of a row's own, but no logits are kept, (R, heads, T, T),
    and only lenders are projected to queries and keys.
    """
    lent = hidden[borrowing.lenders]
    query, key = (project(layer, lent)[borrowing.place] for project in (queries, keys))
    return output(layer, functional.scaled_dot_product_attention(query, key, values(layer, hidden)))
