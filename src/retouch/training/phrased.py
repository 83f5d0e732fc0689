"""Pictures with phrases for what they show, and the lessons drawn from them: prompts with the masks they mean."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from retouch.core.errors import DataError
from retouch.records.pair import PairRecord, Split
from retouch.records.phrases import Phrase, load_phrases
from retouch.records.shards import read_records
from retouch.scenes.language import mirrored
from retouch.training.pictures import Fitted, Sizes, fitted, fitted_numbers, picture_size
from retouch.training.segments import segments_of

LEAST_SHARE = 0.003
"""Of the picture: a smaller thing is not pointed at."""
LEAST_KEPT = 0.6
"""Of a phrase's area: what must still be there in a part of the picture for the phrase to fit it."""
LEAST_KEPT_SURFACE = 0.25
"""The same of walls, floors and backgrounds, which nobody expects to see whole."""
WEIGHTS: Mapping[str, float] = {
    "plain": 1.5, "attribute": 1.2, "relational": 2.5, "plural": 1.2, "shell": 0.6,
    "garment": 1.5, "background": 0.7, "absent": 1.1,
}  # fmt: skip
"""How often a phrase of each kind is drawn."""


@dataclass(frozen=True, kw_only=True)
class PhrasedPicture:
    """A picture, the numbers of what it shows where, labels of thing n at n − 1, and phrases for it."""

    picture: Fitted
    numbers: Fitted
    things: tuple[Mapping[str, str], ...]
    phrases: tuple[Phrase, ...]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One picture as it is shown: `pixels` (3, H, W) uint8, `numbers` (H, W) uint8, prompts and their masks.

    `texts` and `wanted`, (P, H, W) bool, are phrases and what they mean; `points` (Q, 2), as fractions of the
    picture, and `pointed` (Q, H, W) points and the things at them.
    """

    pixels: Tensor
    numbers: Tensor
    texts: tuple[str, ...]
    wanted: Tensor
    points: Tensor
    pointed: Tensor


def phrased_pictures(
    folders: Mapping[Path, Path], *, split: Split, sizes: Sizes, limit: int | None = None
) -> list[PhrasedPicture]:
    """The pictures of record folders that their files of phrases know, sorted by size; at most `limit` a folder.

    Raises DataError where a record lacks what its phrases are about, or no picture is left.
    """
    found: list[PhrasedPicture] = []
    for folder, file in folders.items():
        found += _of_folder(folder, {one.record: one.phrases for one in load_phrases(file)}, split, sizes, limit)
    if not found:
        names = ", ".join(map(str, folders))
        raise DataError(f"No picture of the split '{split}' in {names} has phrases; write some for it first.")
    return sorted(found, key=lambda one: one.picture.fit.model_size)


def _of_folder(
    folder: Path, phrases: Mapping[str, tuple[Phrase, ...]], split: Split, sizes: Sizes, limit: int | None
) -> list[PhrasedPicture]:
    found = []
    for record in read_records(folder, columns=("segments", "object_mask"), split=split):
        if limit is not None and len(found) == limit:
            break
        if record.id in phrases:
            found.append(_phrased(record, phrases[record.id], sizes))
    return found


def _phrased(record: PairRecord, phrases: tuple[Phrase, ...], sizes: Sizes) -> PhrasedPicture:
    segments = segments_of(record)
    numbers = record.object_mask if segments is None else segments.numbers
    if numbers is None:
        raise DataError(f"Record {record.id} has phrases, but neither segments nor an object mask; write them anew.")
    fit = sizes.fit(picture_size(record.source_image))
    return PhrasedPicture(
        picture=Fitted.of(record.source_image, fit),
        numbers=Fitted.of(numbers, fit),
        things=() if segments is None else segments.things,
        phrases=phrases,
    )


def shown(one: PhrasedPicture) -> tuple[Tensor, Tensor]:
    """A picture, (3, H, W) uint8, and its numbers, (H, W) uint8; an object mask's object is 1."""
    numbers = fitted_numbers(one.numbers)
    return fitted(one.picture), numbers if one.things else (numbers > 127).to(torch.uint8)


def meant(phrase: Phrase, numbers: Tensor) -> Tensor:
    """What a phrase means, (H, W) bool."""
    return torch.isin(numbers, torch.tensor(phrase.numbers, dtype=numbers.dtype))


def pointable(numbers: Tensor) -> list[int]:
    """The numbers of what fills enough of a picture to be pointed at."""
    counts = torch.bincount(numbers.flatten().long())
    return [place for place, count in enumerate(counts.tolist()) if place and count >= LEAST_SHARE * numbers.numel()]


