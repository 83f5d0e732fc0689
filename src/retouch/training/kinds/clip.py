"""Train a dual encoder of texts and pictures (CLIP) on the captions of both sides of every pair."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from retouch.core.images import load_image
from retouch.metrics.clip import Encoder
from retouch.metrics.retrieval import compared_sides, top_one
from retouch.models.clip import POCKET_CLIP, ClipShape, DualEncoder, load_clip, random_clip, save_clip
from retouch.models.tokenizer import train_tokenizer
from retouch.scenes.language import mirrored
from retouch.training.captioned import CaptionedPairs, captioned_pairs, held_back
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.patch_lessons import PatchLessons
from retouch.training.settings import TrainSettings
from retouch.training.start import CAPTIONS, words_of
from retouch.training.teachers import PatchHead

CANDIDATES = 100
"""Among how many held-out pictures and captions the right one must be found."""
LARGEST_SCALE = 100.0
"""The learned inverse temperature grows no further (Radford et al., arXiv 2103.00020, section 2.5)."""


@dataclass(frozen=True, kw_only=True)
class ClipTask:
    """How the encoder is trained.

    A batch of pairs puts both sides of each before the loss: the two differ by one edit, the hardest
    negatives there are. `flip` is the share of mirrored pairs, `shift` the most pixels a picture is moved
    by. `words` weighs a second loss that helps a young vision tower: which words and neighbouring words
    a caption has, told from the picture's vector (SuperClass, arXiv 2411.03313); `labels` of them, those
    that the most captions have. `segments` weighs a third, which records with segments teach: what each patch
    shows, told from its features.
    """

    flip: float = 0.5
    shift: int = 6
    words: float = 0.0
    labels: int = 1000
    segments: float = 0.0


class ClipKind:
    """A `CLIPModel` under symmetric InfoNCE with a learned temperature; a sample is a pair."""

    name = "clip"

    def __init__(
        self,
        encoder: DualEncoder,
        pairs: CaptionedPairs[Tensor],
        held_out: Mapping[str, CaptionedPairs[Tensor]],
        task: ClipTask,
        *,
        mirrored: Callable[[str], str],
        data: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self.encoder, self._pairs, self._held_out, self._task = encoder, pairs, held_out, task
        self._data = tuple(data)
        captions = list(chain.from_iterable(pairs.captions))
        self._pictures = torch.stack(list(pairs.pictures))
        self._ids = encoder.tokens(captions).view(len(pairs), 2, -1)
        self._mirrored_ids = encoder.tokens([mirrored(text) for text in captions]).view(len(pairs), 2, -1)
        encoder.model.train().requires_grad_(True)
        self.modules: Mapping[str, nn.Module] = {"clip": encoder.model}
        if task.words > 0:
            present, self._rarity = word_labels(captions, task.labels)
            self._present = present.view(len(pairs), 2, -1)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                head = nn.Linear(encoder.model.visual_projection.out_features, len(self._rarity))
            self.modules = {**self.modules, "words": head.to(encoder.model.device)}
        self._patches = PatchLessons.of(pairs.segments, encoder) if task.segments > 0 else None
        if self._patches is not None:
            config: Any = encoder.model.config
            patch_head = PatchHead(config.vision_config.hidden_size, len(self._patches.labels))
            self.modules = {**self.modules, "segments": patch_head.to(encoder.model.device)}
        self.groups: Sequence[range] = (range(len(pairs)),)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the contrastive loss of both sides of the pairs, and that of the words."""
        picked = torch.tensor(indices)
        flipped = torch.rand(len(indices), generator=generator) < self._task.flip
        ids = torch.where(flipped[:, None, None], self._mirrored_ids[picked], self._ids[picked]).flatten(0, 1)
        rows = self._pairs.sides[picked].flatten()
        pictures = self._pictures[rows]
        mirrored_sides = flipped.repeat_interleave(2)[:, None, None, None]
        places = shifts(len(rows), self._task.shift, generator)
        pictures = shifted(torch.where(mirrored_sides, pictures.flip(-1), pictures), places, self._task.shift)
        model: Any = self.encoder.model
        eyes = model.vision_model(self.encoder.framing.normalised(pictures).to(model.device))
        seen = model.visual_projection(eyes.pooler_output)
        read = model.get_text_features(self._without_padding(ids).to(model.device)).pooler_output
        scale = model.logit_scale.exp().clamp_max(LARGEST_SCALE)
        similarities = scale * functional.normalize(seen, dim=-1) @ functional.normalize(read, dim=-1).T
        contrast = contrastive_loss(similarities.float(), partners(rows, ids).to(model.device))
        total, parts = contrast, {"contrast": contrast.detach(), "scale": scale.detach()}
        if self._task.words > 0:
            words = self._words_loss(seen, self._present[picked].flatten(0, 1))
            total, parts["words"] = total + self._task.words * words, words.detach()
        if self._patches is not None:
            known, numbers = self._patches.of_pictures(rows)
            numbers = torch.where(mirrored_sides[known], numbers.flip(-1), numbers)
            shares = self._patches.shares(rows[known], shifted(numbers, places[known], self._task.shift)[:, 0])
            tokens = model.vision_model.post_layernorm(eyes.last_hidden_state[known, 1:])
            segments = self.modules["segments"](tokens, shares.to(model.device))
            total, parts["segments"] = total + self._task.segments * segments, segments.detach()
        return Loss(total=total, parts=parts)

    def _words_loss(self, seen: Tensor, present: Tensor) -> Tensor:
        """Cross-entropy of the words told from pictures' vectors, (B, D), and those there, (B, labels) bool."""
        scores = self.modules["words"](seen).float().log_softmax(dim=-1)
        share = (present * self._rarity).to(scores.device)
        share = share / share.sum(dim=1, keepdim=True).clamp_min(1e-6)
        return -(share * scores).sum(dim=-1).mean()

    def _without_padding(self, ids: Tensor) -> Tensor:
        """The batch's tokens up to the longest text: what comes behind a text's end changes nothing of it."""
        end = torch.tensor(self.encoder.tokenizer.eos_token_id)
        ends = ids.eq(end).int().argmax(dim=1)
        return ids[:, : int(ends.max()) + 1]

    def validate(self, generator: torch.Generator) -> Validation:
        """Return how often the right one of 100 comes first, both ways, and how often a pair's sides are told apart."""
        del generator
        figures: dict[str, float] = {}
        for group, pairs in self._held_out.items():
            figures |= {f"{name}, {group}": value for name, value in retrieval_figures(self.encoder, pairs).items()}
        return Validation(figures=figures)

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the encoder in transformers layout, in half precision, with a card of the last validation's figures."""
        card = CardFacts(
            title="Retouch clip",
            summary="Pictures and texts as vectors of one space; open it with Retouch or with transformers' CLIPModel.",
            data=[f"both sides of {len(self._pairs)} pairs of the train split", *self._data],
            training={"optimiser steps": steps, **asdict(self._task)},
            figures=figures,
            library="transformers",
            task="zero-shot-image-classification",
            tags=("clip", "image-text-retrieval", "retouch"),
        )
        save_clip(self.encoder, folder, card=model_card(card))


