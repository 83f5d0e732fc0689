"""The seam between the trainer and a kind of training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A scalar to minimise, and named scalars to log beside it, which are read only when they are."""

    total: Tensor
    parts: Mapping[str, Tensor | float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Figures and pictures, (3, H, W) uint8 tensors, of one validation."""

    figures: Mapping[str, float]
    pictures: Mapping[str, Tensor] = field(default_factory=dict)


class Kind(Protocol):
    """What is trained, from which data, with which loss.

    `modules` are the trained networks by the name of their component; the trainer owns their
    optimiser, average and checkpoints. `groups` are the training samples that may share a batch, by number:
    one range where all have the same shape.
    """

    name: str
    modules: Mapping[str, nn.Module]
    groups: Sequence[range]

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the loss of the samples at `indices`; all randomness comes from `generator`."""
        ...

    def validate(self, generator: torch.Generator) -> Validation:
        """Measure on held-out samples with the networks as they are now."""
        ...

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the networks as they are now as a checkpoint others can load; `figures` are the last validation's."""
        ...


@runtime_checkable
class Rated(Protocol):
    """A kind whose modules learn at rates of their own.

    `rates` are factors of the learning rate by the module's name; one that is not named has 1.
    """

    rates: Mapping[str, float]
