"""Networks on a GPU replayed as CUDA graphs, a whole call at once, of their layers as they are or compiled."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn

from retouch.models.checkpoint import Checkpoint
from retouch.models.compiling import compile_layers, is_of_compiler
from retouch.models.computed import put_in
from retouch.models.forms import Form, forms_of
from retouch.models.rewritten import rewritten_for_gpu

log = logging.getLogger(__name__)
LIMIT = 12
"""Calls of a checkpoint's networks that are kept as graphs."""
TIMES = 4
"""How often a call is recorded at the most, where it has to go again and again."""
ROWS = (1, 2, 3, 4, 6, 8, 12, 16, 24)
"""Numbers of rows that layers are compiled for; a call of another number is filled up to the next of them."""

_ALONE = RLock()
"""Two recordings at a time are more than CUDA allows for, and cuDNN's flags are those of the whole process."""

Answers = tuple[Tensor, ...]
Run = Callable[..., Answers]


def use_graphs(checkpoint: Checkpoint, *, compiled: bool = False) -> None:
    """Let CUDA graphs compute the U-Net and the VAE of a checkpoint that lies on a GPU; see `GraphMachine`.

    What changes the weights for good, such as LoRAs, comes before. With `compiled` torch compiles each shape when it
    is first asked for, which takes a minute for a large network, and less where an earlier process did.
    """
    made = partial(GraphMachine, graphs=Graphs(), compiled=compiled)
    put_in(forms_of(checkpoint), made, by="compiled" if compiled else "graphs")


class Graphs:
    """The recorded calls of several networks, in the same memory, so that the largest of them sets it; one is replayed
    at a time. The one that was not asked for longest goes where there are more than `LIMIT`."""

    def __init__(self) -> None:
        self.lock = RLock()
        self._found: OrderedDict[object, _Graph] = OrderedDict()
        self._refused: set[object] = set()
        self._seen: set[object] = set()
        self._recorded: Counter[object] = Counter()
        # Of the device at hand, where torch's own is that of the first one; memory is shared along a stream alone.
        self._stream: torch.cuda.Stream | None = None
        self._records = True

    def find(self, call: object, run: Run, inputs: Answers) -> "_Graph | None":
        """The graph of such a call, recorded when it is asked for the second time; None where it is to be computed."""
        if call in self._found:
            self._found.move_to_end(call)
        elif self._records and call in self._seen and call not in self._refused and inputs[0].is_cuda:
            self._record(call, run, inputs)
        self._seen.add(call)
        return self._found.get(call)

    def give_up(self) -> bool:
        """Forget all graphs and record no more, where memory ran out; whether there were any."""
        had = bool(self._found)
        if self._records:
            log.warning("Memory ran out, and is no longer used for CUDA graphs; calls take longer from now on.")
        self._records = False
        self._found.clear()
        torch.cuda.empty_cache()
        return had

    def _record(self, call: object, run: Run, inputs: Answers) -> None:
        pool = next((graph.pool for graph in self._found.values()), None)
        self._stream = self._stream or torch.cuda.Stream(inputs[0].device)
        try:
            self._found[call] = _Graph(run, inputs, pool, self._stream)
        except (RuntimeError, MemoryError) as error:
            self._refused.add(call)
            reason = (str(error) or type(error).__name__).strip().splitlines()[0]
            log.warning("A call is computed without a CUDA graph: %s", reason)
        self._recorded[call] += 1
        if self._recorded[call] == TIMES:
            # More calls take turns than there is room for, and recording each time costs more than it gains.
            self._refused.add(call)
        if len(self._found) > LIMIT:
            self._found.popitem(last=False)


class GraphMachine:
    """See `Machine`. A shape's first call is computed as usual, the second is recorded, all later ones are replayed.

    A replay starts all of a call's kernels at once: no time goes by between them while Python walks through the layers.
    Its numbers are those of the layers; `compiled` ones are rewritten, fuse theirs, differ by rounding and are made for
    `ROWS`. What cannot be recorded is computed as usual; where memory runs out, the graphs make room.
    """

    def __init__(self, form: Form, *, graphs: Graphs | None = None, compiled: bool = False) -> None:
        self._form, self._compiles = form, compiled
        self._layers = form.shown(rewritten_for_gpu(form.network) if compiled else form.network)
        self._runs: dict[int, Run] = {}
        self._graphs = graphs or Graphs()

    def infer(self, inputs: Answers, *, wanted: int) -> Answers:
        """See `Machine`."""
        if self._compiles:
            try:
                filled = tuple(map(_filled, inputs))
                return tuple(each[: len(inputs[0])] for each in self._inferred(filled, wanted))
            except Exception as error:
                if not is_of_compiler(error):
                    raise
                reason = (str(error) or type(error).__name__).strip().splitlines()[0]
                log.warning("The layers cannot be compiled here, and are computed as they are: %s", reason)
                self._compiles, self._layers = False, self._form.shown(self._form.network)
                self._runs.clear()
        return self._inferred(inputs, wanted)

    def _inferred(self, inputs: Answers, wanted: int) -> Answers:
        shapes = tuple((tuple(each.shape), each.dtype, each.device) for each in inputs)
        with self._graphs.lock, torch.inference_mode(False), torch.no_grad():
            run = self._run(wanted)
            try:
                graph = self._graphs.find((id(self), wanted, shapes), run, inputs)
                if graph is not None:
                    return tuple(each.clone() for each in graph(inputs))
                return _computed(run, inputs)
            except torch.OutOfMemoryError:
                if not self._graphs.give_up():
                    raise
            return _computed(run, inputs)

    def _run(self, wanted: int) -> Run:
        """What computes the first `wanted` answers; others would take memory, and compiled layers time to lay out."""
        if wanted not in self._runs:
            first = _First(self._layers, wanted)
            self._runs[wanted] = compile_layers(first) if self._compiles else first
        return self._runs[wanted]


class _Graph:
    """One recorded call: inputs and answers have fixed places, which the next replay overwrites."""

    def __init__(self, run: Run, inputs: Answers, pool: Any, stream: torch.cuda.Stream) -> None:
        self._inputs = tuple(each.clone(memory_format=torch.preserve_format) for each in inputs)
        self._graph = torch.cuda.CUDAGraph()
        with (
            _ALONE,
            torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"),
        ):
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


class _First(nn.Module):
    """The first answers of layers, so many."""

    def __init__(self, layers: nn.Module, wanted: int) -> None:
        super().__init__()
        self._layers, self._wanted = layers, wanted

    def forward(self, *inputs: Tensor) -> Answers:
        answers = self._layers(*inputs)
        return (answers,) if isinstance(answers, Tensor) else answers[: self._wanted]


def _filled(given: Tensor) -> Tensor:
    """The rows, and the last of them again up to the next number that layers are compiled for."""
    rows = next((number for number in ROWS if number >= len(given)), len(given))
    return torch.cat([given, given[-1:].expand(rows - len(given), *given.shape[1:])]) if rows > len(given) else given


def _computed(run: Run, inputs: Answers) -> Answers:
    cudnn = torch.backends.cudnn
    exact = cudnn.deterministic
    # The fastest of cuDNN's convolutions for each shape, found in its first call.
    with (
        _ALONE,
        cudnn.flags(enabled=cudnn.enabled, benchmark=not exact, deterministic=exact, allow_tf32=cudnn.allow_tf32),
    ):
        return run(*inputs)