def retrieval_figures(encoder: DualEncoder, pairs: CaptionedPairs[Tensor]) -> dict[str, float]:
    """Return the figures of held-out pairs, the first 100 of them for the rankings, as fractions."""
    eyes = Encoder(encoder)
    seen = eyes.framed(torch.stack([pairs.pictures[row] for row in pairs.sides.flatten().tolist()]))
    read = eyes.texts(list(chain.from_iterable(pairs.captions)))
    seen, read = seen.view(len(pairs), 2, -1), read.view(len(pairs), 2, -1)
    names = [target for _, target in pairs.captions[:CANDIDATES]]
    found = top_one(seen[:CANDIDATES, 1] @ read[:CANDIDATES, 1].T, names)
    sides = compared_sides(seen, read, pairs.captions)
    told = {} if sides is None else {"sides told apart": sides.told_apart, "directional similarity": sides.directional}
    return {"caption found": found[0], "picture found": found[1], **told}


def partners(rows: Tensor, ids: Tensor) -> Tensor:
    """Say which captions fit which pictures in a batch, (B, B): one's own, those of the same picture, equal ones.

    `rows`, (B,), numbers the pictures; `ids`, (B, L), are the captions' tokens.
    """
    same_picture = rows[:, None] == rows[None, :]
    same_caption = (ids[:, None, :] == ids[None, :, :]).all(dim=-1)
    return same_picture | same_caption


def contrastive_loss(similarities: Tensor, fits: Tensor) -> Tensor:
    """Symmetric InfoNCE over (B, B) scaled similarities, the wanted share divided among all that fit.

    With one fitting partner a row it is CLIP's loss (arXiv 2103.00020); with several that of UniCL
    (arXiv 2204.03610, equation 3).
    """
    share = fits.float()
    pictures = -(share / share.sum(1, keepdim=True) * similarities.log_softmax(dim=1)).sum(dim=1).mean()
    captions = -(share / share.sum(0, keepdim=True) * similarities.log_softmax(dim=0)).sum(dim=0).mean()
    return (pictures + captions) / 2


