"""Edits drawn at random that are possible in a room and change something the camera sees."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from retouch.scenes.catalogue import KINDS, TRAINED_KINDS
from retouch.scenes.edits import (
    NATURAL_FLOORS,
    NATURAL_WALLS,
    Add,
    ChangeFloor,
    ChangeLight,
    ChangeMaterial,
    Compound,
    Edit,
    EditKind,
    Nothing,
    Recolour,
    Remove,
    RepaintWalls,
    Replace,
    Single,
    apply,
    kind_of,
    new_material,
    subjects,
)
from retouch.scenes.layout import CARRIERS, LAMPS, SEATED, TABLES, dress
from retouch.scenes.palette import TRAINED_COLOURS
from retouch.scenes.placement import fits
from retouch.scenes.places import places_of
from retouch.scenes.room import LIGHTS, FloorFinish, Light, Placed, Room, Surface, WallFinish
from retouch.scenes.spots import Spot, draft, settle
from retouch.scenes.view import visible_shares

SMALLEST_SHARE = 0.008
"""Of the picture: what an edited object fills at least."""

UNCOLOURED = ("television",)
"""Kinds whose colour is not theirs to change."""

MOUNTED: dict[str, tuple[tuple[Spot, tuple[str, ...]], ...]] = {
    "floor": (
        ("beside", SEATED),
        ("before", SEATED),
        ("corner", ()),
        ("around", TABLES),
        ("middle", ()),
        ("back wall", ()),
        ("side wall", ()),
    ),
    "floor flat": (("under", (*TABLES, "bed", "sofa")), ("under", ())),
    "wall": (("above", (*SEATED, "dining table", "sink")), ("hung", ())),
    "ceiling": (("ceiling", TABLES), ("ceiling", ())),
    "surface": (("on", CARRIERS),),
}
"""Where an addition may go, by how its kind is mounted; against_wall kinds use the first and last two."""


@dataclass(frozen=True, kw_only=True)
class Chances:
    """What edits are drawn from: the colours and kinds allowed."""

    colours: Sequence[str] = TRAINED_COLOURS
    kinds: Sequence[str] = TRAINED_KINDS


Shares = Mapping[int, float]
Choice = TypeVar("Choice", bound=str)


def coarse_shares(room: Room) -> Shares:
    """An estimate of the share of the picture each object fills, for when no render is at hand."""
    return {identifier: share for identifier, (share, _) in visible_shares(room).items()}


def sample_edit(
    room: Room,
    kind: EditKind,
    generator: Random,
    *,
    shares: Shares | None = None,
    chances: Chances | None = None,
) -> Edit | None:
    """Draw an edit of a kind that is possible in the room, or None where this try found none.

    `shares` gives the share of the picture each object fills, by id, as rendered; without it they are
    estimated from the boxes. Objects below `SMALLEST_SHARE` are left alone.
    """
    shares = coarse_shares(room) if shares is None else shares
    chances = chances or Chances()
    if kind == "compound":
        return _compound(room, shares, chances, generator)
    return _SAMPLERS[kind](room, shares, chances, generator)


def _another(options: Sequence[Choice], current: str, generator: Random) -> Choice:
    return generator.choice([option for option in options if option != current])


def _target(room: Room, shares: Shares, suits: Callable[[Placed], bool], generator: Random) -> Placed | None:
    """A well visible object that suits, the small ones as likely as the large."""
    candidates = [placed for placed in room if shares.get(placed.id, 0.0) >= SMALLEST_SHARE and suits(placed)]
    return generator.choice(candidates) if candidates else None


def _colourable(room: Room, placed: Placed) -> bool:
    return placed.kind not in UNCOLOURED and _may_change(room, placed)


def _recolour(room: Room, shares: Shares, chances: Chances, generator: Random) -> Recolour | None:
    placed = _target(room, shares, lambda candidate: _colourable(room, candidate), generator)
    if placed is None:
        return None
    return Recolour(target=placed.id, colour=_another(chances.colours, placed.colour, generator))


def _material(room: Room, shares: Shares, chances: Chances, generator: Random) -> ChangeMaterial | None:
    def suits(candidate: Placed) -> bool:
        return _may_change(room, candidate) and len(KINDS[candidate.kind].materials) > 1

    placed = _target(room, shares, suits, generator)
    if placed is None:
        return None
    material = _another(KINDS[placed.kind].materials, placed.material, generator)
    named = generator.choice(tuple(chances.colours)) if generator.random() < 0.25 else None
    colour = new_material(placed, material, named).colour
    return ChangeMaterial(target=placed.id, material=material, colour=colour)


def _replace(room: Room, shares: Shares, chances: Chances, generator: Random) -> Replace | None:
    def suits(candidate: Placed) -> bool:
        return (
            _may_change(room, candidate)
            and not room.standing_on(candidate.id)
            and bool(_alternatives(room, candidate, chances))
        )

    placed = _target(room, shares, suits, generator)
    if placed is None:
        return None
    for _ in range(4):
        kind = generator.choice(_alternatives(room, placed, chances))
        fresh = _in_place_of(placed, draft(kind, placed.id, generator), generator)
        if fits(room, fresh, ignoring=(placed.id,)):
            return Replace(target=placed.id, replacement=_dressed_like(room, placed, fresh, chances, generator))
    return None


def _alternatives(room: Room, placed: Placed, chances: Chances) -> list[str]:
    """The kinds that could stand where an object stands: mounted alike and at home in the room."""
    own = KINDS[placed.kind]
    return [
        name
        for name in chances.kinds
        if name != placed.kind
        and (room.light == "daylight" or name not in LAMPS)
        and room.type in KINDS[name].rooms
        and _stands_alike(placed, name)
        and (KINDS[name].family == own.family or (own.family in _LOOSE and KINDS[name].family in _LOOSE))
    ]


_LOOSE = ("seat", "upright", "small", "cabinet", "large seat", "tall", "table")
"""Families whose members may also stand in for each other, where they fit."""


def _stands_alike(placed: Placed, name: str) -> bool:
    facts = KINDS[name]
    if placed.wall is not None:
        return facts.mount == "wall"
    if placed.on is not None:
        return facts.mount == "surface" and name not in ("cushion", "television")
    if KINDS[placed.kind].mount not in ("floor", "surface"):
        return False
    free = placed.on is None and not KINDS[placed.kind].against_wall
    area = placed.size[0] * placed.size[1] / (facts.width[1] * facts.depth[1])
    alike = 0.25 <= area <= 4.0 and not (free and facts.against_wall)
    return alike and (facts.mount == "floor" or facts.also_floor)


def _in_place_of(placed: Placed, fresh: Placed, generator: Random) -> Placed:
    """A new object at an old one's place: same back line, same middle, its own height on a wall."""
    if placed.wall is not None:
        low, high = KINDS[fresh.kind].wall_height
        position = (placed.position[0], placed.position[1], round(generator.uniform(low, high), 4))
        return replace(fresh, position=position, yaw=placed.yaw, wall=placed.wall)
    moved = replace(fresh, position=placed.position, yaw=placed.yaw, on=placed.on)
    if placed.on is None and KINDS[placed.kind].against_wall:
        return _backed_up(placed, moved)
    if moved.on is not None and moved.kind == "plant":
        width, depth, height = moved.size
        return replace(moved, size=(width * 0.6, depth * 0.6, height * 0.6))
    return moved


