"""Train a text encoder to read: that its features tell what an instruction asks, before any picture is seen."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from retouch.conditioning.text import token_ids
from retouch.core.errors import DataError
from retouch.models.architecture import POCKET, Architecture, random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.load import load
from retouch.models.quiet import quiet_libraries
from retouch.models.tokenizer import save_tokenizer, train_tokenizer
from retouch.records.labelled import LabelledText, load_labelled
from retouch.training.cache import OnPrepared
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class ReaderTask:
    """How the encoder is taught: labels that fewer than `rarest` of the texts have are left out."""

    rarest: int = 30


class ReaderKind:
    """A CLIP text encoder, whose last token and whose mean must each tell the labels of a text."""

    name = "reader"

    def __init__(
        self,
        checkpoint: Checkpoint,
        texts: Sequence[LabelledText],
        held_out: Sequence[LabelledText],
        task: ReaderTask,
        *,
        data: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self._checkpoint, self._task, self._data = checkpoint, task, tuple(data)
        counted = Counter(chain.from_iterable(text.labels for text in texts))
        self.labels = tuple(sorted(label for label, count in counted.items() if count >= task.rarest))
        if not self.labels or not held_out:
            raise DataError(
                f"{len(texts)} texts to learn and {len(held_out)} to measure on, with {len(self.labels)} labels that "
                f"{task.rarest} of them have, teach no reading; give more texts."
            )
        self._ids, self._told = self._encoded(texts)
        self._held_ids, self._held_told = self._encoded(held_out)
        self.encoder: Any = checkpoint.text_encoder.train().requires_grad_(True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = nn.ModuleList(nn.Linear(self.encoder.config.hidden_size, len(self.labels)) for _ in range(2))
        self.modules: Mapping[str, nn.Module] = {"text_encoder": self.encoder, "labels": head.to(self.encoder.device)}
        self.groups: Sequence[range] = (range(len(texts)),)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the cross-entropy of the labels, summed over them, the mean over the texts."""
        del generator
        picked = list(indices)
        scores = self._scores(self._ids[picked])
        wanted = self._told[picked].float().to(scores.device)
        errors = functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
        return Loss(total=errors.sum(dim=1).mean())

    @torch.no_grad()
    def validate(self, generator: torch.Generator) -> Validation:
        """Return, by aspect, how often the likeliest label is the right one of the held-out texts that have one."""
        del generator
        scores = torch.cat([self._scores(part).float().cpu() for part in self._held_ids.split(64)])
        figures = {}
        for aspect in dict.fromkeys(label.partition("=")[0] for label in self.labels):
            columns = [place for place, label in enumerate(self.labels) if label.startswith(f"{aspect}=")]
            told = self._held_told[:, columns]
            asked = told.sum(dim=1) == 1
            if asked.any():
                right = scores[asked][:, columns].argmax(dim=1) == told[asked].int().argmax(dim=1)
                figures[f"{aspect} read"] = float(right.float().mean())
        return Validation(figures=figures)

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write `text_encoder` and `tokenizer` as an editor's folder holds them; whole precision, to be trained on."""
        card = CardFacts(
            title="Retouch reader",
            summary="A CLIP text encoder that tells what instructions ask: the start of an editor's training.",
            data=[f"{len(self._ids)} labelled instructions", *self._data],
            training={"optimiser steps": steps, **asdict(self._task)},
            figures=figures,
            library="transformers",
            task="feature-extraction",
            tags=("feature-extraction", "retouch"),
        )
        with quiet_libraries():
            self.encoder.save_pretrained(folder / "text_encoder")
        save_tokenizer(self._checkpoint.tokenizer, folder / "tokenizer")
        (folder / "README.md").write_text(model_card(card), encoding="utf-8")

    def _scores(self, ids: Tensor) -> Tensor:
        """Logits of the labels, (B, labels): what comes behind a text's end changes nothing of it, and is left out."""
        end = torch.tensor(self._checkpoint.tokenizer.eos_token_id)
        ends = ids.eq(end).int().argmax(dim=1)
        ids, ends = ids[:, : int(ends.max()) + 1].to(self.encoder.device), ends.to(self.encoder.device)
        states = self.encoder(ids).last_hidden_state
        within = (torch.arange(ids.shape[1], device=ids.device) <= ends[:, None])[:, :, None]
        mean = (states * within).sum(dim=1) / (ends[:, None] + 1)
        last = states[torch.arange(len(ids), device=ids.device), ends]
        of_last, of_mean = self.modules["labels"].children()
        return of_last(last) + of_mean(mean)

    def _encoded(self, texts: Sequence[LabelledText]) -> tuple[Tensor, Tensor]:
        """Token ids, (N, L), and which labels each text has, (N, labels) bool."""
        places = {label: place for place, label in enumerate(self.labels)}
        told = torch.zeros(len(texts), len(self.labels), dtype=torch.bool)
        for row, text in zip(told, texts, strict=True):
            row[[places[label] for label in text.labels if label in places]] = True
        return token_ids(self._checkpoint, [text.text for text in texts]), told


@dataclass(frozen=True, kw_only=True)
class ReaderRecipe:
    """Train a reader on JSON lines of labelled texts (see `records.labelled`).

    `base` is an editor's checkpoint whose text encoder is trained on; None begins one of `architecture` anew,
    with a tokenizer of `vocabulary` pieces learned from the texts and `texts`. `held_out` are files to measure
    on; without them every `validation_every`-th text is.
    """

    data: Sequence[Path]
    settings: TrainSettings
    held_out: Sequence[Path] = ()
    base: str | Path | None = None
    texts: Callable[[], Iterable[str]] = tuple
    vocabulary: int = 2500
    validation_every: int = 50
    notes: Sequence[str] = ()
    task: ReaderTask = ReaderTask()
    architecture: Architecture = POCKET

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Read the texts and load the encoder. Raises DataError or ModelError where a part is missing."""
        del on_prepared
        texts = list(chain.from_iterable(map(load_labelled, self.data)))
        held_out = list(chain.from_iterable(map(load_labelled, self.held_out)))
        if not held_out:
            held_out = texts[self.validation_every - 1 :: self.validation_every]
            del texts[self.validation_every - 1 :: self.validation_every]
        checkpoint = self._fresh(texts) if self.base is None else load(self.base)
        encoder: Any = checkpoint.text_encoder
        encoder.to(device)
        return ReaderKind(checkpoint, texts, held_out, self.task, data=self.notes, seed=self.settings.seed)

    def _fresh(self, texts: Iterable[LabelledText]) -> Checkpoint:
        words = chain(self.texts(), (text.text for text in texts))
        tokenizer = train_tokenizer(words, vocabulary=self.vocabulary, length=self.architecture.text_length)
        return random_checkpoint(self.architecture, tokenizer, seed=self.settings.seed)


def usual(material: Material, choices: Choices) -> ReaderRecipe:
    """Teach the text encoder of an editor further: 1,000 steps of 64 texts at a rate that keeps what it knows."""
    material.refuse("reader", "lora", "size", "cache")
    settings = TrainSettings(steps=1_000, batch_size=64, learning_rate=1e-4, warmup=50, schedule="cosine")
    return ReaderRecipe(data=material.data, base=material.base, settings=choices.applied(settings))
