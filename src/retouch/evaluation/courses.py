"""Courses of edits that go together: a held-out room, one edit after the other of different things, and the truth."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from retouch.core.errors import SettingsError
from retouch.core.seeds import derive_seed
from retouch.evaluation.benchmark import Mask, Picture
from retouch.records.pair import JSON, Split
from retouch.scenes import edits as scene_edits
from retouch.scenes.edits import (
    Add,
    ChangeFloor,
    ChangeMaterial,
    Compound,
    EditKind,
    Recolour,
    Remove,
    RepaintWalls,
    Single,
)
from retouch.scenes.language.instructions import instruct
from retouch.scenes.layout import sample_room
from retouch.scenes.proposals import independent, sample_edit
from retouch.scenes.render import Rendering, render
from retouch.scenes.room import Room
from retouch.scenes.seeds import SCENE_RANGES

LONGEST = 12
_KINDS: Sequence[EditKind] = ("recolour", "walls", "recolour", "floor", "add", "recolour", "material", "remove")
"""In turn; where a room allows none of one kind any more, the next one is tried. A change of light changes every pixel
and would leave nothing outside."""
_WALL, _FLOOR = -1, -2
_TRIES = 12
_PLAIN = re.compile(r"(?i)(make|paint|turn|change|colou?r|dye|add|insert|put|place|remove|delete|take) [^,.!?→]*[.!]?$")
_Said = tuple[Single, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One edit of a course: its words, and the room as it truly is after it and all before.

    `regions` has, for this edit and each before it, where it changes this state against the root, (H, W) bool.
    """

    kind: EditKind
    instruction: str
    params: dict[str, JSON]
    truth: Picture
    regions: tuple[Mask, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """A room's picture, (H, W, 3) uint8, and edits of different things in it, one after the other."""

    name: str
    root: Picture
    steps: tuple[Step, ...]

    @property
    def instructions(self) -> tuple[str, ...]:
        """What is asked, in order."""
        return tuple(step.instruction for step in self.steps)


def courses(
    count: int, *, length: int, split: Split = "validation", seed: int = 0, size: int = 256
) -> Iterator[Course]:
    """Render so many courses in rooms of a split; the same for every `count`.

    Args:
        count: at least 1.
        length: edits of each, from 1 to `LONGEST`; rooms with too few things for them are passed over.
        split: whose rooms.
        seed: of the edits and their words.
        size: pixels of a side.

    Raises:
        SettingsError: a number is out of range.
        MissingExtraError: rooms cannot be rendered here.
    """
    if count < 1 or not 1 <= length <= LONGEST:
        raise SettingsError(
            f"There are {count} rooms of {length} edits; expected at least 1, and 1 to {LONGEST} edits."
        )
    made = 0
    for number in SCENE_RANGES[split]:
        room = sample_room(number)
        edits = _edits(room, length, Random(derive_seed(seed, "course", number)))
        if edits is None:
            continue
        yield _course(room, edits, size)
        made += 1
        if made == count:
            return


def joined(instructions: Sequence[str]) -> str:
    """Several instructions as one: commas between them, "and" before the last."""
    bare = [text.strip().rstrip(".!") for text in instructions]
    said = [bare[0], *(text[:1].lower() + text[1:] for text in bare[1:])]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def _edits(room: Room, length: int, generator: Random) -> list[_Said] | None:
    found: list[_Said] = []
    for number in range(length):
        kinds: list[EditKind] = [_KINDS[(number + shift) % len(_KINDS)] for shift in range(len(_KINDS))]
        tries = (_edit(room, kind, found, generator) for kind in kinds)
        fresh = next((edit for edit in tries if edit is not None), None)
        if fresh is None:
            return None
        found.append(fresh)
    return found


def _edit(room: Room, kind: EditKind, before: Sequence[_Said], generator: Random) -> _Said | None:
    # What two additions bring in would not be known to keep apart.
    if kind == "add" and any(isinstance(edit, Add) for edit, _ in before):
        return None
    for _ in range(_TRIES):
        edit = sample_edit(room, kind, generator)
        if edit is None or isinstance(edit, Compound):
            continue
        said = _imperative(edit, room, generator)
        if said is not None and all(independent(room, edit, earlier) for earlier, _ in before):
            return edit, said
    return None


def _imperative(edit: Single, room: Room, generator: Random) -> str | None:
    """A plain imperative, which can be joined to others; None where the language gave none."""
    ways = (instruct(edit, room, generator) for _ in range(3 * _TRIES))
    return next((said for said in ways if said is not None and _PLAIN.match(said)), None)


def _course(room: Room, edits: Sequence[_Said], size: int) -> Course:
    root, state = render(room, size=size), room
    steps: list[Step] = []
    for number, (edit, instruction) in enumerate(edits, start=1):
        state = scene_edits.apply(edit, state)
        shown = render(state, size=size)
        steps.append(
            Step(
                kind=scene_edits.kind_of(edit),
                instruction=instruction,
                params={"material": edit.material} if isinstance(edit, ChangeMaterial) else {},
                truth=shown.image,
                regions=tuple(_region(each, room, root, shown) for each, _ in edits[:number]),
            )
        )
    return Course(name=f"room-{room.seed}", root=root.image, steps=tuple(steps))


def _region(edit: Single, room: Room, before: Rendering, after: Rendering) -> Mask:
    """Where what the edit is about is, in either picture."""
    match edit:
        case RepaintWalls():
            wanted = [_WALL]
        case ChangeFloor():
            wanted = [_FLOOR]
        case Add():
            wanted = [placed.id for placed in edit.objects]
        case Remove():
            wanted = [edit.target, *(placed.id for placed in room.standing_on(edit.target))]
        case Recolour() | ChangeMaterial():
            wanted = [edit.target]
        case _:
            raise SettingsError(f"A course holds no edit of the kind '{scene_edits.kind_of(edit)}'.")
    return np.isin(before.ids, wanted) | np.isin(after.ids, wanted)
