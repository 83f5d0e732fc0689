"""How well a segmenter finds held-out phrases and points, by kind of phrase, and whether it refuses what is absent."""

import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.errors import Cancelled, DataError
from retouch.core.files import atomic_write
from retouch.core.images import load_image
from retouch.core.seeds import derive_seed
from retouch.grounding.segmenter import Segment, Segmenter
from retouch.records.pair import PairRecord, Split
from retouch.records.phrases import Phrase, load_phrases
from retouch.records.shards import read_records

PROTOCOL = "regions/iou-0.5/refused-is-0/v1"
"""Masks are cut at 0.5; a phrase for what is there that is refused counts as an IoU of 0."""
POINTS = 3
"""Things of a picture that are pointed at."""
LEAST_SHARE = 0.003
GOALS: Mapping[str, float] = {"all present": 0.60, "relational": 0.45, "point": 0.70, "garment": 0.60}
ABSENT_GOAL, PRESENT_GOAL = 0.85, 0.05
Numbers = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class RegionLine:
    """Prompts of one kind: how many, their mean IoU, and the share refused; an IoU of None where nothing is to find."""

    kind: str
    count: int
    iou: float | None
    refused: float | None


@dataclass(frozen=True, kw_only=True)
class RegionSummary:
    """The figures of one segmenter by kind of prompt; `unrefused` is the mean IoU by kind if nothing were refused."""

    segmenter: str
    threshold: float
    pictures: int
    lines: tuple[RegionLine, ...]
    unrefused: Mapping[str, float]
    protocol: str = PROTOCOL

    def markdown(self) -> str:
        """Return the figures as a table."""
        rows = [
            f"| {self.segmenter}, {self.pictures} pictures | prompts | mean IoU | goal | if none refused | refused |",
            "|---|---|---|---|---|---|",
        ]
        for line in self.lines:
            goal = "–" if line.kind not in GOALS else f"≥ {GOALS[line.kind]:.2f}"
            refused = "–" if line.refused is None else f"{line.refused:.1%}"
            if line.kind == "absent":
                refused += f" (goal ≥ {ABSENT_GOAL:.0%})"
            if line.kind == "all present":
                refused += f" (goal ≤ {PRESENT_GOAL:.0%})"
            iou = "–" if line.iou is None else f"{line.iou:.3f}"
            free = f"{self.unrefused[line.kind]:.3f}" if line.kind in self.unrefused else "–"
            rows.append(f"| {line.kind} | {line.count} | {iou} | {goal} | {free} | {refused} |")
        return "\n".join(rows) + "\n"


@dataclass(frozen=True, kw_only=True)
class _Found:
    """How one prompt was answered."""

    kind: str
    iou: float
    refused: bool


def evaluate_regions(
    segmenter: Segmenter,
    folders: Mapping[Path, Path],
    *,
    split: Split = "bench",
    limit: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    on_progress: Callable[[int], None] = lambda _done: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> RegionSummary:
    """Ask a segmenter every phrase of record folders, each with its file of phrases, and points of what they show.

    At most `limit` pictures a folder. With `out` report.md and report.json are written. Raises DataError where no
    record has phrases, Cancelled when interrupted.
    """
    found: list[_Found] = []
    pictures = 0
    for record, phrases in _asked(folders, split, limit):
        if cancelled():
            raise Cancelled(f"Interrupted after {pictures} pictures; run again to start over.")
        picture, numbers = load_image(record.source_image).pixels, _numbers(record)
        found += [_phrase(segmenter, picture, phrase, numbers) for phrase in phrases]
        found += _points(segmenter, picture, numbers, Random(derive_seed(seed, "points", record.id)))
        pictures += 1
        on_progress(pictures)
    if not pictures:
        names = ", ".join(map(str, folders))
        raise DataError(f"No record of the split '{split}' in {names} has phrases; write some for it first.")
    summary = _summary(segmenter, pictures, found)
    if out is not None:
        atomic_write(out / "report.json", json.dumps(asdict(summary), indent=2).encode())
        atomic_write(out / "report.md", summary.markdown().encode())
    return summary


def _asked(
    folders: Mapping[Path, Path], split: Split, limit: int | None
) -> Iterator[tuple[PairRecord, tuple[Phrase, ...]]]:
    for folder, file in folders.items():
        phrases = {one.record: one.phrases for one in load_phrases(file)}
        told = (one for one in read_records(folder, ("segments", "object_mask"), split=split) if one.id in phrases)
        for place, record in enumerate(told):
            if place == limit:
                break
            yield record, phrases[record.id]


def _numbers(record: PairRecord) -> Numbers:
    """What the source shows where: the segments' numbers, or 1 at the object."""
    data = record.segments or record.object_mask
    if data is None:
        raise DataError(f"Record {record.id} has phrases, but neither segments nor an object mask; write them anew.")
    with Image.open(io.BytesIO(data)) as image:
        shown = np.asarray(image.convert("L"))
    return shown if record.segments is not None else (shown > 127).astype(np.uint8)


def _phrase(segmenter: Segmenter, picture: Image.Image, phrase: Phrase, numbers: Numbers) -> _Found:
    segment = segmenter.segment(picture, phrase.text)
    iou = _iou(segment, np.isin(numbers, phrase.numbers))
    return _Found(kind=phrase.kind, iou=iou, refused=segment.score < segmenter.threshold)


def _points(segmenter: Segmenter, picture: Image.Image, numbers: Numbers, generator: Random) -> list[_Found]:
    """The things at points drawn anywhere within a few of those that are large enough."""
    counts = np.bincount(numbers.ravel())
    large = [number for number in range(1, len(counts)) if counts[number] >= LEAST_SHARE * numbers.size]
    found = []
    for number in generator.sample(large, min(POINTS, len(large))):
        places = np.argwhere(numbers == number)
        down, across = places[generator.randrange(len(places))].tolist()
        segment = segmenter.segment_at(picture, (across, down))
        found.append(_Found(kind="point", iou=_iou(segment, numbers == number), refused=False))
    return found


def _iou(segment: Segment, wanted: NDArray[np.bool_]) -> float:
    mask = segment.mask > 0.5
    return float((mask & wanted).sum() / max(1, (mask | wanted).sum()))


def _summary(segmenter: Segmenter, pictures: int, found: Sequence[_Found]) -> RegionSummary:
    kinds: dict[str, list[_Found]] = defaultdict(list)
    for one in found:
        kinds[one.kind].append(one)
        if one.kind not in ("absent", "point"):
            kinds["all present"].append(one)
    order = [
        *sorted(set(kinds) - {"all present", "absent"}),
        *(kind for kind in ("all present", "absent") if kind in kinds),
    ]
    return RegionSummary(
        segmenter=segmenter.name,
        threshold=segmenter.threshold,
        pictures=pictures,
        lines=tuple(_line(kind, kinds[kind]) for kind in order),
        unrefused={kind: mean(one.iou for one in kinds[kind]) for kind in order if kind != "absent"},
    )


def _line(kind: str, found: Sequence[_Found]) -> RegionLine:
    return RegionLine(
        kind=kind,
        count=len(found),
        iou=None if kind == "absent" else mean(0.0 if one.refused else one.iou for one in found),
        refused=None if kind == "point" else mean(one.refused for one in found),
    )
