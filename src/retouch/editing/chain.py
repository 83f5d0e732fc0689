"""Take pictures of one model size, in one batch, through a chain of instructions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from PIL import Image
from torch import Generator, Tensor

from retouch.conditioning.image import decode_latents, to_images, to_pixels
from retouch.core.fit import Fit
from retouch.core.images import LoadedImage
from retouch.core.seeds import derive_seed
from retouch.core.settings import EditSettings
from retouch.diffusion.loop import Progress, denoise, unit_noise
from retouch.diffusion.schedules import make_scheduler
from retouch.editing.detail import carry_detail, keeps_detail
from retouch.editing.engine import Engine
from retouch.editing.follow import Follower
from retouch.editing.inside import Inside, Run, held_inside
from retouch.editing.request import Prepared, required, with_alpha
from retouch.editing.technique import Pass, Technique, View
from retouch.models.checkpoint import Checkpoint

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One result to make: the number of its input among the inputs, its seed, its fit to the model."""

    image: int
    seed: int
    fit: Fit


def make_batches(prepared: Prepared, engine: Engine, batch_size: int) -> list[tuple[Job, ...]]:
    """Jobs of one model size together, at most `batch_size` of them."""
    fits = [engine.fit(image.pixels.size) for image in prepared.images]
    jobs = [Job(image=number, seed=seed, fit=fit) for number, fit in enumerate(fits) for seed in prepared.seeds]
    return by_size(jobs, lambda job: job, batch_size)


def by_size(items: Sequence[Item], job: Callable[[Item], Job], batch_size: int) -> list[tuple[Item, ...]]:
    """Items whose jobs are of one model size together, at most `batch_size` of them."""
    sizes: dict[tuple[int, int], list[Item]] = {}
    for item in items:
        sizes.setdefault(job(item).fit.model_size, []).append(item)
    return [
        tuple(alike[start : start + batch_size])
        for alike in sizes.values()
        for start in range(0, len(alike), batch_size)
    ]


def run_chain(
    engine: Engine, jobs: Sequence[Job], prepared: Prepared, follower: Follower
) -> list[tuple[Image.Image, ...]]:
    """The pictures after each instruction, for each job, at the input's own size.

    Between instructions the pictures stay at the model's size and unrounded.
    """
    inputs = [prepared.images[job.image] for job in jobs]
    pixels = to_pixels([job.fit.apply(image.pixels) for job, image in zip(jobs, inputs, strict=True)])
    shown = [with_alpha(image.pixels, image.alpha) for image in inputs]
    finish = Finish(engine, pixels, jobs, inputs, prepared.settings.keep_detail)
    # Until the first edit, jobs with the same input have the same pixels.
    alike = [job.image for job in jobs]
    history: list[list[Image.Image]] = []
    applied = 0
    for number, instruction in enumerate(prepared.instructions):
        if prepared.acts(instruction):
            seeds = [pass_seed(job.seed, applied) for job in jobs]
            link = Pass(
                instruction=instruction,
                number=number,
                seeds=seeds,
                alike=alike,
                references=prepared.references,
                views=[View(box=(0, 0, *job.fit.source_size), fit=job.fit) for job in jobs],
            )
            pixels = engine.edit(pixels, link, prepared.settings, follower)
            shown = finish(pixels)
            alike, applied = list(range(len(jobs))), applied + 1
        history.append(shown)
    return [tuple(pictures) for pictures in zip(*history, strict=True)]


def pass_seed(seed: int, applied: int) -> int:
    """The first edit of a chain uses the seed itself, so that it is the edit made alone."""
    return derive_seed(seed, "instruction", applied) if applied else seed


def edit_once(
    technique: Technique,
    pixels: Tensor,
    link: Pass,
    settings: EditSettings,
    follower: Follower,
    *,
    inside: Inside | None = None,
) -> Tensor:
    """Pixels (B, 3, H, W) from -1 to 1, after one instruction, which acts `inside` regions where there are any."""
    checkpoint = technique.checkpoint
    scheduler = make_scheduler(required(settings.scheduler, "scheduler"), checkpoint.scheduler_config)
    with follower.part("encode"):
        made = technique.condition(pixels, link, settings, inside)
    generators = [Generator().manual_seed(seed) for seed in link.seeds]
    noise = unit_noise(made.shape, generators, checkpoint.device)
    steps = required(settings.steps, "steps")
    run = Run(made.predictor, scheduler, noise, steps)
    with (
        follower.part("denoise"),
        made.control,
        held_inside(inside, checkpoint, pixels, link.instruction, run) as hooks,
    ):
        latents = denoise(
            made.predictor,
            scheduler,
            made.guidance,
            noise,
            steps=steps,
            generator=generators,
            before=hooks.before,
            after=hooks.after,
            on_progress=partial(_report, checkpoint, follower, link.number),
            cancelled=follower.cancelled,
        )
    with follower.part("decode"):
        return decode_latents(checkpoint.vae, latents).clamp(-1.0, 1.0)


def _report(checkpoint: Checkpoint, follower: Follower, number: int, progress: Progress) -> None:
    def preview() -> tuple[Image.Image, ...]:
        return to_images(decode_latents(checkpoint.vae, progress.predicted()))

    follower.step(progress, number, preview)


class Finish:
    """Brings pictures back to each input's own size and transparency, with its detail where that is kept."""

    def __init__(
        self,
        engine: Engine,
        sources: Tensor,
        jobs: Sequence[Job],
        inputs: Sequence[LoadedImage],
        keep_detail: bool | None,
    ) -> None:
        self._jobs, self._inputs = jobs, inputs
        self._detailed = [keeps_detail(job.fit, keep_detail) for job in jobs]
        wanted = {job.image: place for place, job in enumerate(jobs) if self._detailed[place]}
        before = engine.reconstruct(sources[list(wanted.values())]).cpu() if wanted else ()
        self._before = dict(zip(wanted, before, strict=True))

    def __call__(self, pixels: Tensor) -> list[Image.Image]:
        """The pictures of the jobs, from (B, 3, H, W) in −1…1."""
        return [
            with_alpha(self._picture(place, after), source.alpha)
            for place, (after, source) in enumerate(zip(pixels, self._inputs, strict=True))
        ]

    def _picture(self, place: int, after: Tensor) -> Image.Image:
        job = self._jobs[place]
        if not self._detailed[place]:
            return job.fit.invert(to_images(after[None])[0])
        return carry_detail(self._inputs[place].pixels, self._before[job.image], after, job.fit)
