"""Train the segmenter: masks of phrases and of points, and whether a picture shows a phrase's thing at all."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from retouch.core.errors import DataError
from retouch.models.clip import load_clip
from retouch.models.pocket import POCKET, SEGMENTER_MEMBER
from retouch.models.segmenter import SegmenterModel, load_segmenter, random_segmenter, save_segmenter
from retouch.models.segmenter_network import COARSE, FINE, POCKET_SEGMENTER, Answer, SegmenterShape
from retouch.models.tokenizer import train_tokenizer
from retouch.records.phrases import phrases_place
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.phrased import (
    Lesson,
    PhrasedPicture,
    label_map,
    labels_of,
    lesson,
    meant,
    phrased_pictures,
    point_in,
    pointable,
    shown,
)
from retouch.training.pictures import Sizes, to_model_range
from retouch.training.sending import sent
from retouch.training.settings import TrainSettings

WRONGLY_REFUSED = 0.04
"""The share of phrases for what is there that the calibrated threshold may refuse."""
_SHOWN = 6
_PROMPTS = 32
"""Phrases of a held-out picture that are answered at a time."""


@dataclass(frozen=True, kw_only=True)
class SegmenterTask:
    """How the segmenter is trained.

    Each picture of a batch is asked `phrases` phrases and `points` points. `flip` is the share of mirrored pictures,
    `zoom` that of pictures shown in part. The loss of a mask is its cross-entropy times `cross` and its dice loss;
    `absent` weighs the cross-entropy of masks that must be empty, `presence` that of being there. `segments` weighs
    what the finest features must tell beside: which kind, colour and material each cell shows.
    """

    phrases: int = 6
    points: int = 2
    flip: float = 0.5
    zoom: float = 0.3
    cross: float = 2.0
    absent: float = 0.25
    presence: float = 0.5
    segments: float = 0.3


class SegmenterKind:
    """A `PhraseSegmenter`; a sample is a picture with a few of its phrases and points."""

    name = "segmenter"

    def __init__(
        self,
        model: SegmenterModel,
        pictures: Sequence[PhrasedPicture],
        held_out: Mapping[str, Sequence[PhrasedPicture]],
        task: SegmenterTask,
        *,
        data: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self._model, self._pictures, self._held_out, self._task = model, pictures, held_out, task
        self._data, self._threshold = tuple(data), model.threshold
        self.network = model.network.train().requires_grad_(True)
        self.modules: Mapping[str, nn.Module] = {"segmenter": self.network}
        self._labels = labels_of(pictures) if task.segments > 0 else {}
        if self._labels:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                head = nn.Conv2d(self.network.shape.mask_width, sum(map(len, self._labels.values())), 1)
            self.modules = {**self.modules, "segments": head.to(self._device)}
        ends = [len(list(same)) for _, same in groupby(pictures, key=lambda one: one.picture.fit.model_size)]
        starts = [sum(ends[:place]) for place in range(len(ends))]
        self.groups: Sequence[range] = tuple(
            range(start, start + size) for start, size in zip(starts, ends, strict=True)
        )

    @property
    def _device(self) -> torch.device:
        return self.network.heat.device

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the loss of masks and presence of the prompts drawn, and of what the cells show."""
        task, chosen = self._task, [self._pictures[index] for index in indices]
        drawn = [
            lesson(one, phrases=task.phrases, points=task.points, flip=task.flip, zoom=task.zoom, generator=generator)
            for one in chosen
        ]
        seen = self.network.look(to_model_range(sent(torch.stack([one.pixels for one in drawn]), self._device)))
        ids = self._model.tokens([text for one in drawn for text in one.texts])
        told = self.network.find(seen, sent(ids.view(len(drawn), task.phrases, -1), self._device))
        pointed = self.network.find_at(seen, sent(torch.stack([one.points for one in drawn]), self._device))
        masks, presence = self._answer_losses(told, torch.stack([one.wanted for one in drawn]))
        at_points, _ = self._answer_losses(pointed, torch.stack([one.pointed for one in drawn]))
        total = masks + at_points * task.points / task.phrases + task.presence * presence
        parts = {"masks": masks, "points": at_points, "presence": presence}
        if self._labels:
            cells = self._cells_loss(seen.fine, chosen, drawn)
            total, parts["cells"] = total + task.segments * cells, cells
        return Loss(total=total, parts={name: part.detach() for name, part in parts.items()})

    def _answer_losses(self, answer: Answer, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of the masks, and that of presence; `wanted` is (B, P, H, W) bool."""
        shares = sent(functional.avg_pool2d(wanted.float(), FINE), answer.masks.device)
        logits, present = answer.masks.float(), sent(wanted.flatten(2).any(dim=2), answer.masks.device)
        cross = functional.binary_cross_entropy_with_logits(logits, shares, reduction="none").mean(dim=(2, 3))
        found = logits.sigmoid()
        overlap = (found * shares).sum(dim=(2, 3))
        dice = 1 - (2 * overlap + 1) / (found.square().sum(dim=(2, 3)) + shares.square().sum(dim=(2, 3)) + 1)
        of_masks = torch.where(present, self._task.cross * cross + dice, self._task.absent * cross).mean()
        of_presence = functional.binary_cross_entropy_with_logits(answer.presence.float(), present.float())
        return of_masks, of_presence

    def _cells_loss(self, fine: Tensor, chosen: Sequence[PhrasedPicture], drawn: Sequence[Lesson]) -> Tensor:
        """The cross-entropy of what each fine cell shows, the mean over the aspects; small things weigh more."""
        logits = self.modules["segments"](fine).float().split([len(values) for values in self._labels.values()], dim=1)
        numbers = torch.stack([one.numbers[FINE // 2 :: FINE, FINE // 2 :: FINE] for one in drawn])
        sizes = torch.stack([torch.bincount(one.flatten().long(), minlength=256)[one.long()] for one in numbers])
        weights = sent(sizes.float().rsqrt(), fine.device)
        losses = []
        for scores, (aspect, values) in zip(logits, self._labels.items(), strict=True):
            maps = [label_map(one, two.things, aspect, values) for one, two in zip(numbers, chosen, strict=True)]
            wanted = sent(torch.stack(maps), fine.device)
            each = functional.cross_entropy(scores, wanted, ignore_index=-1, reduction="none") * weights
            losses.append(each.sum() / (weights * (wanted >= 0)).sum().clamp_min(1e-3))
        return torch.stack(losses).mean()

    @torch.no_grad()
    def validate(self, generator: torch.Generator) -> Validation:
        """Return mean IoU by kind of phrase, and refusals at the threshold that refuses few of what is there."""
        ious: dict[str, list[float]] = defaultdict(list)
        presence: dict[bool, list[float]] = {True: [], False: []}
        pictures: dict[str, Tensor] = {}
        for group, held_out in self._held_out.items():
            for place, one in enumerate(held_out):
                overlay = self._measure(one, ious, presence, generator)
                if place < _SHOWN:
                    pictures[f"{group} {place}"] = overlay
        figures = {f"IoU, {kind}": sum(values) / len(values) for kind, values in sorted(ious.items())}
        there = torch.tensor(presence[True] or [1.0])
        self._threshold = float(there.quantile(WRONGLY_REFUSED))
        refused = [score < self._threshold for score in presence[False]]
        figures["absent refused"] = sum(refused) / max(1, len(refused))
        return Validation(figures=figures, pictures=pictures)

    def _measure(
        self,
        one: PhrasedPicture,
        ious: dict[str, list[float]],
        presence: dict[bool, list[float]],
        generator: torch.Generator,
    ) -> Tensor:
        """Add a held-out picture's figures; return it with the masks found of its first phrases beside it."""
        pixels, numbers = shown(one)
        seen = self.network.look(to_model_range(pixels[None]).to(self._device))
        strips = [pixels]
        for start in range(0, len(one.phrases), _PROMPTS):
            asked = one.phrases[start : start + _PROMPTS]
            ids = self._model.tokens([phrase.text for phrase in asked])[None].to(self._device)
            answer = self.network.find(seen, ids)
            for phrase, mask, score in zip(
                asked, self._masks(answer), answer.presence[0].sigmoid().tolist(), strict=True
            ):
                presence[phrase.kind != "absent"].append(score)
                if phrase.kind != "absent":
                    ious[phrase.kind].append(_iou(mask, meant(phrase, numbers)))
                if len(strips) < _SHOWN and phrase.kind in ("plain", "relational", "garment", "absent"):
                    strips.append(torch.where(mask, pixels, pixels // 4))
        areas = [numbers == number for number in pointable(numbers)]
        if areas:
            points = torch.stack([point_in(area, generator) for area in areas])[None].to(self._device)
            found = self._masks(self.network.find_at(seen, points))
            ious["point"] += [_iou(mask, area) for mask, area in zip(found, areas, strict=True)]
        return torch.cat(strips, dim=-1)

    def _masks(self, answer: Answer) -> Tensor:
        """The masks of one picture's answers at its size, (P, H, W) bool."""
        logits = functional.interpolate(answer.masks.float(), scale_factor=float(FINE), mode="bilinear")
        return (logits[0] > 0).cpu()

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the segmenter in half precision, its threshold calibrated on the last validation."""
        prompts = sum(len(one.phrases) for one in self._pictures)
        card = CardFacts(
            title="Retouch segmenter",
            summary="Finds in a picture what a phrase names or what lies at a point, and says where it is not there.",
            data=[f"{len(self._pictures)} pictures with {prompts} phrases of the train split", *self._data],
            training={"optimiser steps": steps, **asdict(self._task)},
            figures={**figures, "threshold": self._threshold},
            library="pytorch",
            task="image-segmentation",
            tags=("referring-segmentation", "retouch"),
        )
        save_segmenter(replace(self._model, threshold=self._threshold), folder, card=model_card(card))


def _iou(found: Tensor, wanted: Tensor) -> float:
    return int((found & wanted).sum()) / max(1, int((found | wanted).sum()))


@dataclass(frozen=True, kw_only=True)
class SegmenterRecipe:
    """Train a segmenter on record folders, each with its file of phrases (see `records.phrases`).

    `held_out` are folders of the validation split with their phrases, of which `held_out_limit` pictures each are
    measured on; without them every `validation_every`-th picture is. `base` is a segmenter to train on; without one
    it is begun anew, its words those of `words`, a CLIP model with a text encoder of the same size, or else a
    tokenizer learned from `texts`. `size` is the longest side that pictures are trained at, None the shape's own:
    smaller ones first teach what things are at a fraction of the time.
    """

    data: Mapping[Path, Path]
    settings: TrainSettings
    held_out: Mapping[Path, Path] = field(default_factory=dict)
    base: str | Path | None = None
    words: str | Path | None = None
    texts: Callable[[], Iterable[str]] = list
    vocabulary: int = 1500
    held_out_limit: int = 40
    validation_every: int = 20
    size: int | None = None
    notes: Sequence[str] = ()
    task: SegmenterTask = field(default_factory=SegmenterTask)
    shape: SegmenterShape = POCKET_SEGMENTER

    def build(
        self, device: torch.device, *, on_prepared: Callable[[int, int], None] = lambda _done, _total: None
    ) -> Kind:
        """Read the pictures and make the network. Raises DataError or ModelError where a part is missing."""
        model = load_segmenter(self.base) if self.base is not None else self._fresh()
        sizes = Sizes(native=model.network.shape.side, multiple=2 * COARSE)
        trained = Sizes(native=self.size or sizes.native, multiple=sizes.multiple)
        pictures = phrased_pictures(self.data, split="train", sizes=trained)
        on_prepared(len(pictures), len(pictures))
        held_out = {
            folder.name: phrased_pictures({folder: phrases}, split="validation", sizes=sizes, limit=self.held_out_limit)
            for folder, phrases in self.held_out.items()
        }
        if not held_out:
            held_out["pictures"] = pictures[self.validation_every - 1 :: self.validation_every]
            del pictures[self.validation_every - 1 :: self.validation_every]
        if not all(held_out.values()):
            raise DataError(f"{len(pictures)} pictures are too few to hold some out; give more of them.")
        model.network.to(device)
        return SegmenterKind(model, pictures, held_out, self.task, data=self.notes, seed=self.settings.seed)

    def _fresh(self) -> SegmenterModel:
        if self.words is None:
            words = train_tokenizer(self.texts(), vocabulary=self.vocabulary, length=self.shape.text_length)
            return random_segmenter(self.shape, words, seed=self.settings.seed)
        dual = load_clip(self.words)
        model, tower = random_segmenter(self.shape, dual.tokenizer, seed=self.settings.seed), dual.model
        known: Any = tower.text_model.state_dict()
        model.network.text.load_state_dict(known)
        return model


def usual(material: Material, choices: Choices) -> SegmenterRecipe:
    """Fine-tune the segmenter that `material` names on folders with their phrases: 3,000 steps of 4 pictures."""
    material.refuse("segmenter", "lora", "cache")
    settings = TrainSettings(steps=3_000, batch_size=4, learning_rate=3e-4, warmup=100, schedule="cosine")
    base = f"{POCKET}/{SEGMENTER_MEMBER}" if material.base == POCKET else material.base
    data = {folder: phrases_place(folder) for folder in material.data}
    return SegmenterRecipe(data=data, base=base, size=material.size, settings=choices.applied(settings))
