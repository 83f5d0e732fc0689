"""What the compiler is given in the place of a network's own operations."""

from typing import Any

import pytest
import torch
from tests.conftest import MakeCheckpoint
from torch import Tensor, fx

from retouch.models.compiling import join_channels_last

CALLS: dict[str, Any] = {
    "by name": lambda a, b: torch.cat([a, b], dim=1),
    "by place": lambda a, b: torch.cat((a, b), 1),
    "twice": lambda a, b: torch.cat([torch.cat([a, b], dim=1), a], dim=1) * 2,
}
OTHERS: dict[str, Any] = {
    "of rows": lambda a, b: torch.cat([a, b]),
    "along the last": lambda a, b: torch.cat([a, b], dim=-1),
    "of flat ones": lambda a, b: torch.cat([a[0], b[0]], dim=1),
}


def joined(call: Any, *given: Tensor) -> tuple[Tensor, list[Any]]:
    """What a function answers after the change, and the axes that it joins along then."""
    seen: list[Any] = []

    def backend(module: fx.GraphModule, _inputs: list[Tensor]) -> Any:
        join_channels_last(module)
        nodes = module.graph.find_nodes(op="call_function", target=torch.cat)
        seen.extend(node.kwargs.get("dim", [*node.args, 0][1]) for node in nodes)
        return module.forward

    torch.compiler.reset()
    return torch.compile(call, backend=backend)(*given), seen


@pytest.mark.parametrize("name", CALLS)
def test_channels_are_joined_with_those_of_a_cell_together(name: str) -> None:
    given = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    answer, axes = joined(CALLS[name], *given)
    assert torch.equal(answer, CALLS[name](*given))
    assert axes and set(axes) == {3}
    assert answer.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", OTHERS)
def test_what_else_is_joined_stays(name: str) -> None:
    given = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    answer, axes = joined(OTHERS[name], *given)
    assert torch.equal(answer, OTHERS[name](*given))
    assert axes and 3 not in axes


@torch.no_grad()
def test_a_whole_network_joins_them_so(make_tiny: MakeCheckpoint) -> None:
    unet: Any = make_tiny().unet
    given = torch.randn(2, 8, 8, 8), torch.tensor(3), torch.randn(2, 5, 16)
    answer, axes = joined(lambda *each: unet(*each, return_dict=False)[0], *given)
    assert axes.count(3) == sum(len(block.resnets) for block in unet.up_blocks)
    torch.testing.assert_close(answer, unet(*given, return_dict=False)[0], rtol=1e-4, atol=1e-4)
