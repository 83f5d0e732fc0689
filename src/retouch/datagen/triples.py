"""Triples without pictures: rooms, one edit of each and its words, as fast as they can be drawn."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, cast

from retouch.core.errors import DataError
from retouch.core.seeds import derive_seed
from retouch.records.pair import JSON, Split
from retouch.records.triple import Triple, changes_something, save_triples, triple_of_line
from retouch.scenes.edits import Edit, EditKind, apply, invert
from retouch.scenes.language import captions, instruct
from retouch.scenes.language.reading import Reading, read_caption
from retouch.scenes.layout import pick, sample_room
from retouch.scenes.proposals import coarse_shares, sample_edit
from retouch.scenes.room import Room
from retouch.scenes.seeds import SCENE_RANGES

KIND_WEIGHTS: dict[EditKind, float] = {
    "recolour": 26, "material": 14, "replace": 12, "remove": 14, "add": 14, "walls": 8, "floor": 6, "light": 6,
}  # fmt: skip
"""How often each kind is drawn; compound and null edits break the rule that one thing changes."""
EDITS_PER_ROOM = 12
ORIGIN = "room"
"""The key of a line that says which room a triple is of."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A triple and what it is of: the edit of a room, the rooms before and after, and where it was drawn from.

    It is the `number`-th triple of the draw of `seed` in `split`.
    """

    triple: Triple
    edit: Edit
    before: Room
    after: Room
    seed: int
    split: Split
    number: int

    def note(self) -> Mapping[str, JSON]:
        """What makes it again, for the line of a file (see `told_again`)."""
        return {ORIGIN: {"seed": self.seed, "split": self.split, "number": self.number}}


def room_triples(
    count: int,
    *,
    seed: int,
    split: Split = "train",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Triple]:
    """Yield `count` triples of rooms of one split; see `told_rooms`."""
    return (told.triple for told in told_rooms(count, seed=seed, split=split, on_progress=on_progress))


def told_rooms(
    count: int,
    *,
    seed: int,
    split: Split = "train",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Told]:
    """Yield `count` triples of rooms of one split with their rooms; in each exactly one thing changes.

    A room lends itself to `EDITS_PER_ROOM` edits, told forwards and back. The same arguments always give the
    same triples.
    """
    made, unit = 0, 0
    while made < count:
        for told in _of_room(derive_seed(seed, "triples", split, unit), split):
            if made == count:
                return
            made += 1
            yield told
        unit += 1
        on_progress(made, count)


def told_again(line: Mapping[str, object], where: str) -> Told:
    """The triple of a line that `save_told` wrote, with its rooms.

    Raises DataError, naming `where`, for a line of another writer, or one that was changed since.
    """
    triple, origin = triple_of_line(line, where), line.get(ORIGIN)
    try:
        seed, split, number = (cast("Mapping[str, Any]", origin)[name] for name in ("seed", "split", "number"))
        told = next(islice(_of_room(int(seed), split), int(number), None))
    except (TypeError, KeyError, ValueError, StopIteration) as error:
        raise DataError(
            f"{where} is not of the writer rooms, and the engine rooms renders no other triples; write some with "
            "`retouch data write --writer rooms`, or take an engine with a model."
        ) from error
    if told.triple != triple:
        raise DataError(f"{where} says something else than the room it names; write it anew, or leave it out.")
    return told


def save_told(path: Path, told: Iterable[Told]) -> int:
    """Write triples with what makes them again, whole or not at all; return how many."""
    found = list(told)
    return save_triples(path, (one.triple for one in found), notes=(one.note() for one in found))


def _of_room(seed: int, split: Split) -> Iterator[Told]:
    generator = Random(seed)
    room = sample_room(generator.choice(SCENE_RANGES[split]))
    shares = coarse_shares(room)
    number = 0
    for _ in range(EDITS_PER_ROOM):
        edit = sample_edit(room, pick(KIND_WEIGHTS, generator), generator, shares=shares)
        if edit is None:
            continue
        after = apply(edit, room)
        for way, source, target in ((edit, room, after), (invert(edit, room), after, room)):
            triple = _told(way, source, target, generator)
            if triple is not None:
                yield Told(triple=triple, edit=way, before=source, after=target, seed=seed, split=split, number=number)
                number += 1


def _told(edit: Edit, before: Room, after: Room, generator: Random) -> Triple | None:
    """The edit in words; None where it cannot be said or the captions show another difference than it makes."""
    instruction = instruct(edit, before, generator)
    if instruction is None:
        return None
    source, target = captions(edit, before, after, generator)
    triple = Triple(source_caption=source, instruction=instruction, target_caption=target)
    first, second = read_caption(source), read_caption(target)
    more = len(after.objects) - len(before.objects)
    alike = first is not None and second is not None and _one_thing(first, second, more)
    return triple if alike and changes_something(triple) else None


def _one_thing(first: Reading, second: Reading, more: int) -> bool:
    """Whether two captions differ in one thing, the second telling of `more` objects: one cut at its length may not."""
    gone, come = Counter(first.objects), Counter(second.objects)
    objects = max((gone - come).total(), (come - gone).total())
    surfaces = (first.floor != second.floor) + (first.walls != second.walls) + (first.light != second.light)
    return objects + surfaces == 1 and len(second.objects) - len(first.objects) == more
