"""Furnished rooms drawn from a seed: what belongs in each type of room, where, and how it is looked at."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from retouch.core.seeds import derive_seed
from retouch.scenes.catalogue import BATH, BEDROOM, DINING, HALL, KINDS, LIVING, RESERVED_KINDS, STUDY, TRAINED_KINDS
from retouch.scenes.palette import COLOURS, NATURAL_COLOURS, TRAINED_COLOURS
from retouch.scenes.room import (
    LIGHTS,
    Camera,
    FloorFinish,
    Placed,
    Room,
    RoomType,
    Surface,
    WallFinish,
)
from retouch.scenes.spots import Spot, draft, settle
from retouch.scenes.view import visible_shares

Choice = TypeVar("Choice", bound=str)
MINIMUM_OBJECTS, MAXIMUM_OBJECTS = 4, 9


@dataclass(frozen=True, slots=True)
class Wish:
    """One object a room would like: its kind, how likely, the spots to try in turn, and what it relates to."""

    kind: str
    chance: float
    spots: tuple[Spot, ...]
    anchors: tuple[str, ...] = ()


SEATED = ("sofa", "bed", "desk", "cabinet", "piano", "bathtub")
CARRIERS = tuple(kind.name for kind in KINDS.values() if kind.carries)
TABLES = ("dining table", "coffee table", "desk")

ESSENTIALS: dict[RoomType, tuple[Wish, ...]] = {
    LIVING: (
        Wish("rug", 0.45, ("under",)),
        Wish("sofa", 0.9, ("back wall", "back wall", "side wall")),
        Wish("curtain", 0.2, ("hung",)),
        Wish("coffee table", 0.65, ("before", "middle"), ("sofa",)),
        Wish("cabinet", 0.4, ("side wall", "back wall")),
        Wish("television", 0.5, ("on",), ("cabinet",)),
        Wish("armchair", 0.55, ("middle", "beside"), ("sofa",)),
    ),
    BEDROOM: (
        Wish("bed", 0.95, ("back wall", "back wall", "side wall")),
        Wish("rug", 0.4, ("under",), ("bed",)),
        Wish("nightstand", 0.8, ("beside",), ("bed",)),
        Wish("curtain", 0.2, ("hung",)),
        Wish("wardrobe", 0.5, ("side wall", "back wall")),
    ),
    DINING: (
        Wish("rug", 0.3, ("under",)),
        Wish("dining table", 0.95, ("middle",)),
        Wish("chair", 1.0, ("around",), ("dining table",)),
        Wish("chair", 0.9, ("around",), ("dining table",)),
        Wish("chair", 0.4, ("around",), ("dining table",)),
        Wish("curtain", 0.2, ("hung",)),
        Wish("cabinet", 0.6, ("back wall", "side wall")),
    ),
    STUDY: (
        Wish("desk", 0.95, ("back wall", "side wall")),
        Wish("chair", 0.8, ("around", "middle"), ("desk",)),
        Wish("curtain", 0.2, ("hung",)),
        Wish("bookshelf", 0.6, ("back wall", "side wall")),
        Wish("rug", 0.35, ("under",)),
        Wish("armchair", 0.35, ("corner", "middle")),
    ),
    HALL: (
        Wish("cabinet", 0.7, ("back wall", "side wall")),
        Wish("door", 0.6, ("hung",)),
        Wish("rug", 0.5, ("under",)),
        Wish("wardrobe", 0.35, ("side wall", "back wall")),
        Wish("bookshelf", 0.25, ("side wall", "back wall")),
        Wish("chair", 0.4, ("middle", "corner")),
    ),
    BATH: (
        Wish("bathtub", 0.9, ("back wall", "side wall")),
        Wish("sink", 0.9, ("back wall", "side wall")),
        Wish("toilet", 0.8, ("back wall", "side wall")),
        Wish("mirror", 0.6, ("above", "hung"), ("sink",)),
        Wish("rug", 0.5, ("under",), ("bathtub",)),
    ),
}
"""What usually stands in a room, in the order of setting it up; the chance is that of each."""

EXTRAS: tuple[Wish, ...] = (
    Wish("sofa", 0.5, ("back wall", "side wall")),
    Wish("armchair", 0.9, ("middle", "corner")),
    Wish("armchair", 0.6, ("middle", "corner")),
    Wish("chair", 0.5, ("middle", "around"), TABLES),
    Wish("stool", 0.7, ("middle", "before"), SEATED),
    Wish("stool", 0.4, ("middle", "corner")),
    Wish("desk", 0.5, ("side wall", "back wall")),
    Wish("nightstand", 0.7, ("beside",), ("bed",)),
    Wish("wardrobe", 0.4, ("back wall", "side wall")),
    Wish("bookshelf", 0.7, ("back wall", "side wall")),
    Wish("cabinet", 0.5, ("side wall", "back wall")),
    Wish("floor lamp", 1.2, ("beside", "corner"), SEATED),
    Wish("table lamp", 2.0, ("on",), CARRIERS),
    Wish("table lamp", 0.5, ("on",), CARRIERS),
    Wish("pendant lamp", 0.9, ("ceiling",), TABLES),
    Wish("curtain", 0.9, ("hung",)),
    Wish("window", 1.3, ("hung",)),
    Wish("door", 0.5, ("hung",)),
    Wish("painting", 1.1, ("above", "hung"), ("sofa", "bed", "cabinet", "desk", "dining table")),
    Wish("painting", 0.4, ("hung",)),
    Wish("mirror", 0.7, ("above", "hung"), ("cabinet", "sink")),
    Wish("clock", 0.9, ("hung", "above"), ("cabinet", "desk")),
    Wish("television", 2.0, ("on",), ("cabinet", "desk")),
    Wish("plant", 1.1, ("corner", "beside"), SEATED),
    Wish("plant", 0.4, ("on",), CARRIERS),
    Wish("vase", 1.6, ("on",), CARRIERS),
    Wish("vase", 0.8, ("on",), CARRIERS),
    Wish("ball", 1.0, ("middle", "before"), ("sofa", "bed", "armchair")),
    Wish("basket", 1.0, ("middle", "beside"), SEATED),
    Wish("basket", 0.4, ("corner",)),
    Wish("cushion", 1.3, ("on",), ("sofa", "bed")),
    Wish("cushion", 1.0, ("on",), ("sofa", "bed")),
)
"""What may join, weighed against each other; only kinds that suit the room are considered."""

LAMPS = ("floor lamp", "table lamp", "pendant lamp")
"""What lights a room after dark."""

LAMP_WISHES: tuple[Wish, ...] = (
    Wish("floor lamp", 1.0, ("beside", "corner"), SEATED),
    Wish("table lamp", 1.0, ("on",), CARRIERS),
    Wish("pendant lamp", 1.0, ("ceiling",), TABLES),
)

RESERVED_WISHES: tuple[Wish, ...] = (Wish("piano", 0.85, ("back wall", "side wall")),)

_ROOM_WEIGHTS: dict[RoomType, float] = {LIVING: 28, BEDROOM: 20, DINING: 14, STUDY: 14, HALL: 11, BATH: 13}
_WALL_FINISHES: dict[WallFinish, float] = {"paint": 64, "wallpaper": 15, "brick": 11, "tile": 10}
_WET_WALL_FINISHES: dict[WallFinish, float] = {"tile": 60, "paint": 40}
_FLOOR_FINISHES: dict[FloorFinish, float] = {"planks": 48, "carpet": 22, "tile": 17, "marble": 13}
_WET_FLOOR_FINISHES: dict[FloorFinish, float] = {"tile": 50, "marble": 25, "planks": 25}
_WALL_COLOURS = {"white": 24, "beige": 17, "grey": 13, "black": 1, "brown": 2, "red": 2, "purple": 2}
_PLANK_COLOURS = {"brown": 40, "beige": 25, "grey": 15, "white": 10, "black": 8}
_FLOOR_COLOURS = {"white": 14, "grey": 14, "beige": 14, "black": 6, "brown": 6}
_LIGHT_WEIGHTS = (60, 22, 18)


def pick(weights: Mapping[Choice, float], generator: Random) -> Choice:
    """Draw a key by its weight."""
    return generator.choices(tuple(weights), tuple(weights.values()))[0]


def _weighed(colours: Sequence[str], weights: dict[str, int], other: float, generator: Random) -> str:
    return generator.choices(colours, [weights.get(colour, other) for colour in colours])[0]


def wall_surface(type: str, colours: Sequence[str], generator: Random) -> Surface:
    """Draw a wall covering that suits a type of room: mostly quiet colours, now and then a strong one."""
    finish = pick(_WET_WALL_FINISHES if type == BATH else _WALL_FINISHES, generator)
    return Surface(finish=finish, colour=_weighed(colours, _WALL_COLOURS, 4, generator))


def floor_surface(type: str, colours: Sequence[str], generator: Random) -> Surface:
    """Draw a floor covering that suits a type of room."""
    finish = pick(_WET_FLOOR_FINISHES if type == BATH else _FLOOR_FINISHES, generator)
    if finish == "planks":
        colour = _weighed(colours, _PLANK_COLOURS, 0.4, generator)
    else:
        colour = _weighed(colours, _FLOOR_COLOURS, 5 if finish == "carpet" else 2, generator)
    return Surface(finish=finish, colour=colour)


def _camera(width: float, depth: float, generator: Random) -> Camera:
    """A camera near the open front, a little to one side, looking slightly down at the far half of the room."""
    field_of_view = generator.uniform(55, 70)
    reach = generator.uniform(0.47, 0.57) * width / math.tan(math.radians(field_of_view) / 2)
    y = min(max(depth * 0.8 - reach, -1.2), 0.5)
    height = generator.uniform(1.15, 1.75)
    eye = (width * generator.uniform(0.32, 0.68), y, height)
    aim = (width * generator.uniform(0.42, 0.58), depth, generator.uniform(0.5, 0.8))
    return Camera(eye=eye, target=aim, field_of_view=field_of_view)


def _empty_room(seed: int, type: RoomType, colours: Sequence[str], generator: Random) -> Room:
    small = type in (HALL, BATH)
    width = generator.uniform(2.7, 3.5) if small else generator.uniform(3.2, 4.3)
    depth = generator.uniform(2.7, 3.4) if small else generator.uniform(3.0, 4.0)
    return Room(
        type=type,
        width=round(width, 3),
        depth=round(depth, 3),
        height=round(generator.uniform(2.4, 2.7), 3),
        walls=wall_surface(type, colours, generator),
        floor=floor_surface(type, colours, generator),
        light=generator.choices(LIGHTS, _LIGHT_WEIGHTS)[0],
        camera=_camera(width, depth, generator),
        objects=(),
        seed=seed,
    )


def dress(room: Room, placed: Placed, colours: Sequence[str], generator: Random) -> Placed:
    """Give an object a material of its kind and a colour, which differs from that of its like in the room."""
    material = generator.choice(KINDS[placed.kind].materials)
    natural = NATURAL_COLOURS.get(material)
    if natural in colours and generator.random() < 0.12:
        return replace(placed, material=material, colour=natural)
    alike = {other.colour for other in room.of_kind(placed.kind)}
    free = [colour for colour in colours if colour not in alike]
    choice = free if free and generator.random() < 0.85 else colours
    return replace(placed, material=material, colour=generator.choice(choice))


_MAY_BE_CUT = ("rug", "bed", "sofa", "pendant lamp", "curtain", "wardrobe", "door")
"""Kinds that are recognised even where the picture shows half of them."""


def _grant(room: Room, wish: Wish, generator: Random) -> Placed | None:
    """Try a wish at its spots in turn, at each object it may relate to; None where it cannot be had."""
    identifier = 1 + max((placed.id for placed in room), default=0)
    placed = draft(wish.kind, identifier, generator)
    shown = 0.5 if wish.kind in _MAY_BE_CUT else 0.75
    anchors = [anchor for anchor in room if anchor.kind in wish.anchors]
    generator.shuffle(anchors)
    for spot in wish.spots:
        for anchor in anchors[:2] or (None,):
            settled = settle(room, placed, spot, generator, anchor=anchor, shown=shown)
            if settled is not None:
                return settled
    return None


def _furnish(room: Room, wishes: Sequence[Wish], colours: Sequence[str], limit: int, generator: Random) -> Room:
    for wish in wishes:
        if len(room.objects) >= limit:
            break
        granted = _grant(room, wish, generator)
        if granted is not None:
            room = room.with_object(dress(room, granted, colours, generator))
    return room


def _extras(type: RoomType, kinds: Sequence[str], generator: Random) -> list[Wish]:
    """The extras that suit a room, in a random order that favours the likely ones."""
    fitting = [wish for wish in EXTRAS if wish.kind in kinds and type in KINDS[wish.kind].rooms]
    return sorted(fitting, key=lambda wish: generator.random() ** (1 / wish.chance), reverse=True)


def _without_hidden(room: Room) -> Room:
    """The room less whatever the camera hardly sees; what stood on it goes with it."""
    shares = visible_shares(room)
    for placed in room:
        share, open_part = shares[placed.id]
        enough = share >= 0.003 and open_part >= 0.35
        if not enough and any(other.id == placed.id for other in room):
            room = room.without(placed.id)
    return room


def _attempt(seed: int, attempt: int, include_reserved: bool) -> Room:
    generator = Random(derive_seed(seed, "room", attempt))
    type: RoomType = pick(_ROOM_WEIGHTS, generator)
    colours = tuple(COLOURS) if include_reserved else TRAINED_COLOURS
    kinds = tuple(KINDS) if include_reserved else TRAINED_KINDS
    room = _empty_room(seed, type, colours, generator)
    limit = generator.randint(6, MAXIMUM_OBJECTS)
    wishes = [wish for wish in ESSENTIALS[type] if generator.random() < wish.chance]
    if room.light == "lamp light":
        lamps = [wish for wish in LAMP_WISHES if type in KINDS[wish.kind].rooms]
        wishes += generator.sample(lamps, k=min(len(lamps), 2))
    if include_reserved:
        wishes = [wish for wish in RESERVED_WISHES if type in KINDS[wish.kind].rooms] + wishes
    room = _furnish(room, wishes, colours, limit, generator)
    room = _furnish(room, _extras(type, kinds, generator), colours, limit, generator)
    room = _without_hidden(room)
    unlit = room.light == "lamp light" and not any(placed.kind in LAMPS for placed in room)
    return replace(room, light="evening") if unlit else room


def sample_room(seed: int, *, include_reserved: bool = False) -> Room:
    """A furnished room of 4 to 9 objects that do not intersect, can be seen and suit its type.

    The same seed always gives the same room. Reserved kinds and colours appear only where
    `include_reserved` is set.
    """
    attempt = 0
    while True:
        room = _attempt(seed, attempt, include_reserved)
        if len(room.objects) >= MINIMUM_OBJECTS:
            return room
        attempt += 1


def uses_reserved(room: Room) -> bool:
    """Whether a room shows any kind or colour that pocket checkpoints never see."""
    colours = {room.walls.colour, room.floor.colour, *(placed.colour for placed in room)}
    return not colours <= set(TRAINED_COLOURS) or any(placed.kind in RESERVED_KINDS for placed in room)
