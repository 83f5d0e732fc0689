"""The exponential moving average of the trained weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def named_parameters(modules: Mapping[str, nn.Module]) -> dict[str, nn.Parameter]:
    """Return every trainable parameter of the modules by "module.parameter"."""
    return {
        f"{name}.{key}": parameter
        for name, module in modules.items()
        for key, parameter in module.named_parameters()
        if parameter.requires_grad
    }


class WeightAverage:
    """Average of parameters with decay_n = min(decay, (1 + n) / (10 + n)), as InstructPix2Pix trains."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], *, decay: float, on_cpu: bool = False) -> None:
        self._parameters = dict(parameters)
        self._decay = decay
        self.shadow = {name: value.detach().clone() for name, value in parameters.items()}
        if on_cpu:
            self.shadow = {name: value.cpu() for name, value in self.shadow.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the parameters after optimiser step `step` (counted from 0) into the average."""
        decay = min(self._decay, (1 + step) / (10 + step))
        shadow = list(self.shadow.values())
        weights = [value.to(kept.device) for value, kept in zip(self._parameters.values(), shadow, strict=True)]
        torch._foreach_lerp_(shadow, weights, 1 - decay)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the average to saved tensors."""
        for name, value in self.shadow.items():
            value.copy_(tensors[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average into the networks for as long as the context lasts."""
        kept = {name: value.detach().clone() for name, value in self._parameters.items()}
        with torch.no_grad():
            for name, value in self._parameters.items():
                value.copy_(self.shadow[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, value in self._parameters.items():
                    value.copy_(kept[name])
