"""Teach a model that fills regions by example one object, from a few pictures of it (Subject Inpainting).

The published defects are mended: the reference as a whole is read after the encoder's final norm, as Paint-by-Example
was trained; it is left out in a share of the samples; and only the second U-Net's changes are held, not a second U-Net.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor, nn

from retouch.core.errors import SettingsError
from retouch.diffusion.guidance import ExemplarGuidance
from retouch.grounding.pocket_segmenter import load_pocket_segmenter
from retouch.grounding.references import Background, without_background
from retouch.models.exemplar import POCKET_EXEMPLAR, load_exemplar
from retouch.models.pocket import POCKET
from retouch.models.subject import Subject, check_name, fresh_subject, save_subject
from retouch.training.cache import OnPrepared
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.hole_lessons import filled_holes, hole_errors, reference_context
from retouch.training.hole_table import HoleTable, hole_table
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.noising import Noising
from retouch.training.optimiser import recompute_activations
from retouch.training.pictures import strip
from retouch.training.settings import TrainSettings
from retouch.training.start import on_device, preparation_of
from retouch.training.subject_pictures import CutOut, subject_pictures, subject_table

SHOWN = 8
"""Samples that are measured, and filled to be looked at."""


@dataclass(frozen=True, kw_only=True)
class SubjectTask:
    """How a subject is taught.

    rank: of the changes of the U-Net's attention.
    dropout: the share of samples whose reference is left out for the base's learned vector of none.
    flip: the share of mirrored pictures; 0 for an object that tells left from right.
    variants: samples that are made of each picture; holes: how many of each of these, a share `odd` of odd shapes.
    noise_bias: see `InstructTask`.
    layers, grid: of the detail mapper, where the base has none to begin with.
    """

    rank: int = 16
    dropout: float = 0.2
    flip: float = 0.5
    variants: int = 6
    holes: int = 3
    odd: float = 0.5
    noise_bias: float = 0.0
    layers: int = 5
    grid: int = 1


class SubjectKind:
    """Low-rank changes of an exemplar model's U-Net and a detail mapper, on a few pictures with holes."""

    name = "subject"

    def __init__(self, subject: Subject, table: HoleTable, task: SubjectTask, *, base: str) -> None:
        """Take a subject whose U-Net has the changes from now on."""
        self.subject, self._table, self._task, self._base = subject, table, task, base
        checkpoint = subject.base.checkpoint
        self._noising = Noising.of(checkpoint.scheduler_config)
        checkpoint.unet.requires_grad_(False)
        subject.base.mapper.requires_grad_(False)
        self.modules: Mapping[str, nn.Module] = subject.networks
        for network in self.modules.values():
            network.train().requires_grad_(True)
        # For good: activations that are computed again in the backward pass must find them, too.
        self._changed = subject.changes.within(checkpoint.unet)
        self._changed.__enter__()
        self.groups: Sequence[range] = (range(len(table)),)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the squared error of the answer inside the holes alone."""
        table, task = self._table, self._task
        rows = torch.tensor(indices)
        side = (torch.rand(len(rows), generator=generator) < task.flip).long()
        holes = rows * table.each + torch.randint(table.each, (len(rows),), generator=generator)
        context = reference_context(self.subject.taught, table, rows, generator, vary=True)
        left_out = torch.rand(len(rows), 1, 1, generator=generator).to(context.device) < task.dropout
        none = self.subject.base.mapper.uncond_vector.to(context.dtype).expand_as(context)
        error = self._error(holes, side, torch.where(left_out, none, context), generator)
        return Loss(total=error, parts={"error": error.detach()})

    @torch.no_grad()
    def validate(self, generator: torch.Generator) -> Validation:
        """Return the error at fixed noise, of the pictures it is taught from: there are no others; some to look at."""
        table = self._table
        rows = torch.linspace(0, len(table) - 1, min(len(table), SHOWN)).long()
        context = reference_context(self.subject.taught, table, rows, generator, vary=False)
        error = self._error(rows * table.each, torch.zeros_like(rows), context, generator)
        guidance = ExemplarGuidance(scale=1.0, detail=1.0)
        shown = filled_holes(self.subject.taught, table, rows, context, generator, guidance=guidance)
        return Validation(figures={"error": float(error)}, pictures={"hole, filled, original": strip(shown)})

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the subject as a small adapter over its base, in half precision, with a card."""
        subject = self.subject
        card = CardFacts(
            title=subject.name,
            summary=f"Fills regions with {subject.name}; opened by Retouch over a model that fills them by example.",
            data=[f"{len(subject.references)} pictures of {subject.name}"],
            training={"base": self._base, "optimiser steps": steps, **asdict(self._task)},
            figures=figures,
            tags=("image-editing", "exemplar", "subject", "retouch"),
        )
        save_subject(subject, folder, base=self._base, card=model_card(card))

    def _error(self, holes: Tensor, side: Tensor, context: Tensor, generator: torch.Generator) -> Tensor:
        """The mean of squared errors over what lies in holes, a scalar."""
        found = hole_errors(
            self.subject.base.checkpoint,
            self._table,
            holes,
            side,
            context=context,
            generator=generator,
            noising=self._noising,
            noise_bias=self._task.noise_bias,
        )
        inside = found.inside.to(found.error.device)
        return (found.error * inside).sum() / inside.sum().clamp_min(1e-6)


