"""Instructions with their parts and steps marked: of rooms, and of anything."""

from collections.abc import Iterator
from random import Random

from retouch.core.seeds import derive_seed
from retouch.datagen.open_language import open_instruction
from retouch.datagen.rooms import KIND_WEIGHTS
from retouch.datagen.triples import coarse_shares
from retouch.records.marked import MarkedText, PartRole
from retouch.records.pair import Split
from retouch.scenes.edits import Compound, Edit, EditKind, Nothing, apply, invert
from retouch.scenes.language.instructions import marked_instruction
from retouch.scenes.language.marks import Marked
from retouch.scenes.layout import pick, sample_room
from retouch.scenes.proposals import sample_edit
from retouch.scenes.room import Room
from retouch.scenes.seeds import SCENE_RANGES

_WEIGHTS: dict[EditKind, float] = {**KIND_WEIGHTS, "null": 5, "compound": 20}
_EDITS_PER_ROOM = 20


def marked_room_instructions(count: int, *, seed: int, split: Split = "train") -> Iterator[MarkedText]:
    """Yield `count` marked instructions of rooms of one split; the same arguments always give the same."""
    made, unit = 0, 0
    while made < count:
        for marked in _of_room(derive_seed(seed, "marked", split, unit), split):
            if made == count:
                return
            made += 1
            yield _record(marked)
        unit += 1


def marked_open_instructions(count: int, *, seed: int) -> Iterator[MarkedText]:
    """Yield `count` marked instructions about any picture; the same arguments always give the same."""
    generator = Random(derive_seed(seed, "marked", "open"))
    for _ in range(count):
        yield _record(open_instruction(generator))


def _of_room(seed: int, split: Split) -> Iterator[Marked]:
    generator = Random(seed)
    room = sample_room(generator.choice(SCENE_RANGES[split]))
    shares = coarse_shares(room)
    for _ in range(_EDITS_PER_ROOM):
        edit = sample_edit(room, pick(_WEIGHTS, generator), generator, shares=shares)
        if edit is None:
            continue
        for said in (marked_instruction(edit, room, generator), _back(edit, room, generator)):
            if said is not None:
                yield said


def _back(edit: Edit, room: Room, generator: Random) -> Marked | None:
    if isinstance(edit, Nothing | Compound):
        return marked_instruction(edit, room, generator)
    return marked_instruction(invert(edit, room), apply(edit, room), generator)


def _record(marked: Marked) -> MarkedText:
    parts: list[tuple[int, int, PartRole]] = [(part.start, part.end, part.role) for part in marked.parts]
    return MarkedText(text=marked.text, parts=tuple(parts), steps=marked.steps)
