"""An edit in words: one instruction, drawn from the templates, that fits the room it is given for."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from retouch.scenes.catalogue import KINDS
from retouch.scenes.edits import (
    NATURAL_FLOORS,
    NATURAL_WALLS,
    Add,
    ChangeFloor,
    ChangeLight,
    ChangeMaterial,
    Compound,
    Edit,
    Nothing,
    Recolour,
    Remove,
    RepaintWalls,
    Replace,
    Single,
)
from retouch.scenes.language import surroundings, templates
from retouch.scenes.language.marks import Marked, Role, mark, mark_place, mark_step, mark_unmarked, read_marks
from retouch.scenes.language.references import refer, unique
from retouch.scenes.language.templates import JOINED, POLITE, Templates
from retouch.scenes.language.words import (
    FLOOR_COVERS,
    FLOOR_PHRASES,
    LIGHT_PHRASES,
    MATERIAL_ADJECTIVES,
    MATERIAL_NOUNS,
    NOUNS,
    PART_NOUNS,
    WALL_COVERS,
    WALL_PHRASES,
    clear_nouns,
    colour_word,
    denoted_by,
    described,
    usual_first,
    with_article,
)
from retouch.scenes.palette import NATURAL_COLOURS
from retouch.scenes.places import Place
from retouch.scenes.room import Placed, Room, Surface

MAXIMUM_WORDS = 30
TRIES = 12
Slots = Mapping[str, str]


def instruct(edit: Edit, room: Room, generator: Random) -> str | None:
    """Say an edit of a room in at most `MAXIMUM_WORDS` words, in a form drawn at random.

    Returns None where the object meant cannot be told from others of its kind.
    """
    said = marked_instruction(edit, room, generator)
    return None if said is None else said.text


def marked_instruction(edit: Edit, room: Room, generator: Random) -> Marked | None:
    """The same instruction as `instruct` gives, with what its parts name and where its steps are."""
    for _ in range(TRIES):
        said = _joined(edit, room, generator) if isinstance(edit, Compound) else _single(edit, room, generator)
        if said is None:
            return None
        if len(said.split()) <= MAXIMUM_WORDS:
            marked = read_marks(said)
            # A capital and a full stop leave every character where it was.
            return replace(marked, text=_styled(marked.text, generator))
    return None


def _single(edit: Single, room: Room, generator: Random) -> str | None:
    found = _forms(edit, room, generator)
    if found is None:
        return None
    forms, slots = found[0], _marked(found[1])
    if generator.random() < 0.62:
        clause = _surroundings_marked(edit, _filled(forms.clauses, slots, generator))
        return generator.choice(POLITE).format(clause=clause) if generator.random() < 0.3 else clause
    return _surroundings_marked(edit, _filled(forms.sentences, slots, generator))


def _joined(edit: Compound, room: Room, generator: Random) -> str | None:
    clauses = []
    for part in (edit.first, edit.second):
        found = _forms(part, room, generator)
        if found is None:
            return None
        clause = _filled(found[0].clauses, _marked(found[1]), generator)
        clauses.append(mark_step(_surroundings_marked(part, clause)))
    if generator.random() < 0.5:
        clauses.reverse()
    return generator.choice(JOINED).format(first=clauses[0], second=clauses[1])


_ROLES: Mapping[str, Role] = {
    "the": "TARGET", "noun": "TARGET", "new": "NEW", "walls": "NEW", "floor": "NEW", "cover": "ATTRIBUTE",
    "colour": "ATTRIBUTE", "a_colour": "ATTRIBUTE", "material": "ATTRIBUTE", "a_material": "ATTRIBUTE",
    "a_material_noun": "ATTRIBUTE", "when": "ATTRIBUTE",
}  # fmt: skip
"""What the slots name; the old colour, and the verb, name nothing that the edit is about."""


def _marked(slots: Slots) -> Slots:
    roles = {name: mark(value, _ROLES[name]) for name, value in slots.items() if name in _ROLES}
    return {**slots, **roles} | ({"place": mark_place(slots["place"])} if "place" in slots else {})


def _surroundings_marked(edit: Single, said: str) -> str:
    """Mark what the sentences of walls, floor and light say in words of their own."""
    match edit:
        case RepaintWalls():
            return mark_unmarked(said, r"\b(?:the )?walls?\b", "TARGET")
        case ChangeFloor():
            return mark_unmarked(said, r"\b(?:the )?floor(?:ing)?\b", "TARGET")
        case ChangeLight():
            return mark_unmarked(said, surroundings.LIGHT_WORDS, "ATTRIBUTE")
        case _:
            return said


def _filled(options: tuple[str, ...], slots: Slots, generator: Random) -> str:
    """Fill a template drawn from those whose slots are all there."""
    usable = [option for option in options if all(name in slots for name in _names(option))]
    return " ".join(generator.choice(usable).format(**slots).split())


def _names(template: str) -> list[str]:
    return [part.split("}")[0] for part in template.split("{")[1:]]


def _styled(said: str, generator: Random) -> str:
    """Now and then as a written sentence, with a capital and a full stop."""
    if generator.random() >= 0.4:
        return said
    ending = "" if said.endswith(("?", ".")) or "→" in said else "."
    return said[0].upper() + said[1:] + ending


def _forms(edit: Single, room: Room, generator: Random) -> tuple[Templates, Slots] | None:
    match edit:
        case Recolour() | ChangeMaterial() | Replace() | Remove():
            return _object_forms(edit, room, generator)
        case Add():
            slots = _addition(edit, room, generator)
            return None if slots is None else (templates.ADD, slots)
        case RepaintWalls():
            return _wall_forms(edit.surface, room, generator)
        case ChangeFloor():
            return _floor_forms(edit.surface, room, generator)
        case ChangeLight():
            return surroundings.LIGHT[edit.light], {"when": generator.choice(LIGHT_PHRASES[edit.light])}
        case Nothing():
            return _nothing_forms(edit, room, generator)


def _object_forms(
    edit: Recolour | ChangeMaterial | Replace | Remove, room: Room, generator: Random
) -> tuple[Templates, Slots] | None:
    placed = room.find(edit.target)
    part = isinstance(edit, Recolour | ChangeMaterial)
    the = refer(room, placed, generator, part=part)
    if the is None:
        return None
    slots = {"the": the}
    if unique(room, placed) and not (part and placed.kind in PART_NOUNS):
        slots["noun"] = usual_first(clear_nouns(room, placed.kind), generator)
    match edit:
        case Recolour():
            return templates.RECOLOUR, slots | _colours(edit.colour, placed.colour, generator)
        case ChangeMaterial():
            return templates.MATERIAL, slots | _materials(edit, placed, generator)
        case Replace():
            new = newcomer(edit.replacement, generator, like=placed)
            return templates.REPLACE, {"the": the, "new": new}
        case Remove():
            return templates.REMOVE, _removal(room, placed, slots, generator)


def _colours(colour: str, old: str, generator: Random) -> dict[str, str]:
    word = colour_word(colour, generator)
    return {"colour": word, "old": colour_word(old, generator), "a_colour": with_article(word)}


def _materials(edit: ChangeMaterial, placed: Placed, generator: Random) -> dict[str, str]:
    """The material as a noun; its colour is said unless it is the one that goes without saying."""
    silent = NATURAL_COLOURS.get(edit.material, placed.colour)
    colour = edit.colour or silent
    noun = usual_first(MATERIAL_NOUNS[edit.material], generator)
    adjective = usual_first(MATERIAL_ADJECTIVES[edit.material], generator)
    if colour != silent or generator.random() < 0.2:
        word = colour_word(colour, generator)
        noun, adjective = f"{word} {noun}", f"{word} {adjective}"
    return {"material": noun, "a_material_noun": with_article(noun), "a_material": with_article(adjective)}


def _removal(room: Room, placed: Placed, slots: Slots, generator: Random) -> Slots:
    standing = room.standing_on(placed.id)
    if not standing or generator.random() < 0.4:
        return slots
    if len(standing) == 1 and generator.random() < 0.6:
        what = f"and the {clear_nouns(room, standing[0].kind)[0]} on it"
    else:
        what = generator.choice(("with everything on it", "and what is on it"))
    return {"the": f"{slots['the']} {what}"}


def newcomer(placed: Placed, generator: Random, like: Placed | None = None) -> str:
    """A new object with its article, colour and material: "a red wooden chair".

    What goes without saying may stay unsaid: the kind's first material and, beside the object it comes in
    for (`like`), the colours and materials the two share.
    """
    materials = KINDS[placed.kind].materials
    expected = like.material if like is not None and like.material in materials else materials[0]
    alike = like is not None and like.colour == placed.colour
    material = None
    if placed.material != expected or (len(materials) > 1 and generator.random() < 0.35):
        material = usual_first(MATERIAL_ADJECTIVES[placed.material], generator)
    colour = None if alike and generator.random() < 0.6 else colour_word(placed.colour, generator)
    noun = usual_first(NOUNS[placed.kind], generator)
    return with_article(described(placed, noun, colour, material))


def _addition(edit: Add, room: Room, generator: Random) -> Slots | None:
    placed, *standing = edit.objects
    place = place_phrase(edit.place, room, generator)
    if place is None:
        return None
    new = newcomer(placed, generator)
    if standing:
        riders = " and ".join(newcomer(rider, generator) for rider in standing)
        new = f"{new} with {riders} on it"
    return {"new": new, "place": place, "verb": _verb(placed, generator)}


def _verb(placed: Placed, generator: Random) -> str:
    mount = KINDS[placed.kind].mount
    if placed.kind in ("door", "window"):
        return generator.choice(("install", "build in"))
    if mount in ("wall", "ceiling"):
        return "hang"
    if mount == "floor flat":
        return generator.choice(("lay", "roll out"))
    return generator.choice(("stand", "set down", "position"))


def place_phrase(place: Place, room: Room, generator: Random) -> str | None:
    """A place in words, or None where its anchor cannot be told from others of its kind."""
    if place.anchor is not None:
        the = refer(room, room.find(place.anchor), generator)
        return None if the is None else f"{generator.choice(_RELATIONS[place.relation])} {the}"
    match place.relation:
        case "wall" if place.wall == "back":
            return generator.choice(("on the back wall", "on the wall", "on the wall at the back"))
        case "wall":
            return generator.choice((f"on the {place.wall} wall", f"on the wall on the {place.wall}"))
        case "corner":
            return generator.choice((f"in the {place.wall} corner", f"in the corner on the {place.wall}"))
        case "ceiling":
            return generator.choice(("hanging from the ceiling", "on the ceiling", "below the ceiling"))
        case _:
            return generator.choice(("in the room", "somewhere in the room", "on the floor"))


_RELATIONS: dict[str, tuple[str, ...]] = {
    "on": ("on", "on top of"),
    "next to": ("next to", "beside", "by", "close to"),
    "left of": ("to the left of", "left of", "on the left of"),
    "right of": ("to the right of", "right of", "on the right of"),
    "in front of": ("in front of", "before"),
    "above": ("above", "over"),
    "under": ("under", "underneath", "beneath"),
}


def _wall_forms(surface: Surface, room: Room, generator: Random) -> tuple[Templates, Slots]:
    if surface.finish == room.walls.finish:
        colour = colour_word(surface.colour, generator)
        return surroundings.WALL_COLOUR, {"colour": colour, "a_colour": with_article(colour)}
    colour = _said_colour(surface, NATURAL_WALLS[surface.finish], generator)
    phrase = generator.choice(WALL_PHRASES[surface.finish])
    cover = generator.choice(WALL_COVERS[surface.finish])
    return surroundings.WALL_FINISH, {
        "cover": f"{colour} {cover}".strip(),
        "walls": " ".join(phrase.format(colour=colour).split()),
    }


def _floor_forms(surface: Surface, room: Room, generator: Random) -> tuple[Templates, Slots]:
    if surface.finish == room.floor.finish:
        colour = colour_word(surface.colour, generator)
        return surroundings.FLOOR_COLOUR, {"colour": colour, "a_colour": with_article(colour)}
    colour = _said_colour(surface, NATURAL_FLOORS[surface.finish], generator)
    floor = floor_phrase(surface.finish, colour, generator)
    cover = generator.choice(FLOOR_COVERS[surface.finish])
    return surroundings.FLOOR_FINISH, {"cover": f"{colour} {cover}".strip(), "floor": floor}


def floor_phrase(finish: str, colour: str, generator: Random) -> str:
    """A floor in words, with an article where it takes one: "an orange tiled floor"."""
    phrase = generator.choice(FLOOR_PHRASES[finish])
    bare = " ".join(phrase.removeprefix("a ").format(colour=colour).split())
    return with_article(bare) if phrase.startswith("a ") else bare


def _said_colour(surface: Surface, natural: str, generator: Random) -> str:
    """The colour's word, or nothing where the finish has this colour by nature (and often it stays unsaid)."""
    if natural == surface.colour and generator.random() < 0.7:
        return ""
    return colour_word(surface.colour, generator)


def _nothing_forms(edit: Nothing, room: Room, generator: Random) -> tuple[Templates, Slots] | None:
    if edit.request == "keep":
        return surroundings.KEEP, {}
    if edit.request == "already":
        assert edit.target is not None
        return _object_forms(Recolour(target=edit.target, colour=edit.colour), room, generator)
    present = {placed.kind for placed in room}
    nouns = tuple(noun for noun in NOUNS[edit.kind] if not denoted_by(noun) & present)
    nouns = tuple(noun for noun in nouns if noun != "carpet")
    noun = usual_first(nouns, generator)
    slots = {"the": f"the {noun}", "noun": noun}
    if edit.request == "remove":
        return templates.REMOVE, slots
    word = colour_word(edit.colour, generator)
    return templates.RECOLOUR, slots | {"colour": word, "a_colour": with_article(word)}
