"""The seam between the trainer and how the processes of a run hold the trained weights."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn

from retouch.training.average import named_parameters
from retouch.training.kind import Kind, Loss
from retouch.training.parallel import Processes


class Weights(Protocol):
    """The trained weights as this process holds them: all of them, or a part of each (see `parts`).

    `parameters` are what its optimiser and its average see, by "module.parameter".
    """

    parameters: Mapping[str, nn.Parameter]

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the kind's loss of this process's samples."""
        ...

    def average_gradients(self) -> None:
        """Give every parameter the mean over the processes of its gradients since the last call."""
        ...

    def clip(self, most: float) -> None:
        """Scale the gradients down where the norm of all of them together exceeds `most`."""
        ...

    def scaler(self, *, enabled: bool) -> torch.amp.GradScaler:
        """Return what keeps gradients in float16's range, deciding alike in every process."""
        ...

    def gathered(self, name: str, held: Tensor) -> Tensor:
        """Return in the first process the whole of which every one holds what it holds of parameter `name`.

        All of them must call it; the others get something empty.
        """
        ...

    def held(self, name: str, whole: Tensor) -> Tensor:
        """Return what this process holds of the whole of something that belongs to parameter `name`."""
        ...

    def whole(self) -> AbstractContextManager[None]:
        """Within, the kind's networks are in the first process as if it were alone. All of them must enter."""
        ...


class Copies:
    """Every process holds all weights; one process alone does too."""

    def __init__(self, kind: Kind, processes: Processes) -> None:
        self._kind, self._processes = kind, processes
        self.parameters: Mapping[str, nn.Parameter] = named_parameters(kind.modules)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """See `Weights`."""
        return self._kind.loss(indices, generator)

    def average_gradients(self) -> None:
        """See `Weights`."""
        self._processes.average_gradients(self.parameters.values())

    def clip(self, most: float) -> None:
        """See `Weights`."""
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), most)

    def scaler(self, *, enabled: bool) -> torch.amp.GradScaler:
        """See `Weights`; averaged gradients are alike, so that no decision differs."""
        return torch.amp.GradScaler(self._processes.device.type, enabled=enabled)

    def gathered(self, name: str, held: Tensor) -> Tensor:
        """See `Weights`."""
        del name
        return held

    def held(self, name: str, whole: Tensor) -> Tensor:
        """See `Weights`."""
        del name
        return whole

    def whole(self) -> AbstractContextManager[None]:
        """See `Weights`."""
        return nullcontext()
