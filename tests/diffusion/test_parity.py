"""Parity with diffusers' InstructPix2Pix pipeline on the same random weights, at every step."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator, Tensor

from retouch.conditioning.image import encode_source, to_pixels
from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.unet import UNetPredictor
from retouch.core.settings import EditSettings
from retouch.diffusion.guidance import InstructGuidance
from retouch.diffusion.loop import Progress, denoise, unit_noise
from retouch.diffusion.schedules import Scheduler, make_scheduler
from retouch.editing.editor import Editor

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

SCHEDULERS = ("ddim", "euler-ancestral", "dpm++")
STEPS, SEED, TEXT, IMAGE = 6, 11, 7.5, 1.5
INSTRUCTION = "make the sofa green"
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def source() -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize((64, 64), Image.Resampling.BICUBIC)


def run_pipeline(
    checkpoint: "Checkpoint", scheduler: Scheduler, source: Image.Image, **options: Any
) -> tuple[list[Tensor], Any]:
    """The reference: latents after every step, and the output."""
    from diffusers import StableDiffusionInstructPix2PixPipeline

    pipeline: Any = StableDiffusionInstructPix2PixPipeline(
        vae=checkpoint.vae,
        text_encoder=checkpoint.text_encoder,
        tokenizer=checkpoint.tokenizer,
        unet=checkpoint.unet,
        scheduler=scheduler,  # pyright: ignore[reportArgumentType]
        safety_checker=None,  # pyright: ignore[reportArgumentType]
        feature_extractor=None,  # pyright: ignore[reportArgumentType]
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    collected: list[Tensor] = []

    def collect(_pipeline: Any, _index: int, _timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        collected.append(tensors["latents"].clone())
        return tensors

    output = pipeline(
        INSTRUCTION,
        image=source,
        num_inference_steps=STEPS,
        generator=Generator().manual_seed(SEED),
        callback_on_step_end=collect,
        **options,
    )
    return collected, output


def run_loop(
    checkpoint: "Checkpoint", scheduler: Scheduler, source: Image.Image, text: float, image: float
) -> list[Tensor]:
    condition = encode_source(checkpoint, to_pixels([source]))
    branches = instruct_branches(checkpoint, condition, [INSTRUCTION])
    generators = [Generator().manual_seed(SEED)]
    collected: list[Tensor] = []

    def collect(progress: Progress) -> None:
        collected.append(progress.latents.clone())

    denoise(
        UNetPredictor(checkpoint.unet, branches),
        scheduler,
        InstructGuidance(text=text, image=image),
        unit_noise(condition.shape[1:], generators, torch.device("cpu")),
        steps=STEPS,
        generator=generators,
        on_progress=collect,
    )
    return collected


@pytest.mark.parametrize(("text", "image"), [(TEXT, IMAGE), (3.0, 1.0), (2.0, 2.0)])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_latents_match_at_every_step(
    tiny_checkpoint: "Checkpoint", source: Image.Image, name: str, text: float, image: float
) -> None:
    """With s_I = 1 or s_T = s_I we leave a branch out that diffusers computes and weighs by zero."""
    config = tiny_checkpoint.scheduler_config
    theirs, _ = run_pipeline(
        tiny_checkpoint,
        make_scheduler(name, config),
        source,
        guidance_scale=text,
        image_guidance_scale=image,
        output_type="latent",
    )
    ours = run_loop(tiny_checkpoint, make_scheduler(name, config), source, text, image)
    assert len(ours) == len(theirs) == STEPS
    for step, (mine, reference) in enumerate(zip(ours, theirs, strict=True)):
        error = float((mine - reference).norm() / reference.norm())
        assert error < TOLERANCE, f"step {step}: {error:.2e}"


def test_the_editor_gives_the_pipelines_picture(tiny_checkpoint: "Checkpoint", source: Image.Image) -> None:
    _, output = run_pipeline(
        tiny_checkpoint,
        make_scheduler("euler-ancestral", tiny_checkpoint.scheduler_config),
        source,
        guidance_scale=TEXT,
        image_guidance_scale=IMAGE,
    )
    settings = EditSettings(
        steps=STEPS, scheduler="euler-ancestral", text_guidance=TEXT, image_guidance=IMAGE, seed=SEED
    )
    result = Editor(tiny_checkpoint).edit(source, INSTRUCTION, settings=settings)
    ours = np.asarray(result.image, dtype=np.int16)
    assert int(np.abs(ours - np.asarray(output.images[0], dtype=np.int16)).max()) <= 1