@dataclass(frozen=True, kw_only=True)
class SubjectRecipe:
    """Teach `base`, an exemplar model, the object that the folder `pictures` shows, and call it `name`.

    `background` says what becomes of that of opaque pictures without a mask; see `without_background`. `cache` keeps
    latents between runs, None encodes at every step; `size` is the longest side in pixels, None the base's.
    """

    pictures: Path
    name: str
    settings: TrainSettings
    base: str = POCKET_EXEMPLAR
    cache: Path | None = None
    background: Background = "auto"
    size: int | None = None
    task: SubjectTask = field(default_factory=SubjectTask)

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Prepare pictures and networks. Raises DataError, ImageError or ModelError where a part is missing."""
        check_name(self.name)
        pictures = subject_pictures(self.pictures, cut_out=_cut_out(self.background))
        exemplar = load_exemplar(self.base, device=device)
        on_device(exemplar.checkpoint, device)
        if self.settings.checkpointing:
            recompute_activations([exemplar.checkpoint.unet])
        task, spec, seed = self.task, exemplar.checkpoint.spec, self.settings.seed
        preparation = preparation_of(
            exemplar.checkpoint,
            cache=self.cache,
            mirrored=task.flip > 0,
            precision=self.settings.precision,
            on_prepared=on_prepared,
            size=self.size,
        )
        side = max(1, round((self.size or spec.native_size) / spec.size_multiple)) * spec.size_multiple
        samples = subject_table(preparation, pictures, side=side, each=task.variants, seed=seed)
        table = hole_table(preparation, samples, each=task.holes, odd=task.odd, seed=seed)
        references = [picture.reference for picture in pictures]
        subject = fresh_subject(
            exemplar,
            name=self.name,
            references=references,
            rank=task.rank,
            layers=task.layers,
            grid=task.grid,
            seed=seed,
        )
        return SubjectKind(subject, table, task, base=self.base)


def usual(material: Material, choices: Choices) -> SubjectRecipe:
    """Few steps of small batches, as published, with a rate for low-rank changes; `lora` is their rank."""
    if material.pictures is None or material.name is None:
        raise SettingsError("A subject is taught from --pictures, a folder of 3 to 5 pictures, and needs a --name.")
    if material.data:
        raise SettingsError("A subject is taught from --pictures alone; leave --data out.")
    settings = TrainSettings(
        steps=400, batch_size=4, learning_rate=5e-4, warmup=20, ema_decay=0.98, save_every=50, validate_every=100
    )
    return SubjectRecipe(
        pictures=material.pictures,
        name=material.name,
        base=POCKET_EXEMPLAR if material.base == POCKET else material.base,
        background=_background(material.background),
        cache=material.out / "latents" if material.cache else None,
        size=material.size,
        settings=choices.applied(settings),
        task=SubjectTask() if material.lora is None else SubjectTask(rank=material.lora),
    )


def _background(name: str) -> Background:
    for known in get_args(Background):
        if name == known:
            return known
    raise SettingsError(f"The background is '{name}'; choose {', '.join(get_args(Background))}.")


def _cut_out(background: Background) -> CutOut:
    if background == "keep":
        return lambda reference: reference
    segmenter = load_pocket_segmenter()
    return lambda reference: without_background(reference, segmenter, background=background)
