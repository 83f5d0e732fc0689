"""Parity with diffusers at the full size of Stable Diffusion 1.5, and the time of both side by side.

Random weights stand for trained ones: the arithmetic is the same. On the CPU it takes about 10 GB of memory.

    python bench/parity.py --device cpu --steps 4 --size 512
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from PIL import Image
from torch import Generator, Tensor

from retouch.conditioning.image import encode_source, to_pixels
from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.unet import UNetPredictor
from retouch.diffusion.guidance import InstructGuidance
from retouch.diffusion.loop import Progress, denoise, unit_noise
from retouch.diffusion.schedules import make_scheduler
from retouch.models.architecture import STABLE_DIFFUSION_1, TINY, random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.tokenizer import train_tokenizer

SCHEDULERS = ("ddim", "euler-ancestral", "dpm++")
INSTRUCTION = "make the sofa green"
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One scheduler at one pair of guidance scales: relative error at every step, seconds of both.

    `ratio` is the reference's time over ours, so above 1 ours is faster.
    """

    scheduler: str
    text_guidance: float
    image_guidance: float
    errors: list[float]
    seconds_diffusers: float
    seconds_retouch: float

    @property
    def ratio(self) -> float:
        return self.seconds_diffusers / self.seconds_retouch


def main() -> int:
    arguments = parse_arguments()
    checkpoint = make_checkpoint(arguments)
    millions = sum(parameter.numel() for parameter in checkpoint.unet.parameters()) / 1e6
    print(
        f"U-Net {millions:.1f}M parameters, {arguments.size} x {arguments.size} pixels, {arguments.steps} steps, "
        f"float32, {describe_device(arguments.device)}, torch {torch.__version__}",
        flush=True,
    )
    source = noise_picture(arguments.size)
    # The first call pays for what is set up once (kernels, memory); neither side shall be charged with it.
    for run in (run_pipeline, run_loop):
        run(checkpoint, "ddim", source, 7.5, 1.5, steps=1)
    rows: list[Figures] = []
    for name in arguments.schedulers:
        for text, image in ((7.5, 1.5), *(((7.5, 1.0),) if arguments.all else ())):
            rows.append(compare(checkpoint, name, source, text, image, steps=arguments.steps))
            print_row(rows[-1])
    if arguments.json:
        content = [{**asdict(row), "ratio": row.ratio} for row in rows]
        Path(arguments.json).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    worst = max(error for row in rows for error in row.errors)
    print(f"largest relative error {worst:.2e}, allowed {TOLERANCE:.0e}")
    return 0 if worst < TOLERANCE else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--size", type=int, default=512, help="pixels of a side, a multiple of 64")
    parser.add_argument("--schedulers", nargs="+", default=SCHEDULERS, choices=SCHEDULERS)
    parser.add_argument("--all", action="store_true", help="also where a branch has weight zero (s_I = 1)")
    parser.add_argument("--tiny", action="store_true", help="a tiny U-Net, to try the program out")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def make_checkpoint(arguments: argparse.Namespace) -> Checkpoint:
    shape = TINY if arguments.tiny else STABLE_DIFFUSION_1
    tokenizer = train_tokenizer([INSTRUCTION], vocabulary=300, length=shape.text_length)
    checkpoint = random_checkpoint(shape, tokenizer)
    for module in checkpoint.modules.values():
        module.to(arguments.device)
    return checkpoint


def describe_device(name: str) -> str:
    if name == "cpu":
        return f"{torch.get_num_threads()} CPU threads"
    return torch.cuda.get_device_name(name)


def noise_picture(size: int) -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize((size, size), Image.Resampling.BICUBIC)


def compare(
    checkpoint: Checkpoint, name: str, source: Image.Image, text: float, image: float, *, steps: int
) -> Figures:
    """Run both on the same weights, seed and scheduler."""
    reference, seconds_diffusers = timed(
        lambda: run_pipeline(checkpoint, name, source, text, image, steps=steps), checkpoint.device
    )
    latents, seconds_retouch = timed(
        lambda: run_loop(checkpoint, name, source, text, image, steps=steps), checkpoint.device
    )
    errors = [float((ours - theirs).norm() / theirs.norm()) for ours, theirs in zip(latents, reference, strict=True)]
    return Figures(
        scheduler=name,
        text_guidance=text,
        image_guidance=image,
        errors=errors,
        seconds_diffusers=seconds_diffusers,
        seconds_retouch=seconds_retouch,
    )


def timed(run: Callable[[], list[Tensor]], device: torch.device) -> tuple[list[Tensor], float]:
    gc.collect()
    started = time.perf_counter()
    result = run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - started


def run_pipeline(
    checkpoint: Checkpoint, name: str, source: Image.Image, text: float, image: float, *, steps: int
) -> list[Tensor]:
    """Latents after every step of diffusers' pipeline."""
    components: dict[str, Any] = {
        **checkpoint.modules,
        "tokenizer": checkpoint.tokenizer,
        "scheduler": make_scheduler(name, checkpoint.scheduler_config),
        "safety_checker": None,
        "feature_extractor": None,
    }
    pipeline: Any = StableDiffusionInstructPix2PixPipeline(**components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    collected: list[Tensor] = []

    def collect(_pipeline: Any, _index: int, _timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        collected.append(tensors["latents"].clone())
        return tensors

    pipeline(
        INSTRUCTION,
        image=source,
        num_inference_steps=steps,
        guidance_scale=text,
        image_guidance_scale=image,
        generator=Generator().manual_seed(0),
        callback_on_step_end=collect,
        output_type="latent",
    )
    return collected


def run_loop(
    checkpoint: Checkpoint, name: str, source: Image.Image, text: float, image: float, *, steps: int
) -> list[Tensor]:
    """Latents after every step of our loop, encoding included, as in the pipeline."""
    condition = encode_source(checkpoint, to_pixels([source]))
    branches = instruct_branches(checkpoint, condition, [INSTRUCTION])
    generators = [Generator().manual_seed(0)]
    collected: list[Tensor] = []

    def collect(progress: Progress) -> None:
        collected.append(progress.latents.clone())

    denoise(
        UNetPredictor(checkpoint.unet, branches),
        make_scheduler(name, checkpoint.scheduler_config),
        InstructGuidance(text=text, image=image),
        unit_noise(condition.shape[1:], generators, checkpoint.device),
        steps=steps,
        generator=generators,
        on_progress=collect,
    )
    return collected


def print_row(row: Figures) -> None:
    errors = " ".join(f"{error:.1e}" for error in row.errors)
    print(
        f"{row.scheduler:16} s_T {row.text_guidance:g} s_I {row.image_guidance:g}  errors {errors}  "
        f"diffusers {row.seconds_diffusers:.2f} s, retouch {row.seconds_retouch:.2f} s, "
        f"ratio {row.ratio:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