def _backed_up(placed: Placed, moved: Placed) -> Placed:
    inward = (moved.size[1] - placed.size[1]) / 2
    x, y, z = placed.position
    return replace(moved, position=(x + inward * math.sin(placed.yaw), y - inward * math.cos(placed.yaw), z))


def _dressed_like(room: Room, placed: Placed, fresh: Placed, chances: Chances, generator: Random) -> Placed:
    """The new object in the old one's colour (now and then its material), or in one of its own."""
    materials = KINDS[fresh.kind].materials
    if generator.random() < 0.35 and placed.kind not in UNCOLOURED:
        material = placed.material if placed.material in materials else materials[0]
        return replace(fresh, colour=placed.colour, material=material)
    return dress(room, fresh, chances.colours, generator)


def _may_change(room: Room, placed: Placed) -> bool:
    """After dark a lamp may not: the light of the whole room would change with it."""
    return room.light == "daylight" or placed.kind not in LAMPS


def _remove(room: Room, shares: Shares, _chances: Chances, generator: Random) -> Remove | None:
    def suits(candidate: Placed) -> bool:
        riders = room.standing_on(candidate.id)
        return len(riders) <= 2 and all(_may_change(room, gone) for gone in (candidate, *riders))

    placed = _target(room, shares, suits, generator)
    return None if placed is None else Remove(target=placed.id)


def _add(room: Room, _shares: Shares, chances: Chances, generator: Random) -> Add | None:
    kinds = [name for name in chances.kinds if room.type in KINDS[name].rooms]
    for _ in range(8 if kinds else 0):
        kind = generator.choice(kinds)
        if kind in LAMPS and room.light != "daylight":
            continue
        placed = _settled(room, kind, generator) or _settled(room, kind, generator)
        if placed is None:
            continue
        placed = dress(room, placed, chances.colours, generator)
        share, open_part = visible_shares(room.with_object(placed))[placed.id]
        if share >= SMALLEST_SHARE * 1.3 and open_part >= 0.6:
            places = places_of(room, placed)
            telling = [place for place in places if place.relation != "room"] or list(places)
            return Add(objects=(placed,), place=generator.choice(telling[:3]))
    return None


