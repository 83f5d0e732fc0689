"""Train a text-to-image model: a U-Net of four channels on cached latents of captioned pictures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from retouch.conditioning.generate import check_generate
from retouch.conditioning.image import decode_latents, scaling_factor
from retouch.conditioning.text import encode_ids, token_ids
from retouch.editing.generate import generate_latents
from retouch.models.architecture import POCKET, Architecture
from retouch.models.checkpoint import Checkpoint
from retouch.models.load import load
from retouch.models.save import save
from retouch.models.spec import ConditioningSpec
from retouch.scenes.language import mirrored
from retouch.training.cache import OnPrepared
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.latents import CaptionedLatents, CaptionTokens, captioned_latents, drawn_captions, read_folders
from retouch.training.noising import Noising
from retouch.training.pictures import strip
from retouch.training.sending import sent
from retouch.training.settings import TrainSettings
from retouch.training.start import CAPTIONS, fresh_checkpoint, on_device, preparation_of, words_of

SHOWN = 8
"""Pictures made at a validation."""


@dataclass(frozen=True, kw_only=True)
class GenerateTask:
    """How the model is trained.

    `dropout` is the share of samples without their text (arXiv 2207.12598), `flip` that of mirrored
    pictures. `noise_bias` > 0 draws noisier timesteps more often (see `Noising`), `minimum_snr` is γ of
    min-SNR weighting.
    """

    dropout: float = 0.1
    flip: float = 0.5
    noise_bias: float = 0.0
    minimum_snr: float | None = None
    train_text_encoder: bool = True


class GenerateKind:
    """A U-Net and, where wanted, its text encoder; answers ε or v, as the checkpoint's schedule says."""

    name = "generate"

    def __init__(
        self,
        checkpoint: Checkpoint,
        table: CaptionedLatents,
        held_out: CaptionedLatents,
        task: GenerateTask,
        *,
        mirrored: Callable[[str], str],
        data: Sequence[str] = (),
    ) -> None:
        check_generate(checkpoint)
        self.checkpoint, self._table, self._held_out, self._task = checkpoint, table, held_out, task
        self._data = tuple(data)
        self._noising = Noising.of(checkpoint.scheduler_config)
        self._tokens = CaptionTokens(checkpoint, table.captions)
        self._mirrored = CaptionTokens(checkpoint, [[mirrored(text) for text in own] for own in table.captions])
        self._held_out_tokens = CaptionTokens(checkpoint, held_out.captions)
        self._null_ids = token_ids(checkpoint, [""])[0]
        checkpoint.unet.train().requires_grad_(True)
        checkpoint.text_encoder.train(task.train_text_encoder).requires_grad_(task.train_text_encoder)
        self.modules: Mapping[str, nn.Module] = {"unet": checkpoint.unet}
        if task.train_text_encoder:
            self.modules = {**self.modules, "text_encoder": checkpoint.text_encoder}
        self.groups: Sequence[range] = (range(len(table)),)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the squared error of the prediction, one of each picture's captions before it."""
        task, picked = self._task, torch.tensor(indices)
        side = (torch.rand(len(indices), generator=generator) < task.flip).long()
        ids = drawn_captions(self._tokens, self._mirrored, picked, side, generator)
        without = torch.rand(len(indices), generator=generator) < task.dropout
        ids = torch.where(without[:, None], self._null_ids, ids)
        error, weight = self._errors(self._table, picked, side, ids, generator)
        return Loss(total=(error * weight).mean(), parts={"error": error.detach().mean()})

    def validate(self, generator: torch.Generator) -> Validation:
        """Return the held-out error at fixed noise, and pictures made of held-out captions below their originals."""
        count = min(len(self._held_out), 192)
        picked = torch.linspace(0, len(self._held_out) - 1, count).long()
        errors = []
        for part in picked.split(32):
            side = torch.zeros(len(part), dtype=torch.long)
            ids = self._held_out_tokens.first(part)
            errors.append(self._errors(self._held_out, part, side, ids, generator)[0].detach())
        shown = self._strip(picked[:: max(1, count // SHOWN)][:SHOWN], generator)
        return Validation(
            figures={"held-out error": float(torch.cat(errors).mean())}, pictures={"original, made": shown}
        )

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the model as a `StableDiffusionPipeline`'s folder with its `ConditioningSpec`, in half precision."""
        card = CardFacts(
            title="Retouch generate",
            summary="Makes pictures from text; open it with Retouch or with diffusers' StableDiffusionPipeline.",
            data=[f"{len(self._table)} pictures of the train split with their captions", *self._data],
            training={"optimiser steps": steps, **asdict(self._task)},
            figures=figures,
            task="text-to-image",
            tags=("text-to-image", "retouch"),
        )
        save(self.checkpoint, folder, storage="float16", card=model_card(card))

    def _errors(
        self, table: CaptionedLatents, picked: Tensor, side: Tensor, ids: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Squared errors by sample, (B,), and their weights."""
        unet, task = self.checkpoint.unet, self._task
        clean = table.drawn(picked, side, generator) * scaling_factor(self.checkpoint.vae)
        noise = torch.randn(clean.shape, generator=generator)
        times = self._noising.timesteps(len(picked), generator, bias=task.noise_bias)
        noisy = sent(self._noising.noisy(clean, noise, times), unet.device)
        context = encode_ids(self.checkpoint, ids)
        prediction = unet(noisy, sent(times, unet.device), context, return_dict=False)[0].float()
        wanted = sent(self._noising.wanted(clean, noise, times), unet.device)
        error = functional.mse_loss(prediction, wanted, reduction="none").mean(dim=(1, 2, 3))
        return error, sent(self._noising.weights(times, gamma=task.minimum_snr), unet.device)

    def _strip(self, picked: Tensor, generator: torch.Generator) -> Tensor:
        vae = self.checkpoint.vae
        modes = self._held_out.modes(picked) * scaling_factor(vae)
        captions = [self._held_out.captions[index][0] for index in picked.tolist()]
        noise = torch.randn(modes.shape, generator=generator).to(self.checkpoint.device)
        made = generate_latents(self.checkpoint, captions, noise, generator)
        return strip([decode_latents(vae, latents).cpu() for latents in (modes, made)])


@dataclass(frozen=True, kw_only=True)
class GenerateRecipe:
    """Train a text-to-image model on record folders, from nothing beside an autoencoder, or from a checkpoint.

    `data` are folders of the train split, `held_out` of the validation split; without the latter the
    pairs of every `validation_every`-th source picture are held out. `base` is whatever `models.load` takes, of
    kind "generate"; where it is None, a tokenizer of `vocabulary` pieces is learned from the records'
    captions and `texts`, or taken with its text encoder from the folder `text_encoder` (a CLIP model's, say);
    `vae` names the autoencoder's folder, and `spec` is needed. With a base, `spec` overrides its own. `cache`
    keeps latents between runs, None encodes at every step; `size` is the longest side in pixels that pictures
    are trained at, the base's own where it is None; `notes` go into the model card.
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
    task: GenerateTask = field(default_factory=GenerateTask)
    architecture: Architecture = POCKET

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Prepare latents and networks. Raises DataError or ModelError where a part is missing."""
        checkpoint = self._checkpoint()
        on_device(checkpoint, device)
        preparation = preparation_of(
            checkpoint,
            cache=self.cache,
            mirrored=self.task.flip > 0,
            precision=self.settings.precision,
            on_prepared=on_prepared,
            size=self.size,
        )
        table, held_out = (
            captioned_latents(preparation, part)
            for part in read_folders(self.data, self.held_out, every=self.validation_every)
        )
        return GenerateKind(checkpoint, table, held_out, self.task, mirrored=mirrored, data=self.notes)

    def _checkpoint(self) -> Checkpoint:
        if self.base is None:
            return self._fresh()
        base = load(self.base)
        check_generate(base)
        return base if self.spec is None else replace(base, spec=self.spec)

    def _fresh(self) -> Checkpoint:
        return fresh_checkpoint(
            self.architecture,
            vae=self.vae,
            spec=self.spec,
            texts=chain(self.texts(), words_of(self.data, CAPTIONS)),
            vocabulary=self.vocabulary,
            seed=self.settings.seed,
            text_encoder=self.text_encoder,
        )


def usual(material: Material, choices: Choices) -> GenerateRecipe:
    """Fine-tune the model that `material` names, text encoder frozen: 15,000 steps of 16 at 1e-5."""
    material.refuse("generate", "lora")
    settings = TrainSettings(steps=15_000, batch_size=16, learning_rate=1e-5, warmup=100, schedule="cosine")
    return GenerateRecipe(
        data=material.data,
        base=material.base,
        cache=material.out / "latents" if material.cache else None,
        size=material.size,
        settings=choices.applied(settings),
        task=GenerateTask(train_text_encoder=False),
    )
