"""Layers compiled by torch for a GPU."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from retouch.core.cache import cache_folder

COMPILATIONS = 256
"""Compilations of one piece of code in a process, by all networks together; torch leaves what comes after as it is."""
COMPILED_KEPT = "TORCHINDUCTOR_CACHE_DIR"
"""Where torch keeps what it compiled, so that a later process finds it."""
OPTIONS = {"conv_1x1_as_mm": True}
"""Of torch's compiler: convolutions of 1 by 1 as products of matrices."""


def compile_layers(layers: nn.Module) -> Callable[..., Any]:
    """Layers that torch compiles for each shape of their inputs, when it first comes."""
    os.environ.setdefault(COMPILED_KEPT, str(cache_folder() / "compiled"))
    # torch's own limit is below the number of shapes.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, COMPILATIONS)
    return torch.compile(layers, dynamic=False, backend=_by_inductor)


def is_of_compiler(error: Exception) -> bool:
    """Whether layers could not be compiled, such as where there is no compiler."""
    # Here, since what compiles takes long to import.
    from torch._dynamo.exc import TorchDynamoException

    return isinstance(error, TorchDynamoException)


def join_channels_last(module: fx.GraphModule) -> None:
    """Have tensors (R, C, h, w) that are joined along their channels joined with the channels of a cell together.

    The compiler would lay them out the other way, and turn them around again for the convolution that comes next.
    """
    for node in module.graph.find_nodes(op="call_function", target=torch.cat):
        given, *rest = node.args
        if [*rest, *node.kwargs.values()] != [1] or any(each.meta["example_value"].dim() != 4 for each in given):
            continue
        with module.graph.inserting_before(node):
            turned = [module.graph.call_function(torch.permute, (each, (0, 2, 3, 1))) for each in given]
            joined = module.graph.call_function(torch.cat, (turned,), {"dim": 3})
            back = module.graph.call_function(torch.permute, (joined, (0, 3, 1, 2)))
        back.meta = node.meta
        node.replace_all_uses_with(back)
        module.graph.erase_node(node)
    module.recompile()


def _by_inductor(module: fx.GraphModule, inputs: list[Any]) -> Any:
    from torch import _inductor

    join_channels_last(module)
    return _inductor.compile(module, inputs, options=OPTIONS)
