"""What a network was made of before its weights were shared out, to be put back for a while."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(kw_only=True)
class _Part:
    """A module within the network: its class, its attributes, and where its parameters are found."""

    module: nn.Module
    kind: type[nn.Module]
    attributes: dict[str, Any]
    parameters: dict[str, tuple[str, bool]]
    withdrawn: tuple[type[nn.Module], dict[str, Any]] | None = field(default=None)


class Anatomy:
    """A memory of a network's classes, hooks and attributes, without its weights.

    Sharding changes classes, adds hooks and replaces parameters, all of which copying and saving
    a network stumble over, and takes none of it back.
    """

    def __init__(self, network: nn.Module) -> None:
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        self._parts = [_part(module, names) for module in network.modules()]

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Make the network what it was, with `weights` by the names of its parameters."""
        made = {name: nn.Parameter(weight, requires_grad=False) for name, weight in weights.items()}
        for part in self._parts:
            part.withdrawn = type(part.module), part.module.__dict__
            filled: dict[str, nn.Parameter | None] = dict(part.attributes["_parameters"])
            for key, (name, trained) in part.parameters.items():
                filled[key] = made[name]
                made[name].requires_grad_(trained)
            part.module.__class__ = part.kind
            part.module.__dict__ = {**part.attributes, "_parameters": filled}

    def withdraw(self) -> None:
        """Make the network again what it was before `restore`."""
        for part in self._parts:
            if part.withdrawn is not None:
                part.module.__class__, part.module.__dict__ = part.withdrawn
                part.withdrawn = None


def _part(module: nn.Module, names: Mapping[int, str]) -> _Part:
    attributes = {key: copy(value) if isinstance(value, dict) else value for key, value in vars(module).items()}
    own = {key: value for key, value in module._parameters.items() if value is not None}
    attributes["_parameters"] = dict.fromkeys(module._parameters)
    return _Part(
        module=module,
        kind=type(module),
        attributes=attributes,
        parameters={key: (names[id(value)], value.requires_grad) for key, value in own.items()},
    )
