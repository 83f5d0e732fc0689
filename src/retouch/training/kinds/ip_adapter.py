"""Train an IP-Adapter on pictures of objects and rooms that show them: the model itself stays as it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from retouch.attention.image_tokens import ImageTokens
from retouch.conditioning.image import scaling_factor
from retouch.conditioning.text import encode_ids, token_ids
from retouch.core.errors import ModelError, SettingsError
from retouch.core.reference import load_reference
from retouch.editing.generate import generate_latents
from retouch.models.checkpoint import Checkpoint
from retouch.models.image_encoder import POCKET_ENCODER, load_image_encoder
from retouch.models.ip_adapter import IMAGE_TOKENS, ImagePrompt, IPAdapter, Variant, fresh_ip_adapter
from retouch.models.ip_adapter_load import load_ip_adapter, save_ip_adapter
from retouch.models.load import load
from retouch.models.pocket import POCKET
from retouch.records.pair import Split
from retouch.scenes.language import mirrored
from retouch.training.cache import OnPrepared, Preparation
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.noising import Noising
from retouch.training.order import group_of, spaced
from retouch.training.preview import Preview, sample_edits
from retouch.training.referenced import SHOWN, ReferencedTable, parted_references, referenced_tables
from retouch.training.sending import sent
from retouch.training.settings import TrainSettings
from retouch.training.start import on_device, preparation_of
from retouch.training.varied import varied

_MEASURED = 192
"""Held-out samples that a validation measures."""
PUBLISHED_ENCODER = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
"""What the published adapters of Stable Diffusion 1.5 read with."""


@dataclass(frozen=True, kw_only=True)
class IPAdapterTask:
    """How the adapter is trained.

    `variant` and `tokens` are its form (None is the published number). With one uniform draw per sample the picture
    is dropped alone in a share `dropout` u of the samples, the text alone in u, both in u (arXiv 2308.06721, section
    4.1), and over an editor, which has a branch without all of them, source, text and picture in u. Of the samples
    with a text, a share `wordless` loses it all the same, so that the picture has to say what the text would.
    `flip`, `changed_weight`, `noise_bias`, `minimum_snr`, `balance` and `shown` are those of `InstructTask`.
    """

    variant: Variant = "base"
    tokens: int | None = None
    dropout: float = 0.05
    wordless: float = 0.0
    flip: float = 0.5
    changed_weight: float = 0.0
    noise_bias: float = 0.0
    minimum_snr: float | None = None
    balance: float | None = None
    shown: int = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Samples as the U-Net sees them: sides (B,), token ids (B, L), embeddings (B, …) and which sources stay, (B,)."""

    table: ReferencedTable
    rows: Tensor
    side: Tensor
    ids: Tensor
    embeddings: Tensor
    sourced: Tensor


