"""Train a model that fills a region with the object of a reference (Paint-by-Example, arXiv 2211.13227)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from retouch.core.errors import ModelError
from retouch.diffusion.guidance import ExemplarGuidance
from retouch.metrics.colour import mean_colour_difference
from retouch.models.exemplar import Exemplar, fresh_exemplar, load_exemplar, save_exemplar
from retouch.models.image_encoder import POCKET_ENCODER, load_image_encoder
from retouch.models.load import load
from retouch.models.spec import PUBLISHED, ConditioningSpec
from retouch.records.pair import Split
from retouch.training.cache import OnPrepared, Preparation
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.hole_lessons import filled_holes, hole_errors, reference_context
from retouch.training.hole_table import HoleTable, hole_table
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.noising import Noising
from retouch.training.order import group_of, groups_of, spaced
from retouch.training.pictures import strip, to_bytes
from retouch.training.referenced import ReferencedTable, parted_references, referenced_tables
from retouch.training.sending import sent
from retouch.training.settings import TrainSettings
from retouch.training.start import on_device, preparation_of

SHOWN = 32
"""Held-out holes that are filled to be measured."""
NEAR = 15.0
"""ΔE2000 from which on the mean colour of what was put in is another."""


@dataclass(frozen=True, kw_only=True)
class ExemplarTask:
    """How it is trained.

    dropout: the share of samples whose reference is left out for the learned vector of none.
    detail_dropout: the share that sees the reference as a whole alone, of a model that reads details.
    flip: the share of mirrored pictures.
    holes: how many holes each object gets, a share `odd` of odd shapes.
    inside_weight: what is added to the loss weight of cells in the hole; 0 as published.
    noise_bias, balance: see `InstructTask`.
    layers, detail_layers, detail_grid: of the mappers; without a grid the model reads no details.
    rank: of the changes of the U-Net as they are written; None writes them whole.
    """

    dropout: float = 0.2
    detail_dropout: float = 0.3
    flip: float = 0.5
    holes: int = 2
    odd: float = 0.5
    inside_weight: float = 0.0
    noise_bias: float = 0.0
    balance: float | None = None
    layers: int = 5
    detail_layers: int = 5
    detail_grid: int | None = None
    rank: int | None = None


class ExemplarKind:
    """A 9-channel U-Net with its mappers, on cached latents of pictures with holes."""

    name = "exemplar"

    def __init__(
        self,
        exemplar: Exemplar,
        tables: Sequence[HoleTable],
        held_out: Sequence[HoleTable],
        task: ExemplarTask,
        *,
        base: str,
        data: Sequence[str] = (),
    ) -> None:
        self.exemplar, self._tables, self._held_out, self._task = exemplar, tables, held_out, task
        self._base, self._data = base, tuple(data)
        self._noising = Noising.of(exemplar.checkpoint.scheduler_config)
        self.modules: Mapping[str, nn.Module] = exemplar.networks
        for network in self.modules.values():
            network.train().requires_grad_(True)
        self.groups: Sequence[range] = groups_of(tables)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the squared error of the answer, ε, v or the clean change, over all cells."""
        place = group_of(self.groups, indices[0])
        rows = torch.tensor(indices) - self.groups[place].start
        table, task = self._tables[place], self._task
        side = (torch.rand(len(rows), generator=generator) < task.flip).long()
        holes = rows * table.each + torch.randint(table.each, (len(rows),), generator=generator)
        context = self._dropped(reference_context(self.exemplar, table, rows, generator, vary=True), generator)
        error, weight = self._errors(table, holes, side, context, generator)
        return Loss(total=(error * weight).mean(), parts={"error": error.detach().mean()})

    @torch.no_grad()
    def validate(self, generator: torch.Generator) -> Validation:
        """Return the held-out error at fixed noise, whose colour the filled holes have, and some to look at."""
        errors: list[Tensor] = []
        for table in self._held_out:
            for rows in spaced(table, 192).split(16):
                side = torch.zeros(len(rows), dtype=torch.long)
                context = reference_context(self.exemplar, table, rows, generator, vary=False)
                errors.append(self._errors(table, rows * table.each, side, context, generator)[0].mean((1, 2)))
        table = max(self._held_out, key=len)
        rows = spaced(table, SHOWN)
        masked, made, wanted = self._filled(table, rows, generator)
        return Validation(
            figures={
                "held-out error": float(torch.cat(errors).mean()),
                "right colour": _near(table, rows, made, wanted),
            },
            pictures={"hole, filled, original": strip([pictures[:8] for pictures in (masked, made, wanted)])},
        )

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the model as changes of its base, in half precision, with a card."""
        card = CardFacts(
            title="Retouch exemplar",
            summary="Puts the object of a reference into a region of a picture; opened by Retouch over its base.",
            data=[f"{sum(map(len, self._tables))} objects of the train split with their references", *self._data],
            training={"base": self._base, "optimiser steps": steps, **asdict(self._task)},
            figures=figures,
            tags=("image-editing", "exemplar", "paint-by-example", "retouch"),
        )
        save_exemplar(self.exemplar, folder, base=self._base, rank=self._task.rank, card=model_card(card))

    def _dropped(self, context: Tensor, generator: torch.Generator) -> Tensor:
        """Some samples' details, or all of their reference, taken away; a token said often counts as said once."""
        draws = sent(torch.rand(2, len(context), 1, 1, generator=generator), context.device)
        context = torch.where(draws[0] < self._task.detail_dropout, context[:, :1].expand_as(context), context)
        none = self.exemplar.mapper.uncond_vector.to(context.dtype).expand_as(context)
        return torch.where(draws[1] < self._task.dropout, none, context)

    def _filled(self, table: HoleTable, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Holes, what was filled in, and originals, (B, 3, H, W) in −1…1 each."""
        exemplar = self.exemplar
        context = reference_context(exemplar, table, rows, generator, vary=False)
        scale, detail = exemplar.checkpoint.spec.text_guidance, 1.0 if exemplar.detail else 0.0
        guidance = ExemplarGuidance(scale=scale, detail=detail)
        return filled_holes(exemplar, table, rows, context, generator, guidance=guidance)

    def _errors(
        self,
        table: HoleTable,
        holes: Tensor,
        side: Tensor,
        context: Tensor,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Squared errors by cell, (B, h, w), and their weights."""
        task = self._task
        found = hole_errors(
            self.exemplar.checkpoint,
            table,
            holes,
            side,
            context=context,
            generator=generator,
            noising=self._noising,
            noise_bias=task.noise_bias,
        )
        weight = 1 + task.inside_weight * found.inside
        if task.balance is not None:
            weight = weight / (task.balance + found.power)[:, None, None]
        return found.error, sent(weight, found.error.device)


def _near(table: HoleTable, rows: Tensor, made: Tensor, wanted: Tensor) -> float:
    """The share of objects whose mean colour is near the original's."""
    near: list[bool] = []
    for picture, original, mask in zip(to_bytes(made), to_bytes(wanted), table.samples.masks[rows], strict=True):
        inside = mask.repeat_interleave(2, 0).repeat_interleave(2, 1).numpy() > 127
        if inside.any():
            one, other = (each.permute(1, 2, 0).numpy() for each in (picture, original))
            near.append(mean_colour_difference(one, other, inside) <= NEAR)
    return float(np.mean(near)) if near else 0.0


@dataclass(frozen=True, kw_only=True)
class ExemplarRecipe:
    """Train an exemplar model over `base`, an editor or a text-to-image model that `models.load` takes.

    `data` are folders of the train split whose records have references and an object's mask, `held_out` of the
    validation split; without the latter the objects of every `validation_every`-th place are held out. `start` is an
    exemplar model to go on from; None begins as the base. `spec` is the new model's; `encoder` reads the references.
    `cache` keeps latents between runs, None encodes at every step; `size` is the longest side in pixels; `notes` go
    into the model card.
    """

    data: Sequence[Path]
    base: str
    spec: ConditioningSpec
    cache: Path | None
    settings: TrainSettings
    held_out: Sequence[Path] = ()
    start: Path | None = None
    encoder: str = POCKET_ENCODER
    notes: Sequence[str] = ()
    validation_every: int = 20
    size: int | None = None
    task: ExemplarTask = field(default_factory=ExemplarTask)

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Prepare latents and networks. Raises DataError or ModelError where a part is missing."""
        exemplar = self._begun()
        on_device(exemplar.checkpoint, device)
        for network in (exemplar.mapper, exemplar.detail, exemplar.encoder.tower, exemplar.encoder.projection):
            if network is not None:
                network.to(device)
        preparation = preparation_of(
            exemplar.checkpoint,
            cache=self.cache,
            mirrored=self.task.flip > 0,
            precision=self.settings.precision,
            on_prepared=on_prepared,
            size=self.size,
        )
        tables, held_out = self._tables(preparation)
        return ExemplarKind(exemplar, tables, held_out, self.task, base=self.base, data=self.notes)

    def _begun(self) -> Exemplar:
        if self.start is not None:
            return load_exemplar(self.start)
        task = self.task
        return fresh_exemplar(
            load(self.base),
            load_image_encoder(self.encoder),
            self.spec,
            layers=task.layers,
            detail_layers=task.detail_layers,
            detail_grid=task.detail_grid,
            seed=self.settings.seed,
        )

    def _tables(self, preparation: Preparation) -> tuple[list[HoleTable], list[HoleTable]]:
        def read(folders: Sequence[Path], split: Split) -> list[HoleTable]:
            samples = [table for folder in folders for table in referenced_tables(preparation, folder, split=split)]
            return [self._with_holes(preparation, table) for table in samples]

        if self.held_out:
            return read(self.data, "train"), read(self.held_out, "validation")
        parts = [
            parted_references(table, every=self.validation_every)
            for folder in self.data
            for table in referenced_tables(preparation, folder, split="train")
        ]
        sides = ([part[side] for part in parts] for side in (0, 1))
        train, held = ([self._with_holes(preparation, table) for table in side] for side in sides)
        return train, held

    def _with_holes(self, preparation: Preparation, samples: ReferencedTable) -> HoleTable:
        return hole_table(preparation, samples, each=self.task.holes, odd=self.task.odd, seed=self.settings.seed)


def usual(material: Material, choices: Choices) -> ExemplarRecipe:
    """The published trainer's settings: 1e-5 over 10,000 steps of warm-up, 20% without a reference."""
    material.refuse("exemplar", "lora")
    settings = TrainSettings(steps=40_000, batch_size=16, learning_rate=1e-5, warmup=10_000)
    base = load(material.base)
    spec = base.spec
    if base.kind == "inpaint":
        raise ModelError(
            f"'{material.base}' fills regions already; name the editor or text-to-image model to begin with."
        )
    return ExemplarRecipe(
        data=material.data,
        base=material.base,
        spec=replace(
            spec if spec.denoises == "change" else PUBLISHED["inpaint"],
            kind="inpaint",
            channel_order=("latents", "masked-image", "mask"),
            mask_meaning="white-is-kept",
            native_size=spec.native_size,
        ),
        cache=material.out / "latents" if material.cache else None,
        size=material.size,
        settings=choices.applied(settings),
    )
