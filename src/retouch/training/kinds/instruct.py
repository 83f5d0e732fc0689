"""Train an editor that follows instructions: a U-Net beside the source's latents, its text encoder jointly."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from retouch.conditioning.image import scaling_factor
from retouch.conditioning.text import encode_ids, token_ids
from retouch.core.errors import SettingsError
from retouch.models.architecture import POCKET, Architecture
from retouch.models.checkpoint import Checkpoint
from retouch.models.load import load
from retouch.models.save import save
from retouch.models.spec import PUBLISHED, ConditioningSpec
from retouch.models.widen import as_editor
from retouch.scenes.language import mirrored
from retouch.training.cache import OnPrepared, PairTable, renumbered, tables_of
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.lora import add_lora, merged, write_lora
from retouch.training.noising import Noising
from retouch.training.order import group_of, groups_of, spaced
from retouch.training.places import placed
from retouch.training.preview import Preview, sample_edits
from retouch.training.sending import sent
from retouch.training.settings import TrainSettings
from retouch.training.start import INSTRUCTIONS, fresh_checkpoint, on_device, preparation_of, words_of
from retouch.training.teachers import RegionHead, SegmentHead


@dataclass(frozen=True, kw_only=True)
class InstructTask:
    """How the editor is trained.

    `dropout` is u of InstructPix2Pix: with one uniform draw per sample the text is dropped alone in
    a share u of the samples, text and image in u, the image alone in u. `flip` is the share of
    mirrored samples, whose texts swap left and right. `changed_weight` is added to the loss weight of
    cells that the edit changes. `noise_bias` > 0 draws noisier timesteps more often (see `Noising`),
    `minimum_snr` is γ of min-SNR weighting. Where the network answers with changes, a `balance` b weighs
    each sample by 1 / (b + mean squared change), so that small edits count as much as large ones.
    `regions` > 0 weighs a second loss: that the U-Net's features tell where the edit changes the picture
    (see `RegionHead`), `segments` > 0 a third, that they tell what the source shows (see `SegmentHead`), which
    only records with segments teach. In a share `places` of the samples "at the left", or wherever the edit is,
    is added to the instruction. `shown` held-out pairs are edited to be measured and looked at. `pooled` > 1 trains
    on means over so many cells each way, a smaller picture: the cheap first part of a training. With `lora`
    the U-Net's attention gets low-rank updates of that rank (and its first convolution is trained whole,
    where the start had no room for a source), and the text encoder stays.
    """

    dropout: float = 0.05
    flip: float = 0.5
    changed_weight: float = 2.0
    noise_bias: float = 0.5
    pooled: int = 1
    minimum_snr: float | None = None
    balance: float | None = None
    regions: float = 0.0
    segments: float = 0.0
    places: float = 0.0
    shown: int = 16
    train_text_encoder: bool = True
    lora: int | None = None


class InstructKind:
    """An 8-channel U-Net and its text encoder on cached latents of pairs."""

    name = "instruct"

    def __init__(
        self,
        checkpoint: Checkpoint,
        tables: Sequence[PairTable],
        held_out: Sequence[PairTable],
        task: InstructTask,
        *,
        mirrored: Callable[[str], str],
        data: Sequence[str] = (),
        widened: bool = False,
    ) -> None:
        self.checkpoint, self._tables, self._held_out, self._task = checkpoint, tables, held_out, task
        self._data = tuple(data)
        self._noising = Noising.of(checkpoint.scheduler_config)
        self._change = checkpoint.spec.denoises == "change"
        if self._change and task.minimum_snr is not None:
            raise SettingsError(
                f"min-SNR weighting ({task.minimum_snr}) is for answers of ε or v, and this model answers with "
                "changes; leave minimum_snr out, or balance the samples."
            )
        prompts = [prompt for table in tables for prompt in table.prompts]
        told = [placed(table.prompts[row], table.changed[row]) for table in tables for row in range(len(table))]
        texts = [prompts, [mirrored(text) for text in prompts], told, [mirrored(text) for text in told]]
        self._ids = torch.stack([token_ids(checkpoint, form) for form in texts])
        self._null_ids = token_ids(checkpoint, [""])[0]
        learns_text = task.train_text_encoder and task.lora is None
        checkpoint.unet.train().requires_grad_(task.lora is None)
        checkpoint.text_encoder.train(learns_text).requires_grad_(learns_text)
        if task.lora is not None:
            add_lora(checkpoint.unet, rank=task.lora, first_convolution=widened)
        self.modules: Mapping[str, nn.Module] = {"unet": checkpoint.unet}
        if learns_text:
            self.modules = {**self.modules, "text_encoder": checkpoint.text_encoder}
        self._regions = RegionHead(checkpoint.unet).to(checkpoint.device) if task.regions else None
        if self._regions is not None:
            self.modules = {**self.modules, "regions": self._regions}
        self._things = tuple(dict.fromkeys(chain.from_iterable(table.things for table in tables)))
        self._segments = self._segment_head() if task.segments else None
        if self._segments is not None:
            self.modules = {**self.modules, "segments": self._segments}
        self.groups: Sequence[range] = groups_of(tables)

    def _segment_head(self) -> SegmentHead:
        """Kinds of things weigh by the inverse root of how many cells show them."""
        if not self._things:
            raise SettingsError("The records have no segments to teach; leave segments out, or make rooms anew.")
        numbers = [renumbered(table.segments, table.things, self._things).flatten() for table in self._tables]
        shown = torch.bincount(torch.cat(numbers), minlength=len(self._things) + 1)[1:]
        weights = shown.float().clamp_min(1).rsqrt()
        return SegmentHead(self.checkpoint.unet, weights / weights.mean()).to(self.checkpoint.device)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the weighted squared error of the answer: ε or v, as the scheduler says, or the clean change."""
        place = group_of(self.groups, indices[0])
        picked = torch.tensor(indices)
        mirror = torch.rand(len(indices), generator=generator) < self._task.flip
        told = torch.rand(len(indices), generator=generator) < self._task.places
        ids = self._ids[mirror.long() + 2 * told.long(), picked]
        rows = picked - self.groups[place].start
        return self._loss_of(self._tables[place], rows, mirror.long(), ids, generator, dropout=self._task.dropout)

    def validate(self, generator: torch.Generator) -> Validation:
        """Return the held-out loss at fixed noise, how a few edits compare with their targets, and some to look at."""
        values = []
        for table in self._held_out:
            picked = spaced(table, max(1, 192 * len(table) // sum(map(len, self._held_out))))
            for part in picked.split(32):
                side = torch.zeros(len(part), dtype=torch.long)
                ids = token_ids(self.checkpoint, [table.prompts[row] for row in part.tolist()])
                loss = self._loss_of(table, part, side, ids, generator, dropout=0.0)
                values += [float(loss.parts["error"])] * len(part)
        preview = self._preview(max(self._held_out, key=len), generator)
        return Validation(
            figures={"held-out error": sum(values) / len(values), **preview.figures()},
            pictures={"source, edit, target": preview.picture(self.checkpoint.vae)},
        )

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the whole editor in diffusers layout with its `ConditioningSpec`, in half precision."""
        task = asdict(self._task)
        readers = "Retouch: it answers with changes" if self._change else "Retouch or with diffusers"
        card = CardFacts(
            title="Retouch instruct",
            summary=f"Edits pictures by instruction; open it with {readers}.",
            data=[f"{self._ids.shape[1]} pairs of the train split", *self._data],
            training={"optimiser steps": steps, **task},
            figures=figures,
        )
        checkpoint = self.checkpoint
        if self._task.lora is not None:
            checkpoint = replace(checkpoint, unet=merged(checkpoint.unet))
        save(checkpoint, folder, storage="float16", card=model_card(card))
        if self._task.lora is not None:
            write_lora(self.checkpoint.unet, folder / "lora")

    def _loss_of(
        self,
        table: PairTable,
        picked: Tensor,
        side: Tensor,
        ids: Tensor,
        generator: torch.Generator,
        *,
        dropout: float,
    ) -> Loss:
        unet = self.checkpoint.unet
        target = self._target(table, picked, side, generator)
        source = self._condition(table.posteriors.of(table.source[picked], side)[0])
        source, ids = self._dropped(source, ids, generator, dropout)
        if self._change:
            target = target - source
        noise = torch.randn(target.shape, generator=generator)
        times = self._noising.timesteps(len(picked), generator, bias=self._task.noise_bias)
        noisy = self._noising.noisy(target, noise, times)
        context = encode_ids(self.checkpoint, sent(ids, unet.device))
        model_input = sent(torch.cat([noisy, source], dim=1), unet.device)
        prediction = unet(model_input, sent(times, unet.device), context, return_dict=False)[0].float()
        wanted = target if self._change else self._noising.wanted(target, noise, times)
        error = functional.mse_loss(prediction, sent(wanted, unet.device), reduction="none").mean(dim=1)
        changed = sent(self._pooled(_mirrored_cells(table.changed[picked], side)), unet.device)
        weight = sent(self._weights(times, target)[:, None, None], unet.device)
        total = (error * weight * (1 + self._task.changed_weight * changed)).mean()
        parts = {"error": error.detach().mean()}
        if self._regions is not None:
            regions = self._regions(changed)
            total = total + self._task.regions * regions
            parts["regions"] = regions.detach()
        if self._segments is not None:
            shown = renumbered(table.segments[picked], table.things, self._things)
            segments = self._segments(sent(self._pooled_numbers(_mirrored(shown, side)), unet.device))
            total = total + self._task.segments * segments
            parts["segments"] = segments.detach()
        return Loss(total=total, parts=parts)

    def _weights(self, times: Tensor, target: Tensor) -> Tensor:
        if not self._change:
            return self._noising.weights(times, gamma=self._task.minimum_snr)
        if self._task.balance is None:
            return torch.ones(len(times))
        return 1 / (self._task.balance + target.square().mean(dim=(1, 2, 3)))

    def _target(self, table: PairTable, picked: Tensor, side: Tensor, generator: torch.Generator) -> Tensor:
        """Latents of the edited pictures: a sample, or where changes are learned the mode, as the source's are."""
        latents, spread = table.posteriors.of(table.target[picked], side)
        if not self._change:
            latents = latents + spread * torch.randn(latents.shape, generator=generator)
        return self._pooled(latents) * scaling_factor(self.checkpoint.vae)

    def _condition(self, mode: Tensor) -> Tensor:
        scaled = self.checkpoint.spec.condition_scaled
        return self._pooled(mode) * (scaling_factor(self.checkpoint.vae) if scaled else 1.0)

    def _pooled(self, cells: Tensor) -> Tensor:
        return functional.avg_pool2d(cells, self._task.pooled) if self._task.pooled > 1 else cells

    def _pooled_numbers(self, cells: Tensor) -> Tensor:
        middle = self._task.pooled // 2
        return cells[:, middle :: self._task.pooled, middle :: self._task.pooled]

    def _dropped(self, source: Tensor, ids: Tensor, generator: torch.Generator, share: float) -> tuple[Tensor, Tensor]:
        draw = torch.rand(len(source), generator=generator)
        without_text = draw < 2 * share
        without_image = (draw >= share) & (draw < 3 * share)
        ids = torch.where(without_text[:, None], self._null_ids, ids)
        return source * (~without_image)[:, None, None, None], ids

    def _preview(self, table: PairTable, generator: torch.Generator) -> Preview:
        picked, factor = spaced(table, self._task.shown), scaling_factor(self.checkpoint.vae)
        side = torch.zeros(len(picked), dtype=torch.long)
        modes = table.posteriors.of(table.source[picked], side)[0]
        prompts = [table.prompts[index] for index in picked.tolist()]
        return Preview(
            sources=self._pooled(modes) * factor,
            edits=sample_edits(self.checkpoint, self._condition(modes), prompts, generator).cpu(),
            targets=self._pooled(table.posteriors.of(table.target[picked], side)[0]) * factor,
            changed=self._pooled(_mirrored_cells(table.changed[picked], side)),
        )


def _mirrored_cells(changed: Tensor, side: Tensor) -> Tensor:
    return _mirrored(changed.float() / 255, side)


def _mirrored(cells: Tensor, side: Tensor) -> Tensor:
    return torch.where(side[:, None, None] == 1, cells.flip(-1), cells)


@dataclass(frozen=True, kw_only=True)
class InstructRecipe:
    """Train an editor on record folders, from nothing beside an autoencoder, or from a checkpoint.

    `data` are folders of the train split, `held_out` of the validation split; without the latter every
    `validation_every`-th source picture of the train split is held out. `base` is whatever `models.load`
    takes, of 4 or 8 channels; where it is None, a tokenizer of `vocabulary` pieces is learned from the
    records' words and `texts`, or taken from the folder `text_encoder` (see `kinds.reader`);
    `vae` names the autoencoder's folder, and `spec` is needed. With a base, `spec` overrides its own. `cache`
    keeps latents between runs, None encodes at every step; `size` is the longest side in pixels that pictures
    are trained at, the spec's own where it is None; `notes` go into the model card.
    """

    data: Sequence[Path]
    cache: Path | None
    settings: TrainSettings
    held_out: Sequence[Path] = ()
    spec: ConditioningSpec | None = None
    vae: Path | None = None
    base: str | Path | None = None
    text_encoder: Path | None = None
    texts: Callable[[], Iterable[str]] = list
    notes: Sequence[str] = ()
    vocabulary: int = 2500
    validation_every: int = 20
    size: int | None = None
    task: InstructTask = field(default_factory=InstructTask)
    architecture: Architecture = POCKET

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Prepare latents and networks. Raises DataError or ModelError where a part is missing."""
        checkpoint, widened = self._checkpoint()
        on_device(checkpoint, device)
        preparation = preparation_of(
            checkpoint,
            cache=self.cache,
            mirrored=self.task.flip > 0,
            precision=self.settings.precision,
            on_prepared=on_prepared,
            size=self.size,
        )
        tables, held_out = tables_of(preparation, self.data, self.held_out, every=self.validation_every)
        return InstructKind(
            checkpoint,
            tables,
            held_out,
            self.task,
            mirrored=mirrored,
            data=self.notes,
            widened=widened,
        )

    def _checkpoint(self) -> tuple[Checkpoint, bool]:
        """The start, and whether its first convolution had to be widened."""
        if self.base is None:
            return self._fresh(), False
        base = load(self.base)
        spec = self.spec or (base.spec if base.kind == "instruct" else PUBLISHED["instruct"])
        return as_editor(base, spec), base.kind != "instruct"

    def _fresh(self) -> Checkpoint:
        return fresh_checkpoint(
            self.architecture,
            vae=self.vae,
            spec=self.spec,
            texts=chain(self.texts(), words_of(self.data, INSTRUCTIONS)),
            vocabulary=self.vocabulary,
            seed=self.settings.seed,
            text_encoder=self.text_encoder,
        )


def usual(material: Material, choices: Choices) -> InstructRecipe:
    """The published trainer's settings: 15,000 steps of 16, 5e-5, dropout 5/5/5."""
    settings = TrainSettings(
        steps=15_000,
        batch_size=16,
        learning_rate=5e-5 if material.lora is None else 2e-4,
        warmup=100,
        schedule="cosine",
    )
    return InstructRecipe(
        data=material.data,
        base=material.base,
        cache=material.out / "latents" if material.cache else None,
        size=material.size,
        settings=choices.applied(settings),
        task=InstructTask(lora=material.lora, train_text_encoder=False),
    )
