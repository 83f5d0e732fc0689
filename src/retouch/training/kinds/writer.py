"""Train a writer: a causal language model that answers a caption with an instruction and the edited caption."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional

from retouch.core.errors import DataError, SettingsError
from retouch.models.fresh_writer import POCKET_WRITER, WriterShape, fresh_writer
from retouch.models.quiet import quiet_libraries
from retouch.models.writer import Writer, load_writer
from retouch.records.pair import Split
from retouch.records.triple import (
    EDIT_END,
    END,
    PROMPT_END,
    Triple,
    load_triples,
    to_completion,
    to_prompt,
    triples_of_records,
)
from retouch.training.cache import OnPrepared
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.settings import TrainSettings

IGNORED = -100
"""The label of tokens that are not learned: the prompt's and padding."""
USUAL_EPOCHS = 3


@dataclass(frozen=True, kw_only=True)
class WriterTask:
    """How the writer is trained.

    Triples of more than `length` tokens are left out. A batch goes through the network in `parts`, of texts of
    like length, so that little is computed for padding: faster on a CPU, slower where a batch is one kernel.
    With `lora` all linear layers of the blocks get low-rank updates of that rank (and of the same α), and
    nothing else is trained.
    """

    length: int = 512
    parts: int = 1
    lora: int | None = None


