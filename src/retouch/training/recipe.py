"""The seam between a run configuration and the trainer: what `retouch train` asks of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from retouch.training.cache import OnPrepared
from retouch.training.kind import Kind
from retouch.training.settings import TrainSettings
from retouch.training.trainer import OnProgress, TrainReport


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


@runtime_checkable
class OwnLoop(Protocol):
    """A recipe of what another library trains, in a loop of its own."""

    def run(
        self,
        out: Path,
        *,
        steps: int | None = ...,
        on_progress: OnProgress | None = ...,
        cancelled: Callable[[], bool] = ...,
    ) -> TrainReport:
        """Train and export to `out`/model; `steps` overrides how long."""
        ...
