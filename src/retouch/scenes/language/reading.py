"""Captions read back: which objects, surfaces and light a caption of `captions` tells of."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

from retouch.scenes.language.captions import OPENINGS
from retouch.scenes.language.words import (
    COLOUR_WORDS,
    FLOOR_PHRASES,
    LIGHT_PHRASES,
    MATERIAL_ADJECTIVES,
    NOUNS,
    NUMBERS,
    PART_PHRASES,
    WALL_PHRASES,
    denoted_by,
    plural,
    with_article,
)
from retouch.scenes.palette import COLOURS
from retouch.scenes.room import LIGHTS, ROOM_TYPES, FloorFinish, Light, Surface, WallFinish


@dataclass(frozen=True, kw_only=True)
class Told:
    """An object as a caption tells of it; None where it does not say."""

    kind: str
    colour: str | None = None
    material: str | None = None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a caption says: `objects` as often as they are there, the rest None where it is not named."""

    type: str
    objects: tuple[Told, ...] = ()
    floor: Surface | None = None
    walls: Surface | None = None
    light: Light | None = None


COLOUR_NAMES: dict[str, str] = {word: colour for colour in COLOURS for word in COLOUR_WORDS.get(colour, (colour,))}
"""Every word for a colour, with the colour's name."""


def one_of(words: Iterable[str]) -> str:
    """A pattern for any of the words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def read_caption(text: str) -> Reading | None:
    """Read a caption of a room; None where any part of it cannot be read."""
    opening = _opening().fullmatch(text.strip().rstrip(".").lower())
    if opening is None:
        return None
    reading = Reading(type=opening["type"])
    for part in re.split(r", | and ", opening["rest"]) if opening["rest"] else ():
        extended = _with_part(reading, part)
        if extended is None:
            return None
        reading = extended
    return reading


def _with_part(reading: Reading, part: str) -> Reading | None:
    """The reading with one more part of the caption; None where that is none, or is said a second time."""
    found = _objects().fullmatch(part)
    if found is not None:
        return replace(reading, objects=(*reading.objects, *_told(found)))
    for name, known in (("floor", _floors()), ("walls", _walls()), ("light", _lights())):
        if part in known:
            return replace(reading, **{name: known[part]}) if getattr(reading, name) is None else None
    return None


def _told(found: re.Match[str]) -> tuple[Told, ...]:
    colour, material = found["colour"] or found["part_colour"], found["material"] or found["part_material"]
    told = Told(
        kind=_kinds()[found["noun"]],
        colour=COLOUR_NAMES[colour] if colour else None,
        material=_materials()[material] if material else None,
    )
    number = found["number"]
    return (told,) * (NUMBERS.index(number) if number in NUMBERS else 1)


@cache
def _opening() -> re.Pattern[str]:
    openings = one_of({opening.removesuffix("{type}") for opening in OPENINGS})
    return re.compile(f"(?:{openings})(?P<type>{one_of(ROOM_TYPES)})(?:(?: with|,) (?P<rest>.+))?")


@cache
def _objects() -> re.Pattern[str]:
    colours, materials = one_of(COLOUR_NAMES), one_of(_materials())
    joints = "|".join(sorted({f"{joint} an?" for joint, _ in PART_PHRASES.values()}))
    parts = one_of({part for _, part in PART_PHRASES.values()})
    return re.compile(
        f"(?P<number>an?|{one_of(NUMBERS[1:])}) "
        f"(?:(?P<colour>{colours}) )?(?:(?P<material>{materials}) )?(?P<noun>{one_of(_kinds())})"
        f"(?: (?:{joints}) (?:(?P<part_colour>{colours}) )?(?:(?P<part_material>{materials}) )?(?:{parts}))?"
    )


@cache
def _kinds() -> dict[str, str]:
    """The nouns that mean one kind alone, single and plural, with it."""
    clear = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns if denoted_by(noun) == {kind}}
    return clear | {plural(noun): kind for noun, kind in clear.items()}


@cache
def _materials() -> dict[str, str]:
    return {word: material for material, words in MATERIAL_ADJECTIVES.items() for word in words}


@cache
def _floors() -> dict[str, Surface]:
    return _surfaces(FLOOR_PHRASES)


@cache
def _walls() -> dict[str, Surface]:
    return _surfaces(WALL_PHRASES)


def _surfaces(phrases: Mapping[str, tuple[str, ...]]) -> dict[str, Surface]:
    return {
        _articled(phrase, word): Surface(finish=cast(WallFinish | FloorFinish, finish), colour=colour)
        for finish, options in phrases.items()
        for phrase in options
        for word, colour in COLOUR_NAMES.items()
    }


def _articled(phrase: str, colour: str) -> str:
    bare = phrase.removeprefix("a ").format(colour=colour)
    return with_article(bare) if phrase.startswith("a ") else bare


@cache
def _lights() -> dict[str, Light]:
    return {phrase: light for light in LIGHTS for phrase in LIGHT_PHRASES[light]}
