"""The seam between the loop and a network: named branches in, one prediction for each of them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Branch:
    """What one branch puts beside the noisy latents, and what its cross-attention reads.

    `channels` is (B, C, h, w), joined to the latents channel by channel, or None; `context` is (B, L, D);
    `image_tokens` are what cross-attention reads of pictures apart from the text, (B, R·T, D) for each adapter, and
    empty in a branch without pictures.
    """

    channels: Tensor | None
    context: Tensor
    image_tokens: tuple[Tensor, ...] = ()


class Predictor(Protocol):
    """Predicts noise, velocity or sample, whichever the scheduler was configured for."""

    def __call__(self, latents: Tensor, timestep: Tensor, branches: Sequence[str]) -> Mapping[str, Tensor]:
        """Predictions by branch name, exactly for the branches asked for.

        Args:
            latents: (B, C, h, w), noisy, at unit variance (the scheduler's scaled model input).
            timestep: scalar, on the scheduler's own scale, on the CPU.
            branches: names of the branches to compute, without duplicates.

        Returns:
            For each name a tensor of the shape and type of `latents`.
        """
        ...
