"""Parity with diffusers' text-to-image and ControlNet pipelines on the same random weights, at every step."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator, Tensor

from retouch.conditioning.control import PictureControl, edge_picture
from retouch.core.settings import EditSettings
from retouch.diffusion.schedules import make_scheduler
from retouch.editing.generate import generate, generate_latents
from retouch.models.control import control_of

if TYPE_CHECKING:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    from retouch.models.checkpoint import Checkpoint

STEPS, SEED, TEXT, SCALE = 5, 11, 7.5, 0.7
CAPTION = "turn it into a night shot"
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def checkpoint(make_tiny) -> "Checkpoint":
    return make_tiny(kind="generate")


@pytest.fixture(scope="module")
def network(checkpoint: "Checkpoint") -> "ControlNetModel":
    """A ControlNet whose closing convolutions are no longer zero, as after some training."""
    made = control_of(checkpoint, channels=(8, 16, 16, 16), seed=1).eval().requires_grad_(False)
    generator = Generator().manual_seed(2)
    for layer in (*made.controlnet_down_blocks, made.controlnet_mid_block):
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * 0.1)  # pyright: ignore
    return made


@pytest.fixture(scope="module")
def squares() -> Image.Image:
    levels = np.kron(np.random.default_rng(0).integers(0, 256, (4, 4, 3)), np.ones((16, 16, 1)))
    return Image.fromarray(levels.astype(np.uint8))


def reference(checkpoint: "Checkpoint", name: str, network: "ControlNetModel | None", **options: Any) -> Tensor:
    from diffusers import StableDiffusionControlNetPipeline, StableDiffusionPipeline

    parts: dict[str, Any] = {
        "vae": checkpoint.vae,
        "text_encoder": checkpoint.text_encoder,
        "tokenizer": checkpoint.tokenizer,
        "unet": checkpoint.unet,
        "scheduler": make_scheduler(name, checkpoint.scheduler_config),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    pipeline: Any = (
        StableDiffusionPipeline(**parts)
        if network is None
        else StableDiffusionControlNetPipeline(**parts, controlnet=network)
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        CAPTION,
        num_inference_steps=STEPS,
        guidance_scale=TEXT,
        generator=Generator().manual_seed(SEED),
        output_type="latent",
        **options,
    ).images


def ours(checkpoint: "Checkpoint", name: str, control: PictureControl | None = None) -> Tensor:
    generator = Generator().manual_seed(SEED)
    noise = torch.randn((1, 4, 8, 8), generator=generator)
    settings = EditSettings(steps=STEPS, scheduler=name, text_guidance=TEXT)
    return generate_latents(checkpoint, [CAPTION], noise, generator, settings=settings, control=control)


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", ["ddim", "euler-ancestral", "dpm++"])
def test_text_to_image_is_that_of_diffusers(checkpoint: "Checkpoint", name: str) -> None:
    expected = reference(checkpoint, name, None, height=64, width=64)
    assert relative(ours(checkpoint, name), expected) < TOLERANCE


@pytest.mark.parametrize("scale", [SCALE, 1.0])
def test_control_is_that_of_diffusers(
    checkpoint: "Checkpoint", network: "ControlNetModel", squares: Image.Image, scale: float
) -> None:
    picture = edge_picture([squares])
    expected = reference(checkpoint, "ddim", network, image=picture, controlnet_conditioning_scale=scale)
    control = PictureControl(network=network, picture=picture, scale=scale)
    found = ours(checkpoint, "ddim", control)
    assert relative(found, expected) < TOLERANCE
    assert relative(found, ours(checkpoint, "ddim")) > 100 * TOLERANCE


def test_control_of_scale_zero_changes_nothing_and_costs_nothing(
    checkpoint: "Checkpoint", network: "ControlNetModel", squares: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "forward", None)
    control = PictureControl(network=network, picture=edge_picture([squares]), scale=0.0)
    assert torch.equal(ours(checkpoint, "ddim", control), ours(checkpoint, "ddim"))


def test_an_untrained_control_changes_nothing(checkpoint: "Checkpoint", squares: Image.Image) -> None:
    fresh = control_of(checkpoint, channels=(8, 16, 16, 16), seed=1).eval().requires_grad_(False)
    control = PictureControl(network=fresh, picture=edge_picture([squares]))
    torch.testing.assert_close(ours(checkpoint, "ddim", control), ours(checkpoint, "ddim"))


def test_a_picture_of_a_batch_is_the_picture_alone(
    checkpoint: "Checkpoint", network: "ControlNetModel", squares: Image.Image
) -> None:
    mirrored = squares.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    texts, pictures = [CAPTION, "remove the lamp"], edge_picture([squares, mirrored])
    together = generate(checkpoint, texts, seeds=[3, 4], control=PictureControl(network=network, picture=pictures))
    alone = generate(checkpoint, texts[1:], seeds=[4], control=PictureControl(network=network, picture=pictures[1:]))
    difference = np.asarray(together[1], dtype=np.int16) - np.asarray(alone[0], dtype=np.int16)
    assert int(np.abs(difference).max()) <= 1
