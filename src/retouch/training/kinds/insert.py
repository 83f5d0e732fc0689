"""Train an editor to put in the object of a reference, without a region ("Visually guided insertion")."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from retouch.conditioning.image import scaling_factor
from retouch.conditioning.insert import null_tokens, of_one_length
from retouch.conditioning.instruct import check_instruct
from retouch.conditioning.text import encode_ids, token_ids
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import DataError
from retouch.diffusion.guidance import IMAGE, NONE, REFERENCE, InsertGuidance
from retouch.diffusion.loop import denoise
from retouch.diffusion.predictor import Branch
from retouch.diffusion.schedules import make_scheduler
from retouch.models.image_encoder import POCKET_ENCODER, load_image_encoder
from retouch.models.insert import (
    Insert,
    Null,
    fresh_insert,
    load_insert,
    save_insert,
    tuned_attention,
    unet_changes,
)
from retouch.models.load import load
from retouch.records.pair import Split
from retouch.scenes.language import mirrored
from retouch.training.cache import OnPrepared, Preparation
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.hole_table import drawn_references
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.noising import Noising
from retouch.training.order import group_of, groups_of, spaced
from retouch.training.preview import Preview
from retouch.training.referenced import (
    INSERTIONS,
    ReferencedTable,
    chosen_references,
    parted_references,
    referenced_tables,
)
from retouch.training.sending import sent
from retouch.training.settings import TrainSettings
from retouch.training.start import on_device, preparation_of

UNET_RATE = 0.1
"""Of the learning rate: how fast the U-Net learns beside the optimizer."""
_SHOWN = 16


@dataclass(frozen=True, kw_only=True)
class InsertTask:
    """How it is trained.

    dropout: u of InstructPix2Pix, here of reference and image; see `InstructTask`.
    flip: the share of mirrored pictures.
    words: the share of samples that are told in words instead, where they have any, so that words stay understood.
    pull: the weight of a term that draws the optimizer's tokens to those of the words for the same object; 0 as
        published.
    queries: tokens that a reference becomes; None as many as a text has.
    null: what no reference is.
    rank: None trains of the U-Net the attention that `tuned_attention` names, as published; a number trains all of it,
        at the same tenth of the rate, and its changes are written as the nearest of that rank.
    changed_weight, noise_bias, balance: see `InstructTask`.
    """

    dropout: float = 0.05
    flip: float = 0.5
    words: float = 0.0
    pull: float = 0.0
    queries: int | None = None
    null: Null = "encoded-zero-image"
    rank: int | None = None
    changed_weight: float = 0.0
    noise_bias: float = 0.0
    balance: float | None = None


class InsertKind:
    """An optimizer at the full rate and some cross-attention of a U-Net at a tenth, on cached latents."""

    name = "insert"

    def __init__(
        self,
        insert: Insert,
        tables: Sequence[ReferencedTable],
        held_out: Sequence[ReferencedTable],
        task: InsertTask,
        *,
        base: str,
        mirrored: Callable[[str], str],
        data: Sequence[str] = (),
    ) -> None:
        self.insert, self._tables, self._held_out, self._task = insert, tables, held_out, task
        self._base, self._data = base, tuple(data)
        checkpoint = insert.checkpoint
        self._noising = Noising.of(checkpoint.scheduler_config)
        self._change = checkpoint.spec.denoises == "change"
        prompts = [prompt for table in tables for prompt in table.prompts]
        self._ids = torch.stack([token_ids(checkpoint, prompts), token_ids(checkpoint, [*map(mirrored, prompts)])])
        self._told = torch.tensor([bool(prompt) for prompt in prompts])
        checkpoint.unet.train().requires_grad_(False)
        tuned = {"attention": _attention(checkpoint.unet)} if task.rank is None else {"unet": checkpoint.unet}
        self.modules: Mapping[str, nn.Module] = {"optimizer": insert.optimizer, **tuned}
        self.rates: Mapping[str, float] = dict.fromkeys(tuned, UNET_RATE)
        for network in self.modules.values():
            network.train().requires_grad_(True)
        self.groups: Sequence[range] = groups_of(tables)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the squared error of the answer, and what draws the tokens to those of words."""
        task, picked = self._task, torch.tensor(indices)
        place = group_of(self.groups, indices[0])
        table, rows = self._tables[place], picked - self.groups[place].start
        side = (torch.rand(len(rows), generator=generator) < task.flip).long()
        tokens, words = self._tokens(table, rows, generator, vary=True), self._words(self._ids[side, picked])
        told = sent(self._told[picked], tokens.device)
        spoken = told & sent(torch.rand(len(rows), generator=generator) < task.words, tokens.device)
        forms = of_one_length({"words": words, "tokens": tokens, "null": null_tokens(self.insert)})
        context = torch.where(spoken[:, None, None], forms["words"], forms["tokens"])
        source = self._latents(table.other, table, rows, side)
        context, source = self._dropped(context, forms["null"], source, generator)
        error, weight = self._errors(table, rows, side, (source, context), generator)
        total, parts = (error * weight).mean(), {"error": error.detach().mean()}
        if task.pull and bool(told.any()):
            drawn = functional.mse_loss(tokens.mean(dim=1)[told], words.mean(dim=1)[told].detach())
            if tokens.shape == words.shape:
                drawn = drawn + functional.mse_loss(tokens[told], words[told].detach())
            total, parts["pull"] = total + task.pull * drawn, drawn.detach()
        return Loss(total=total, parts=parts)

    @torch.no_grad()
    def validate(self, generator: torch.Generator) -> Validation:
        """Return the held-out error at fixed noise, how a few insertions compare with their targets, some to see."""
        errors: list[Tensor] = []
        for table in self._held_out:
            for rows in spaced(table, 96).split(16):
                side = torch.zeros(len(rows), dtype=torch.long)
                tokens = self._tokens(table, rows, generator, vary=False)
                source = self._latents(table.other, table, rows, side)
                errors.append(self._errors(table, rows, side, (source, tokens), generator)[0].mean((1, 2)))
        preview = self._preview(max(self._held_out, key=len), generator)
        return Validation(
            figures={"held-out error": float(torch.cat(errors).mean()), **preview.figures()},
            pictures={"source, with the object, target": preview.picture(self.insert.checkpoint.vae)},
        )

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the optimizer and the changes of attention, in half precision, with a card."""
        card = CardFacts(
            title="Retouch insert",
            summary="Puts the object of a reference into a picture, where it belongs; opened by Retouch over its base.",
            data=[f"{sum(map(len, self._tables))} insertions of the train split with their references", *self._data],
            training={"base": self._base, "optimiser steps": steps, **asdict(self._task)},
            figures=figures,
            tags=("image-editing", "insertion", "paint-by-inpaint", "retouch"),
        )
        save_insert(self.insert, folder, base=self._base, rank=self._task.rank, card=model_card(card))

    def _tokens(self, table: ReferencedTable, rows: Tensor, generator: torch.Generator, *, vary: bool) -> Tensor:
        """Tokens of a reference of each sample, (B, Q, C)."""
        insert = self.insert
        views = [table.references[row] for row in rows.tolist()]
        framed = drawn_references(insert.encoder, views, generator, vary=vary)
        with torch.no_grad():
            features = insert.encoder(sent(framed, insert.checkpoint.device)).last
        return insert.optimizer(features)

    @torch.no_grad()
    def _words(self, ids: Tensor) -> Tensor:
        return encode_ids(self.insert.checkpoint, sent(ids, self.insert.checkpoint.device))

    def _dropped(
        self, context: Tensor, null: Tensor, source: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        share, draw = self._task.dropout, torch.rand(len(source), generator=generator)
        without = sent(draw < 2 * share, context.device)
        without_image = (draw >= share) & (draw < 3 * share)
        return torch.where(without[:, None, None], null.to(context.dtype), context), source * (~without_image)[
            :, None, None, None
        ]

    def _latents(self, pictures: Tensor, table: ReferencedTable, rows: Tensor, side: Tensor) -> Tensor:
        checkpoint = self.insert.checkpoint
        scaled = checkpoint.spec.condition_scaled
        return table.posteriors.of(pictures[rows], side)[0] * (scaling_factor(checkpoint.vae) if scaled else 1.0)

    def _errors(
        self,
        table: ReferencedTable,
        rows: Tensor,
        side: Tensor,
        given: tuple[Tensor, Tensor],
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Squared errors by cell, (B, h, w), and their weights; `given` are source latents and context."""
        source, context = given
        checkpoint, task = self.insert.checkpoint, self._task
        clean = table.posteriors.of(table.shown[rows], side)[0] * scaling_factor(checkpoint.vae)
        if self._change:
            clean = clean - source
        noise = torch.randn(clean.shape, generator=generator)
        times = self._noising.timesteps(len(rows), generator, bias=task.noise_bias)
        noisy = sent(torch.cat([self._noising.noisy(clean, noise, times), source], dim=1), checkpoint.device)
        answer = checkpoint.unet(noisy, sent(times, checkpoint.device), context, return_dict=False)[0].float()
        wanted = clean if self._change else self._noising.wanted(clean, noise, times)
        error = functional.mse_loss(answer, sent(wanted, answer.device), reduction="none").mean(dim=1)
        weight = 1 + task.changed_weight * _turned(table.changed[rows].float() / 255, side)
        if task.balance is not None:
            weight = weight / (task.balance + clean.square().mean(dim=(1, 2, 3)))[:, None, None]
        return error, sent(weight, error.device)

    def _preview(self, table: ReferencedTable, generator: torch.Generator) -> Preview:
        checkpoint, rows = self.insert.checkpoint, spaced(table, _SHOWN)
        spec, side = checkpoint.spec, torch.zeros(len(rows), dtype=torch.long)
        source = self._latents(table.other, table, rows, side).to(checkpoint.device)
        tokens = self._tokens(table, rows, generator, vary=False)
        forms = of_one_length({"tokens": tokens, "null": null_tokens(self.insert)})
        null = forms["null"].expand(len(rows), -1, -1)
        branches = {
            NONE: Branch(channels=torch.zeros_like(source), context=null),
            IMAGE: Branch(channels=source, context=null),
            REFERENCE: Branch(channels=source, context=forms["tokens"]),
        }
        made = denoise(
            unet_predictor(checkpoint, branches),
            make_scheduler(spec.scheduler, checkpoint.scheduler_config),
            InsertGuidance(reference=spec.text_guidance, image=spec.image_guidance),
            torch.randn(source.shape, generator=generator).to(checkpoint.device),
            steps=spec.steps,
            generator=generator,
        )
        factor = scaling_factor(checkpoint.vae)
        return Preview(
            sources=table.posteriors.of(table.other[rows], side)[0] * factor,
            edits=made.cpu(),
            targets=table.posteriors.of(table.shown[rows], side)[0] * factor,
            changed=table.changed[rows].float() / 255,
        )


