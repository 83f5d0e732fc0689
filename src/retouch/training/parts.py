"""Weights of which every process holds a part: parameters, gradients, moments and averages shared out (FSDP).

Torch's `fully_shard` gathers a block's weights while it computes and leaves each process its rows afterwards. Its
hooks surround a module's `forward`; here the whole loss is that module, so that whatever a kind calls of its networks
finds their weights.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler
from torch.distributed.tensor import DTensor

from retouch.training.anatomy import Anatomy
from retouch.training.average import named_parameters
from retouch.training.kind import Kind, Loss
from retouch.training.parallel import Processes


class Parts:
    """Every process holds some rows of each parameter; scalars, which have none, are held by all."""

    def __init__(self, kind: Kind, processes: Processes) -> None:
        self._processes = processes
        self._anatomies = {name: Anatomy(module) for name, module in kind.modules.items()}
        self._loss = _LossModule(kind)
        scalars = {parameter for parameter in self._loss.parameters() if parameter.dim() == 0}
        mesh: Any = init_device_mesh(processes.device.type, (processes.count,))
        for block in _blocks(kind.modules):
            fully_shard(block, mesh=mesh, ignored_params=scalars)
        fully_shard(self._loss, mesh=mesh, ignored_params=scalars)
        trained = named_parameters(kind.modules)
        self._shards = {name: value for name, value in trained.items() if isinstance(value, DTensor)}
        own = {name: nn.Parameter(_local(value)) for name, value in self._shards.items()}
        self.parameters: Mapping[str, nn.Parameter] = {**trained, **own}

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """See `Weights`."""
        total, parts = self._loss(indices, generator)
        return Loss(total=total, parts=parts)

    @torch.no_grad()
    def average_gradients(self) -> None:
        """See `Weights`; backward passes have averaged the sharded ones, which move to the parts' own."""
        for name, shard in self._shards.items():
            own = self.parameters[name]
            own.data = _local(shard)
            own.grad = None if shard.grad is None else _local(shard.grad)
            shard.grad = None
        self._processes.average_gradients(self._held_by_all())

    @torch.no_grad()
    def clip(self, most: float) -> None:
        """See `Weights`."""
        parts = [self.parameters[name].grad for name in self._shards]
        (squares,) = self._processes.sum([_squares(parts)])
        norm = (squares + _squares([parameter.grad for parameter in self._held_by_all()])) ** 0.5
        if norm > most:
            gradients = [value.grad for value in self.parameters.values() if value.grad is not None]
            torch._foreach_mul_(gradients, most / (norm + 1e-6))

    def scaler(self, *, enabled: bool) -> torch.amp.GradScaler:
        """See `Weights`; one process's overflow is everybody's."""
        return ShardedGradScaler(self._processes.device.type, enabled=enabled)

    @torch.no_grad()
    def gathered(self, name: str, held: Tensor) -> Tensor:
        """See `Weights`."""
        shard = self._shards.get(name)
        return held if shard is None or held.dim() == 0 else self._gathered(shard, held)

    def held(self, name: str, whole: Tensor) -> Tensor:
        """See `Weights`."""
        if name not in self._shards or whole.dim() == 0:
            return whole
        # As `fully_shard` cuts: equal numbers of rows, of which the last processes may have fewer or none.
        pieces = whole.chunk(self._processes.count)
        return pieces[self._processes.rank] if self._processes.rank < len(pieces) else whole[:0]

    @contextmanager
    def whole(self) -> Iterator[None]:
        """See `Weights`."""
        first = self._processes.first
        for name, anatomy in self._anatomies.items():
            parameters = self._loss.networks[name].named_parameters()
            weights = {key: self._everything(parameter) for key, parameter in parameters}
            if first:
                anatomy.restore(weights)
        try:
            yield
        finally:
            for anatomy in self._anatomies.values() if first else ():
                anatomy.withdraw()

    def _held_by_all(self) -> list[nn.Parameter]:
        return [parameter for name, parameter in self.parameters.items() if name not in self._shards]

    @torch.no_grad()
    def _everything(self, parameter: nn.Parameter) -> Tensor:
        if not isinstance(parameter, DTensor):
            return parameter.detach()
        whole = parameter.full_tensor()
        return whole if self._processes.first else whole.new_empty(0)

    def _gathered(self, shard: DTensor, held: Tensor) -> Tensor:
        mesh, like = shard.device_mesh, {"shape": shard.shape, "stride": shard.stride()}
        part = held.to(self._processes.device)
        whole = DTensor.from_local(part, mesh, shard.placements, run_check=False, **like).full_tensor()
        return whole.cpu() if self._processes.first else whole.new_empty(0)


class _LossModule(nn.Module):
    """A kind's loss as the forward pass of one module that holds its networks."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(dict(kind.modules))
        self._kind = kind

    def forward(
        self, indices: Sequence[int], generator: torch.Generator
    ) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        loss = self._kind.loss(indices, generator)
        return loss.total, loss.parts


def _blocks(modules: Mapping[str, nn.Module]) -> list[nn.Module]:
    """What the libraries say is to be kept together, inner blocks before outer ones."""
    found: dict[nn.Module, None] = {}
    for module in modules.values():
        names = set(getattr(module, "_no_split_modules", None) or ())
        found |= dict.fromkeys(part for part in module.modules() if type(part).__name__ in names)
    return list(reversed(found))


@torch.no_grad()
def _local(sharded: Any) -> Tensor:
    """The rows of a sharded tensor that this process holds, not a copy."""
    return sharded.to_local()


def _squares(gradients: Sequence[Tensor | None]) -> float:
    return sum(float(gradient.float().square().sum()) for gradient in gradients if gradient is not None)
