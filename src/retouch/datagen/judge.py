"""Whether a pair is good enough: how well pictures and captions fit, how much changed, and whether it is new."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np

from retouch.core.errors import DataError, SettingsError
from retouch.core.images import load_image
from retouch.datagen.thresholds import Thresholds
from retouch.metrics.clip import Encoder
from retouch.metrics.duplicates import BITS, DUPLICATE_PROTOCOL, hash_distances, perceptual_hash
from retouch.metrics.fidelity import CHANGE_PROTOCOL, mean_absolute_difference
from retouch.metrics.pairs import MEASURES, PairMeasure, pair_protocol, pair_similarities
from retouch.records.manifest import ShardEntry
from retouch.records.pair import JSON, PairRecord
from retouch.records.shards import read_shard

RejectReason = PairMeasure | Literal["change", "near-duplicate"]
REASONS: tuple[RejectReason, ...] = (*MEASURES, "change", "near-duplicate")
JUDGED_COLUMNS = ("params", "scores", "source_caption", "target_caption")
"""What a record's judgement reads, once it has its scores."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What else may be asked of a pair, None for not at all.

    `near_duplicates` is the most bits of 64 in which the fingerprints of both pictures may differ from those of a
    pair kept before for this one to be its duplicate; `minimum_change` the least mean absolute difference of the
    pictures, in [0, 1]. Raises SettingsError out of these ranges.
    """

    near_duplicates: int | None = None
    minimum_change: float | None = None

    def __post_init__(self) -> None:
        if self.near_duplicates is not None and not 0 <= self.near_duplicates < BITS:
            raise SettingsError(f"near-duplicates is {self.near_duplicates}; give a number of bits from 0 to 63.")
        if self.minimum_change is not None and not 0 <= self.minimum_change <= 1:
            raise SettingsError(f"minimum-change is {self.minimum_change}; give a part of the range, from 0 to 1.")


@dataclass(frozen=True, kw_only=True)
class Standards:
    """What pairs are judged by: an encoder, which is loaded when it is needed, thresholds and limits."""

    encoder: Callable[[], Encoder]
    thresholds: Thresholds
    limits: Limits = field(default_factory=Limits)

    def judge(self) -> "PairJudge":
        """The judge that goes by them, its encoder loaded."""
        encoder = self.encoder()
        criteria = Criteria(encoder=encoder.protocol, thresholds=self.thresholds, limits=self.limits)
        return PairJudge(encoder=encoder, criteria=criteria)


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """What is asked of a pair's scores: thresholds of an encoder's protocol, and limits."""

    encoder: str
    thresholds: Thresholds
    limits: Limits = field(default_factory=Limits)

    def settings(self) -> Mapping[str, JSON]:
        """Everything that a judgement depends on, without what is not asked."""
        limits = {name: value for name, value in vars(self.limits).items() if value is not None}
        return {"encoder": self.encoder, **vars(self.thresholds), **limits}

    def least(self) -> Mapping[str, float]:
        """The least value of each protocol that has one."""
        least = {pair_protocol(measure, self.encoder): value for measure, value in self.thresholds.least().items()}
        change = self.limits.minimum_change
        return least if change is None else {**least, CHANGE_PROTOCOL: change}

    def asked(self, row: Mapping[str, object]) -> Mapping[str, float]:
        """The least values that hold for a record: a null edit, of equal captions, needs no direction and no change."""
        if row["source_caption"] != row["target_caption"]:
            return self.least()
        spared = (pair_protocol("directional", self.encoder), CHANGE_PROTOCOL)
        return {name: value for name, value in self.least().items() if name not in spared}

    def reason(self, row: Mapping[str, object]) -> RejectReason | None:
        """What a scored record's columns fail first, None where it passes."""
        scores = cast("Mapping[str, float]", row["scores"])
        for protocol, least in self.asked(row).items():
            if scores[protocol] < least:
                return reason_of(protocol)
        bits = self.limits.near_duplicates
        if bits is not None and scores.get(DUPLICATE_PROTOCOL, BITS) <= bits:
            return "near-duplicate"
        return None


