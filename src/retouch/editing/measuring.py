"""How long a step of the loop takes with each backend and precision on this machine."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from retouch.editing.backend import Backend, faster, keep_measured, lay_out
from retouch.editing.device import PRECISIONS, choose_device, choose_precision, image_precision
from retouch.editing.techniques import Place, load_technique
from retouch.models.checkpoint import Checkpoint
from retouch.models.computed import Computed, computed
from retouch.models.forms import UNetForm
from retouch.models.graphs import GraphMachine
from retouch.models.openvino.attach import use_openvino
from retouch.models.openvino.library import is_installed

BRANCHES = 3
"""Those of an edit by instruction: without condition, with the image, with both."""
ROUNDS = 5
UNCOUNTED = 2

Step = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The median seconds of a step of three branches by backend, in one precision, and which one is chosen.

    kept: the file that `--backend auto` reads them from, None where it could not be written.
    """

    precision: str
    usual: bool
    seconds: Mapping[Backend, float]
    kept: Path | None

    @property
    def chosen(self) -> Backend:
        """What `--backend auto` takes from now on where this is kept."""
        return faster(self.seconds)


def measure(source: str | Path, *, rounds: int = ROUNDS) -> Iterator[Measured]:
    """Time a step of `source` at its own size with each backend that can be had, in turns; keep it where that can be.

    On an NVIDIA GPU where there is one, in its usual precision; else on the CPU, where OpenVINO is measured if it is
    installed, in each precision that it computes in, the usual one first.

    Raises:
        ModelError: the model cannot be loaded, does not edit, or is none that OpenVINO can compute.
    """
    where = choose_device("cuda" if torch.cuda.is_available() else "cpu")
    usual = choose_precision("auto", where)
    for dtype in (usual,) if where.type == "cuda" else dict.fromkeys((usual, torch.float32)):
        place = Place(dtype=dtype, vae_dtype=image_precision(dtype, where), device=where)
        checkpoint = load_technique(source, place=place).checkpoint
        seconds = _steps(checkpoint, rounds)
        kept = keep_measured(checkpoint, seconds)
        name = next(name for name, value in PRECISIONS.items() if value == dtype)
        yield Measured(precision=name, usual=dtype == usual, seconds=seconds, kept=kept)
        del checkpoint
        gc.collect()


def _steps(checkpoint: Checkpoint, rounds: int) -> dict[Backend, float]:
    """The median seconds by backend, one after the other in each round, after those that do not count: the first call
    of a backend prepares it, and the second."""
    arguments, named = _call(checkpoint)
    steps = _on_gpu(checkpoint) if checkpoint.device.type == "cuda" else _on_cpu(checkpoint)
    spent: dict[Backend, list[float]] = {name: [] for name in steps}
    with torch.no_grad():
        for _ in range(UNCOUNTED + rounds):
            for name, step in steps.items():
                began = time.perf_counter()
                step(*arguments, **named)
                if checkpoint.device.type == "cuda":
                    torch.cuda.synchronize(checkpoint.device)
                spent[name].append(time.perf_counter() - began)
    return {name: statistics.median(values[UNCOUNTED:]) for name, values in spent.items()}


def _on_cpu(checkpoint: Checkpoint) -> dict[Backend, Step]:
    if not is_installed():
        return {"torch": checkpoint.unet.forward}
    use_openvino(checkpoint)
    fast = computed(checkpoint.unet)
    assert isinstance(fast, Computed)
    return {"torch": fast.by_torch, "openvino": fast}


def _on_gpu(checkpoint: Checkpoint) -> dict[Backend, Step]:
    lay_out(checkpoint)
    form = UNetForm(checkpoint.unet)
    graphs = Computed(form, GraphMachine, by="graphs")
    compiled = Computed(form, partial(GraphMachine, compiled=True), by="compiled")
    return {"torch": checkpoint.unet.forward, "graphs": graphs, "compiled": compiled}


def _call(checkpoint: Checkpoint) -> tuple[tuple[Any, ...], dict[str, Any]]:
    unet, side = checkpoint.unet, checkpoint.spec.native_size // checkpoint.vae_factor
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn((BRANCHES, unet.config["in_channels"], side, side), generator=generator)
    words = 77 if checkpoint.text is None else checkpoint.text_encoder.config.max_position_embeddings
    context = torch.randn((BRANCHES, words, unet.config["cross_attention_dim"]), generator=generator)
    named = {"encoder_hidden_states": context.to(unet.device, unet.dtype), "return_dict": False}
    return (latents.to(unet.device, unet.dtype), torch.tensor(501, device=unet.device)), named
