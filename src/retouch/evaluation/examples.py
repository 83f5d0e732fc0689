"""Held-out cases of putting an object in from pictures of it, and how well that was done."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.errors import DataError
from retouch.core.reference import Reference, load_reference
from retouch.core.region import Region
from retouch.evaluation.pixels import mask, picture
from retouch.grounding.segmenter import Segmenter
from retouch.grounding.shapes import Growth, cut_out, dilated, grown
from retouch.metrics.clip import Encoder
from retouch.metrics.colour import colour_difference, mean_lab, pixel_differences
from retouch.metrics.fidelity import psnr
from retouch.metrics.region_clip import region_square
from retouch.records.pair import PairRecord
from retouch.records.shards import read_records
from retouch.scenes.language.words import with_article

EXAMPLES_PROTOCOL = (
    "examples/changed-deltaE8/present-0.3-of-changed/colour-deltaE2000-15/region-clip-reference/true-deltaE2000-15/v2"
)
VISIBLE = 8.0
"""ΔE2000 from which a pixel differs by more than the autoencoder's own noise."""
IN_CHANGED = 0.3
"""Of what differs, that the kind found there must cover for the object to count as present."""
LEAST_AREA = 0.002
"""Of the picture, that must differ."""
SAME_COLOUR = 15.0
"""ΔE2000 of mean colours up to which an object is of its reference's colour, or of the true object's.

A reference stands in another light than the object in its room: even the true object is not always that near to it.
"""
AWAY = 16
"""Pixels from the object, true or found, at which "elsewhere" begins."""
CEILING = 99.0
"""What an infinite PSNR counts as, in dB."""

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExampleCase:
    """An object to put into a picture that lacks it, and the picture that shows it: (H, W, 3) uint8, (H, W) bool.

    kind: what the object is called; instruction: what says the same in words, with its colour where that is known.
    region: where it goes, a little larger than the object.
    """

    id: str
    kind: str
    instruction: str
    source: Picture
    target: Picture
    object_mask: Mask
    region: Region
    references: tuple[Reference, ...]


@dataclass(frozen=True, kw_only=True)
class ExampleOutcome:
    """How one answer was judged.

    present: whether the segmenter finds the kind in what differs from the source's round trip.
    colour: ΔE2000 of the mean colours of object and references; lit: the same of the object and the true one, which
        stand in the same light; likeness: cosine of the object's surroundings and the references by CLIP; all None
        where nothing differs.
    elsewhere: PSNR in dB to the source away from the object; exact: whether every pixel outside the region is the
        source's.
    """

    id: str
    present: bool
    colour: float | None
    lit: float | None
    likeness: float | None
    elsewhere: float
    exact: bool


def example_cases(folder: Path, *, limit: int | None = None) -> list[ExampleCase]:
    """The first `limit` cases that the bench records of a folder tell: objects added, and those removed, put back.

    Raises DataError where there is none.
    """
    found = []
    for case in _cases(folder):
        if limit is not None and len(found) == limit:
            break
        found.append(case)
    if not found:
        raise DataError(
            f"{folder} holds no record of the split 'bench' that adds or removes an object of which there are "
            "references; make pairs with --references 2 there first."
        )
    return found


def _cases(folder: Path) -> Iterator[ExampleCase]:
    columns = ("object_mask", "segments", "reference_images", "object", "params")
    for record in read_records(folder, columns=columns, split="bench"):
        if record.kind not in ("add", "remove") or record.object_mask is None or not record.reference_images:
            continue
        shown, without = picture(record.target_image), picture(record.source_image)
        if record.kind == "remove":
            shown, without = without, shown
        area = mask(record.object_mask, shown)
        if area.any():
            yield ExampleCase(
                id=record.id,
                kind=record.object or "object",
                instruction=record.edit_prompt if record.kind == "add" else f"add {with_article(_named(record))}",
                source=without,
                target=shown,
                object_mask=area,
                region=Region(mask=Image.fromarray(np.uint8(255) * dilated(area)), origin="as the record tells"),
                references=tuple(load_reference(data) for data in record.reference_images),
            )


