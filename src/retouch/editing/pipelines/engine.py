"""A pipeline of diffusers as an engine: every picture is a call of its own, so that a result is its seed's alone."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import torch
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional

from retouch.conditioning.image import to_images
from retouch.core.errors import ImageError, ModelError, SettingsError
from retouch.core.fit import Fit
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.diffusion.loop import Progress
from retouch.editing.follow import Follower
from retouch.editing.inside import Inside
from retouch.editing.pipelines.family import Arguments, Ask, ModelFamily
from retouch.editing.pipelines.watch import watched
from retouch.editing.request import required
from retouch.editing.technique import Pass
from retouch.models.quiet import quiet_libraries

WHITE = (255, 255, 255)
"""What stands about an object that was cut out."""
OWN_SIDE = 1024
"""The side for which a list of sizes holds, and that pipelines which choose sizes themselves make for."""


class PipelineEngine:
    """A family's pipeline over its components; see `Engine`.

    side: of the square as large as what the model is shown, in pixels; None is the model's own.
    """

    def __init__(self, pipeline: Any, family: ModelFamily, *, name: str, side: int | None = None) -> None:
        import diffusers

        self.family, self.name = family, name
        self.pipeline = pipeline
        inpaint = None if family.inpaint is None else getattr(diffusers, family.inpaint)
        self._inpaint = None if inpaint is None else _sibling(inpaint, pipeline)
        own = OWN_SIDE if family.sizes == "fixed" else int(pipeline.default_sample_size * pipeline.vae_scale_factor)
        self._side = side or own
        self._lock, self._working = RLock(), False

    @property
    def native_size(self) -> int:
        """See `Engine`."""
        return self._side

    def fit(self, size: tuple[int, int]) -> Fit:
        """See `Engine`."""
        check_shape(self.family, size)
        if self.family.sizes == "fixed":
            return Fit.into(size, _computed(self.pipeline, size, self._side))
        if self.family.sizes == "listed" and self._side == OWN_SIDE:
            return Fit.into(size, _listed(self.pipeline, size))
        fit = Fit.for_area(size, side=self._side, multiple=self.family.patch * self.pipeline.vae_scale_factor)
        if min(fit.model_size) < self.family.least:
            raise ModelError(
                f"At the size {self._side} a picture of {size[0]} x {size[1]} would have fewer than the "
                f"{self.family.least} pixels a side that {self.family.name} needs; give a larger size."
            )
        return fit

    def reconstruct(self, pixels: Tensor) -> Tensor:
        """See `Engine`; what these autoencoders lose is less than what an edit changes."""
        return pixels

    def keeps_outside(self, how: RegionSettings) -> bool:
        """See `Engine`; cells of latents that the region only touches are the model's, as is all without inpainting."""
        del how
        return False

    def inpaints(self, references: int) -> bool:
        """Whether a region is left to the pipeline itself, with so many references beside it."""
        return self._inpaint is not None and references <= self.family.region_references

    def edit(
        self, pixels: Tensor, link: Pass, settings: EditSettings, follower: Follower, *, inside: Inside | None = None
    ) -> Tensor:
        """See `Engine`."""
        masks = self._masks(pixels, inside, len(link.references))
        shown = tuple(each.picture if each.alpha is None else each.squared(WHITE) for each in link.references)
        asks = [
            Ask(
                instruction=link.instruction,
                picture=picture,
                references=shown,
                mask=mask,
                settings=settings,
                generator=Generator().manual_seed(seed),
            )
            for picture, mask, seed in zip(to_images(pixels), masks, link.seeds, strict=True)
        ]
        return torch.cat([self._one(ask, link.number, follower) for ask in asks])

    def _one(self, ask: Ask, number: int, follower: Follower) -> Tensor:
        """One call, to pixels (1, 3, H, W)."""
        size = ask.picture.size
        pipeline: Any = self.pipeline if ask.mask is None else self._inpaint
        arguments = _arguments(pipeline, self.family, ask)

        def report(progress: Progress) -> None:
            follower.step(progress, number, self._preview(progress, size))

        with self._turn(), follower.part("denoise"), watched(pipeline.scheduler, report, follower.cancelled):
            pixels = self._called(pipeline, arguments)
        # A pipeline that chose another size says so by what it gives.
        if pixels.shape[-2:] != size[::-1]:
            pixels = functional.interpolate(pixels, size[::-1], mode="bicubic", antialias=True)
        return (pixels.clamp(0.0, 1.0) * 2 - 1).float().cpu()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One call at a time: the scheduler keeps its place in the schedule to itself, so that threads wait here."""
        with self._lock:
            if self._working:
                raise ModelError(f"'{self.name}' is at work on this very edit; ask it for another when that is done.")
            self._working = True
            try:
                yield
            finally:
                self._working = False

    def _called(self, pipeline: Any, arguments: Arguments) -> Tensor:
        """Pixels (B, 3, H, W) from 0 to 1; networks that were brought to the device for the call leave it behind it."""
        finished = False
        try:
            with quiet_libraries(), torch.no_grad():
                pixels = pipeline(**arguments).images
            finished = pipeline is self.pipeline
            return pixels
        finally:
            # A finished pipeline has done so; that for regions does not know who moves the networks it shares.
            if not finished:
                self.pipeline.maybe_free_model_hooks()

    def _preview(self, progress: Progress, size: tuple[int, int]) -> Callable[[], tuple[Image.Image, ...]]:
        def preview() -> tuple[Image.Image, ...]:
            with torch.no_grad():
                return to_images(self.family.decode(self.pipeline, progress.predicted(), size).float().cpu())

        return preview

    def _masks(self, pixels: Tensor, inside: Inside | None, references: int) -> list[Image.Image | None]:
        """What the pipeline for regions is given, None where the one for whole pictures is called."""
        if inside is not None and self.inpaints(references):
            return [self._mask(mask) for mask in inside.masks]
        # What takes references with a region alone takes them with one that is everything.
        whole = references > self.family.references and self.inpaints(references)
        size = (pixels.shape[-1], pixels.shape[-2])
        return [Image.new("L", size, 255) if whole else None for _ in pixels]

    def _mask(self, mask: Tensor) -> Image.Image:
        """White in every cell of latents that the region touches; pipelines look at one pixel of each."""
        cell = self.pipeline.vae_scale_factor * self.family.patch
        touched = functional.max_pool2d((mask[None] > 0).float(), cell, ceil_mode=True)
        whole = functional.interpolate(touched, scale_factor=cell, mode="nearest")[0, 0]
        return Image.fromarray((whole[: mask.shape[-2], : mask.shape[-1]] * 255).byte().numpy())


def _arguments(pipeline: Any, family: ModelFamily, ask: Ask) -> Arguments:
    settings = ask.settings
    named = {family.text_guidance: settings.text_guidance, family.image_guidance: settings.image_guidance}
    guidance = {name: value for name, value in named.items() if name is not None and value is not None}
    region = {} if ask.mask is None else {"mask_image": ask.mask, "strength": 1.0}
    return {
        "prompt": ask.instruction,
        "num_inference_steps": required(settings.steps, "steps"),
        "generator": ask.generator,
        "output_type": "pt",
        **guidance,
        **region,
        **family.ask(pipeline, ask),
    }


def _sibling(cls: Any, pipeline: Any) -> Any:
    """The pipeline of another class over the same components."""
    with quiet_libraries():
        settings = {name: value for name, value in pipeline.config.items() if name == "is_distilled"}
        sibling = cls(**pipeline.components, **settings)
    sibling.set_progress_bar_config(disable=True)
    return sibling


def _computed(pipeline: Any, size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size (width, height) that a pipeline leaves as it is, nearest to a picture's proportions.

    These pipelines bring every picture to a size that they compute from its proportions; computing it again from what
    came out settles at once, or nearly so.
    """
    compute = importlib.import_module(type(pipeline).__module__).calculate_dimensions
    width, height = size
    for _ in range(4):
        width, height = compute(side * side, width / height)[:2]
    return int(width), int(height)


