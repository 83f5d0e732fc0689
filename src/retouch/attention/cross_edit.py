"""The seam of Prompt-to-Prompt's edits of cross-attention: a target's maps out of its source's and its own."""

from typing import Protocol

from torch import Tensor


class CrossEdit(Protocol):
    """Maps are probabilities after the softmax, (n, heads, T, L): where each of T positions reads L tokens."""

    def __call__(self, base: Tensor, own: Tensor) -> Tensor:
        """The maps the targets shall have, from those of their sources and those they would have themselves."""
        ...