def removed_colour(record: PairRecord) -> str | None:
    """What the segments of a removal's source say of the colour of the object; None where they do not."""
    things = record.params.get("segments")
    if record.segments is None or record.object_mask is None or not isinstance(things, list):
        return None
    numbers, area = (_levels(data) for data in (record.segments, record.object_mask))
    if numbers.shape != area.shape or not (area >= 128).any():
        return None
    number = int(np.bincount(numbers[area >= 128]).argmax())
    thing = cast("Mapping[str, object]", things[number - 1]) if 1 <= number <= len(things) else {}
    colour = thing.get("colour") if thing.get("kind") == record.object else None
    return colour if isinstance(colour, str) and colour else None


def _named(record: PairRecord) -> str:
    """The removed object's name with its colour, where the record's segments tell that."""
    kind, colour = record.object or "object", removed_colour(record)
    return f"{colour} {kind}" if colour else kind


def _levels(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("L"))


@dataclass(frozen=True, kw_only=True, eq=False)
class ExampleJudge:
    """Judges answers by a segmenter that knows the kinds and a CLIP model that sees the references."""

    segmenter: Segmenter
    encoder: Encoder

    def judge(self, case: ExampleCase, output: Picture, round_trip: Picture) -> ExampleOutcome:
        """How well an output shows the case's object; `round_trip` is the source through the autoencoder and back."""
        # A composite leaves the source itself outside, not its round trip: what is either of them is unchanged.
        nearest = np.minimum(pixel_differences(output, round_trip), pixel_differences(output, case.source))
        differs = nearest >= VISIBLE
        found = self._found(case, output)
        present = differs.mean() >= LEAST_AREA and (found & differs).sum() >= IN_CHANGED * differs.sum()
        area = found & differs if present else differs
        seen = area.mean() >= LEAST_AREA
        around = ~_reached(case.object_mask | area)
        return ExampleOutcome(
            id=case.id,
            present=bool(present),
            colour=reference_difference(output, area, case.references) if seen else None,
            lit=_difference(output, area, case) if seen else None,
            likeness=self._likeness(output, area, case.references) if seen else None,
            elsewhere=min(CEILING, psnr(output, case.source, around)) if around.any() else CEILING,
            exact=bool((output == case.source)[np.asarray(case.region.mask) == 0].all()),
        )

    def _found(self, case: ExampleCase, output: Picture) -> Mask:
        segment = self.segmenter.segment(Image.fromarray(output), f"the {case.kind}")
        shape = cut_out(segment.mask)
        return shape if segment.score >= self.segmenter.threshold else np.zeros_like(shape)

    def _likeness(self, output: Picture, area: Mask, references: Sequence[Reference]) -> float:
        left, top, right, bottom = region_square(area)
        crop = Image.fromarray(output[top:bottom, left:right])
        seen = self.encoder.pictures([crop, *(reference.squared() for reference in references)])
        return float((seen[1:] @ seen[0]).mean())


def reference_difference(output: Picture, area: Mask, references: Sequence[Reference]) -> float:
    """ΔE2000 between the mean colour of an output's area and that of the references' objects."""
    colours = []
    for reference in references:
        shown = np.asarray(reference.picture.convert("RGB"))
        opaque = np.ones(shown.shape[:2], dtype=bool) if reference.alpha is None else np.asarray(reference.alpha) >= 128
        colours.append(mean_lab(shown, opaque))
    return colour_difference(mean_lab(output, area), np.mean(colours, axis=0))


def _difference(output: Picture, area: Mask, case: ExampleCase) -> float:
    return colour_difference(mean_lab(output, area), mean_lab(case.target, case.object_mask))


def _reached(area: Mask) -> Mask:
    return grown(area, Growth(left=AWAY, up=AWAY, right=AWAY, down=AWAY))
