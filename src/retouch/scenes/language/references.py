"""Referring to one object of a room so that nobody could mean another: "the left chair", "the red armchair"."""

from random import Random

from retouch.scenes.catalogue import KINDS
from retouch.scenes.language.words import (
    MATERIAL_ADJECTIVES,
    PART_NOUNS,
    PART_PHRASES,
    clear_nouns,
    colour_word,
    usual_first,
)
from retouch.scenes.places import NEAR, places_of
from retouch.scenes.room import Placed, Room
from retouch.scenes.view import screen_box

CLEARLY_APART = 0.05
"""The least distance, in widths of the picture, between two objects called left and right."""


def refer(room: Room, placed: Placed, generator: Random, *, part: bool = False) -> str | None:
    """A phrase that begins with "the" and fits this object of the room alone, or None where there is none.

    With `part` it names the part that has the object's colour (the pot of a plant, the frame of a mirror).
    """
    nouns = clear_nouns(room, placed.kind)
    noun = usual_first(nouns, generator)
    if part and placed.kind in PART_NOUNS:
        noun = generator.choice(PART_NOUNS[placed.kind])
    alike = _alike(room, placed)
    if not alike:
        return _unneeded_adjective(placed, noun, generator)
    options = [
        *_by_side(room, placed, alike, noun) * 2,
        *_by_colour(placed, alike, noun, generator) * 2,
        *_by_material(placed, alike, noun, generator),
        *_by_neighbour(room, placed, alike, noun),
    ]
    return generator.choice(options) if options else None


def look_references(room: Room, placed: Placed, generator: Random) -> list[str]:
    """Phrases that fit this object alone by its colour or its material, needed or not: "the red armchair"."""
    noun, alike = usual_first(clear_nouns(room, placed.kind), generator), _alike(room, placed)
    material = len(KINDS[placed.kind].materials) > 1
    return [
        *_by_colour(placed, alike, noun, generator),
        *(_by_material(placed, alike, noun, generator) if material else []),
    ]


def place_references(room: Room, placed: Placed, generator: Random) -> list[str]:
    """Phrases that fit this object alone by where it is among its like, and by what it is near, needed or not."""
    noun, alike = usual_first(clear_nouns(room, placed.kind), generator), _alike(room, placed)
    sides = _by_side(room, placed, alike, noun) if alike else []
    return [*sides, *_by_neighbour(room, placed, alike, noun)]


def _alike(room: Room, placed: Placed) -> list[Placed]:
    return [other for other in room.of_kind(placed.kind) if other.id != placed.id]


def unique(room: Room, placed: Placed) -> bool:
    """Whether the object is the only one of its kind."""
    return len(room.of_kind(placed.kind)) == 1


def _unneeded_adjective(placed: Placed, noun: str, generator: Random) -> str:
    roll = generator.random()
    plain = placed.kind not in PART_PHRASES and " of " not in noun
    if plain and roll < 0.12 and placed.kind != "television":
        return f"the {colour_word(placed.colour, generator)} {noun}"
    if plain and roll < 0.16 and len(KINDS[placed.kind].materials) > 1:
        return f"the {usual_first(MATERIAL_ADJECTIVES[placed.material], generator)} {noun}"
    return f"the {noun}"


def _by_side(room: Room, placed: Placed, alike: list[Placed], noun: str) -> list[str]:
    own = screen_box(room, placed).middle
    others = [screen_box(room, other).middle for other in alike]
    if own < min(others) - CLEARLY_APART:
        side = "left"
    elif own > max(others) + CLEARLY_APART:
        side = "right"
    elif len(others) == 2 and min(others) + CLEARLY_APART < own < max(others) - CLEARLY_APART:
        return [f"the middle {noun}", f"the {noun} in the middle"]
    else:
        return []
    if len(others) == 1:
        return [f"the {side} {noun}", f"the {noun} on the {side}", f"the {side}-hand {noun}"]
    return [f"the {side}most {noun}", f"the {noun} furthest to the {side}", f"the {noun} on the far {side}"]


def _with_adjective(placed: Placed, adjective: str, noun: str) -> str:
    if placed.kind in PART_PHRASES and noun not in PART_NOUNS[placed.kind]:
        joint, part = PART_PHRASES[placed.kind]
        return f"the {noun} {joint} the {adjective} {part}"
    return f"the {adjective} {noun}"


def _by_colour(placed: Placed, alike: list[Placed], noun: str, generator: Random) -> list[str]:
    if any(other.colour == placed.colour for other in alike) or placed.kind == "television":
        return []
    return [_with_adjective(placed, colour_word(placed.colour, generator), noun)]


def _by_material(placed: Placed, alike: list[Placed], noun: str, generator: Random) -> list[str]:
    if any(other.material == placed.material for other in alike):
        return []
    adjective = usual_first(MATERIAL_ADJECTIVES[placed.material], generator)
    return [_with_adjective(placed, adjective, noun)]


def _by_neighbour(room: Room, placed: Placed, alike: list[Placed], noun: str) -> list[str]:
    """By the one thing (unique in the room) that it stands on or next to and none of its like does."""
    words = {"on": "on", "next to": "next to", "above": "above", "in front of": "in front of"}
    phrases = []
    for place in places_of(room, placed):
        if place.anchor is None or place.relation not in words:
            continue
        anchor = room.find(place.anchor)
        shared = any(place.anchor == other.anchor for like in alike for other in places_of(room, like))
        too_near = any(_distance(like, anchor) < _distance(placed, anchor) + NEAR for like in alike)
        if unique(room, anchor) and not shared and (place.relation == "on" or not too_near):
            nouns = clear_nouns(room, anchor.kind)
            phrases.append(f"the {noun} {words[place.relation]} the {nouns[0]}")
    return phrases[:1]


def _distance(one: Placed, other: Placed) -> float:
    return ((one.position[0] - other.position[0]) ** 2 + (one.position[1] - other.position[1]) ** 2) ** 0.5
