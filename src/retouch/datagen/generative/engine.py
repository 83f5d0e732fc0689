"""The engine over triples: try candidates until enough are good, keep the best, count the others by reason."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

import torch
from PIL import Image

from retouch.core.errors import DataError, SettingsError
from retouch.core.images import png_bytes
from retouch.core.seeds import derive_seed
from retouch.datagen.engine import Sifted
from retouch.datagen.generative.still import Still, StillShares, still_edits
from retouch.datagen.generative.technique import Candidate, Pictures, Technique, is_blank
from retouch.datagen.thresholds import Thresholds
from retouch.metrics.clip import Encoder
from retouch.metrics.pairs import PairMeasure, pair_protocol, pair_similarities
from retouch.records.pair import JSON, PairRecord, Split
from retouch.records.triple import Triple, changes_something

VERSION = 1
EDIT = "edit"
"""The kind of edit of a triple, which does not say more."""
BLANK = "blank"
"""Why a black or plain picture is turned down."""
SURPLUS = "surplus"
"""Why a good pair is not kept: enough are better."""

Similarities = Mapping[PairMeasure, float]


@dataclass(frozen=True, kw_only=True)
class CandidateJudge:
    """An encoder and what it asks of a pair; the reason for which a candidate is turned down is its first failure."""

    encoder: Encoder
    thresholds: Thresholds

    def fingerprint(self) -> Mapping[str, JSON]:
        """The encoder's protocol and the thresholds."""
        return {"encoder": self.encoder.protocol, **vars(self.thresholds)}

    def similarities(self, triple: Triple, pictures: Sequence[Pictures]) -> list[Similarities]:
        """The four similarities of each pair of pictures."""
        captions = [(triple.source_caption, triple.target_caption)] * len(pictures)
        return pair_similarities(pictures, captions, self.encoder) if pictures else []

    def reason(self, similarities: Similarities, *, edited: bool) -> PairMeasure | None:
        """The first measure under its threshold, None where a pair passes; one of equal captions has no direction."""
        for measure, least in self.thresholds.least().items():
            if similarities[measure] < least and (edited or measure != "directional"):
                return measure
        return None

    def scores(self, similarities: Similarities) -> dict[str, float]:
        """Similarities as records keep them, by protocol."""
        return {pair_protocol(measure, self.encoder.protocol): value for measure, value in similarities.items()}


@dataclass(frozen=True, kw_only=True)
class _Good:
    """A candidate that passed."""

    candidate: Candidate
    pictures: Pictures
    similarities: Similarities


