"""A torch network that OpenVINO computes for as long as it is as it was, and that nobody looks into."""

from collections.abc import Mapping
from threading import Lock
from typing import Any, cast

import torch
from torch import Tensor, nn

from retouch.models.openvino.forms import Form


class Computed:
    """Stands in the place of a network's `forward`.

    A call that OpenVINO does not know, one that needs gradients, and any after something was changed in the network
    (weights, layers, attention processors, hooks) are torch's, to the bit; `left` counts them.
    """

    def __init__(self, form: Form, compiled: Any) -> None:
        self._form, self._request = form, compiled.create_infer_request()
        self._torch = form.network.forward
        self._network = form.network
        self._as_it_was = _state(form.network)
        self._lock = Lock()
        self.left = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """What the network answers."""
        inputs = self._form.inputs((arguments, named)) if self._is_as_it_was(arguments, named) else None
        if inputs is None:
            self.left += 1
            return self._torch(*arguments, **named)
        return self._form.outputs(self.infer(inputs).to(inputs[0].dtype))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy of the network is torch's alone."""
        copied = memo[id(self._network)]
        return type(copied).forward.__get__(copied)

    def infer(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """OpenVINO's answer, float32."""
        arrays = [each.detach().float().contiguous().numpy() for each in inputs]
        with self._lock:
            return torch.from_numpy(self._request.infer(arrays)[0].copy())

    def by_torch(self, *arguments: Any, **named: Any) -> Any:
        """What torch answers to the same call."""
        return self._torch(*arguments, **named)

    def _is_as_it_was(self, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
        if torch.is_grad_enabled() and any(
            isinstance(each, Tensor) and each.requires_grad
            for each in (*arguments, *named.values(), *self._network.parameters())
        ):
            return False
        now = _state(self._network)
        return len(now) == len(self._as_it_was) and all(
            one is other or (isinstance(one, tuple) and one == other)
            for one, other in zip(now, self._as_it_was, strict=True)
        )


def put_in(form: Form, compiled: Any) -> None:
    """Have OpenVINO compute the network of a form from now on."""
    cast(Any, form.network).forward = Computed(form, compiled)


def computed(network: nn.Module) -> Computed | None:
    """What computes a network in the place of torch, where something does."""
    found = network.__dict__.get("forward")
    return found if isinstance(found, Computed) else None


def _state(network: nn.Module) -> list[object]:
    """What an answer depends on: layers and processors, themselves, and of weights their place and version."""
    found: list[object] = []
    for module in network.modules():
        found += [module, getattr(module, "processor", None), module.training]
        if module is not network:
            found.append((len(module._forward_hooks), len(module._forward_pre_hooks)))
        for weight in (*module._parameters.values(), *module._buffers.values()):
            if weight is not None:
                found.append((weight.data_ptr(), 0 if weight.is_inference() else weight._version))
    return found
