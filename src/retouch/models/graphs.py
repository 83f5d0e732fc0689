"""Networks on a GPU replayed as CUDA graphs, a whole call at once, of their layers as they are or compiled."""

import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from retouch.core.cache import cache_folder
from retouch.models.checkpoint import Checkpoint
from retouch.models.computed import computed, put_in
from retouch.models.forms import Form, forms_of

log = logging.getLogger(__name__)
LIMIT = 8
"""Shapes of a form that are kept as graphs; beyond, the one that was not asked for longest goes."""
COMPILED_KEPT = "TORCHINDUCTOR_CACHE_DIR"
"""Where torch keeps what it compiled, so that a later process finds it."""

Answers = tuple[Tensor, ...]
Run = Callable[..., Tensor | Answers]
_Shapes = tuple[tuple[tuple[int, ...], torch.dtype, torch.device], ...]


def use_graphs(checkpoint: Checkpoint, *, compiled: bool = False) -> None:
    """Let CUDA graphs compute the U-Net and the VAE of a checkpoint that lies on a GPU; see `GraphMachine`.

    What changes the weights for good, such as LoRAs, comes before. With `compiled` torch compiles each shape when it
    is first asked for, which takes a minute for a large network, and less where an earlier process did.
    """
    if compiled:
        os.environ.setdefault(COMPILED_KEPT, str(cache_folder() / "compiled"))
    for form in forms_of(checkpoint):
        if computed(form.network) is None:
            put_in(form, partial(GraphMachine, compiled=compiled), by="compiled" if compiled else "graphs")


class GraphMachine:
    """See `Machine`. A shape's first call is computed as usual, the second is recorded, all later ones are replayed.

    A replay starts all of a call's kernels at once: no time goes by between them while Python walks through the layers.
    Its numbers are those of the layers, `compiled` ones fuse theirs and differ by rounding. The graphs of a form share
    their memory, so that the largest shape sets it. What cannot be recorded, as where memory runs out, is computed as
    usual. One call at a time.
    """

    def __init__(self, form: Form, *, compiled: bool = False) -> None:
        layers: Any = form.shown(form.network)
        self._name = form.name
        self._run: Run = torch.compile(layers, dynamic=False) if compiled else layers
        self._graphs: OrderedDict[_Shapes, _Graph | None] = OrderedDict()
        self._seen: set[_Shapes] = set()
        self._lock = Lock()

    def infer(self, inputs: Answers, *, wanted: int) -> Answers:
        """See `Machine`."""
        shapes = tuple((tuple(each.shape), each.dtype, each.device) for each in inputs)
        with self._lock, torch.no_grad():
            graph = self._of(shapes, inputs)
            if graph is None:
                return _computed(self._run, inputs)[:wanted]
            return tuple(each.clone() for each in graph(inputs)[:wanted])

    def _of(self, shapes: _Shapes, inputs: Answers) -> "_Graph | None":
        """The graph for such inputs; None where the call is to be computed as usual."""
        if shapes in self._graphs:
            self._graphs.move_to_end(shapes)
        elif shapes in self._seen and inputs[0].is_cuda:
            self._graphs[shapes] = self._recorded(inputs)
            if len(self._graphs) > LIMIT:
                self._graphs.popitem(last=False)
        self._seen.add(shapes)
        return self._graphs.get(shapes)

    def _recorded(self, inputs: Answers) -> "_Graph | None":
        others = [graph for graph in self._graphs.values() if graph is not None]
        try:
            return _Graph(self._run, inputs, beside=others[0] if others else None)
        except (RuntimeError, MemoryError) as error:
            reason = (str(error) or type(error).__name__).strip().splitlines()[0]
            log.warning("The %s is computed without a CUDA graph for this size: %s", self._name, reason)
            return None


class _Graph:
    """One recorded call: inputs and answers have fixed places, which the next replay overwrites."""

    def __init__(self, run: Run, inputs: Answers, *, beside: "_Graph | None") -> None:
        self._inputs = tuple(each.clone(memory_format=torch.preserve_format) for each in inputs)
        self._graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(self._graph, pool=None if beside is None else beside.pool):
            self._answers = _computed(run, self._inputs)

    @property
    def pool(self) -> Any:
        """The memory that the graph computes in."""
        return self._graph.pool()

    def __call__(self, inputs: Answers) -> Answers:
        for place, given in zip(self._inputs, inputs, strict=True):
            place.copy_(given)
        self._graph.replay()
        return self._answers


def _computed(run: Run, inputs: Answers) -> Answers:
    # The fastest of cuDNN's convolutions for each shape, found in its first call.
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=torch.backends.cudnn.allow_tf32):
        answers = run(*inputs)
    return (answers,) if isinstance(answers, Tensor) else answers