@dataclass(frozen=True, kw_only=True, eq=False)
class GenerativeEngine:
    """A unit is a triple: at most `keep` pairs, those of the highest directional similarity among all that pass.

    Candidates are tried in batches, `candidates` at the most (None: as many as the technique is known for), until
    `keep` have passed. Sources that were kept may come again with instructions that change nothing (`still`). The
    same settings and unit give the same bytes on the same device. On a CPU a unit takes one thread, since sums come
    out otherwise on several; more workers use more cores.

    Raises SettingsError for a number below 1, DataError where there is no triple.
    """

    technique: Technique
    triples: tuple[Triple, ...]
    judge: CandidateJudge
    seed: int
    split: Split
    keep: int
    candidates: int | None = None
    still: StillShares = field(default_factory=StillShares)

    def __post_init__(self) -> None:
        if not self.triples:
            raise DataError("There are no triples to make pairs of; give a file with some.")
        for name, number in (("keep", self.keep), ("candidates", self.candidates), ("batch", self.technique.batch)):
            if number is not None and number < 1:
                raise SettingsError(f"{name} is {number}; it must be at least 1.")

    @property
    def name(self) -> str:
        """The technique's name."""
        return self.technique.name

    @property
    def units(self) -> int:
        """One for each triple."""
        return len(self.triples)

    def fingerprint(self) -> Mapping[str, JSON]:
        """Every setting that changes the pairs, the triples by a digest."""
        return {
            "version": VERSION,
            "seed": self.seed,
            "split": self.split,
            "triples": _digest(self.triples),
            "technique": self.technique.fingerprint(),
            "judge": self.judge.fingerprint(),
            "keep": self.keep,
            "candidates": self.candidates,
            "still": dict(vars(self.still)),
        }

    def make(self, unit: int) -> Sifted:
        """Try, judge and keep. Raises DataError for a unit that is no triple's number."""
        if not 0 <= unit < self.units:
            raise DataError(f"Unit {unit} was asked for; there are {self.units} triples, the first being unit 0.")
        with _one_thread():
            return self._made(unit, self.triples[unit])

    def _made(self, unit: int, triple: Triple) -> Sifted:
        good: list[_Good] = []
        rejected: Counter[str] = Counter()
        for candidates in self._batches(triple, unit):
            good += self._tried(triple, candidates, rejected)
            if len(good) >= self.keep:
                break
        best = sorted(good, key=lambda one: -one.similarities["directional"])[: self.keep]
        if len(good) > len(best):
            rejected[SURPLUS] = len(good) - len(best)
        pairs = [self._record(unit, place, triple, one) for place, one in enumerate(best)]
        pairs += self._still(unit, triple, best)
        return Sifted(pairs=tuple(pairs), rejected=dict(rejected))

    def _batches(self, triple: Triple, unit: int) -> Iterator[list[Candidate]]:
        seed = derive_seed(self.seed, self.name, self.split, unit)
        count = self.candidates or self.technique.usual_count(triple)
        for start in range(0, count, self.technique.batch):
            places = range(start, min(start + self.technique.batch, count))
            yield [self.technique.draw(triple, seed, place) for place in places]

    def _tried(self, triple: Triple, candidates: Sequence[Candidate], rejected: Counter[str]) -> list[_Good]:
        """The good ones of a batch; the others are counted."""
        edited = changes_something(triple)
        made = self.technique.make(triple, candidates)
        shown = [
            (candidate, (source, target if edited else source))
            for candidate, (source, target) in zip(candidates, made, strict=True)
        ]
        sound = [(candidate, pictures) for candidate, pictures in shown if not any(map(is_blank, pictures))]
        if len(sound) < len(shown):
            rejected[BLANK] += len(shown) - len(sound)
        found = self.judge.similarities(triple, [pictures for _, pictures in sound])
        good: list[_Good] = []
        for (candidate, pictures), similarities in zip(sound, found, strict=True):
            reason = self.judge.reason(similarities, edited=edited)
            if reason is None:
                good.append(_Good(candidate=candidate, pictures=pictures, similarities=similarities))
            else:
                rejected[reason] += 1
        return good

    def _record(self, unit: int, place: int, triple: Triple, good: _Good) -> PairRecord:
        source, target = good.pictures
        return PairRecord(
            id=f"{self.name}-{self.split}-{self.seed}-{unit:07d}-{_digest([self.triples[unit]])[:8]}-{place:02d}",
            source_image=png_bytes(source),
            target_image=png_bytes(target),
            edit_prompt=triple.instruction,
            source_caption=triple.source_caption,
            target_caption=triple.target_caption,
            engine=self.name,
            seed=good.candidate.seed,
            params={"kind": EDIT if changes_something(triple) else "null", **good.candidate.params},
            scores=self.judge.scores(good.similarities),
            split=self.split,
        )

    def _still(self, unit: int, triple: Triple, best: Sequence[_Good]) -> Iterator[PairRecord]:
        """The instructions that change nothing, each with a source that was kept."""
        if not best:
            return
        generator = Random(derive_seed(self.seed, self.name, self.split, unit, "still"))
        for place, still in enumerate(still_edits(triple.source_caption, self.still, generator), len(best)):
            yield self._record_still(unit, place, triple, generator.choice(best), still)

    def _record_still(self, unit: int, place: int, triple: Triple, good: _Good, still: Still) -> PairRecord:
        source: Image.Image = good.pictures[0]
        fits = good.similarities["caption-source"]
        same: Similarities = {
            "image-image": 1.0, "caption-source": fits, "caption-target": fits, "directional": 0.0,
        }  # fmt: skip
        unchanged = Triple(
            source_caption=triple.source_caption,
            instruction=still.instruction,
            target_caption=triple.source_caption,
        )
        record = self._record(
            unit,
            place,
            unchanged,
            _Good(candidate=good.candidate, pictures=(source, source), similarities=same),
        )
        return replace(record, params={**record.params, "kind": still.kind})


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _digest(triples: Sequence[Triple]) -> str:
    texts = [[triple.source_caption, triple.instruction, triple.target_caption] for triple in triples]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
