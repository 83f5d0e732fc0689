"""Edits as values, and the two functions on them: `apply` an edit to a room, and `invert` it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from retouch.core.errors import DataError
from retouch.scenes.palette import NATURAL_COLOURS
from retouch.scenes.places import Place, places_of
from retouch.scenes.room import FloorFinish, Light, Placed, Room, Surface, WallFinish

EditKind = Literal[
    "recolour", "material", "replace", "remove", "add", "walls", "floor", "light", "compound", "null"
]  # fmt: skip

NATURAL_WALLS: Mapping[WallFinish | FloorFinish, str] = {
    "paint": "",
    "brick": "brown",
    "tile": "white",
    "wallpaper": "beige",
}
NATURAL_FLOORS: Mapping[WallFinish | FloorFinish, str] = {
    "planks": "brown",
    "carpet": "grey",
    "tile": "white",
    "marble": "white",
}
"""The colour a wall or floor finish takes when an edit names the finish only; paint always needs a colour."""


@dataclass(frozen=True, kw_only=True)
class Recolour:
    """Give an object another colour."""

    target: int
    colour: str


@dataclass(frozen=True, kw_only=True)
class ChangeMaterial:
    """Make an object of another material; its colour becomes `colour` or, where None, the material's natural one."""

    target: int
    material: str
    colour: str | None = None


@dataclass(frozen=True, kw_only=True)
class Replace:
    """Put another object, of another kind, in an object's place; it takes over the id."""

    target: int
    replacement: Placed


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Take an object away, with what stands on it."""

    target: int


@dataclass(frozen=True, kw_only=True)
class Add:
    """Put in an object, with whatever stands on it (the later ones), at a place that can be said."""

    objects: tuple[Placed, ...]
    place: Place


@dataclass(frozen=True, kw_only=True)
class RepaintWalls:
    """Give the walls another finish, colour or both."""

    surface: Surface


@dataclass(frozen=True, kw_only=True)
class ChangeFloor:
    """Give the floor another finish, colour or both."""

    surface: Surface


@dataclass(frozen=True, kw_only=True)
class ChangeLight:
    """Change the time of day."""

    light: Light


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """Ask for what leaves the room as it is.

    `request` is "remove" or "recolour" for a `kind` that is not there, "already" where the object
    `target` has the `colour` asked for, or "keep".
    """

    request: Literal["remove", "recolour", "already", "keep"]
    kind: str = ""
    colour: str = ""
    target: int | None = None


Single: TypeAlias = (
    Recolour | ChangeMaterial | Replace | Remove | Add | RepaintWalls | ChangeFloor | ChangeLight | Nothing
)


@dataclass(frozen=True, kw_only=True)
class Compound:
    """Two edits about different things, one after the other."""

    first: Single
    second: Single


Edit: TypeAlias = Single | Compound

_KINDS: dict[type, EditKind] = {
    Recolour: "recolour",
    ChangeMaterial: "material",
    Replace: "replace",
    Remove: "remove",
    Add: "add",
    RepaintWalls: "walls",
    ChangeFloor: "floor",
    ChangeLight: "light",
    Compound: "compound",
    Nothing: "null",
}
EDIT_KINDS: tuple[EditKind, ...] = tuple(_KINDS.values())


def kind_of(edit: Edit) -> EditKind:
    """The name of an edit's kind, as records carry it."""
    return _KINDS[type(edit)]


def new_material(placed: Placed, material: str, colour: str | None = None) -> Placed:
    """The object in another material, in `colour` or the material's natural colour, if it has one."""
    return replace(placed, material=material, colour=colour or NATURAL_COLOURS.get(material, placed.colour))


def find(room: Room, identifier: int) -> Placed:
    """The object with this id. Raises DataError where the room has none."""
    try:
        return room.find(identifier)
    except KeyError:
        known = ", ".join(str(placed.id) for placed in room)
        raise DataError(f"The edit is about object {identifier}, but the room has only {known}.") from None


def _with_objects(room: Room, added: tuple[Placed, ...]) -> Room:
    taken = {placed.id for placed in room} & {placed.id for placed in added}
    if taken:
        raise DataError(f"Objects with the ids {sorted(taken)} are in the room already; add them under new ids.")
    return replace(room, objects=tuple(sorted((*room.objects, *added), key=lambda placed: placed.id)))


def apply(edit: Edit, room: Room) -> Room:
    """The room after an edit; the room given stays as it is.

    Raises DataError where the edit is about an object the room does not have.
    """
    match edit:
        case Recolour():
            after = room.with_object(replace(find(room, edit.target), colour=edit.colour))
        case ChangeMaterial():
            after = room.with_object(new_material(find(room, edit.target), edit.material, edit.colour))
        case Replace():
            after = room.with_object(replace(edit.replacement, id=find(room, edit.target).id))
        case Remove():
            after = room.without(find(room, edit.target).id)
        case Add():
            after = _with_objects(room, edit.objects)
        case RepaintWalls():
            after = replace(room, walls=edit.surface)
        case ChangeFloor():
            after = replace(room, floor=edit.surface)
        case ChangeLight():
            after = replace(room, light=edit.light)
        case Compound():
            after = apply(edit.second, apply(edit.first, room))
        case Nothing():
            after = room
    return after


def invert(edit: Edit, before: Room) -> Edit:
    """The edit that leads from `apply(edit, before)` back to `before`.

    Raises DataError where the edit is about an object `before` does not have.
    """
    match edit:
        case Compound():
            between = apply(edit.first, before)
            return Compound(first=_invert(edit.second, between), second=_invert(edit.first, before))
        case _:
            return _invert(edit, before)


def _invert(edit: Single, before: Room) -> Single:
    match edit:
        case RepaintWalls():
            back: Single = RepaintWalls(surface=before.walls)
        case ChangeFloor():
            back = ChangeFloor(surface=before.floor)
        case ChangeLight():
            back = ChangeLight(light=before.light)
        case Add():
            back = Remove(target=edit.objects[0].id)
        case Nothing():
            back = edit
        case _:
            back = _invert_object_edit(edit, before)
    return back


def _invert_object_edit(edit: Recolour | ChangeMaterial | Replace | Remove, before: Room) -> Single:
    placed = find(before, edit.target)
    match edit:
        case Recolour():
            return Recolour(target=edit.target, colour=placed.colour)
        case ChangeMaterial():
            return ChangeMaterial(target=edit.target, material=placed.material, colour=placed.colour)
        case Replace():
            return Replace(target=edit.target, replacement=placed)
        case Remove():
            standing = before.standing_on(edit.target)
            return Add(objects=(placed, *standing), place=places_of(before, placed)[0])


def subjects(edit: Edit) -> frozenset[int]:
    """The ids of the objects an edit changes or is described by."""
    match edit:
        case Recolour() | ChangeMaterial() | Replace() | Remove():
            return frozenset({edit.target})
        case Add():
            anchor = () if edit.place.anchor is None else (edit.place.anchor,)
            return frozenset({placed.id for placed in edit.objects} | set(anchor))
        case Compound():
            return subjects(edit.first) | subjects(edit.second)
        case Nothing(target=int(target)):
            return frozenset({target})
        case _:
            return frozenset()
