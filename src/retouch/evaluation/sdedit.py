"""SDEdit as a baseline: noise on the source, taken off again by a text-to-image model that reads the target caption."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from torch import Generator, Tensor

from retouch.conditioning.generate import check_generate, text_branches
from retouch.conditioning.image import clean_latents, decode_latents, to_images, to_pixels
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import SettingsError
from retouch.core.fit import Fit
from retouch.core.settings import EditSettings
from retouch.diffusion.guidance import TextGuidance
from retouch.diffusion.levels import level_at
from retouch.diffusion.loop import Step, denoise, unit_noise
from retouch.diffusion.schedules import Scheduler, make_scheduler
from retouch.editing.request import required
from retouch.evaluation.benchmark import BenchCase, Picture
from retouch.evaluation.contestants import Reads
from retouch.evaluation.identities import settings_json
from retouch.models.checkpoint import Checkpoint
from retouch.records.pair import JSON

STRENGTH = 0.6


@dataclass(frozen=True, kw_only=True, eq=False)
class SDEdits:
    """SDEdit as a contestant; `settings` override the checkpoint's own, `weights` is its fingerprint."""

    checkpoint: Checkpoint
    weights: str
    strength: float
    settings: EditSettings = field(default_factory=EditSettings)
    name: str = "sdedit"
    limit: int | None = None
    line: str | None = None
    baseline: bool = True
    reads: frozenset[Reads] = field(default=frozenset({"source", "target_caption"}), init=False)

    @property
    def resolved(self) -> EditSettings:
        """The settings with nothing open."""
        return self.settings.resolve(self.checkpoint.spec.defaults)

    @property
    def identity(self) -> Mapping[str, JSON]:
        """See `Contestant`."""
        return {
            "method": "sdedit",
            "strength": self.strength,
            "weights": self.weights,
            "settings": settings_json(self.resolved),
        }

    def answer(self, case: BenchCase, seed: int) -> Picture:
        """Return the source after SDEdit towards the target's caption."""
        return sdedit(
            self.checkpoint,
            case.source,
            case.target_caption,
            strength=self.strength,
            seed=seed,
            settings=self.resolved,
        )

    def round_trip(self, picture: Picture) -> Picture:
        """Return the picture: SDEdit changes all of it."""
        return picture


def sdedit(
    checkpoint: Checkpoint, source: Picture, caption: str, *, strength: float, seed: int, settings: EditSettings
) -> Picture:
    """The source, (H, W, 3) uint8, noised to `strength` of the schedule and denoised towards a caption, same shape.

    SDEdit (arXiv 2108.01073, algorithm 1) over the one loop. `settings` are resolved; 1 keeps nothing of the source.

    Raises:
        ModelError: the checkpoint does not make pictures from text alone.
        SettingsError: the strength is not above 0 and at most 1, or leaves no step.
    """
    check_generate(checkpoint)
    check_strength(strength)
    spec = checkpoint.spec
    image = Image.fromarray(source)
    fit = Fit.for_model(image.size, native=spec.native_size, multiple=spec.size_multiple)
    clean = clean_latents(checkpoint, to_pixels([fit.apply(image)]))
    generator = Generator().manual_seed(seed)
    noise = unit_noise(clean.shape[1:], [generator], checkpoint.device)
    scheduler = make_scheduler(required(settings.scheduler, "scheduler"), checkpoint.scheduler_config)
    start = Start(scheduler, clean, noise)
    latents = denoise(
        unet_predictor(checkpoint, text_branches(checkpoint, [caption], negative=settings.negative or "")),
        scheduler,
        TextGuidance(
            text=required(settings.text_guidance, "text_guidance"),
            interval=required(settings.guidance_interval, "guidance_interval"),
        ),
        noise,
        steps=required(settings.steps, "steps"),
        generator=generator,
        before=(start,),
        since=round(1 - strength, 9),
    )
    if not start.begun:
        raise SettingsError(f"{settings.steps} steps at a strength of {strength:g} are none; ask for more of either.")
    return np.array(fit.invert(to_images(decode_latents(checkpoint.vae, latents))[0]))


class Start:
    """Puts the noised source in place of what the loop begins with, ahead of the first step that is taken."""

    def __init__(self, scheduler: Scheduler, source: Tensor, noise: Tensor) -> None:
        self._scheduler, self._source, self._noise = scheduler, source, noise
        self.begun = False

    def __call__(self, step: Step, latents: Tensor) -> Tensor:
        """See `StepHook`."""
        if self.begun:
            return latents
        self.begun = True
        return level_at(self._scheduler, step.timestep).noised(self._source, self._noise)


def check_strength(strength: float) -> None:
    """Raises SettingsError where it is not above 0 and at most 1."""
    if not 0 < strength <= 1:
        raise SettingsError(f"The strength of SDEdit is {strength:g}; expected a number above 0, at most 1.")
