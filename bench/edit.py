"""Time of an edit with the pocket model: the whole command, and the loop beside diffusers' own pipeline.

    python bench/edit.py [--rounds 3]

Both run the same weights, steps, guidance and picture in one process, turn about, in float32.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, StableDiffusionInstructPix2PixPipeline
from PIL import Image

from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.models.pocket import find_pocket

PICTURE = Path(__file__).parents[1] / "examples" / "living-room.png"
INSTRUCTION = "make the sofa green"


def main() -> None:
    """Print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    command = statistics.median(_timed(_command) for _ in range(rounds))
    threads = torch.get_num_threads()
    print(f"retouch edit {PICTURE.name}, model loading included: {command:.1f} s wall on {threads} threads")
    ours, theirs = _ours(), _theirs()
    for warm_up in (ours, theirs):
        warm_up()
    pairs = [(_timed(ours), _timed(theirs)) for _ in range(rounds)]
    own, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"loop alone, float32: Retouch {own:.2f} s, diffusers {other:.2f} s, ratio {other / own:.2f}")


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _command() -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.png"
        line = [sys.executable, "-m", "retouch.cli.main", "edit", str(PICTURE), INSTRUCTION, "-o", str(out)]
        subprocess.run(line, check=True, capture_output=True)


def _ours() -> Callable[[], object]:
    editor = Editor.load("pocket", device="cpu", precision="float32")
    return lambda: editor.edit(PICTURE, INSTRUCTION, settings=EditSettings(seed=0))


def _theirs() -> Callable[[], object]:
    folder = find_pocket("instruct")
    pipeline: Any = StableDiffusionInstructPix2PixPipeline.from_pretrained(folder, safety_checker=None)
    pipeline = pipeline.to(torch.float32)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    image = Image.open(PICTURE).convert("RGB")
    return lambda: pipeline(
        INSTRUCTION, image=image, num_inference_steps=20, guidance_scale=2.0, image_guidance_scale=1.0
    )


if __name__ == "__main__":
    main()
