"""Captions of a room before and after an edit, alike in all but what the edit changes."""

from collections import Counter
from collections.abc import Sequence
from random import Random

from retouch.scenes.edits import Edit, Nothing, subjects
from retouch.scenes.language.instructions import floor_phrase
from retouch.scenes.language.words import (
    LIGHT_PHRASES,
    MATERIAL_ADJECTIVES,
    NOUNS,
    NUMBERS,
    WALL_PHRASES,
    colour_word,
    described,
    plural,
    with_article,
)
from retouch.scenes.room import Placed, Room

MAXIMUM_WORDS = 40
OPENINGS = ("a {type}", "a {type}", "a picture of a {type}", "a photo of a {type}", "the inside of a {type}")


def captions(edit: Edit, before: Room, after: Room, generator: Random) -> tuple[str, str]:
    """Captions of the rooms before and after an edit, at most `MAXIMUM_WORDS` words each.

    Both are worded alike and both name what the edit changes, where it is there.
    """
    focus = sorted(_changed(before, after) | (subjects(edit) if not isinstance(edit, Nothing) else frozenset()))
    style = generator.randrange(2**32)
    return (
        caption(before, Random(style), focus=focus, other=after),
        caption(after, Random(style), focus=focus, other=before),
    )


def _changed(before: Room, after: Room) -> set[int]:
    """The ids of objects that are not the same in both rooms."""
    return {placed.id for placed in {*before.objects} ^ {*after.objects}}


def caption(room: Room, generator: Random, *, focus: Sequence[int] = (), other: Room | None = None) -> str:
    """Describe a room: its type, some objects (those in `focus` always), and now and then its surfaces and light.

    With `other`, the surfaces and the light in which the two rooms differ are always named.
    """
    opening = generator.choice(OPENINGS).format(type=room.type)
    endings = _endings(room, other or room, generator)
    extra = generator.choice((0, 0, 1, 2, 3, 4))
    shown = _shown(room, other or room, focus, extra, generator)
    detailed = generator.random() < 0.6 or _other_material(room, other or room)
    for count in range(len(shown), 0, -1):
        listed = _listed([placed for placed in shown[:count] if _has(room, placed)], room, detailed)
        text = f"{opening} with {listed}{endings}" if listed else f"{opening}{endings}"
        if len(text.split()) <= MAXIMUM_WORDS:
            return text
    return f"{opening}{endings}"


def _has(room: Room, identifier: int) -> bool:
    return any(placed.id == identifier for placed in room)


def _shown(room: Room, other: Room, focus: Sequence[int], extra: int, generator: Random) -> list[int]:
    """Ids in focus, then a few that both rooms share, in an order that is the same for both."""
    shared = sorted({placed.id for placed in room} & {placed.id for placed in other} - set(focus))
    generator.shuffle(shared)
    return [*focus, *shared[: extra if focus else extra + 1]]


def _other_material(room: Room, other: Room) -> bool:
    """Whether an object is of one material here and of another there."""
    materials = {(placed.id, placed.kind): placed.material for placed in other}
    return any(materials.get((placed.id, placed.kind), placed.material) != placed.material for placed in room)


def _listed(identifiers: list[int], room: Room, detailed: bool) -> str:
    phrases = [_phrase(room.find(identifier), detailed, identifier) for identifier in identifiers]
    counted = Counter(phrases)
    items = [
        with_article(phrase) if count == 1 else f"{NUMBERS[count]} {_pluralised(phrase)}"
        for phrase, count in counted.items()
    ]
    if len(items) < 3:
        return " and ".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _pluralised(phrase: str) -> str:
    """The plural of "red chair" and of "plant in a red pot"."""
    for joint in (" in ", " with "):
        if joint in phrase:
            head, tail = phrase.split(joint, 1)
            return f"{plural(head)}{joint}{tail}"
    return plural(phrase)


def _phrase(placed: Placed, detailed: bool, seed: int) -> str:
    generator = Random(seed)
    material = MATERIAL_ADJECTIVES[placed.material][0] if detailed and placed.kind != "television" else None
    return described(placed, NOUNS[placed.kind][0], colour_word(placed.colour, generator), material)


def _endings(room: Room, other: Room, generator: Random) -> str:
    """Floor, walls and light as far as drawn or changed; the draws are the same for both rooms of a pair."""
    choices = generator.random(), generator.random(), generator.random()
    words = [Random(generator.randrange(2**32)) for _ in range(3)]
    surfaces = []
    if choices[0] < 0.3 or room.floor != other.floor:
        surfaces.append(floor_phrase(room.floor.finish, colour_word(room.floor.colour, words[0]), words[0]))
    if choices[1] < 0.35 or room.walls != other.walls:
        phrase = words[1].choice(WALL_PHRASES[room.walls.finish])
        surfaces.append(phrase.format(colour=colour_word(room.walls.colour, words[1])))
    text = f", {' and '.join(surfaces)}" if surfaces else ""
    if choices[2] < 0.3 or room.light != other.light:
        text += f", {words[2].choice(LIGHT_PHRASES[room.light])}"
    return text
