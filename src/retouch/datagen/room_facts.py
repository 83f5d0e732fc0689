"""What a record tells of a room edit besides its words: facts for `params`, the changed region, references."""

import io
import math
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.records.pair import JSON
from retouch.scenes.edits import (
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
    kind_of,
)
from retouch.scenes.palette import COLOURS
from retouch.scenes.places import Place
from retouch.scenes.render import ReferenceView, render_reference
from retouch.scenes.room import LIGHTS, Light, Placed, Room
from retouch.scenes.shell import FLOOR, WALL

Facts = dict[str, JSON]
Mask = NDArray[np.bool_]
Ids = NDArray[np.int32]


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode (H, W), (H, W, 3) or (H, W, 4) pixels as PNG, quickly rather than small."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def facts_of(edit: Edit, before: Room, after: Room) -> Facts:
    """The kind of an edit and what it is about, as `PairRecord.params` holds them.

    "object", "from", "to", "colour", "material", "place" and "target_rgb" (the palette's colour, 0 to 255)
    are there where they mean something; a compound edit has the facts of both under "parts".
    """
    facts: Facts = {"kind": kind_of(edit)}
    match edit:
        case Compound():
            facts["parts"] = [facts_of(part, before, after) for part in (edit.first, edit.second)]
        case RepaintWalls() | ChangeFloor():
            walls = isinstance(edit, RepaintWalls)
            old = before.walls if walls else before.floor
            facts |= {"object": "walls" if walls else "floor", "from": f"{old.colour} {old.finish}"}
            facts |= {"to": f"{edit.surface.colour} {edit.surface.finish}", "material": edit.surface.finish}
            facts |= _coloured(edit.surface.colour)
        case ChangeLight():
            facts |= {"from": before.light, "to": edit.light}
        case Nothing():
            facts |= {"request": edit.request} | ({"object": edit.kind} if edit.kind else {})
        case _:
            facts |= _object_facts(edit, before, after)
    return facts


def _object_facts(edit: Recolour | ChangeMaterial | Replace | Remove | Add, before: Room, after: Room) -> Facts:
    match edit:
        case Add():
            return {"to": edit.objects[0].kind, "place": _place(edit.place, before), **_look(edit.objects[0])}
        case Remove():
            return {"object": before.find(edit.target).kind, "from": before.find(edit.target).kind}
        case Recolour():
            old = before.find(edit.target)
            return {"from": old.colour, "to": edit.colour, **_look(after.find(edit.target))}
        case ChangeMaterial():
            old = before.find(edit.target)
            return {"from": old.material, "to": edit.material, **_look(after.find(edit.target))}
        case Replace():
            old = before.find(edit.target)
            new = after.find(edit.target)
            return {"from": old.kind, "to": new.kind} | _look(new) | {"object": old.kind}


def _look(placed: Placed) -> Facts:
    return {"object": placed.kind, "material": placed.material} | _coloured(placed.colour)


def _coloured(colour: str) -> Facts:
    return {"colour": colour, "target_rgb": list(COLOURS[colour])}


def _place(place: Place, room: Room) -> str:
    words = [place.relation, room.find(place.anchor).kind if place.anchor is not None else place.wall]
    return " ".join(word for word in words if word)


def changed_region(edit: Edit, before: Room, source: Ids, target: Ids) -> Mask:
    """Where an edit changes the picture, (H, W): its object and what goes with it, before and after.

    Light that falls elsewhere from what changed is not counted; a change of light is everywhere.
    """
    match edit:
        case Compound():
            first = changed_region(edit.first, before, source, target)
            region = first | changed_region(edit.second, before, source, target)
        case ChangeLight():
            region = np.ones(source.shape, bool)
        case _:
            region = _covered(_identifiers(edit, before), source, target)
    return region


def _identifiers(edit: Edit, before: Room) -> list[int]:
    """The ids, in the rendered maps, of what an edit changes."""
    match edit:
        case RepaintWalls():
            identifiers = [WALL]
        case ChangeFloor():
            identifiers = [FLOOR]
        case Add():
            identifiers = [placed.id for placed in edit.objects]
        case Remove():
            identifiers = [edit.target, *(placed.id for placed in before.standing_on(edit.target))]
        case Recolour() | ChangeMaterial() | Replace():
            identifiers = [edit.target]
        case _:
            identifiers = []
    return identifiers


def object_region(edit: Edit, source: Ids, target: Ids) -> Mask | None:
    """Where the edited object itself is, before or after, or None for edits of no object."""
    match edit:
        case Compound():
            parts = [object_region(part, source, target) for part in (edit.first, edit.second)]
            found = [part for part in parts if part is not None]
            return np.logical_or.reduce(found) if found else None
        case RepaintWalls():
            return (source == WALL) | (target == WALL)
        case ChangeFloor():
            return (source == FLOOR) | (target == FLOOR)
        case ChangeLight() | Nothing():
            return None
        case Add():
            return _covered([edit.objects[0].id], source, target)
        case _:
            return _covered([edit.target], source, target)


def _covered(identifiers: list[int], source: Ids, target: Ids) -> Mask:
    return np.isin(source, identifiers) | np.isin(target, identifiers)


def segments_of(room: Room, ids: Ids) -> tuple[NDArray[np.uint8], list[JSON]]:
    """Where everything in a room's picture is, as a record's `segments` hold it, and what it is."""
    surfaces = {"walls": (WALL, room.walls), "floor": (FLOOR, room.floor)}
    things: dict[int, JSON] = {
        identifier: {"kind": kind, "colour": surface.colour, "material": surface.finish}
        for kind, (identifier, surface) in surfaces.items()
    }
    things |= {
        placed.id: {"kind": placed.kind, "colour": placed.colour, "material": placed.material} for placed in room
    }
    shown = [identifier for identifier in things if (ids == identifier).any()]
    numbers = np.zeros(ids.shape, np.uint8)
    for number, identifier in enumerate(shown, start=1):
        numbers[ids == identifier] = number
    return numbers, [things[identifier] for identifier in shown]


def mask_png(mask: Mask) -> bytes:
    """A mask as a PNG of one channel, 255 inside."""
    return png(np.where(mask, np.uint8(255), np.uint8(0)))


def shown_object(edit: Edit, before: Room, after: Room) -> Placed | None:
    """The object that references show: as it is after the edit, or before where it is removed."""
    match edit:
        case Remove():
            return before.find(edit.target)
        case Add():
            return edit.objects[0]
        case Recolour() | ChangeMaterial() | Replace():
            return after.find(edit.target)
        case _:
            return None


def references(placed: Placed, room: Room, count: int, size: int, generator: Random) -> tuple[bytes, ...]:
    """The object alone, `count` times, from other angles and in another light than the room's; RGBA PNG."""
    lights: list[Light] = [light for light in LIGHTS if light != room.light]
    start = generator.uniform(-0.5, 0.5)
    views = [
        ReferenceView(
            azimuth=start + (index + 0.5) * 2.0 / count - 1.0 + (math.pi / 8 if start < 0 else -math.pi / 8),
            elevation=generator.uniform(0.15, 0.5),
            light=generator.choice(lights),
        )
        for index in range(count)
    ]
    return tuple(png(render_reference(placed, view=view, size=size)) for view in views)
