"""Write the phrases of a folder of records, made by whichever engine, without rendering anything anew."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retouch.core.errors import DataError
from retouch.datagen.phrases.photos import photo_phrases
from retouch.datagen.phrases.rooms import room_phrases
from retouch.datagen.phrases.seen_room import seen_room
from retouch.records.pair import PairRecord, Split
from retouch.records.phrases import Phrase, Phrased, phrases_place, save_phrases
from retouch.records.shards import read_records

_COLUMNS = ("id", "source_image", "source_caption", "segments", "object_mask", "params", "seed", "engine", "split")


@dataclass(frozen=True, kw_only=True)
class PhraseSummary:
    """Different source pictures, how many of them have phrases, and how many phrases there are."""

    file: Path
    pictures: int
    phrased: int
    phrases: int


def phrases_file(folder: Path, *, seed: int = 0) -> Path:
    """The file of a folder's phrases, made where it is not there yet. Raises DataError where it cannot be."""
    file = phrases_place(folder)
    if not file.is_file():
        write_phrases(folder, file, seed=seed)
    return file


def write_phrases(
    folder: Path,
    out: Path,
    *,
    seed: int = 0,
    split: Split | None = None,
    on_progress: Callable[[int], None] = lambda _done: None,
) -> PhraseSummary:
    """Write phrases for every different source picture of a folder's records, one JSON line a picture.

    Rooms that can be made again from their records, and photographs with an object, have some. Phrases of rooms of
    other splits than train are those that are needed to tell things apart. Raises DataError where there are none.
    """
    pictures = 0

    def lines() -> Iterator[Phrased]:
        nonlocal pictures
        for record in _different(folder, split):
            pictures += 1
            phrases = phrases_of(record, seed=seed)
            if phrases:
                yield Phrased(record=record.id, phrases=phrases)
            on_progress(pictures)

    phrased = list(lines())
    if not phrased:
        raise DataError(f"No record of {folder} shows a room with segments or a known object; phrases need one.")
    save_phrases(out, phrased)
    return PhraseSummary(
        file=out, pictures=pictures, phrased=len(phrased), phrases=sum(len(one.phrases) for one in phrased)
    )


def phrases_of(record: PairRecord, *, seed: int) -> tuple[Phrase, ...]:
    """Phrases for one record's source picture; none where it tells too little."""
    if record.segments is None:
        return photo_phrases(record, seed=seed)
    seen = seen_room(record)
    return () if seen is None else room_phrases(seen, seed=seed, name=record.id, needed=record.split != "train")


def _different(folder: Path, split: Split | None) -> Iterator[PairRecord]:
    known: set[bytes] = set()
    for record in read_records(folder, columns=_COLUMNS, split=split):
        digest = hashlib.sha256(record.source_image).digest()
        if digest not in known:
            known.add(digest)
            yield record
