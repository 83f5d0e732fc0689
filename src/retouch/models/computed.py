"""A torch network that something else computes for as long as it is as it was, and that nobody looks into."""

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from retouch.models.forms import Call, Form
from retouch.models.state import AsItWas


class Machine(Protocol):
    """What computes a form's network in the place of torch."""

    def infer(self, inputs: tuple[Tensor, ...], *, wanted: int) -> tuple[Tensor, ...]:
        """The first `wanted` answers to what `Form.inputs` gives, which are the caller's to keep."""
        ...


class Computed:
    """Stands in the place of a network's `forward`.

    A call that is not of its form, one that needs gradients, and any after something was changed in the network
    (weights, layers, what is set on them, hooks) are torch's, to the bit; `left` counts them. `by` is the name of what
    computes all others.
    """

    def __init__(self, form: Form, compile_form: Callable[[Form], Machine], *, by: str) -> None:
        self.by = by
        self._form, self._compile = form, compile_form
        self._compiled = {form.name: compile_form(form)}
        self._torch = form.network.forward
        self.network = form.network
        self._as_it_was = AsItWas(form.network)
        self._lock = Lock()
        self.left = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """What the network answers."""
        answers = self._answers(self._form, (arguments, named), wanted=1)
        return self._torch(*arguments, **named) if answers is None else self._form.outputs(answers[0])

    def answers(self, form: Form, call: Call) -> tuple[Tensor, ...] | None:
        """All answers to a call of `form`, of this network's layers; None where torch has to compute them.

        The form is compiled when it is first asked for. The network itself is not called: where hooks are to hear
        its calls, the answer is None.
        """
        if self.network._forward_hooks or self.network._forward_pre_hooks:
            self.left += 1
            return None
        return self._answers(form, call, wanted=form.answers)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy of the network is torch's alone."""
        copied = memo[id(self.network)]
        return type(copied).forward.__get__(copied)

    def by_torch(self, *arguments: Any, **named: Any) -> Any:
        """What torch answers to the same call."""
        return self._torch(*arguments, **named)

    def _answers(self, form: Form, call: Call, *, wanted: int) -> tuple[Tensor, ...] | None:
        inputs = form.inputs(call) if self._is_as_it_was(call) else None
        if inputs is None:
            self.left += 1
            return None
        return tuple(each.to(inputs[0].dtype) for each in self._of(form).infer(inputs, wanted=wanted))

    def _of(self, form: Form) -> Machine:
        found = self._compiled.get(form.name)
        if found is not None:
            return found
        with self._lock:
            if form.name not in self._compiled:
                self._compiled[form.name] = self._compile(form)
            return self._compiled[form.name]

    def _is_as_it_was(self, call: Call) -> bool:
        arguments, named = call
        if torch.is_grad_enabled() and any(
            isinstance(each, Tensor) and each.requires_grad
            for each in (*arguments, *named.values(), *self.network.parameters())
        ):
            return False
        return self._as_it_was.still_is()


def put_in(forms: Iterable[Form], compile_form: Callable[[Form], Machine], *, by: str) -> None:
    """Have what `compile_form` makes, called `by`, compute the networks of forms from now on, but for those that
    something computes already; where it cannot make one of them, all stay as they are."""
    made = [Computed(form, compile_form, by=by) for form in forms if computed(form.network) is None]
    for each in made:
        cast(Any, each.network).forward = each


def computed(network: nn.Module) -> Computed | None:
    """What computes a network in the place of torch, where something does."""
    found = network.__dict__.get("forward")
    return found if isinstance(found, Computed) else None
