"""Run configurations: what a recipe file's functions return, and how a run is built from it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL

from retouch.core.errors import DataError, ModelError
from retouch.models.architecture import (
    POCKET,
    ZERO_TERMINAL_SCHEDULE,
    Architecture,
    random_checkpoint,
    random_vae,
)
from retouch.models.checkpoint import Checkpoint
from retouch.models.colour_start import start_from_colours
from retouch.models.load import load
from retouch.models.sources import find_model
from retouch.models.spec import PUBLISHED, ConditioningSpec
from retouch.models.tokenizer import train_tokenizer
from retouch.models.widen import as_editor
from retouch.records.pair import Split
from retouch.records.shards import read_records
from retouch.scenes.language import mirrored
from retouch.training.cache import Encoding, OnPrepared, PairTable, joined, pair_table, parted
from retouch.training.kind import Kind
from retouch.training.kinds.instruct import InstructKind, InstructTask
from retouch.training.kinds.vae import VaeKind, VaeTask
from retouch.training.optimiser import resolved
from retouch.training.pictures import unique_pictures
from retouch.training.preview import sample_edits
from retouch.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class VaeRecipe:
    """Train an autoencoder on the pictures of record folders.

    `data` are folders of records of the train split, `held_out` of the validation split by the name
    their figure gets; without the latter a twentieth of the pictures is held out. `validation_pictures`
    of each are measured. `base` is an autoencoder's own folder, or whatever `models.load` takes; None
    starts from nothing, or with `from_colours` from weights that already carry mean colours.
    """

    data: Sequence[Path]
    settings: TrainSettings
    held_out: Mapping[str, Path] = field(default_factory=dict)
    task: VaeTask = field(default_factory=VaeTask)
    architecture: Architecture = POCKET
    base: str | Path | None = None
    from_colours: bool = False
    validation_pictures: int = 24

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Load the pictures and the network. Raises DataError where a folder has no records."""
        del on_prepared
        pictures = unique_pictures(self.data, split="train")
        held_out = {name: unique_pictures([folder], split="validation") for name, folder in self.held_out.items()}
        if not held_out:
            held_out = {"pictures": pictures[19::20]}
            pictures = [picture for place, picture in enumerate(pictures) if place % 20 != 19]
        if not all(held_out.values()):
            raise DataError("The data shows fewer than 20 pictures, too few to hold some out; make more pairs.")
        held_out = {name: shown[: self.validation_pictures] for name, shown in held_out.items()}
        vae: Any = self._network()
        # oneDNN and cuDNN both compute convolutions this narrow faster with the channels last.
        vae.to(device, memory_format=torch.channels_last)
        return VaeKind(vae, pictures, held_out, self.task)

    def _network(self) -> AutoencoderKL:
        if self.base is not None:
            alone = (Path(self.base) / "config.json").is_file()
            folder = Path(self.base) if alone else find_model(str(self.base)) / "vae"
            return AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            vae = random_vae(self.architecture)
        if self.from_colours:
            start_from_colours(vae)
        return vae


@dataclass(frozen=True, kw_only=True)
class InstructRecipe:
    """Train an editor on record folders, from nothing beside an autoencoder, or from a checkpoint.

    `data` are folders of the train split, `held_out` of the validation split; without the latter every
    `validation_every`-th source picture of the train split is held out. `base` is whatever `models.load`
    takes, of 4 or 8 channels; where it is None, a tokenizer of `vocabulary` pieces is learned from the
    records' words and `texts`, `vae` names the autoencoder's folder, and `spec` is needed. With a base,
    `spec` overrides its own. `cache` keeps latents between runs; `notes` go into the model card.
    """

    data: Sequence[Path]
    cache: Path
    settings: TrainSettings
    held_out: Sequence[Path] = ()
    spec: ConditioningSpec | None = None
    vae: Path | None = None
    base: str | Path | None = None
    texts: Callable[[], Iterable[str]] = list
    notes: Sequence[str] = ()
    vocabulary: int = 2500
    validation_every: int = 20
    task: InstructTask = field(default_factory=InstructTask)
    architecture: Architecture = POCKET

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Prepare latents and networks. Raises DataError or ModelError where a part is missing."""
        checkpoint, widened = self._checkpoint()
        for module in checkpoint.modules.values():
            module.to(device)
        vae: Any = checkpoint.vae
        vae.to(memory_format=torch.channels_last)
        table = joined(self._tables(checkpoint.vae, self.data, "train", on_prepared))
        if self.held_out:
            held_out = joined(self._tables(checkpoint.vae, self.held_out, "validation", on_prepared))
        else:
            table, held_out = parted(table, every=self.validation_every)
        return InstructKind(
            checkpoint,
            table,
            held_out,
            self.task,
            mirrored=mirrored,
            sampler=sample_edits,
            data=self.notes,
            widened=widened,
        )

    def _tables(
        self, vae: AutoencoderKL, folders: Sequence[Path], split: Split, on_prepared: OnPrepared
    ) -> list[PairTable]:
        device = next(vae.parameters()).device
        encoding = Encoding(mirrored=self.task.flip > 0, precision=resolved(self.settings.precision, device))
        return [
            pair_table(vae, folder, split=split, cache=self.cache, encoding=encoding, on_progress=on_prepared)
            for folder in folders
        ]

    def _checkpoint(self) -> tuple[Checkpoint, bool]:
        """The start, and whether its first convolution had to be widened."""
        if self.base is None:
            return self._fresh(), False
        base = load(self.base)
        spec = self.spec or (base.spec if base.kind == "instruct" else PUBLISHED["instruct"])
        return as_editor(base, spec), base.kind != "instruct"

    def _fresh(self) -> Checkpoint:
        if self.vae is None or self.spec is None:
            raise ModelError(
                "The recipe names no checkpoint to start from, and not both an autoencoder and a spec to begin anew; "
                "give a base, or vae and spec."
            )
        vae = AutoencoderKL.from_pretrained(self.vae, torch_dtype=torch.float32).eval().requires_grad_(False)
        tokenizer = train_tokenizer(
            chain(self.texts(), self._words()),
            vocabulary=self.vocabulary,
            length=self.architecture.text_length,
        )
        fresh = random_checkpoint(
            self.architecture,
            tokenizer,
            spec=self.spec,
            schedule=ZERO_TERMINAL_SCHEDULE,
            seed=self.settings.seed,
        )
        return Checkpoint(
            unet=fresh.unet,
            vae=vae,
            text_encoder=fresh.text_encoder,
            tokenizer=tokenizer,
            scheduler_config=fresh.scheduler_config,
            spec=self.spec,
            source="recipe",
        )

    def _words(self) -> list[str]:
        words = [
            text
            for folder in self.data
            for record in read_records(folder, columns=("source_caption", "target_caption"), split="train")
            for text in (record.edit_prompt, record.source_caption, record.target_caption)
        ]
        if not words:
            raise DataError("The records hold no words to learn a tokenizer from; make pairs first.")
        return words


Recipe = VaeRecipe | InstructRecipe
