"""The seam between a run configuration and the trainer: what `retouch train` asks of it."""

from typing import Protocol, runtime_checkable

import torch

from retouch.training.cache import OnPrepared
from retouch.training.kind import Kind
from retouch.training.settings import TrainSettings


@runtime_checkable
class Recipe(Protocol):
    """Says what is trained, on what and how; each kind of training has its own, in `training/kinds/`."""

    @property
    def settings(self) -> TrainSettings:
        """How the run goes."""
        ...

    def build(self, device: torch.device, *, on_prepared: OnPrepared = ...) -> Kind:
        """Prepare data and networks on `device`; `on_prepared` is told how many of how many samples are ready."""
        ...