def reason_of(protocol: str) -> RejectReason:
    """The reason that a value under the least one of its protocol is counted under."""
    return cast("RejectReason", protocol.split("/")[1])


def criteria_of(settings: Mapping[str, JSON]) -> Criteria:
    """The criteria whose settings a filtered folder's manifest keeps. Raises DataError where it keeps none."""
    found = settings.get("filter")
    try:
        values = dict(cast("Mapping[str, float]", found))
        limits = {name: values.pop(name) for name in ("near_duplicates", "minimum_change") if name in values}
        encoder = str(values.pop("encoder"))
        return Criteria(encoder=encoder, thresholds=Thresholds(**values), limits=Limits(**limits))  # type: ignore[arg-type]
    except (TypeError, ValueError, KeyError) as error:
        raise DataError("The manifest's filter is not one of this version; filter the pairs anew.") from error


@dataclass(frozen=True, kw_only=True)
class PairJudge:
    """An encoder, and the criteria that are in its terms."""

    encoder: Encoder
    criteria: Criteria

    def scored(self, records: Sequence[PairRecord]) -> list[PairRecord]:
        """The records with their similarities and how much changed, those computed that are missing."""
        names = {measure: pair_protocol(measure, self.encoder.protocol) for measure in MEASURES}
        missing = [record for record in records if not all(name in record.scores for name in names.values())]
        pictures = [(load_image(one.source_image).pixels, load_image(one.target_image).pixels) for one in missing]
        captions = [(one.source_caption, one.target_caption) for one in missing]
        found = pair_similarities(pictures, captions, self.encoder) if missing else []
        made = {
            record.id: {names[measure]: value for measure, value in similarities.items()}
            for record, similarities in zip(missing, found, strict=True)
        }
        limits = self.criteria.limits
        # A distance to the pairs that came before says nothing among others.
        stale = {DUPLICATE_PROTOCOL} if limits.near_duplicates is not None else set[str]()
        known = [{name: value for name, value in one.scores.items() if name not in stale} for one in records]
        scored = [
            replace(record, scores={**scores, **made.get(record.id, {})})
            for record, scores in zip(records, known, strict=True)
        ]
        return scored if limits.minimum_change is None else list(map(_with_change, scored))


class EarlierPairs:
    """The fingerprints of the pairs kept so far."""

    def __init__(self) -> None:
        self._hashes = np.empty((2, 1024), dtype=np.uint64)
        self._count = 0

    def measured(self, record: PairRecord) -> PairRecord:
        """The record with its distance to the nearest pair kept so far."""
        known, sides = self._hashes[:, : self._count], _hashes_of(record)
        apart = [hash_distances(one, others) for one, others in zip(sides, known, strict=True)]
        nearest = int(np.maximum(*apart).min(initial=BITS))
        return replace(record, scores={**record.scores, DUPLICATE_PROTOCOL: float(nearest)})

    def add(self, record: PairRecord) -> None:
        """Remember a pair that is kept."""
        if self._count == self._hashes.shape[1]:
            self._hashes = np.concatenate([self._hashes, np.empty_like(self._hashes)], axis=1)
        self._hashes[:, self._count] = _hashes_of(record)
        self._count += 1

    def add_shard(self, folder: Path, shard: ShardEntry) -> None:
        """Remember the pairs that an earlier run kept."""
        for record in read_shard(folder, shard):
            self.add(record)


def _hashes_of(record: PairRecord) -> tuple[np.uint64, np.uint64]:
    source, target = (perceptual_hash(load_image(data).pixels) for data in (record.source_image, record.target_image))
    return source, target


def _with_change(record: PairRecord) -> PairRecord:
    if CHANGE_PROTOCOL in record.scores:
        return record
    source, target = (load_image(data).pixels for data in (record.source_image, record.target_image))
    same_size = target if target.size == source.size else target.resize(source.size)
    change = mean_absolute_difference(np.asarray(source), np.asarray(same_size))
    return replace(record, scores={**record.scores, CHANGE_PROTOCOL: change})