def point_in(area: Tensor, generator: torch.Generator) -> Tensor:
    """A point of an area, (H, W) bool, as fractions of the picture."""
    places = area.nonzero()
    down, across = places[int(torch.randint(len(places), (), generator=generator))].tolist()
    height, width = area.shape
    return torch.tensor([(across + 0.5) / width, (down + 0.5) / height])


def lesson(
    one: PhrasedPicture, *, phrases: int, points: int, flip: float, zoom: float, generator: torch.Generator
) -> Lesson:
    """Draw `phrases` phrases and `points` points of a picture, which may be flipped, or enlarged to a part of it."""
    pixels, numbers = shown(one)
    usable = list(one.phrases)
    draws = torch.rand(2, generator=generator).tolist()
    if draws[0] < zoom:
        closer = _closer(pixels, numbers, generator)
        kept = [phrase for phrase in usable if _still_fits(phrase, numbers, closer[2])]
        if any(phrase.kind != "absent" for phrase in kept):
            (pixels, numbers, _), usable = closer, kept
    flipped = draws[1] < flip
    if flipped:
        pixels, numbers = pixels.flip(-1), numbers.flip(-1)
    weights = torch.tensor([WEIGHTS[phrase.kind] for phrase in usable])
    drawn = torch.multinomial(weights, phrases, replacement=len(usable) < phrases, generator=generator)
    chosen = [usable[place] for place in drawn.tolist()]
    known = pointable(numbers)
    picked = torch.randint(max(1, len(known)), (points,), generator=generator).tolist()
    pointed = [numbers == known[place] if known else torch.ones_like(numbers, dtype=torch.bool) for place in picked]
    return Lesson(
        pixels=_lit(pixels, generator),
        numbers=numbers,
        texts=tuple(mirrored(phrase.text) if flipped else phrase.text for phrase in chosen),
        wanted=torch.stack([meant(phrase, numbers) for phrase in chosen]),
        points=torch.stack([point_in(area, generator) for area in pointed]),
        pointed=torch.stack(pointed),
    )


def _closer(pixels: Tensor, numbers: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A part of a picture at the whole's size, its numbers, and where in the whole the part is, (H, W) bool."""
    height, width = numbers.shape
    share, down, across = torch.rand(3, generator=generator).tolist()
    high, wide = (round(side * (0.6 + 0.35 * share)) for side in (height, width))
    top, left = int(down * (height - high + 1)), int(across * (width - wide + 1))
    rows, columns = slice(top, top + high), slice(left, left + wide)
    enlarged = functional.interpolate(pixels[None, :, rows, columns].float(), size=(height, width), mode="bilinear")
    again = functional.interpolate(numbers[None, None, rows, columns].float(), size=(height, width), mode="nearest")
    inside = torch.zeros_like(numbers, dtype=torch.bool)
    inside[rows, columns] = True
    return enlarged[0].round().to(torch.uint8), again[0, 0].to(torch.uint8), inside


def _still_fits(phrase: Phrase, numbers: Tensor, inside: Tensor) -> bool:
    if phrase.kind == "absent":
        return True
    area = meant(phrase, numbers)
    least = LEAST_KEPT_SURFACE if phrase.kind in ("shell", "background") else LEAST_KEPT
    return int((area & inside).sum()) >= least * int(area.sum())


def _lit(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """A little lighter or darker, as another exposure would be."""
    factor = 0.85 + 0.3 * float(torch.rand((), generator=generator))
    return (pixels.float() * factor).clamp_max(255).to(torch.uint8)


def labels_of(pictures: Iterable[PhrasedPicture]) -> dict[str, tuple[str, ...]]:
    """The values of every aspect that things are labelled with."""
    values: dict[str, set[str]] = {}
    for one in pictures:
        for thing in one.things:
            for aspect, value in thing.items():
                values.setdefault(aspect, set()).add(value)
    return {aspect: tuple(sorted(found)) for aspect, found in sorted(values.items())}


def label_map(numbers: Tensor, things: Sequence[Mapping[str, str]], aspect: str, values: Sequence[str]) -> Tensor:
    """Which value of an aspect each cell shows, (h, w), −1 where none is known."""
    places = {value: place for place, value in enumerate(values)}
    table = torch.tensor([-1, *(places.get(thing.get(aspect, ""), -1) for thing in things)])
    return table[numbers.long().clamp_max(len(things))]
