"""What a folder of pairs holds, kept and rejected: counts, scores, words, and which to show; no picture is read."""

import heapq
import re
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import Literal, cast

from retouch.core.errors import DataError
from retouch.datagen.filter import REJECTED
from retouch.datagen.judge import JUDGED_COLUMNS, Criteria, criteria_of
from retouch.datagen.skipped import skipped_reasons
from retouch.records.manifest import read_manifest
from retouch.records.pair import JSON, SPLITS
from retouch.records.shards import read_columns

Side = Literal["kept", "rejected"]
SIDES: tuple[Side, ...] = ("kept", "rejected")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SMALL = frozenset(
    {"a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "into", "is", "it", "its", "of", "on"}
    | {"or", "so", "that", "the", "there", "this", "to", "up", "with", "your"}
)


@dataclass(frozen=True, kw_only=True, order=True)
class Specimen:
    """A pair to show: where its record lies, its words and scores, and how far it is from the nearest threshold."""

    side: Side
    row: int
    kind: str = field(compare=False)
    instruction: str = field(compare=False)
    reason: str | None = field(compare=False)
    scores: Mapping[str, float] = field(compare=False)
    least: Mapping[str, float] = field(compare=False)

    @property
    def margin(self) -> float:
        """The least of the differences to the thresholds, infinite where nothing is asked."""
        return min((self.scores[name] - least for name, least in self.least.items()), default=float("inf"))


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Everything a report states. `criteria` is None for a folder that was not filtered."""

    engine: str
    criteria: Criteria | None
    skipped: Mapping[str, int]
    sides: Mapping[Side, int]
    reasons: Mapping[str, int]
    kinds: Mapping[str, tuple[int, int]]
    splits: Mapping[str, tuple[int, int]]
    words: Mapping[str, int]
    lengths: Mapping[int, int]
    scores: Mapping[str, Mapping[Side, array]]
    kept: tuple[Specimen, ...]
    borderline: tuple[Specimen, ...]
    rejected: tuple[Specimen, ...]

    @property
    def pairs(self) -> int:
        """Kept and rejected together."""
        return sum(self.sides.values())


def survey(folder: Path, *, examples: int) -> Survey:
    """Read the columns without pictures of `folder` and of `folder`/rejected; show up to `examples` of each sort.

    Raises DataError where there are no records.
    """
    manifest = read_manifest(folder)
    if manifest is None or (not manifest.rows and not (folder / REJECTED).is_dir()):
        raise DataError(f"{folder} holds no records to report on; make some with `retouch data pairs`.")
    criteria = criteria_of(manifest.settings) if "filter" in manifest.settings else None
    tally = _Tally(examples=examples)
    for specimen, row in _read(folder, criteria):
        tally.add(specimen, row)
    borderline = tally.borderline()
    return Survey(
        engine=manifest.engine,
        criteria=criteria,
        skipped=skipped_reasons(folder),
        sides=tally.sides,
        reasons=dict(tally.reasons.most_common()),
        kinds=_both(tally.kinds, sorted(tally.kinds, key=lambda kind: (-tally.kinds[kind].total(), kind))),
        splits=_both(tally.splits, [split for split in SPLITS if split in tally.splits]),
        words=dict(tally.words.most_common(24)),
        lengths=dict(sorted(tally.lengths.items())),
        scores=dict(tally.scores),
        kept=_in_turn(tally.samples["kept"], examples, last=borderline),
        borderline=borderline,
        rejected=_in_turn(tally.samples["rejected"], examples, last=borderline),
    )


def _read(folder: Path, criteria: Criteria | None) -> Iterator[tuple[Specimen, Mapping[str, object]]]:
    for side, place in zip(SIDES, (folder, folder / REJECTED), strict=True):
        if read_manifest(place) is None:
            continue
        for number, row in enumerate(read_columns(place, ("id", "edit_prompt", "split", *JUDGED_COLUMNS))):
            scores = cast("Mapping[str, float]", row["scores"])
            yield (
                Specimen(
                    side=side,
                    row=number,
                    kind=str(cast("Mapping[str, JSON]", row["params"])["kind"]),
                    instruction=str(row["edit_prompt"]),
                    reason=criteria.reason(row) if criteria else None,
                    scores=scores,
                    least=criteria.asked(row) if criteria else {},
                ),
                row,
            )


class _Tally:
    """Counts that grow row by row; of the rows themselves only those to be shown are kept."""

    def __init__(self, examples: int) -> None:
        self.examples = examples
        self.sides: dict[Side, int] = dict.fromkeys(SIDES, 0)
        self.reasons, self.words, self.lengths = Counter[str](), Counter[str](), Counter[int]()
        self.kinds: defaultdict[str, Counter[Side]] = defaultdict(Counter)
        self.splits: defaultdict[str, Counter[Side]] = defaultdict(Counter)
        self.scores: defaultdict[str, dict[Side, array]] = defaultdict(lambda: {side: array("f") for side in SIDES})
        self.samples: dict[Side, dict[str, list[tuple[int, Specimen]]]] = {side: {} for side in SIDES}
        self.near: dict[Side, list[tuple[float, Specimen]]] = {side: [] for side in SIDES}

    def add(self, one: Specimen, row: Mapping[str, object]) -> None:
        self.sides[one.side] += 1
        self.kinds[one.kind][one.side] += 1
        self.splits[str(row["split"])][one.side] += 1
        if one.reason:
            self.reasons[one.reason] += 1
        words = _WORD.findall(one.instruction.lower())
        self.lengths[len(words)] += 1
        self.words.update(word for word in words if word not in _SMALL)
        for protocol, value in one.scores.items():
            self.scores[protocol][one.side].append(value)
        # Any order will do that does not follow the records'; this one is the same every time.
        drawn = -zlib.crc32(str(row["id"]).encode())
        group = one.kind if one.side == "kept" else str(one.reason)
        _keep(self.samples[one.side].setdefault(group, []), (drawn, one), self.examples)
        if one.least and one.reason != "near-duplicate":
            _keep(self.near[one.side], (-abs(one.margin), one), self.examples // 2)

    def borderline(self) -> tuple[Specimen, ...]:
        """The nearest to the thresholds of both sides, the best of them first."""
        found = (one for _, one in chain(*self.near.values()))
        return tuple(sorted(found, key=lambda one: one.margin, reverse=True))


def _keep(heap: list, entry: tuple, most: int) -> None:
    """Keep the `most` largest entries."""
    if len(heap) < most:
        heapq.heappush(heap, entry)
    elif most:
        heapq.heappushpop(heap, entry)


def _in_turn(
    groups: Mapping[str, list[tuple[int, Specimen]]], most: int, last: tuple[Specimen, ...]
) -> tuple[Specimen, ...]:
    """Up to `most` of all groups, one of each in turn; those that are shown elsewhere where there are no others."""
    drawn = {name: [one for _, one in sorted(group, reverse=True)] for name, group in sorted(groups.items())}
    ordered = [sorted(group, key=lambda one: one in last) for group in drawn.values()]
    found = [one for turn in zip_longest(*ordered) for one in turn if one is not None]
    return tuple(sorted(found, key=lambda one: one in last)[:most])


def _both(counts: Mapping[str, Counter[Side]], names: list[str]) -> Mapping[str, tuple[int, int]]:
    return {name: (counts[name]["kept"], counts[name]["rejected"]) for name in names}
