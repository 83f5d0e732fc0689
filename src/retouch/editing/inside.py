"""What holds a pass of the loop to regions: the source's latents outside, attention to the words of the edit inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor

from retouch.attention.regularise import AttendInside, avoid, favour
from retouch.attention.words import Reader
from retouch.conditioning.image import clean_latents
from retouch.conditioning.text import text_length
from retouch.core.region_settings import RegionSettings
from retouch.diffusion.blending import BlendRange, LatentBlend, SourceLatents, latent_mask, renoised
from retouch.diffusion.guidance import IMAGE
from retouch.diffusion.inversion import inverted
from retouch.diffusion.loop import StepHook, set_timesteps
from retouch.diffusion.predictor import Predictor
from retouch.diffusion.schedules import Scheduler
from retouch.models.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True, eq=False)
class Inside:
    """Regions of the pictures of a batch, (B, 1, H, W) of the model's size from 0 to 1, and how edits keep to them.

    `settings` are resolved; without `blends` nothing keeps the outside, attention alone is held.
    """

    masks: Tensor
    settings: RegionSettings
    blends: bool = True


@dataclass(frozen=True, eq=False)
class Run:
    """The pass of the loop at hand: what predicts, steps and starts it, and how many steps it takes."""

    predictor: Predictor
    scheduler: Scheduler
    noise: Tensor
    steps: int


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Hooks of the loop."""

    before: tuple[StepHook, ...] = ()
    after: tuple[StepHook, ...] = ()


@contextmanager
def held_inside(
    inside: Inside | None, checkpoint: Checkpoint, pixels: Tensor, instruction: str, run: Run
) -> Iterator[Hooks]:
    """Hold the pass to regions while the block runs; the U-Net is as before at its end.

    Raises SettingsError where the scheduler cannot take so many steps, ModelError where attention cannot be held.
    """
    if inside is None:
        yield Hooks()
        return
    masks = latent_mask(inside.masks, checkpoint.vae_factor).to(run.noise.device)
    kept = (_blend(inside.settings, checkpoint, pixels, masks, run).after,) if inside.blends else ()
    if inside.settings.attend == "off":
        yield Hooks(after=kept)
        return
    attention = _attention(inside.settings, checkpoint, masks, instruction)
    with attention.over(checkpoint.unet):
        yield Hooks(before=(attention.before,), after=(attention.after, *kept))


def _blend(settings: RegionSettings, checkpoint: Checkpoint, pixels: Tensor, masks: Tensor, run: Run) -> LatentBlend:
    source = clean_latents(checkpoint, pixels)
    start, end = settings.blend_fractions
    return LatentBlend(
        run.scheduler,
        _inverted(source, run) if settings.source == "invert" else renoised(source, run.noise),
        masks,
        span=BlendRange(start=start, end=end),
        widenings=settings.widenings or 0,
    )


def _inverted(source: Tensor, run: Run) -> SourceLatents:
    # The loop lays out the steps of the scheduler itself later on.
    scheduler = deepcopy(run.scheduler)
    set_timesteps(scheduler, run.steps)
    return inverted(run.predictor, scheduler, source, branch=IMAGE)


def _attention(settings: RegionSettings, checkpoint: Checkpoint, masks: Tensor, instruction: str) -> AttendInside:
    reader = Reader(tokenizer=checkpoint.tokenizer, length=text_length(checkpoint))
    kind = favour if settings.attend == "favour" else avoid
    bias = kind(reader, instruction, settings.attend_weight or 0.0)
    return AttendInside(masks, bias.to(masks.device))