def _settled(room: Room, kind: str, generator: Random) -> Placed | None:
    identifier = 1 + max((placed.id for placed in room), default=0)
    facts = KINDS[kind]
    options: Sequence[tuple[Spot, tuple[str, ...]]] = MOUNTED[facts.mount]
    if kind == "cushion":
        options = (("on", ("sofa", "bed")),)
    elif facts.also_floor:
        options = (*options, ("corner", ()), ("beside", SEATED))
    elif facts.against_wall:
        options = (options[0], *options[-2:])
    spot, wanted = generator.choice(options)
    anchors = [placed for placed in room if placed.kind in wanted]
    anchor = generator.choice(anchors) if anchors else None
    return settle(room, draft(kind, identifier, generator), spot, generator, anchor=anchor, tries=8)


def _surface(
    natural: Mapping[WallFinish | FloorFinish, str],
    current: Surface,
    change: float,
    chances: Chances,
    generator: Random,
) -> Surface:
    """Another covering: the colour alone, or (with the chance `change`) the finish with a colour or its natural one."""
    if generator.random() >= change:
        return replace(current, colour=_another(chances.colours, current.colour, generator))
    finish = _another(tuple(natural), current.finish, generator)
    if natural[finish] and generator.random() < 0.5:
        return Surface(finish=finish, colour=natural[finish])
    return Surface(finish=finish, colour=generator.choice(tuple(chances.colours)))


def _walls(room: Room, _shares: Shares, chances: Chances, generator: Random) -> RepaintWalls:
    return RepaintWalls(surface=_surface(NATURAL_WALLS, room.walls, 0.35, chances, generator))


def _floor(room: Room, _shares: Shares, chances: Chances, generator: Random) -> ChangeFloor:
    return ChangeFloor(surface=_surface(NATURAL_FLOORS, room.floor, 0.6, chances, generator))


def _light(room: Room, _shares: Shares, _chances: Chances, generator: Random) -> ChangeLight:
    lamps = any(placed.kind in LAMPS for placed in room)
    others: list[Light] = [light for light in LIGHTS if light != room.light and (lamps or light != "lamp light")]
    return ChangeLight(light=generator.choice(others))


_EASILY_CONFUSED = ("seat", "table", "cabinet", "tall")
"""Families of which one member might be meant by another's name."""


def _nothing(room: Room, shares: Shares, chances: Chances, generator: Random) -> Nothing | None:
    alike = {KINDS[placed.kind].family for placed in room} & set(_EASILY_CONFUSED)
    absent = [name for name in chances.kinds if not room.of_kind(name) and KINDS[name].family not in alike]
    colourable = [name for name in absent if name not in UNCOLOURED]
    roll = generator.random()
    if roll < 0.4 and absent:
        return Nothing(request="remove", kind=generator.choice(absent))
    if roll < 0.7 and colourable:
        kind = generator.choice(colourable)
        return Nothing(request="recolour", kind=kind, colour=generator.choice(tuple(chances.colours)))
    if roll < 0.92:
        placed = _target(room, shares, lambda candidate: candidate.kind not in UNCOLOURED, generator)
        if placed is not None:
            return Nothing(request="already", kind=placed.kind, colour=placed.colour, target=placed.id)
    return Nothing(request="keep")


_SAMPLERS: dict[str, Callable[[Room, Shares, Chances, Random], Single | None]] = {
    "recolour": _recolour,
    "material": _material,
    "replace": _replace,
    "remove": _remove,
    "add": _add,
    "walls": _walls,
    "floor": _floor,
    "light": _light,
    "null": _nothing,
}
_COMPOUND_WEIGHTS: dict[EditKind, float] = {
    "recolour": 30, "material": 14, "replace": 9, "remove": 14, "add": 12, "walls": 9, "floor": 6, "light": 6,
}  # fmt: skip


def independent(room: Room, one: Edit, other: Edit) -> bool:
    """Whether two edits are of different things, so that they may go together in either order."""
    if subjects(one) & subjects(other):
        return False
    kinds = kind_of(one), kind_of(other)
    if kinds[0] == kinds[1] and kinds[0] in ("walls", "floor", "light"):
        return False
    return not (_gone(room, one) & subjects(other) or _gone(room, other) & subjects(one))


def _gone(room: Room, edit: Edit) -> frozenset[int]:
    """What leaves the room with a removed object."""
    if not isinstance(edit, Remove):
        return frozenset()
    return frozenset(placed.id for placed in room.standing_on(edit.target))


def _compound(room: Room, shares: Shares, chances: Chances, generator: Random) -> Compound | None:
    kinds = generator.choices(tuple(_COMPOUND_WEIGHTS), tuple(_COMPOUND_WEIGHTS.values()), k=2)
    first, second = (_SAMPLERS[kind](room, shares, chances, generator) for kind in kinds)
    if first is None or second is None or not independent(room, first, second):
        return None
    if any(isinstance(edit, Add | Replace) for edit in (first, second)) and not _both_fit(room, first, second):
        return None
    return Compound(first=first, second=second)


def _both_fit(room: Room, first: Single, second: Single) -> bool:
    """Whether what the two edits bring in is of different ids and does not meet."""
    if isinstance(first, Add) and isinstance(second, Add):
        return False
    after = apply(second, apply(first, room))
    return all(fits(after, placed) for placed in after)
