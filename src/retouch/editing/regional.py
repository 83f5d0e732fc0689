"""Edits that keep to regions: each instruction in its own, on the picture that the one before it left."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor

from retouch.conditioning.image import to_images, to_pixels
from retouch.core.fit import Fit
from retouch.core.region import Region
from retouch.core.region_settings import RegionSettings
from retouch.core.region_window import Box, window
from retouch.editing.chain import pass_seed
from retouch.editing.composite import composite, without_shift
from retouch.editing.detail import carry_detail, keeps_detail
from retouch.editing.engine import Engine
from retouch.editing.follow import Follower
from retouch.editing.inside import Inside
from retouch.editing.request import Prepared
from retouch.editing.technique import Pass, View
from retouch.editing.where import located, softness


@dataclass(kw_only=True, eq=False)
class Trace:
    """One result while it is made: its picture so far, RGB, and the pictures and regions of each instruction."""

    seed: int
    picture: Image.Image
    pictures: list[Image.Image] = field(default_factory=list)
    regions: list[Region | None] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Site:
    """Where a trace is edited: in its region, None being the whole picture, within a box that fits the model."""

    trace: Trace
    region: Region | None
    box: Box
    fit: Fit

    @property
    def crop(self) -> Image.Image:
        """What the model is shown."""
        return self.trace.picture.crop(self.box)

    @property
    def mask(self) -> Tensor:
        """The region in the model's pixels, (1, H, W) from 0 to 1."""
        if self.region is None:
            return torch.ones(1, *reversed(self.fit.model_size))
        fitted = self.fit.apply(self.region.mask.crop(self.box), method=Image.Resampling.BOX)
        return (to_pixels([fitted])[0, :1] + 1) / 2


class RegionalEdit:
    """Takes pictures through instructions that have regions; between instructions they are at their own size."""

    def __init__(self, engine: Engine, prepared: Prepared, follower: Follower, *, batch_size: int) -> None:
        self._engine, self._prepared, self._follower = engine, prepared, follower
        self._batch_size = batch_size
        self._how = prepared.settings.region or RegionSettings().resolve()

    def run(self) -> dict[tuple[int, int], Trace]:
        """The traces by number of the input and seed."""
        traces = {
            (number, seed): Trace(seed=seed, picture=image.pixels)
            for number, image in enumerate(self._prepared.images)
            for seed in self._prepared.seeds
        }
        applied = 0
        for number, instruction in enumerate(self._prepared.instructions):
            acts = self._prepared.acts(instruction)
            if acts:
                self._apply(number, applied, list(traces.values()))
                applied += 1
            for trace in traces.values():
                trace.pictures.append(trace.picture)
                trace.regions.extend([None] * (not acts))
        return traces

    def _apply(self, number: int, applied: int, traces: Sequence[Trace]) -> None:
        """Do one instruction to every trace, and note where."""
        instruction, asked = self._prepared.instructions[number], self._prepared.regions[number]
        found: dict[int, Region | None] = {}
        for trace in traces:
            if id(trace.picture) not in found:
                found[id(trace.picture)] = located(asked, trace.picture, instruction, self._how)
            trace.regions.append(found[id(trace.picture)])
        batches = self._batches(traces)
        self._follower.expect_more(len(batches) * (len(self._prepared.active) - applied))
        for batch in batches:
            seeds = [pass_seed(site.trace.seed, applied) for site in batch]
            alike = [id(site.trace.picture) for site in batch]
            link = Pass(
                instruction=instruction,
                number=number,
                seeds=seeds,
                alike=alike,
                references=self._prepared.references,
                views=[View(box=site.box, fit=site.fit) for site in batch],
            )
            self._edit(batch, link)

    def _batches(self, traces: Sequence[Trace]) -> list[list[_Site]]:
        """Sites of one model size together, those that are all of their picture apart; empty regions have none."""
        by_kind: dict[tuple[tuple[int, int], bool], list[_Site]] = {}
        for trace in traces:
            region = trace.regions[-1]
            if region is None or not region.is_empty:
                site = self._site(trace, region)
                by_kind.setdefault((site.fit.model_size, site.region is None), []).append(site)
        return [
            sites[start : start + self._batch_size]
            for sites in by_kind.values()
            for start in range(0, len(sites), self._batch_size)
        ]

    def _site(self, trace: Trace, region: Region | None) -> _Site:
        box = (0, 0, *trace.picture.size)
        if region is not None and self._how.zoom == "auto":
            box = window(region, native=self._engine.native_size)
        fit = self._engine.fit((box[2] - box[0], box[3] - box[1]))
        # With nothing to attend to, all of a picture is edited as if there were no region.
        plain = region is not None and region.is_full and self._how.attend == "off"
        return _Site(trace=trace, region=None if plain else region, box=box, fit=fit)

    def _edit(self, batch: Sequence[_Site], link: Pass) -> None:
        pixels = to_pixels([site.fit.apply(site.crop) for site in batch])
        masks = torch.stack([site.mask for site in batch])
        inside = None if batch[0].region is None else Inside(masks=masks, settings=self._how)
        decoded = self._engine.edit(pixels, link, self._prepared.settings, self._follower, inside=inside)
        with self._follower.part("decode"):
            for place, site in enumerate(batch):
                edited = self._finished(site, pixels[place], decoded[place].cpu(), masks[place])
                site.trace.picture = _placed(site, edited, self._how)

    def _finished(self, site: _Site, before: Tensor, after: Tensor, mask: Tensor) -> Image.Image:
        """The edited crop at its own size, with the detail of the crop where that is kept."""
        if keeps_detail(site.fit, self._prepared.settings.keep_detail):
            seen = self._engine.reconstruct(before[None])[0].cpu()
            return carry_detail(site.crop, seen, after, site.fit)
        if site.region is not None and self._engine.keeps_outside(self._how):
            after = without_shift(after, before, mask)
        return site.fit.invert(to_images(after[None])[0])


def _placed(site: _Site, edited: Image.Image, how: RegionSettings) -> Image.Image:
    """The whole picture with the edited crop in the region."""
    if site.region is None:
        return edited
    picture = site.trace.picture
    whole = picture.copy()
    whole.paste(edited, site.box)
    return composite(picture, whole, site.region, softness=softness(how, site.fit))