def shifts(count: int, most: int, generator: torch.Generator) -> Tensor:
    """Draw how far pictures are moved down and to the right, (count, 2) from 0 to 2 · most."""
    return (torch.rand(count, 2, generator=generator) * (2 * most + 1)).long()


def shifted(pictures: Tensor, places: Tensor, most: int) -> Tensor:
    """Move each of (B, C, S, S) uint8 pictures by as much as drawn, its edges repeated behind it."""
    if most == 0 or len(pictures) == 0:
        return pictures
    side = pictures.shape[-1]
    padded = functional.pad(pictures.float(), [most] * 4, mode="replicate").to(torch.uint8)
    moved = zip(padded, places.tolist(), strict=True)
    return torch.stack([one[:, top : top + side, left : left + side] for one, (top, left) in moved])


def word_labels(captions: Sequence[str], count: int) -> tuple[Tensor, Tensor]:
    """Which of the `count` most common words and neighbouring words each caption has, and how rare each is.

    Returns (captions, labels) bool and (labels,), the logarithm of how many captions there are for one that has it.
    """
    found = [_terms(text) for text in captions]
    counted = Counter(chain.from_iterable(found))
    common = sorted(counted, key=lambda term: (-counted[term], term))[:count]
    places = {term: place for place, term in enumerate(common)}
    present = torch.zeros(len(captions), len(common), dtype=torch.bool)
    for row, terms in zip(present, found, strict=True):
        row[[places[term] for term in terms if term in places]] = True
    return present, torch.log(len(captions) / torch.tensor([float(counted[term]) for term in common]))


def _terms(text: str) -> set[str]:
    """The words of a text, and those next to each other or with one word between them inside a clause."""
    terms: set[str] = set()
    for clause in text.lower().replace(" and ", ",").replace(" with ", ",").split(","):
        words = [word for word in clause.split() if word not in ("a", "an", "the")]
        terms.update(words)
        for gap in (1, 2):
            terms.update(f"{one} {other}" for one, other in zip(words, words[gap:], strict=False))
    return terms


@dataclass(frozen=True, kw_only=True)
class ClipRecipe:
    """Train a dual encoder on record folders, from nothing or from a CLIP model.

    `data` are folders of the train split, `held_out` of the validation split by the name their figures
    get; without the latter the pairs of every `validation_every`-th source picture are held out. `base` is
    whatever `load_clip` takes; where it is None, a tokenizer of `vocabulary` pieces is learned from the
    records' captions and `texts`. `notes` go into the model card.
    """

    data: Sequence[Path]
    settings: TrainSettings
    held_out: Mapping[str, Path] = field(default_factory=dict)
    base: str | Path | None = None
    texts: Callable[[], Iterable[str]] = list
    notes: Sequence[str] = ()
    vocabulary: int = 1500
    validation_every: int = 20
    task: ClipTask = field(default_factory=ClipTask)
    shape: ClipShape = POCKET_CLIP

    def build(
        self, device: torch.device, *, on_prepared: Callable[[int, int], None] = lambda _done, _total: None
    ) -> Kind:
        """Read the pictures and make the network. Raises DataError or ModelError where a part is missing."""
        encoder = load_clip(self.base) if self.base is not None else self._fresh()

        def framed(data: bytes) -> Tensor:
            return encoder.framing.framed(load_image(data).pixels)

        pairs = captioned_pairs(self.data, split="train", keep=framed)
        on_prepared(len(pairs.pictures), len(pairs.pictures))
        held_out = {
            name: captioned_pairs([folder], split="validation", keep=framed) for name, folder in self.held_out.items()
        }
        if not held_out:
            pairs, held_out["pairs"] = held_back(pairs, every=self.validation_every)
        network: Any = encoder.model
        network.to(device)
        return ClipKind(
            encoder, pairs, held_out, self.task, mirrored=mirrored, data=self.notes, seed=self.settings.seed
        )

    def _fresh(self) -> DualEncoder:
        words = chain(self.texts(), words_of(self.data, CAPTIONS))
        tokenizer = train_tokenizer(words, vocabulary=self.vocabulary, length=self.shape.text_length)
        return random_clip(self.shape, tokenizer, seed=self.settings.seed)


def usual(material: Material, choices: Choices) -> ClipRecipe:
    """Fine-tune the encoder that `material` names: 3,000 steps of 64 pairs at a rate that keeps what it knows."""
    material.refuse("clip", "lora", "size", "cache")
    settings = TrainSettings(
        steps=3_000, batch_size=64, learning_rate=1e-5, warmup=100, schedule="cosine", weight_decay=0.1
    )
    return ClipRecipe(data=material.data, base=material.base, settings=choices.applied(settings))
