"""The pair engine of rooms: a few renders of one room and its edits, told as many pairs that are exact."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from random import Random

import numpy as np

from retouch.core.errors import DataError, SettingsError
from retouch.core.seeds import derive_seed
from retouch.datagen.room_facts import changed_region, references, shown_object
from retouch.datagen.room_record import Shot, Transition, room_record, shoot
from retouch.records.pair import JSON, PairRecord, Split
from retouch.scenes.catalogue import RESERVED_KINDS
from retouch.scenes.edits import EDIT_KINDS, Compound, Edit, EditKind, Nothing, apply, invert
from retouch.scenes.language import captions, instruct
from retouch.scenes.layout import pick, sample_room
from retouch.scenes.palette import RESERVED_COLOURS
from retouch.scenes.proposals import Chances, independent, sample_edit
from retouch.scenes.room import Room
from retouch.scenes.seeds import SCENE_RANGES, scene_seeds

KIND_WEIGHTS: dict[EditKind, float] = {
    "recolour": 30, "material": 14, "replace": 10, "remove": 14, "add": 14, "walls": 8, "floor": 5, "light": 5,
}  # fmt: skip
"""How often each kind is drawn for the edits of a training room."""

VERSION = 2
MAXIMUM_UNITS = 2**16
SUBSTITUTES = 16
"""Rooms a unit may fall back on, one after the other, where one allows no edit of the kind it needs."""
PROPOSALS = 12
"""Edits drawn in one room before another kind, or another room, is tried."""
LEAST_CHANGE = 0.004
"""Of the picture: how much an edit must change clearly to be kept, unless it is a null edit."""
CLEAR_CHANGE = 12
"""Difference in a channel, of 255, that a viewer notices."""


@dataclass(frozen=True, kw_only=True)
class RoomEngine:
    """Pairs of rooms, one room a unit.

    In the split "train" a unit renders a room and `scenes_variants` edits of it and tells
    `3 * scenes_variants` pairs: every edit forward and backward, one null edit, and edits that lead from
    one variant to another, filled up with further phrasings. In the other splits a unit is one forward
    pair, the kinds of `EDIT_KINDS` by turns. `references` views of the object, `size` / 2 pixels wide, go
    with each pair of an object. With `reserved` the rooms and edits are of what pocket checkpoints never see:
    colours change to the reserved ones, reserved kinds come in. With `only`, edits are of these kinds alone. The same
    engine and unit always give the same bytes.
    """

    seed: int
    split: Split
    size: int = 256
    samples: int = 8
    scenes_variants: int = 4
    references: int = 0
    reserved: bool = False
    only: tuple[EditKind, ...] = ()

    @property
    def name(self) -> str:
        """The engine's name, as records carry it."""
        return "rooms"

    @property
    def pairs_per_unit(self) -> int:
        """How many pairs every unit yields."""
        return 3 * self.scenes_variants if self.split == "train" else 1

    def fingerprint(self) -> Mapping[str, JSON]:
        """Every setting that changes the pairs."""
        return {
            "version": VERSION,
            "engine": self.name,
            "seed": self.seed,
            "split": self.split,
            "size": self.size,
            "samples": self.samples,
            "scenes_variants": self.scenes_variants,
            "references": self.references,
            **({"reserved": True} if self.reserved else {}),
            **({"only": list(self.only)} if self.only else {}),
        }

    def make(self, unit: int) -> tuple[PairRecord, ...]:
        """The pairs of one unit. Raises DataError for a unit outside [0, `MAXIMUM_UNITS`)."""
        if not 0 <= unit < MAXIMUM_UNITS:
            raise DataError(f"Unit {unit} was asked for; a room engine has the units 0 to {MAXIMUM_UNITS - 1}.")
        generator = Random(derive_seed(self.seed, "rooms", self.split, unit))
        transitions = self._training(unit, generator) if self.split == "train" else self._held_out(unit, generator)
        return tuple(self._record(unit, index, step, generator) for index, step in enumerate(transitions))

    def _scenes(self, unit: int) -> Iterator[Room]:
        """The unit's room, then its substitutes; engines of different seeds have different rooms."""
        block = MAXIMUM_UNITS * SUBSTITUTES
        start = self.seed % (len(SCENE_RANGES[self.split]) // block) * block
        for substitute in range(SUBSTITUTES):
            (seed,) = scene_seeds(self.split, 1, start + substitute * MAXIMUM_UNITS + unit)
            yield sample_room(seed, include_reserved=self.reserved)

    def _chances(self) -> Chances:
        return Chances(colours=RESERVED_COLOURS, kinds=RESERVED_KINDS) if self.reserved else Chances()

    def _shoot(self, room: Room, edit: Edit | None = None) -> Shot:
        return shoot(room, size=self.size, samples=self.samples, edit=edit)

    def _edited(self, base: Shot, kind: EditKind, generator: Random) -> Shot | None:
        """The base room with an edit of a kind that can be said both ways and seen; None where none was found."""
        shares = _shares(base)
        renders = 0
        for _ in range(PROPOSALS):
            edit = sample_edit(base.room, kind, generator, shares=shares, chances=self._chances())
            if edit is None or not _sayable(edit, base.room):
                continue
            if kind == "null":
                return Shot(room=base.room, rendering=base.rendering, png=base.png, edit=edit)
            shot = self._shoot(apply(edit, base.room), edit)
            if _clearly_changed(base, shot, edit):
                return shot
            renders += 1
            if renders == 3:
                return None
        return None

    def _training(self, unit: int, generator: Random) -> list[Transition]:
        for room in self._scenes(unit):
            base = self._shoot(room)
            variants = self._variants(base, generator)
            if len(variants) == self.scenes_variants:
                return self._told(base, variants, generator)
        raise DataError(f"None of the rooms of unit {unit} allows {self.scenes_variants} edits; ask for fewer.")

    def _variants(self, base: Shot, generator: Random) -> list[Shot]:
        """Edits of the base room, all different, of kinds drawn by `KIND_WEIGHTS`."""
        weights: dict[EditKind, float] = {k: w for k, w in KIND_WEIGHTS.items() if k in self.only or not self.only}
        variants: list[Shot] = []
        for _ in range(3 * self.scenes_variants):
            shot = self._edited(base, pick(weights, generator), generator)
            if shot is not None and all(shot.room != other.room for other in variants):
                variants.append(shot)
            if len(variants) == self.scenes_variants:
                break
        return variants

    def _told(self, base: Shot, variants: list[Shot], generator: Random) -> list[Transition]:
        forward = [(base, shot, _edit(shot)) for shot in variants]
        backward = [(shot, base, invert(_edit(shot), base.room)) for shot in variants]
        if self.only:
            return list(islice(_said((forward + backward) * self.pairs_per_unit, generator), self.pairs_per_unit))
        still = self._edited(generator.choice([base, *variants]), "null", generator)
        null = [] if still is None else [(still, still, _edit(still))]
        again = (forward + backward) * self.pairs_per_unit
        steps = chain(forward, backward, null, _across(base, variants, generator), again)
        return list(islice(_said(steps, generator), self.pairs_per_unit))

    def _held_out(self, unit: int, generator: Random) -> list[Transition]:
        all_kinds: tuple[EditKind, ...] = self.only or EDIT_KINDS
        turn = unit % len(all_kinds)
        kinds = (*all_kinds[turn:], *all_kinds[:turn])
        # A piano takes the place of few things: where what is reserved fits no room, the next kind has its turn.
        for kind in kinds if self.reserved else kinds[:1]:
            for room in self._scenes(unit):
                base = self._shoot(room)
                shot = self._edited(base, kind, generator)
                steps = [] if shot is None else list(_said([(base, shot, _edit(shot))], generator))
                if steps:
                    return steps
        raise DataError(f"None of the rooms of unit {unit} allows a {kinds[0]} edit; leave the unit out.")

    def _record(self, unit: int, index: int, step: Transition, generator: Random) -> PairRecord:
        before, after = step.source.room, step.target.room
        told = captions(step.edit, before, after, generator)
        shown = shown_object(step.edit, before, after) if self.references else None
        return room_record(
            step,
            name=f"{'reserved-' * self.reserved}rooms-{self.split}-{self.seed}-{unit:06d}-{index:02d}",
            engine=self.name,
            split=self.split,
            captions=told,
            references=() if shown is None else references(shown, before, self.references, self.size // 2, generator),
        )


def edit_kinds(names: str) -> tuple[EditKind, ...]:
    """The kinds of edit in a list with commas; raises SettingsError for those that no room is edited by alone."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in KIND_WEIGHTS]
    if unknown:
        raise SettingsError(f"'{unknown[0]}' is no kind of edit of its own; choose from {', '.join(KIND_WEIGHTS)}.")
    return tuple(kind for kind in KIND_WEIGHTS if kind in wanted)


def _edit(shot: Shot) -> Edit:
    assert shot.edit is not None
    return shot.edit


def _shares(shot: Shot) -> dict[int, float]:
    """The share of the picture that each object fills, by id."""
    identifiers, counts = np.unique(shot.rendering.ids, return_counts=True)
    return {int(i): float(count) / shot.rendering.ids.size for i, count in zip(identifiers, counts, strict=True)}


def _sayable(edit: Edit, room: Room) -> bool:
    """Whether words exist for an edit and for the way back."""
    after = apply(edit, room)
    return _has_words(edit, room) and _has_words(invert(edit, room), after)


def _has_words(edit: Edit, room: Room) -> bool:
    return instruct(edit, room, Random(0)) is not None


def _clearly_changed(base: Shot, shot: Shot, edit: Edit) -> bool:
    region = changed_region(edit, base.room, base.rendering.ids, shot.rendering.ids)
    difference = np.abs(base.rendering.image.astype(np.int16) - shot.rendering.image).max(axis=2)
    return float(((difference > CLEAR_CHANGE) & region).mean()) >= LEAST_CHANGE


def _said(steps: Iterable[tuple[Shot, Shot, Edit]], generator: Random) -> Iterator[Transition]:
    """The steps in words, without those whose words came out too long."""
    for source, target, edit in steps:
        instruction = instruct(edit, source.room, generator)
        if instruction is not None:
            yield Transition(source=source, target=target, edit=edit, instruction=instruction)


def _across(base: Shot, variants: list[Shot], generator: Random) -> Iterator[tuple[Shot, Shot, Edit]]:
    """From one variant to another: undo the first's edit and do the second's, where the two are independent."""
    ordered = [(one, other) for one in variants for other in variants if one is not other]
    generator.shuffle(ordered)
    for one, other in ordered:
        undo, do = invert(_edit(one), base.room), _edit(other)
        if not independent(base.room, _edit(one), do):
            continue
        if isinstance(undo, Compound) or isinstance(do, Compound) or isinstance(undo, Nothing):
            continue
        yield one, other, Compound(first=undo, second=do)
