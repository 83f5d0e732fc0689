"""How long a step of the loop takes with each backend and precision on this machine."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from retouch.editing.backend import Backend, faster, keep_measured
from retouch.editing.device import PRECISIONS, choose_device, choose_precision, image_precision
from retouch.editing.techniques import Place, load_technique
from retouch.models.checkpoint import Checkpoint
from retouch.models.openvino.attach import use_openvino
from retouch.models.openvino.library import is_installed
from retouch.models.openvino.network import Computed, computed

BRANCHES = 3
"""Those of an edit by instruction: without condition, with the image, with both."""
ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The median seconds of a step of three branches by backend, in one precision, and which one is chosen."""

    precision: str
    usual: bool
    seconds: Mapping[Backend, float]

    @property
    def chosen(self) -> Backend:
        """What `--backend auto` takes from now on."""
        return faster(self.seconds)


def measure(source: str | Path, *, rounds: int = ROUNDS) -> Iterator[Measured]:
    """Time a step of `source` at its own size with torch and, where it is installed, OpenVINO, in turns; keep it.

    Each precision that the CPU computes in is measured, the usual one first.

    Raises:
        ModelError: the model cannot be loaded, does not edit, or is none that OpenVINO can compute.
    """
    where = choose_device("cpu")
    usual = choose_precision("auto", where)
    for dtype in dict.fromkeys((usual, torch.float32)):
        place = Place(dtype=dtype, vae_dtype=image_precision(dtype), device=where)
        checkpoint = load_technique(source, place=place).checkpoint
        seconds = _steps(checkpoint, rounds)
        keep_measured(checkpoint, seconds)
        name = next(name for name, value in PRECISIONS.items() if value == dtype)
        yield Measured(precision=name, usual=dtype == usual, seconds=seconds)
        del checkpoint
        gc.collect()


def _steps(checkpoint: Checkpoint, rounds: int) -> dict[Backend, float]:
    """The median seconds by backend, one after the other in each round, after one round that does not count."""
    call = _call(checkpoint)
    steps: dict[Backend, Callable[..., Any]] = {"torch": checkpoint.unet.forward}
    if is_installed():
        use_openvino(checkpoint)
        fast = computed(checkpoint.unet)
        assert isinstance(fast, Computed)
        steps = {"torch": fast.by_torch, "openvino": fast}
    spent: dict[Backend, list[float]] = {name: [] for name in steps}
    with torch.no_grad():
        for _ in range(rounds + 1):
            for name, step in steps.items():
                began = time.perf_counter()
                step(*call[0], **call[1])
                spent[name].append(time.perf_counter() - began)
    return {name: statistics.median(values[1:]) for name, values in spent.items()}


def _call(checkpoint: Checkpoint) -> tuple[tuple[Any, ...], dict[str, Any]]:
    unet, side = checkpoint.unet, checkpoint.spec.native_size // checkpoint.vae_factor
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn((BRANCHES, unet.config["in_channels"], side, side), generator=generator)
    words = 77 if checkpoint.text is None else checkpoint.text_encoder.config.max_position_embeddings
    context = torch.randn((BRANCHES, words, unet.config["cross_attention_dim"]), generator=generator)
    named = {"encoder_hidden_states": context.to(unet.dtype), "return_dict": False}
    return (latents.to(unet.dtype), torch.tensor(501)), named
