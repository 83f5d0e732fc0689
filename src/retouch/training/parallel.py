"""Several processes that train one network: each takes a share of every batch, gradients are averaged.

Started by `accelerate launch` or `torchrun`, which say in the environment how many processes there are;
over gloo on CPUs, NCCL on GPUs. A run started alone is one process of one.
"""

import atexit
import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

import torch
from accelerate import PartialState
from torch import distributed, nn

from retouch.core.errors import SettingsError

PATIENCE = timedelta(days=1)
"""How long processes wait for the first one, which alone encodes latents, validates and exports."""


class Processes:
    """This process among those of the run."""

    def __init__(self, device: torch.device) -> None:
        state = PartialState(cpu=device.type == "cpu", timeout=PATIENCE)
        self._state, self.device = state, device
        self.rank, self.count = state.process_index, state.num_processes
        if self.count > 1:
            atexit.register(_leave)

    @property
    def first(self) -> bool:
        """Whether this is the one that writes, validates and reports."""
        return self.rank == 0

    @property
    def sharded(self) -> bool:
        """Whether the launcher asks that each process keeps a part of the weights only (FSDP)."""
        return self.count > 1 and os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("true", "1", "yes")

    def first_goes_ahead(self) -> AbstractContextManager[None]:
        """Within, the first process runs alone and the others follow when it is through."""
        return self._state.main_process_first()

    def share(self, indices: Sequence[int]) -> Sequence[int]:
        """This process's part of a batch. Raises SettingsError where the parts would differ in size."""
        if len(indices) % self.count:
            raise SettingsError(
                f"A batch of {len(indices)} samples cannot be shared by {self.count} processes; "
                "give a batch_size that is a multiple of their number."
            )
        return indices[self.rank :: self.count]

    def mean(self, values: Sequence[float]) -> list[float]:
        """Means over the processes, the same in each of them."""
        if self.count == 1:
            return list(values)
        return [total / self.count for total in self.sum(values)]

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes, the same in each of them."""
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        if self.count > 1:
            distributed.all_reduce(tensor)
        return tensor.tolist()

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        parts = (flat / self.count).split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [part.view_as(grad) for part, grad in zip(parts, gradients, strict=True)])


def _leave() -> None:
    """End the group before the interpreter does: its threads, still running then, would abort the process."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
