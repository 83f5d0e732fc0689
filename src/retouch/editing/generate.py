"""Pictures from texts, with or without control by a picture's edges."""

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Generator, Tensor

from retouch.conditioning.control import PictureControl, check_control
from retouch.conditioning.generate import text_branches
from retouch.conditioning.image import decode_latents, to_images
from retouch.conditioning.unet import unet_predictor
from retouch.core.settings import EditSettings
from retouch.diffusion.guidance import TextGuidance
from retouch.diffusion.loop import denoise, unit_noise
from retouch.diffusion.schedules import make_scheduler
from retouch.models.checkpoint import Checkpoint


def generate(
    checkpoint: Checkpoint,
    texts: Sequence[str],
    *,
    seeds: Sequence[int],
    settings: EditSettings | None = None,
    control: PictureControl | None = None,
) -> tuple[Image.Image, ...]:
    """Make one picture of the model's own size for each text, each from its own seed.

    `settings` override the model's own (steps, scheduler, text guidance, interval and negative text count).

    Raises:
        ModelError: the checkpoint is of another kind, or the ControlNet belongs to another model.
        SettingsError: a setting is out of range.
    """
    side = checkpoint.spec.native_size // checkpoint.vae_factor
    generators = [Generator().manual_seed(seed) for seed in seeds]
    noise = unit_noise((checkpoint.latent_channels, side, side), generators, checkpoint.device)
    latents = generate_latents(checkpoint, texts, noise, generators, settings=settings, control=control)
    return to_images(decode_latents(checkpoint.vae, latents))


@torch.no_grad()
def generate_latents(
    checkpoint: Checkpoint,
    texts: Sequence[str],
    noise: Tensor,
    generator: Generator | Sequence[Generator],
    *,
    settings: EditSettings | None = None,
    control: PictureControl | None = None,
) -> Tensor:
    """Denoise unit noise, (B, 4, h, w), to scaled clean latents; see `generate`."""
    if control is not None:
        check_control(control.network, checkpoint, control.scale)
    chosen = (settings or EditSettings()).resolve(checkpoint.spec.defaults)
    return denoise(
        unet_predictor(checkpoint, text_branches(checkpoint, texts, negative=chosen.negative or ""), control=control),
        make_scheduler(chosen.scheduler or checkpoint.spec.scheduler, checkpoint.scheduler_config),
        TextGuidance(
            text=checkpoint.spec.text_guidance if chosen.text_guidance is None else chosen.text_guidance,
            interval=chosen.guidance_interval or (0.0, 1.0),
        ),
        noise,
        steps=chosen.steps or checkpoint.spec.steps,
        generator=generator,
    )
