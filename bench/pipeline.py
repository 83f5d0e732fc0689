"""What the editor costs beside the pipeline itself, for every class: one picture, the same weights, steps and seed.

    python bench/pipeline.py [--rounds 9] [--seconds 3] [CLASS ...]

Both take their turns in one process, the first of a pair being each in turn, with small random networks: those of the
tests, with as many steps as take a few seconds of the processor. Held to the limit is processor time, which other
programs on the machine disturb less than the wall's; wall time stands beside it with its spread and the machine's load.
Ratios are the medians of the pairs'. The picture is of the model's size; a larger one costs its resampling too, as any
caller's would.
"""

import argparse
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from retouch.core.settings import EditSettings
from retouch.editing.pipelines.editor import PipelineEditor
from retouch.editing.pipelines.families import find_family
from retouch.models.tokenizer import train_tokenizer

ROOT = Path(__file__).parents[1]
INSTRUCTION = "make the sofa green"
LIMIT = 1.03
PROBED = 4
"""Steps by which the time of one is known."""


def main() -> None:
    """Print medians and their ratio for each class; exit 1 where one is above the limit."""
    sys.path.insert(0, str(ROOT))
    tiny = importlib.import_module("tests.editing.pipelines.tiny")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long a call is to take, by its steps")
    parser.add_argument("classes", nargs="*", default=tiny.CLASSES)
    asked = parser.parse_args()
    worst = 0.0
    with tiny.small_sizes():
        for name in asked.classes:
            _, probe = _pair(tiny, name, PROBED)
            probe()
            steps = max(PROBED, round(PROBED * asked.seconds / _timed(probe).processor))
            ours, theirs = _pair(tiny, name, steps)
            for warm_up in (ours, theirs):
                warm_up()
            pairs = [_both(ours, theirs, turned=bool(number % 2)) for number in range(asked.rounds)]
            ratio = statistics.median(own.processor / other.processor for own, other in pairs)
            worst = max(worst, ratio)
            print(f"{name}, {steps} steps: processor ratio {ratio:.3f}; {_wall(pairs)}", flush=True)
    print(f"worst processor ratio {worst:.3f}, limit {LIMIT}")
    sys.exit(worst > LIMIT)


@dataclass(frozen=True)
class _Time:
    """Seconds by the clock on the wall, and of the processor."""

    wall: float
    processor: float


def _wall(pairs: Sequence[tuple[_Time, _Time]]) -> str:
    """Wall time: the median ratio of the pairs, the middle half of them, both medians, and the machine's load."""
    low, middle, high = statistics.quantiles([own.wall / other.wall for own, other in pairs], n=4, method="inclusive")
    editor, pipeline = (statistics.median(one.wall for one in column) for column in zip(*pairs, strict=True))
    return (
        f"wall ratio {middle:.3f}, half of {len(pairs)} pairs within {low:.3f}-{high:.3f}, editor {editor:.2f} s, "
        f"pipeline {pipeline:.2f} s, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


def _timed(work: Callable[[], object]) -> _Time:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return _Time(time.perf_counter() - wall, time.process_time() - processor)


def _both(ours: Callable[[], object], theirs: Callable[[], object], *, turned: bool) -> tuple[_Time, _Time]:
    if turned:
        other = _timed(theirs)
        return _timed(ours), other
    return _timed(ours), _timed(theirs)


def _pair(tiny: Any, name: str, steps: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """The editor's call and the pipeline's own, for one picture of the model's size."""
    tokenizer = train_tokenizer([INSTRUCTION], vocabulary=300, length=77)
    pipeline = tiny.pipeline(name, tokenizer)
    editor = PipelineEditor(pipeline, find_family(name), side=tiny.SIDE if tiny.side(name) else None)
    shown = Image.fromarray(np.random.default_rng(0).integers(0, 256, (tiny.SIDE, tiny.SIDE, 3), dtype=np.uint8))
    family, defaults = editor.family, editor.defaults
    named = {family.text_guidance: defaults.text_guidance, family.image_guidance: defaults.image_guidance}
    arguments: dict[str, Any] = {argument: value for argument, value in named.items() if argument is not None}
    if name != "LongCatImageEditPipeline":
        arguments.update(width=tiny.SIDE, height=tiny.SIDE)
    if name == "FluxKontextPipeline":
        arguments.update(max_area=tiny.SIDE**2, _auto_resize=False)
    if name.startswith("Qwen"):
        arguments.update(negative_prompt=" ")

    def theirs() -> object:
        generator = torch.Generator().manual_seed(0)
        return pipeline(
            image=shown, prompt=INSTRUCTION, num_inference_steps=steps, generator=generator, **arguments
        ).images[0]

    return lambda: editor.edit(shown, INSTRUCTION, settings=EditSettings(steps=steps, seed=0)), theirs


if __name__ == "__main__":
    main()