class IPAdapterKind:
    """An adapter beside a frozen editor or text-to-image model, U-Net, autoencoder and encoders frozen."""

    name = "ip-adapter"

    def __init__(
        self,
        checkpoint: Checkpoint,
        adapter: IPAdapter,
        tables: Sequence[ReferencedTable],
        held_out: Sequence[ReferencedTable],
        task: IPAdapterTask,
        *,
        mirrored: Callable[[str], str],
        data: Sequence[str] = (),
    ) -> None:
        if checkpoint.kind == "inpaint":
            raise ModelError(
                f"'{checkpoint.source}' is of kind 'inpaint'; train the adapter over a model of kind 'generate' or "
                "'instruct', and use it on all that share its U-Net's layers."
            )
        adapter.check(checkpoint.unet)
        self.checkpoint, self.adapter, self._task, self._data = checkpoint, adapter, task, tuple(data)
        self._tables, self._held_out = tables, held_out
        self._edits = checkpoint.kind == "instruct"
        self._change = checkpoint.spec.denoises == "change"
        if self._change and task.minimum_snr is not None:
            raise SettingsError(
                f"min-SNR weighting ({task.minimum_snr}) is for answers of ε or v, and this model answers with "
                "changes; leave minimum_snr out, or balance the samples."
            )
        self._noising = Noising.of(checkpoint.scheduler_config)
        told = [text for table in tables for text in self._texts(table)]
        self._ids = torch.stack([token_ids(checkpoint, form) for form in (told, [mirrored(text) for text in told])])
        self._null_ids = token_ids(checkpoint, [""])[0]
        checkpoint.unet.eval().requires_grad_(False)
        checkpoint.text_encoder.eval().requires_grad_(False)
        for module in adapter.modules.values():
            module.train().requires_grad_(True)
        self.modules: Mapping[str, nn.Module] = adapter.modules
        self._null = adapter.null_embedding().detach()
        self._starts = [sum(map(len, tables[:place])) for place in range(len(tables))]
        self.groups: Sequence[range] = tuple(
            range(start, start + len(table)) for start, table in zip(self._starts, tables, strict=True)
        )

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the weighted squared error of the frozen model's answer beside the pictures."""
        task, picked = self._task, torch.tensor(indices)
        place = group_of(self.groups, indices[0])
        side = (torch.rand(len(indices), generator=generator) < task.flip).long()
        rows = picked - self._starts[place]
        framed = self._framed(self._tables[place], rows, generator)
        embeddings = self._embedded(varied(framed, generator))
        draw = torch.rand(len(indices), generator=generator)
        dropped = draw < (4 if self._edits else 3) * task.dropout
        textless = dropped & (draw >= task.dropout) | (torch.rand(len(indices), generator=generator) < task.wordless)
        pictureless = dropped & ~((draw >= task.dropout) & (draw < 2 * task.dropout))
        batch = Batch(
            table=self._tables[place],
            rows=rows,
            side=side,
            ids=torch.where(textless[:, None], self._null_ids, self._ids[side, picked]),
            embeddings=self._without(embeddings, pictureless),
            sourced=~(dropped & (draw >= 3 * task.dropout)),
        )
        error, weight = self._errors(batch, generator)
        return Loss(total=(error * weight).mean(), parts={"error": error.detach().mean()})

    def validate(self, generator: torch.Generator) -> Validation:
        """Return held-out errors at the same noise, with pictures and without, with texts and without, and edits."""
        figures: dict[str, list[float]] = {}
        total = sum(map(len, self._held_out))
        for table in self._held_out:
            for rows in spaced(table, max(1, _MEASURED * len(table) // total)).split(32):
                for name, value in self._measured(table, rows, generator).items():
                    figures.setdefault(name, []).extend([value] * len(rows))
        means = {name: sum(values) / len(values) for name, values in figures.items()}
        preview = self._preview(max(self._held_out, key=len), generator)
        return Validation(
            figures={**means, **preview.figures()},
            pictures={"source, edit, target": preview.picture(self.checkpoint.vae)},
        )

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the adapter's folder, its weights in the published layout, in half precision."""
        card = CardFacts(
            title="Retouch IP-Adapter",
            summary="Lets a model read pictures of objects; use it with Retouch, or its ip-adapter.safetensors with "
            "diffusers' load_ip_adapter.",
            data=[f"{sum(map(len, self._tables))} pictures of objects of the train split", *self._data],
            training={
                "optimiser steps": steps,
                "base": self.checkpoint.source,
                "image encoder": self.adapter.reader().source,
                **asdict(self._task),
            },
            figures=figures,
            tags=("ip-adapter", "image-editing", "retouch"),
        )
        save_ip_adapter(self.adapter, folder, base=self.checkpoint.source, card=model_card(card))

    def _measured(self, table: ReferencedTable, rows: Tensor, generator: torch.Generator) -> dict[str, float]:
        texts = self._texts(table)
        ids = token_ids(self.checkpoint, [texts[row] for row in rows.tolist()])
        embeddings = self._embedded(self._framed(table, rows, generator))
        state = generator.get_state()
        found: dict[str, float] = {}
        for words, said in (("", ids), (" without words", self._null_ids.expand_as(ids))):
            for pictures, seen in (("", embeddings), (" without pictures", self._null.expand_as(embeddings))):
                generator.set_state(state)
                side, sourced = torch.zeros(len(rows), dtype=torch.long), torch.ones(len(rows), dtype=torch.bool)
                batch = Batch(table=table, rows=rows, side=side, ids=said, embeddings=seen, sourced=sourced)
                found[f"held-out error{words}{pictures}"] = float(self._errors(batch, generator)[0].mean())
        return found

    def _errors(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Squared errors by cell, (B, h, w), and their weights."""
        unet, vae = self.checkpoint.unet, self.checkpoint.vae
        modes, spread = batch.table.posteriors.of(batch.table.shown[batch.rows], batch.side)
        if not self._change:
            modes = modes + spread * torch.randn(modes.shape, generator=generator)
        clean = modes * scaling_factor(vae)
        source = self._source(batch)
        target = clean - source if self._change and source is not None else clean
        noise = torch.randn(target.shape, generator=generator)
        times = self._noising.timesteps(len(batch.rows), generator, bias=self._task.noise_bias)
        noisy = self._noising.noisy(target, noise, times)
        inputs = sent(noisy if source is None else torch.cat([noisy, source], dim=1), unet.device)
        with torch.no_grad():
            context = encode_ids(self.checkpoint, sent(batch.ids, unet.device))
        prompt = ImagePrompt(adapter=self.adapter, tokens=self.adapter.project(batch.embeddings))
        with ImageTokens([prompt]).over(unet):
            extra = {IMAGE_TOKENS: ((prompt.tokens,),)}
            found = unet(inputs, sent(times, unet.device), context, added_cond_kwargs=extra, return_dict=False)[
                0
            ].float()
        wanted = target if self._change else self._noising.wanted(target, noise, times)
        error = functional.mse_loss(found, sent(wanted, unet.device), reduction="none").mean(dim=1)
        return error, sent(self._weights(batch, times, target), unet.device)

    def _weights(self, batch: Batch, times: Tensor, target: Tensor) -> Tensor:
        """(B, h, w)."""
        cells = batch.table.changed[batch.rows].float() / 255
        cells = torch.where(batch.side[:, None, None] == 1, cells.flip(-1), cells)
        if not self._change:
            weight = self._noising.weights(times, gamma=self._task.minimum_snr)
        elif self._task.balance is None:
            weight = torch.ones(len(times))
        else:
            weight = 1 / (self._task.balance + target.square().mean(dim=(1, 2, 3)))
        return weight[:, None, None] * (1 + self._task.changed_weight * cells)

    def _source(self, batch: Batch) -> Tensor | None:
        """The other pictures as the U-Net reads them, (B, 4, h, w); None where it reads none."""
        if not self._edits:
            return None
        mode = batch.table.posteriors.of(batch.table.other[batch.rows], batch.side)[0]
        return self._condition(mode) * batch.sourced[:, None, None, None]

    def _condition(self, mode: Tensor) -> Tensor:
        return mode * (scaling_factor(self.checkpoint.vae) if self.checkpoint.spec.condition_scaled else 1.0)

    def _texts(self, table: ReferencedTable) -> tuple[str, ...]:
        return table.prompts if self._edits else table.captions

    def _framed(self, table: ReferencedTable, rows: Tensor, generator: torch.Generator) -> Tensor:
        """One reference of each sample, as the encoder frames it, (B, 3, side, side) uint8."""
        draws = torch.rand(len(rows), generator=generator).tolist()
        own = [table.references[row] for row in rows.tolist()]
        chosen = [several[int(draw * len(several))] for several, draw in zip(own, draws, strict=True)]
        return torch.stack([self.adapter.reader().framed(load_reference(each).squared()) for each in chosen])

    @torch.no_grad()
    def _embedded(self, framed: Tensor) -> Tensor:
        return self.adapter.embed(framed).float()

    def _without(self, embeddings: Tensor, dropped: Tensor) -> Tensor:
        dropped = sent(dropped, embeddings.device).view(-1, *[1] * (embeddings.dim() - 1))
        return torch.where(dropped, self._null.to(embeddings), embeddings)

    def _preview(self, table: ReferencedTable, generator: torch.Generator) -> Preview:
        rows, factor = spaced(table, self._task.shown), scaling_factor(self.checkpoint.vae)
        side = torch.zeros(len(rows), dtype=torch.long)
        sources, targets = (table.posteriors.of(pictures[rows], side)[0] for pictures in (table.other, table.shown))
        embeddings = self._embedded(self._framed(table, rows, generator))
        prompt = ImagePrompt(adapter=self.adapter, tokens=self.adapter.project(embeddings))
        texts = [self._texts(table)[row] for row in rows.tolist()]
        if self._edits:
            made = sample_edits(self.checkpoint, self._condition(sources), texts, generator, pictures=[prompt])
        else:
            noise = torch.randn(sources.shape, generator=generator).to(self.checkpoint.device)
            made = generate_latents(self.checkpoint, texts, noise, generator, pictures=[prompt])
        return Preview(
            sources=sources * factor,
            edits=made.cpu(),
            targets=targets * factor,
            changed=table.changed[rows].float() / 255,
        )


@dataclass(frozen=True, kw_only=True)
class IPAdapterRecipe:
    """Train an adapter on record folders with references, over an editor or a text-to-image model.

    `data` are folders of the train split, `held_out` of the validation split; without the latter the samples of every
    `validation_every`-th picture are held out. `base` is whatever `models.load` takes, of kind "instruct" (the text is
    the instruction, the source the picture without the object or with another) or "generate" (the text is the
    caption); `image_encoder` whatever `load_image_encoder` takes; `start` an adapter to train on. `kinds` of edits
    are used; see `InstructRecipe` for the others.
    """

    data: Sequence[Path]
    cache: Path | None
    settings: TrainSettings
    base: str | Path
    image_encoder: str | Path = POCKET_ENCODER
    start: str | Path | None = None
    held_out: Sequence[Path] = ()
    kinds: Sequence[str] = SHOWN
    notes: Sequence[str] = ()
    validation_every: int = 20
    size: int | None = None
    task: IPAdapterTask = field(default_factory=IPAdapterTask)

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Prepare latents and networks. Raises DataError or ModelError where a part is missing."""
        checkpoint = load(self.base)
        on_device(checkpoint, device)
        preparation = preparation_of(
            checkpoint,
            cache=self.cache,
            mirrored=self.task.flip > 0,
            precision=self.settings.precision,
            on_prepared=on_prepared,
            size=self.size,
        )
        tables, held_out = (
            self._tables(preparation, self.data, "train"),
            self._tables(preparation, self.held_out, "validation"),
        )
        if not held_out:
            parts = [parted_references(table, every=self.validation_every) for table in tables]
            tables, held_out = [part[0] for part in parts], [part[1] for part in parts]
        return IPAdapterKind(
            checkpoint,
            self._adapter(checkpoint, device),
            tables,
            held_out,
            self.task,
            mirrored=mirrored,
            data=self.notes,
        )

    def _tables(self, preparation: Preparation, folders: Sequence[Path], split: Split) -> list[ReferencedTable]:
        return [
            table
            for folder in folders
            for table in referenced_tables(preparation, folder, split=split, kinds=self.kinds)
        ]

    def _adapter(self, checkpoint: Checkpoint, device: torch.device) -> IPAdapter:
        if self.start is not None:
            return load_ip_adapter(self.start, checkpoint.unet, image_encoder=self.image_encoder, device=device)
        adapter = fresh_ip_adapter(
            checkpoint.unet,
            load_image_encoder(self.image_encoder, device=device),
            variant=self.task.variant,
            tokens=self.task.tokens,
            seed=self.settings.seed,
        )
        for module in adapter.modules.values():
            module.to(device)
        return adapter


def usual(material: Material, choices: Choices) -> IPAdapterRecipe:
    """The published trainer's settings over the model that `material` names: 1e-4, weight decay 0.01, base tokens."""
    material.refuse("ip-adapter", "lora")
    settings = TrainSettings(steps=15_000, batch_size=16, learning_rate=1e-4, weight_decay=0.01, warmup=100)
    return IPAdapterRecipe(
        data=material.data,
        base=material.base,
        image_encoder=POCKET_ENCODER if material.base.split("/")[0] == POCKET else PUBLISHED_ENCODER,
        cache=material.out / "latents" if material.cache else None,
        size=material.size,
        settings=choices.applied(settings),
    )