def _listed(pipeline: Any, size: tuple[int, int]) -> tuple[int, int]:
    listed = importlib.import_module(type(pipeline).__module__).PREFERRED_KONTEXT_RESOLUTIONS
    return min(listed, key=lambda each: abs(each[0] / each[1] - size[0] / size[1]))


def check_shape(family: ModelFamily, size: tuple[int, int]) -> None:
    """See that a family takes pictures so much longer than wide, or wider than long; raises ImageError."""
    if max(size) > family.widest * min(size):
        raise ImageError(
            f"The picture is {size[0]} x {size[1]} pixels; {family.name} takes one at most {family.widest:g} times as "
            "long as it is wide; crop it."
        )


def check_side(family: ModelFamily, side: int | None, multiple: int) -> None:
    """See that a family can work at a side; raises SettingsError."""
    if side is None:
        return
    if family.sizes == "fixed":
        raise SettingsError(f"{family.name} works at its own size alone; leave the size out.")
    if side < multiple or side > MAXIMUM_SIDE or side % multiple:
        raise SettingsError(
            f"The size {side} is none that {family.name} can do; give a multiple of {multiple} up to {MAXIMUM_SIDE}."
        )


MAXIMUM_SIDE = 1024
"""Beyond it pipelines shrink their pictures themselves."""
