"""GPU memory and time of an edit at the size of Stable Diffusion 1.5 in each memory mode, as Markdown.

    python bench/gpu_memory.py               # 512², 20 steps, one picture and four; needs a CUDA GPU

Random weights are made on the GPU and nothing is written. Every edit is of a picture and by words that were not seen
before, so that all networks compute; one before them is not counted. Peaks are those of torch's allocator: what tensors
held at once, and what was reserved for them. Beside them the seconds of an edit that is held to what cards of 4 and
6 GB have left when half a gigabyte is taken off for CUDA itself; "–" where that does not suffice.
"""

import argparse
import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import torch
from PIL import Image

from retouch.core.errors import ModelError
from retouch.core.settings import EditSettings
from retouch.editing.backend import use_backend
from retouch.editing.device import PRECISIONS, choose_precision, image_precision
from retouch.editing.editor import Editor
from retouch.editing.instructing import Instructing
from retouch.editing.loop_memory import settle
from retouch.editing.memory_mode import MemoryMode
from retouch.models.architecture import STABLE_DIFFUSION_1, random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.quiet import quiet_libraries
from retouch.models.spec import PUBLISHED
from retouch.models.tokenizer import train_tokenizer

GIGABYTE = 2**30
CONTEXT = 0.5
"""Gigabytes that CUDA itself takes, about."""
LIMITS = (4, 6)
MODES: tuple[MemoryMode, ...] = ("full", "offload")
VOCABULARY = 49408
"""Of the published text encoder, more than a tokenizer learns here."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One edit: side of the picture in pixels, steps, and for how many seeds at once."""

    side: int
    steps: int
    pictures: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of an edit: seconds, bytes that tensors held at the most, and bytes that were reserved for them."""

    seconds: float
    allocated: int
    reserved: int


def main() -> None:
    """Print a line for each mode and number of pictures."""
    asked = _arguments()
    if not torch.cuda.is_available():
        raise SystemExit("This measures the memory of a GPU and there is no CUDA here; run it on a machine with one.")
    device = torch.device("cuda")
    precision = choose_precision(asked.precision, device)
    cases = [Case(side=asked.side, steps=asked.steps, pictures=each) for each in asked.pictures]
    print(_head(asked.side, asked.steps, precision), flush=True)
    for mode in MODES:
        for line in _lines(mode, cases, precision, device):
            print(line, flush=True)
        _empty()


def edited(editor: Editor, case: Case, number: int) -> Figures:
    """The edit of picture `number`, and what it took."""
    levels = np.random.default_rng(number).integers(0, 256, (case.side, case.side, 3), dtype=np.uint8)
    settings = EditSettings(steps=case.steps, seed=number)
    _empty()
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.synchronize()
    began = time.perf_counter()
    editor.edit(Image.fromarray(levels), f"make sofa {number} green", settings=settings, count=case.pictures)
    torch.cuda.synchronize()
    return Figures(
        seconds=time.perf_counter() - began,
        allocated=torch.cuda.max_memory_allocated(),
        reserved=torch.cuda.max_memory_reserved(),
    )


def held(editor: Editor, case: Case, number: int, limit: int) -> Figures | None:
    """The same with what a card of `limit` gigabytes has; None where that does not suffice."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((limit - CONTEXT) * GIGABYTE / total)
    try:
        return edited(editor, case, number)
    except ModelError as error:
        if not isinstance(error.__cause__, torch.OutOfMemoryError):
            raise
        return None
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _lines(mode: MemoryMode, cases: list[Case], precision: torch.dtype, device: torch.device) -> Iterator[str]:
    for case in cases:
        # Of its own for each, since CUDA graphs are given up for good where memory did not suffice.
        editor, numbers = _editor(mode, case.side, precision, device), count()
        edited(editor, replace(case, steps=2), next(numbers))
        found = edited(editor, case, next(numbers))
        # From the most memory to the least, for the same reason.
        limited = [held(editor, case, next(numbers), limit) for limit in reversed(LIMITS)][::-1]
        cells = [
            f"{found.seconds:.2f}",
            f"{found.allocated / GIGABYTE:.2f}",
            f"{found.reserved / GIGABYTE:.2f}",
            *("–" if each is None else f"{each.seconds:.2f}" for each in limited),
        ]
        yield f"| {mode} | {case.pictures} | {' | '.join(cells)} |"
        del editor
        _empty()


def _editor(mode: MemoryMode, side: int, precision: torch.dtype, device: torch.device) -> Editor:
    technique = Instructing(_checkpoint(side, precision, device))
    settle(technique, mode, device)
    use_backend(technique.checkpoint, "auto")
    return Editor(technique)


def _checkpoint(side: int, precision: torch.dtype, device: torch.device) -> Checkpoint:
    tokenizer = train_tokenizer(["make the sofa green"], vocabulary=300, length=STABLE_DIFFUSION_1.text_length)
    with device, quiet_libraries():
        spec = replace(PUBLISHED["instruct"], native_size=side)
        checkpoint = random_checkpoint(STABLE_DIFFUSION_1, tokenizer, spec=spec)
        checkpoint.text_encoder.resize_token_embeddings(VOCABULARY, mean_resizing=False)
        for name, network in checkpoint.modules.items():
            network.requires_grad_(False).to(dtype=image_precision(precision, device) if name == "vae" else precision)
    return checkpoint


def _head(side: int, steps: int, precision: torch.dtype) -> str:
    unet, vae = (
        str(each).removeprefix("torch.") for each in (precision, image_precision(precision, torch.device("cuda")))
    )
    limits = " | ".join(f"s in {limit} GB" for limit in LIMITS)
    return (
        f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {side}², {steps} steps, "
        f"U-Net {unet}, VAE {vae}\n\n"
        f"| memory | pictures | s | tensors, GB | reserved, GB | {limits} |\n|---|{'---:|' * (4 + len(LIMITS))}"
    )


def _empty() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--pictures", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--precision", default="auto", choices=("auto", *PRECISIONS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
