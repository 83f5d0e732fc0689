"""Cases in which one of two things of a kind is named by its side, built from what records say they show."""

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.seeds import derive_seed
from retouch.metrics.colour import pixel_difference
from retouch.records.pair import PairRecord
from retouch.scenes.language.words import NOUNS, PART_NOUNS
from retouch.scenes.palette import TRAINED_COLOURS

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

LEAST_SHARE = 0.004
"""Of the picture, that each of the two must fill."""
APART = 0.1
"""Of the picture's width, between their middles."""
VISIBLE = 8.0
"""Mean ΔE2000 of a thing that changed to the eye."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TwinCase:
    """A picture with two things of a kind, an instruction that names one by its side, and where both are.

    source: (H, W, 3) uint8; `named` and `other` (H, W).
    """

    id: str
    source: Picture
    instruction: str
    phrase: str
    named: Mask
    other: Mask


@dataclass(frozen=True, kw_only=True)
class TwinVerdict:
    """Mean ΔE2000 of the thing that was named and of the other, before to after."""

    named: float
    other: float

    @property
    def right(self) -> bool:
        """Whether the one that was named changed to the eye, and at least twice as much as the other."""
        return self.named >= VISIBLE and self.named >= 2 * self.other


def twin_cases(records: Iterable[PairRecord], *, seed: int = 0) -> Iterator[TwinCase]:
    """A case for every two things of a kind, alone of that kind in a record's source and well apart.

    The side and the colour asked for, one that neither of them has, are drawn by the record's id. Records that do not
    say what they show, and kinds of which only a part has the colour, are left out.
    """
    for record in records:
        if record.segments is None:
            continue
        with Image.open(io.BytesIO(record.segments)) as image:
            numbers = np.array(image.convert("L"))
        with Image.open(io.BytesIO(record.source_image)) as image:
            source = np.array(image.convert("RGB"))
        things = record.params.get("segments")
        for kind, pair in _pairs(numbers, things if isinstance(things, list) else []).items():
            yield _case(record, kind, source, numbers, pair=pair, seed=seed)


def judge_twins(case: TwinCase, output: Picture) -> TwinVerdict:
    """How much each of the two changed in an output (H, W, 3) uint8."""
    named, other = (pixel_difference(output, case.source, region) for region in (case.named, case.other))
    return TwinVerdict(named=named, other=other)


Thing = tuple[int, str]
"""A thing's number among a record's segments, and its colour."""


def _pairs(numbers: Picture, things: Iterable[object]) -> dict[str, tuple[Thing, Thing]]:
    """By kind the two things of it, the left one first."""
    found: dict[str, list[Thing]] = defaultdict(list)
    for number, thing in enumerate(things, start=1):
        if isinstance(thing, Mapping):
            found[str(thing["kind"])].append((number, str(thing.get("colour"))))
    pairs = {}
    for kind, alike in found.items():
        if len(alike) != 2 or kind not in NOUNS or kind in PART_NOUNS:
            continue
        ordered = sorted(alike, key=lambda thing: _middle(numbers == thing[0]))
        shapes = [numbers == number for number, _ in ordered]
        if min(shape.mean() for shape in shapes) < LEAST_SHARE or _middle(shapes[1]) - _middle(shapes[0]) < APART:
            continue
        pairs[kind] = (ordered[0], ordered[1])
    return pairs


def _middle(shape: Mask) -> float:
    """The mean place across the picture, 0…1; 0 of nothing."""
    places = np.nonzero(shape)[1]
    return float(places.mean()) / shape.shape[1] if len(places) else 0.0


def _case(
    record: PairRecord, kind: str, source: Picture, numbers: Picture, *, pair: tuple[Thing, Thing], seed: int
) -> TwinCase:
    generator = Random(derive_seed(seed, record.id, kind))
    side = generator.randrange(2)
    taken = {colour for _, colour in pair}
    colour = generator.choice([one for one in TRAINED_COLOURS if one not in taken])
    phrase = f"the {('left', 'right')[side]} {NOUNS[kind][0]}"
    return TwinCase(
        id=f"{record.id}-{kind.replace(' ', '-')}",
        source=source,
        instruction=f"make {phrase} {colour}",
        phrase=phrase,
        named=numbers == pair[side][0],
        other=numbers == pair[1 - side][0],
    )
