"""Instructions for rooms and photographs with labels of what they ask: all of the language, without a picture."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from random import Random

import numpy as np

from retouch.core.seeds import derive_seed
from retouch.datagen.photos.language import labelled_instruction
from retouch.datagen.room_facts import Facts, facts_of
from retouch.datagen.rooms import KIND_WEIGHTS
from retouch.datagen.triples import EDITS_PER_ROOM, coarse_shares
from retouch.records.labelled import LabelledText
from retouch.records.pair import Split
from retouch.scenes.edits import Compound, Edit, EditKind, Nothing, apply, invert
from retouch.scenes.language import instruct
from retouch.scenes.layout import pick, sample_room
from retouch.scenes.palette import TRAINED_COLOURS
from retouch.scenes.proposals import independent, sample_edit
from retouch.scenes.room import Room
from retouch.scenes.seeds import SCENE_RANGES

_WEIGHTS: dict[EditKind, float] = {**KIND_WEIGHTS, "null": 8}
_COMPOUNDS = 3
"""Pairs of edits of a room that are told together."""
_ASPECTS = ("object", "colour", "material", "place", "to")
_SURFACES = ("recolour", "material", "walls", "floor")
"""Kinds whose "to" says again what "colour" and "material" say."""
_SAID = frozenset({"left", "right", "back", "middle", "near", "far", "gray", *TRAINED_COLOURS})
"""Words that tell which object is meant, or how it was: labels of their own."""


def room_instructions(count: int, *, seed: int, split: Split = "train") -> Iterator[LabelledText]:
    """Yield `count` instructions of rooms of one split, edits of every kind told forwards and back.

    The same arguments always give the same instructions.
    """
    made, unit = 0, 0
    while made < count:
        for text in _of_room(derive_seed(seed, "labelled", split, unit), split):
            if made == count:
                return
            made += 1
            yield text
        unit += 1


def photo_instructions(count: int, *, seed: int) -> Iterator[LabelledText]:
    """Yield `count` instructions for photographs; the same arguments always give the same."""
    generator = np.random.default_rng(derive_seed(seed, "labelled", "photos"))
    for _ in range(count):
        text, labels = labelled_instruction(generator)
        yield LabelledText(text=text, labels=(*labels, *_said(text)))


def _of_room(seed: int, split: Split) -> Iterator[LabelledText]:
    generator = Random(seed)
    room = sample_room(generator.choice(SCENE_RANGES[split]))
    shares = coarse_shares(room)
    drawn = [sample_edit(room, pick(_WEIGHTS, generator), generator, shares=shares) for _ in range(EDITS_PER_ROOM)]
    edits = [edit for edit in drawn if edit is not None]
    visible = [edit for edit in edits if not isinstance(edit, Nothing)]
    yield from chain.from_iterable(_told(edit, room, generator) for edit in [*edits, *edits])
    for edit in visible:
        after = apply(edit, room)
        yield from chain.from_iterable(_told(invert(edit, room), after, generator) for _ in range(2))
    for _ in range(_COMPOUNDS if len(visible) > 1 else 0):
        first, second = generator.sample(visible, 2)
        if independent(room, first, second) and not isinstance(first, Compound) and not isinstance(second, Compound):
            yield from _told(Compound(first=first, second=second), room, generator)


def _told(edit: Edit, room: Room, generator: Random) -> Iterator[LabelledText]:
    text = instruct(edit, room, generator)
    if text is not None:
        labels = dict.fromkeys(_labels(facts_of(edit, room, apply(edit, room))))
        yield LabelledText(text=text, labels=(*labels, *_said(text)))


def _labels(facts: Facts) -> Iterator[str]:
    kind, parts = str(facts["kind"]), facts.get("parts")
    yield f"kind={kind}"
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, Mapping):
            yield from _labels(dict(part))
    for aspect in _ASPECTS:
        if facts.get(aspect) and not (aspect == "to" and kind in _SURFACES):
            yield f"{aspect}={facts[aspect]}"


def _said(text: str) -> list[str]:
    return [f"said={word}" for word in sorted({*re.findall(r"[a-z]+", text.lower())} & _SAID)]
