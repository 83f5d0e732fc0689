"""Pictures from texts, with or without control by a picture's edges."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from PIL import Image
from torch import Generator, Tensor

from retouch.attention.control import Control
from retouch.attention.image_tokens import ImageTokens
from retouch.conditioning.control import PictureControl, check_control
from retouch.conditioning.generate import text_branches
from retouch.conditioning.image import decode_latents, to_images
from retouch.conditioning.ip_adapter import ip_adapter_branches
from retouch.conditioning.unet import unet_predictor
from retouch.core.settings import EditSettings
from retouch.diffusion.guidance import Guidance, SampleGuidance, TextGuidance
from retouch.diffusion.loop import denoise, unit_noise
from retouch.diffusion.schedules import make_scheduler
from retouch.models.checkpoint import Checkpoint
from retouch.models.ip_adapter import ImagePrompt


def generate(
    checkpoint: Checkpoint,
    texts: Sequence[str],
    *,
    seeds: Sequence[int],
    settings: EditSettings | None = None,
    scales: Sequence[float] | None = None,
    control: PictureControl | None = None,
    attention: Control | None = None,
    pictures: Sequence[ImagePrompt] = (),
) -> tuple[Image.Image, ...]:
    """Make one picture of the model's own size for each text, each from its own seed.

    `settings` override the model's own (steps, scheduler, text guidance, interval and negative text count);
    `scales` give each picture its own text guidance. Pictures of one seed share all noise, also that which the
    scheduler adds. `control` holds them to pictures, `attention` to one another; `pictures` are read beside
    the texts by IP-Adapters.

    Raises:
        ModelError: the checkpoint is of another kind, the ControlNet belongs to another model, or attention
            cannot be controlled in this one.
        SettingsError: a setting is out of range.
    """
    side = checkpoint.spec.native_size // checkpoint.vae_factor
    generators = [Generator().manual_seed(seed) for seed in seeds]
    noise = unit_noise((checkpoint.latent_channels, side, side), generators, checkpoint.device)
    latents = generate_latents(
        checkpoint,
        texts,
        noise,
        generators,
        settings=settings,
        scales=scales,
        control=control,
        attention=attention,
        pictures=pictures,
    )
    return to_images(decode_latents(checkpoint.vae, latents))


@torch.no_grad()
def generate_latents(
    checkpoint: Checkpoint,
    texts: Sequence[str],
    noise: Tensor,
    generator: Generator | Sequence[Generator],
    *,
    settings: EditSettings | None = None,
    scales: Sequence[float] | None = None,
    control: PictureControl | None = None,
    attention: Control | None = None,
    pictures: Sequence[ImagePrompt] = (),
) -> Tensor:
    """Denoise unit noise, (B, 4, h, w), to scaled clean latents; see `generate`."""
    if control is not None:
        check_control(control.network, checkpoint, control.scale)
    chosen = (settings or EditSettings()).resolve(checkpoint.spec.defaults)
    branches = ip_adapter_branches(text_branches(checkpoint, texts, negative=chosen.negative or ""), pictures)
    held = nullcontext() if attention is None else attention.over(checkpoint.unet)
    with held, ImageTokens(pictures).over(checkpoint.unet):
        return denoise(
            unet_predictor(checkpoint, branches, control=control, reuse=chosen.reuse, fine_layers=chosen.fine_layers),
            make_scheduler(chosen.scheduler or checkpoint.spec.scheduler, checkpoint.scheduler_config),
            _guidance(checkpoint, chosen, scales),
            noise,
            steps=chosen.steps or checkpoint.spec.steps,
            generator=generator,
            before=() if attention is None else (attention.before,),
            after=() if attention is None else (attention.after,),
        )


def _guidance(checkpoint: Checkpoint, chosen: EditSettings, scales: Sequence[float] | None) -> Guidance:
    interval = chosen.guidance_interval or (0.0, 1.0)
    if scales is not None:
        return SampleGuidance(text=tuple(scales), interval=interval)
    text = checkpoint.spec.text_guidance if chosen.text_guidance is None else chosen.text_guidance
    return TextGuidance(text=text, interval=interval)
