"""Train the instruction parser: a small spaCy pipeline that names the parts of an instruction and where steps join.

It has a loop of its own, spaCy's, of minutes; one that was interrupted starts over.
"""

import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from retouch.core.errors import DataError, OutputError, SettingsError
from retouch.core.seeds import derive_seed
from retouch.grounding.pocket_parser import marked
from retouch.metrics.spans import SpanScores, span_scores
from retouch.models.parser import FACTS, JOIN, import_spacy
from retouch.records.marked import PART_ROLES, MarkedText, load_marked
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.journal import Journal
from retouch.training.settings import TrainSettings, rate_factor
from retouch.training.trainer import OnProgress, Progress, TrainReport


@dataclass(frozen=True, kw_only=True)
class ParserTask:
    """The network's size: `width` of its features, `depth` of its windows, `rows` of its tables of words."""

    width: int = 64
    depth: int = 4
    rows: tuple[int, int, int, int] = (1200, 400, 800, 100)
    drop: float = 0.15


@dataclass(frozen=True, kw_only=True)
class ParserRecipe:
    """Train a parser on JSON lines of marked instructions (see `records.marked`).

    `held_out` are files to measure on, by the name that their figures get.
    """

    data: Sequence[Path]
    settings: TrainSettings
    held_out: Mapping[str, Path] = field(default_factory=dict)
    notes: Sequence[str] = ()
    task: ParserTask = ParserTask()

    def run(
        self,
        out: Path,
        *,
        steps: int | None = None,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> TrainReport:
        """Train from the start and export to `out`/model.

        Raises DataError where a file is missing or empty, MissingExtraError without spaCy.
        """
        settings = self.settings if steps is None else replace(self.settings, steps=steps)
        texts = list(chain.from_iterable(map(load_marked, self.data)))
        held_out = {name: list(load_marked(path)) for name, path in self.held_out.items()}
        if not texts:
            raise DataError(f"No marked text lies in {', '.join(map(str, self.data))}; write some first.")
        with _seeded(settings.seed):
            pipeline, optimiser = _fresh(texts, self.task, settings)
            updates = _updates(pipeline, optimiser, texts, settings, drop=self.task.drop)
            done = _followed(updates, settings, on_progress, cancelled)
        if done < settings.steps:
            return TrainReport(steps=done, figures={}, folder=out, interrupted=True, resumes=False)
        with pipeline.use_params(optimiser.averages):
            scores = {name: score(pipeline, some) for name, some in held_out.items()}
            figures = dict(chain.from_iterable(_figures(name, one).items() for name, one in scores.items()))
            Journal(out / "log").scalars(figures, done)
            save_parser(pipeline, out / "model", card=self._card(len(texts), done, figures))
        return TrainReport(steps=done, figures=figures, folder=out, interrupted=False)

    def _card(self, texts: int, steps: int, figures: Mapping[str, float]) -> str:
        return model_card(
            CardFacts(
                title="Retouch parser",
                summary="Names what an instruction edits, what comes, how it looks and where; and where steps join.",
                data=[f"{texts} marked instructions", *self.notes],
                training={"updates": steps, "texts an update": self.settings.batch_size, **vars(self.task)},
                figures=figures,
                library="spacy",
                task="token-classification",
                tags=("instruction-parsing", "retouch"),
            )
        )


def score(pipeline: Any, texts: Sequence[MarkedText]) -> SpanScores:
    """How well a pipeline finds the parts and the steps of texts."""
    return span_scores((marked(pipeline, true.text), true) for true in texts)


def save_parser(pipeline: Any, folder: Path, *, card: str) -> None:
    """Write a pipeline as spaCy reads it, replacing one that is there. Raises OutputError where it cannot be."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / FACTS).is_file():
        raise OutputError(f"'{folder}' is a folder with other things in it; name a new folder for the parser.")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        pipeline.to_disk(partial)
        (partial / "README.md").write_text(card, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        raise OutputError(f"The parser cannot be written to '{folder}': {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _figures(name: str, scores: SpanScores) -> dict[str, float]:
    return {f"span F1, {name}": scores.f1, f"compound split rightly, {name}": scores.split}


def _fresh(texts: Sequence[MarkedText], task: ParserTask, settings: TrainSettings) -> tuple[Any, Any]:
    spacy = import_spacy()
    from spacy.training import Example
    from thinc.api import Adam

    pipeline = spacy.blank("en")
    pipeline.meta["name"] = "retouch_parser"
    entities = pipeline.add_pipe("ner", config={"model": _network(task)})
    for label in (*PART_ROLES, JOIN):
        entities.add_label(label)
    some = [Example.from_dict(pipeline.make_doc(text.text), _told(text)) for text in texts[:200]]
    pipeline.initialize(lambda: some)
    optimiser = Adam(settings.learning_rate, L2=settings.weight_decay, grad_clip=settings.clip, use_averages=True)
    return pipeline, optimiser


def _network(task: ParserTask) -> dict[str, object]:
    embed = {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": task.width,
        "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
        "rows": list(task.rows),
        "include_static_vectors": False,
    }
    encode = {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": task.width,
        "window_size": 1,
        "maxout_pieces": 3,
        "depth": task.depth,
    }
    return {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": task.width,
        "maxout_pieces": 2,
        "use_upper": True,
        "nO": None,
        "tok2vec": {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode},
    }


def _told(text: MarkedText) -> dict[str, object]:
    """A text's entities as spaCy takes them: its parts, and what joins its steps."""
    joints = []
    for (_, end), (start, _) in zip(text.steps, text.steps[1:], strict=False):
        between = text.text[end:start]
        first = end + len(between) - len(between.lstrip())
        joints.append((first, first + len(between.strip()), JOIN))
    return {"entities": sorted([*text.parts, *joints])}


def _updates(
    pipeline: Any, optimiser: Any, texts: Sequence[MarkedText], settings: TrainSettings, *, drop: float
) -> Iterator[float]:
    """Update the pipeline `settings.steps` times; the loss a text of each."""
    from spacy.training import Example

    batches = _batches(len(texts), settings)
    for step in range(settings.steps):
        optimiser.learn_rate = settings.learning_rate * rate_factor(settings, step)
        chosen = [texts[place] for place in next(batches)]
        examples = [Example.from_dict(pipeline.make_doc(text.text), _told(text)) for text in chosen]
        losses = pipeline.update(examples, sgd=optimiser, drop=drop)
        yield losses["ner"] / len(chosen)


def _followed(
    updates: Iterator[float],
    settings: TrainSettings,
    on_progress: OnProgress | None,
    cancelled: Callable[[], bool],
) -> int:
    """Run the updates; return how many there were, less than all where the caller's wish stopped them."""
    began, smooth, done = time.monotonic(), math.nan, 0
    while not cancelled() and (loss := next(updates, None)) is not None:
        smooth = loss if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss
        done += 1
        if on_progress:
            rate = done * settings.batch_size / max(1e-9, time.monotonic() - began)
            on_progress(Progress(step=done, steps=settings.steps, loss=smooth, samples_per_second=rate))
    return done


def _batches(count: int, settings: TrainSettings) -> Iterator[list[int]]:
    """Endless batches: every text once in each round, in another order."""
    if count < settings.batch_size:
        raise SettingsError(
            f"The data holds {count} texts, a batch {settings.batch_size}; give more or smaller batches."
        )
    for epoch in range(settings.steps):
        order = list(range(count))
        Random(derive_seed(settings.seed, "parser", epoch)).shuffle(order)
        for start in range(0, count - settings.batch_size + 1, settings.batch_size):
            yield order[start : start + settings.batch_size]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global generators that spaCy draws from, seeded within and afterwards as they were before."""
    from spacy.util import fix_random_seed

    kept, numbers = random.getstate(), np.random.get_state()
    fix_random_seed(derive_seed(seed, "parser") % 2**32)
    try:
        yield
    finally:
        random.setstate(kept)
        np.random.set_state(numbers)


def usual(material: Material, choices: Choices) -> ParserRecipe:
    """Train a parser from nothing on files of marked instructions: 900 updates of 64 texts, whatever the base."""
    material.refuse("parser", "lora", "size", "cache")
    settings = TrainSettings(
        steps=900, batch_size=64, learning_rate=2e-3, warmup=100, schedule="cosine", weight_decay=1e-6
    )
    return ParserRecipe(data=material.data, settings=choices.applied(settings))
