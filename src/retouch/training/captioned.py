"""Pictures of record folders with the captions that describe them, both sides of each pair together."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor

from retouch.core.errors import DataError
from retouch.records.pair import Split
from retouch.records.shards import read_records
from retouch.training.segments import Segments, segments_of

Kept = TypeVar("Kept")


@dataclass(frozen=True, kw_only=True)
class CaptionedPairs(Generic[Kept]):
    """Pairs as indices into different pictures, with a caption a side.

    `pictures` is what was kept of each different picture; `sides`, (pairs, 2), numbers the source's and
    the target's; `captions` are the source's and the target's; `segments` is what is known, by its number,
    of what a picture shows.
    """

    pictures: Sequence[Kept]
    sides: Tensor
    captions: tuple[tuple[str, str], ...]
    segments: Mapping[int, Segments] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.captions)


def captioned_pairs(
    folders: Iterable[Path], *, split: Split, keep: Callable[[bytes], Kept], limit: int | None = None
) -> CaptionedPairs[Kept]:
    """Read the pairs of one split that have both captions, at most `limit` of them.

    `keep` is asked once about each different encoded picture what to keep of it. Raises DataError where
    no pair is left.
    """
    folders = list(folders)
    numbers: dict[bytes, int] = {}
    pictures: list[Kept] = []
    sides: list[tuple[int, int]] = []
    captions: list[tuple[str, str]] = []
    segments: dict[int, Segments] = {}

    def number(data: bytes) -> int:
        digest = hashlib.sha256(data).digest()
        if digest not in numbers:
            numbers[digest] = len(pictures)
            pictures.append(keep(data))
        return numbers[digest]

    columns = ("source_image", "target_image", "source_caption", "target_caption", "segments")
    for record in (record for folder in folders for record in read_records(folder, columns=columns, split=split)):
        if limit is not None and len(captions) == limit:
            break
        if record.source_caption.strip() and record.target_caption.strip():
            sides.append((number(record.source_image), number(record.target_image)))
            captions.append((record.source_caption, record.target_caption))
            found = segments_of(record)
            if found is not None:
                segments[sides[-1][0]] = found
    if not captions:
        names = ", ".join(map(str, folders))
        raise DataError(f"No pair of the split '{split}' with both captions lies in {names}; make pairs there first.")
    return CaptionedPairs(pictures=pictures, sides=torch.tensor(sides), captions=tuple(captions), segments=segments)


def held_back(pairs: CaptionedPairs[Kept], *, every: int) -> tuple[CaptionedPairs[Kept], CaptionedPairs[Kept]]:
    """Part pairs into those to train on and those to measure on, the pairs of every `every`-th source picture.

    Pairs to train on that show a picture held back are dropped. Raises DataError where a side would be empty.
    """
    order = {picture: place for place, picture in enumerate(dict.fromkeys(pairs.sides[:, 0].tolist()))}
    out = torch.tensor([order[picture] % every == every - 1 for picture in pairs.sides[:, 0].tolist()])
    seen = torch.isin(pairs.sides, pairs.sides[out]).any(dim=1)
    if not out.any() or seen.all():
        raise DataError(
            f"The data shows {len(order)} source pictures, too few to hold some out; "
            f"give at least {every}, or a folder to validate on."
        )
    return _rows(pairs, ~seen), _rows(pairs, out)


def _rows(pairs: CaptionedPairs[Kept], wanted: Tensor) -> CaptionedPairs[Kept]:
    captions = tuple(both for both, keep in zip(pairs.captions, wanted.tolist(), strict=True) if keep)
    return replace(pairs, sides=pairs.sides[wanted], captions=captions)