def _attention(unet: UNet2DConditionModel) -> nn.ModuleDict:
    return nn.ModuleDict({name.replace(".", "_"): part for name, part in tuned_attention(unet).items()})


def _turned(cells: Tensor, side: Tensor) -> Tensor:
    return torch.where(side[:, None, None] == 1, cells.flip(-1), cells)


@dataclass(frozen=True, kw_only=True)
class InsertRecipe:
    """Train an insertion model over `base`, an editor that `models.load` takes.

    `data` are folders of the train split with insertions (pictures without and with an object, and its references),
    `held_out` of the validation split; without the latter the insertions of every `validation_every`-th picture are
    held out. `start` is an insertion model to go on from. `encoder` reads the references. `cache` keeps latents
    between runs, None encodes at every step; `size` is the longest side in pixels; `notes` go into the model card.
    """

    data: Sequence[Path]
    base: str
    cache: Path | None
    settings: TrainSettings
    held_out: Sequence[Path] = ()
    start: Path | None = None
    encoder: str = POCKET_ENCODER
    notes: Sequence[str] = ()
    validation_every: int = 20
    size: int | None = None
    task: InsertTask = field(default_factory=InsertTask)

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Prepare latents and networks. Raises DataError or ModelError where a part is missing."""
        insert = self._begun()
        checkpoint = insert.checkpoint
        check_instruct(checkpoint)
        on_device(checkpoint, device)
        for network in (insert.optimizer, insert.encoder.tower, insert.encoder.projection):
            network.to(device)
        preparation = preparation_of(
            checkpoint,
            cache=self.cache,
            mirrored=self.task.flip > 0,
            precision=self.settings.precision,
            on_prepared=on_prepared,
            size=self.size,
        )
        tables, held_out = self._tables(preparation)
        return InsertKind(insert, tables, held_out, self.task, base=self.base, mirrored=mirrored, data=self.notes)

    def _begun(self) -> Insert:
        if self.start is not None:
            begun = load_insert(self.start)
            # Said now, not when what hours of training made is to be written.
            unet_changes(begun, self.base, rank=self.task.rank)
            return begun
        base = load(self.base)
        queries = self.task.queries or token_ids(base, [""]).shape[1]
        encoder = load_image_encoder(self.encoder)
        return fresh_insert(base, encoder, queries=queries, null=self.task.null, seed=self.settings.seed)

    def _tables(self, preparation: Preparation) -> tuple[list[ReferencedTable], list[ReferencedTable]]:
        def read(folders: Sequence[Path], split: Split) -> list[ReferencedTable]:
            found = [
                table
                for folder in folders
                for table in referenced_tables(preparation, folder, split=split, kinds=INSERTIONS)
            ]
            return [chosen_references(table, table.empty) for table in found if bool(table.empty.any())]

        train = read(self.data, "train")
        if not train:
            raise DataError("The records show no picture without and with an object; make pairs of the kind add.")
        if self.held_out:
            return train, read(self.held_out, "validation")
        parts = [parted_references(table, every=self.validation_every) for table in train]
        return [part[0] for part in parts], [part[1] for part in parts]


def usual(material: Material, choices: Choices) -> InsertRecipe:
    """The published trainer's settings: batches of 16, 1e-4, of that a tenth for the U-Net."""
    material.refuse("insert", "lora")
    settings = TrainSettings(steps=20_000, batch_size=16, learning_rate=1e-4, warmup=100, clip=1.0)
    return InsertRecipe(
        data=material.data,
        base=material.base,
        cache=material.out / "latents" if material.cache else None,
        size=material.size,
        settings=choices.applied(settings),
    )
