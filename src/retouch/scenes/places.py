"""Where an object can truly be said to be: next to the bed, on the cabinet, in the left corner."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from retouch.scenes.catalogue import KINDS
from retouch.scenes.placement import Box, box_of, intersect
from retouch.scenes.room import Placed, Room, Wall
from retouch.scenes.view import screen_box

Relation = Literal[
    "on", "next to", "left of", "right of", "in front of", "above", "under", "wall", "corner", "ceiling", "room"
]  # fmt: skip

NEAR = 0.45
"""Metres between two objects that are still next to each other."""
CORNER = 0.45
"""Metres from both walls within which an object is in a corner."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an object is said to be: a relation, and what it needs: an anchor's id, or a wall or corner."""

    relation: Relation
    anchor: int | None = None
    wall: Wall | None = None


def places_of(room: Room, placed: Placed) -> tuple[Place, ...]:
    """All places that are true of an object of the room (or one about to be), the most telling first.

    There is always one: where nothing better holds, the relation "room".
    """
    if placed.on is not None:
        return (Place(relation="on", anchor=placed.on),)
    mount = KINDS[placed.kind].mount
    if placed.wall is not None:
        return (*_above(room, placed), Place(relation="wall", wall=placed.wall))
    if mount == "ceiling":
        return (*_over_table(room, placed), Place(relation="ceiling"))
    if mount == "floor flat":
        return (*_beneath(room, placed), Place(relation="room"))
    return (*_beside(room, placed), *_in_corner(room, placed), Place(relation="room"))


def _others(room: Room, placed: Placed) -> tuple[Placed, ...]:
    return tuple(
        other
        for other in room
        if other.id != placed.id and other.on is None and KINDS[other.kind].mount == "floor" and not other.wall
    )


def _above(room: Room, placed: Placed) -> tuple[Place, ...]:
    """Furniture below a thing on the wall, standing at that wall."""
    box = box_of(placed, clearance=0.6)
    found = []
    for other in _others(room, placed):
        below = box_of(other)
        lowered = box_of(replace(placed, position=(placed.position[0], placed.position[1], 0.0)), 0.6)
        aligned = _offset(placed, other) < max(other.size[0], placed.size[0]) / 2
        if below.high <= box.low + 0.02 and intersect(lowered, below) and aligned:
            found.append(Place(relation="above", anchor=other.id))
    return tuple(found)


def _offset(placed: Placed, other: Placed) -> float:
    """How far two objects' middles are apart along the wall the first hangs at."""
    axis = 0 if placed.wall == "back" else 1
    return abs(placed.position[axis] - other.position[axis])


def _over_table(room: Room, placed: Placed) -> tuple[Place, ...]:
    tables = [other for other in _others(room, placed) if KINDS[other.kind].family == "table"]
    near = [table for table in tables if _apart(table, placed) < 0.3]
    return tuple(Place(relation="above", anchor=table.id) for table in near)


def _apart(one: Placed, other: Placed) -> float:
    return math.dist(one.position[:2], other.position[:2])


def _beneath(room: Room, placed: Placed) -> tuple[Place, ...]:
    """Tables and beds whose middle, or near it, is above a rug."""
    box = box_of(placed)
    found = []
    for other in _others(room, placed):
        inner = box_of(other)
        over = abs(inner.x - box.x) < 0.4 and abs(inner.y - box.y) < 0.4
        if over and KINDS[other.kind].family in ("table", "large seat"):
            found.append(Place(relation="under", anchor=other.id))
    return tuple(found)


def _gap(one: Placed, other: Placed) -> float:
    """Metres between two footprints, to within a few centimetres; 0 where they touch."""
    first, second = box_of(one), box_of(other)
    low, high = 0.0, 1.0
    if not _meets(first, second, high):
        return math.inf
    while high - low > 0.02:
        middle = (low + high) / 2
        low, high = (low, middle) if _meets(first, second, middle) else (middle, high)
    return high


def _meets(first: Box, second: Box, gap: float) -> bool:
    return intersect(replace(first, low=0.0, high=1.0), replace(second, low=0.0, high=1.0), gap)


def _beside(room: Room, placed: Placed) -> tuple[Place, ...]:
    """Places relative to near furniture, as the viewer sees left, right and in front; the nearest first."""
    near = sorted((_gap(placed, other), other.id, other) for other in _others(room, placed))
    found: list[Place] = []
    for gap, _, other in near:
        if gap > NEAR:
            break
        side = _side(room, placed, other)
        if side is not None:
            found.append(Place(relation=side, anchor=other.id))
        if side != "in front of":
            found.append(Place(relation="next to", anchor=other.id))
    return tuple(found)


def _side(room: Room, placed: Placed, other: Placed) -> Relation | None:
    own, theirs = screen_box(room, placed), screen_box(room, other)
    width = theirs.right - theirs.left
    if own.middle < theirs.left + 0.15 * width and own.right < theirs.middle:
        return "left of"
    if own.middle > theirs.right - 0.15 * width and own.left > theirs.middle:
        return "right of"
    one, another = box_of(placed), box_of(other)
    front = max(y for _, y in one.footprint()) <= min(y for _, y in another.footprint()) + 0.05
    return "in front of" if front else None


def _in_corner(room: Room, placed: Placed) -> tuple[Place, ...]:
    ground = box_of(placed).footprint()
    if room.depth - max(y for _, y in ground) > CORNER:
        return ()
    sides: dict[Wall, float] = {
        "left": min(x for x, _ in ground),
        "right": room.width - max(x for x, _ in ground),
    }
    return tuple(Place(relation="corner", wall=side) for side, gap in sides.items() if gap <= CORNER)