class WriterKind:
    """A causal language model on triples; only the completion's tokens count in the loss, the prompt is given."""

    name = "writer"

    def __init__(
        self,
        writer: Writer,
        triples: Sequence[Triple],
        held_out: Sequence[Triple],
        task: WriterTask,
        *,
        data: Sequence[str] = (),
    ) -> None:
        self._writer, self._task, self._data = writer, task, tuple(data)
        self._texts = _encoded(writer, triples, task.length)
        self._held_out = _encoded(writer, held_out, task.length)
        self.model: Any = writer.model
        if task.lora is not None:
            self.model = _with_lora(writer, task.lora)
        self.model.train()
        self.modules: Mapping[str, nn.Module] = {"writer": self.model}
        self.groups: Sequence[range] = (range(len(self._texts)),)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the mean negative log-likelihood, in nats, of the completions' tokens."""
        del generator
        texts = sorted((self._texts[index] for index in indices), key=lambda text: len(text.ids))
        size = -(-len(texts) // self._task.parts)
        parts = [self._errors(texts[start : start + size]) for start in range(0, len(texts), size)]
        errors, right = (torch.cat(found) for found in zip(*parts, strict=True))
        return Loss(total=errors.mean(), parts={"accuracy": float(right.float().mean())})

    @torch.no_grad()
    def validate(self, generator: torch.Generator) -> Validation:
        """Return the held-out loss a token, and the share of tokens that are the likeliest ones."""
        del generator
        total, correct, tokens = 0.0, 0, 0
        for start in range(0, len(self._held_out), 32):
            errors, right = self._errors(self._held_out[start : start + 32])
            total, correct, tokens = total + float(errors.sum()), correct + int(right.sum()), tokens + len(errors)
        return Validation(figures={"held-out loss": total / tokens, "held-out accuracy": correct / tokens})

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write model and tokenizer in transformers layout, in half precision; a LoRA merged, and alone beside it."""
        card = CardFacts(
            title="Retouch writer",
            summary="Answers a caption with an instruction and the caption of the edited picture; open it with Retouch "
            "or with transformers. Prompt: the caption and `\\n##\\n`; completion: the instruction, `\\n%%\\n`, "
            "the edited caption, `\\nEND`.",
            data=[f"{len(self._texts)} triples to train on, {len(self._held_out)} held out", *self._data],
            training={"optimiser steps": steps, "loss": "on the completion's tokens alone", **asdict(self._task)},
            figures=figures,
            library="transformers",
            task="text-generation",
            tags=("text-generation", "instruct-pix2pix", "retouch"),
        )
        plain = copy.deepcopy(self.model)
        if self._task.lora is not None:
            plain = plain.merge_and_unload()
            self.model.save_pretrained(folder / "lora")
        with quiet_libraries():
            plain.half().save_pretrained(folder)
            self._writer.tokenizer.save_pretrained(folder)
        (folder / "README.md").write_text(model_card(card), encoding="utf-8")

    def _errors(self, texts: Sequence["_Encoded"]) -> tuple[Tensor, Tensor]:
        """The error of each completion token of a batch, and whether the likeliest token is the right one, (N,)."""
        device = self.model.device
        longest = max(len(text.ids) for text in texts)
        ids = torch.zeros(len(texts), longest, dtype=torch.long)
        labels, mask = torch.full_like(ids, IGNORED), torch.zeros_like(ids)
        for row, text in enumerate(texts):
            length = len(text.ids)
            ids[row, :length] = torch.tensor(text.ids)
            labels[row, text.prompt : length] = ids[row, text.prompt : length]
            mask[row, :length] = 1
        logits = self.model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False).logits
        wanted = labels[:, 1:].to(device)
        learned = wanted != IGNORED
        picked = logits[:, :-1][learned].float()
        answers = wanted[learned]
        return functional.cross_entropy(picked, answers, reduction="none"), picked.detach().argmax(-1) == answers


@dataclass(frozen=True, kw_only=True)
class WriterRecipe:
    """Train a writer on triples.

    `data` are JSON-lines files (see `records.triple`) or folders of pair records, whose train split is used;
    `triples` gives further ones. `held_out` are the same for measuring; without them the triples of every
    `validation_every`-th source caption are held out. `base` is whatever `models.writer.load_writer` takes;
    None begins a model of `shape` anew, whose tokenizer knows the words of the triples and of `texts`.
    """

    data: Sequence[Path]
    settings: TrainSettings
    held_out: Sequence[Path] = ()
    triples: Callable[[], Iterable[Triple]] = tuple
    base: str | Path | None = None
    texts: Callable[[], Iterable[str]] = tuple
    shape: WriterShape = POCKET_WRITER
    notes: Sequence[str] = ()
    validation_every: int = 20
    task: WriterTask = WriterTask()

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Read the triples and load the model. Raises DataError or ModelError where a part is missing."""
        del on_prepared
        triples = [*_read(self.data, "train"), *self.triples()]
        if self.held_out:
            held_out = list(_read(self.held_out, "validation"))
        else:
            triples, held_out = parted(triples, every=self.validation_every)
        writer = self._fresh(triples) if self.base is None else load_writer(self.base)
        writer.model.to(device)  # pyright: ignore[reportArgumentType]
        return WriterKind(writer, triples, held_out, self.task, data=self.notes)

    def _fresh(self, triples: Sequence[Triple]) -> Writer:
        marks = (PROMPT_END, EDIT_END, END)
        texts = chain(self.texts(), *_words(triples))
        return fresh_writer(texts, marks=marks, shape=self.shape, seed=self.settings.seed)


def usual(material: Material, choices: Choices) -> WriterRecipe:
    """The settings of InstructPix2Pix's rebuilding on gemma-2b: three epochs of batches of 4 × 2, 512 tokens, seed 42.

    What it leaves open, the rate and its fall, is 5e-5 (of a LoRA 2e-4), linear. Raises DataError where the
    data holds no triples, SettingsError for a LoRA of rank 0.
    """
    material.refuse("writer", "size", "cache")
    if material.lora is not None and material.lora < 1:
        raise SettingsError(f"The LoRA's rank is {material.lora}; give at least 1.")
    batch = choices.batch_size or 8
    count = sum(1 for _ in _read(material.data, "train"))
    settings = TrainSettings(
        steps=max(1, USUAL_EPOCHS * count // batch),
        batch_size=batch,
        accumulate=2 if batch % 2 == 0 else 1,
        learning_rate=5e-5 if material.lora is None else 2e-4,
        schedule="linear",
        warmup=0,
        ema_decay=0.0,
        seed=42,
    )
    return WriterRecipe(
        data=material.data,
        base=material.base,
        settings=choices.applied(settings),
        task=WriterTask(lora=material.lora),
    )


def parted(triples: Sequence[Triple], *, every: int) -> tuple[list[Triple], list[Triple]]:
    """Part triples into those to train on and those of every `every`-th source caption, to measure on.

    Raises DataError where one side would be empty.
    """
    number = {caption: place for place, caption in enumerate(dict.fromkeys(t.source_caption for t in triples))}
    held = [number[triple.source_caption] % every == every - 1 for triple in triples]
    if all(held) or not any(held):
        raise DataError(
            f"The data shows {len(number)} source captions, too few to hold some out; "
            f"give at least {every}, or data to validate on."
        )
    kept = [triple for triple, out in zip(triples, held, strict=True) if not out]
    return kept, [triple for triple, out in zip(triples, held, strict=True) if out]


@dataclass(frozen=True, kw_only=True)
class _Encoded:
    """A triple's tokens; the first `prompt` are given."""

    ids: Sequence[int]
    prompt: int


def _encoded(writer: Writer, triples: Sequence[Triple], length: int) -> list[_Encoded]:
    """Prompt and completion are tokenised apart, as they are when the completion is sampled."""
    if not triples:
        raise DataError("There are no triples to train or to measure on; give a file of JSON lines or pair records.")
    tokenizer: Any = writer.tokenizer
    prompts = tokenizer([to_prompt(triple.source_caption) for triple in triples])["input_ids"]
    completions = tokenizer([to_completion(triple) for triple in triples], add_special_tokens=False)["input_ids"]
    texts = [
        _Encoded(ids=[*prompt, *completion], prompt=len(prompt))
        for prompt, completion in zip(prompts, completions, strict=True)
    ]
    fitting = [text for text in texts if len(text.ids) <= length]
    if not fitting:
        raise DataError(f"Every one of the {len(texts)} triples has more than {length} tokens; raise the length.")
    return fitting


def _with_lora(writer: Writer, rank: int) -> Any:
    config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=rank, target_modules="all-linear")
    model: Any = get_peft_model(writer.model, config)
    # With recomputed activations gradients would stop at the frozen embeddings.
    model.enable_input_require_grads()
    return model


def _read(places: Sequence[Path], split: Split) -> Iterable[Triple]:
    for place in places:
        yield from triples_of_records(place, split=split) if place.is_dir() else load_triples(place)


def _words(triples: Sequence[Triple]) -> Iterable[list[str]]:
    return ([triple.source_caption, triple.instruction, triple.target_caption] for triple in triples)
