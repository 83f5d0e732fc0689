"""Where a new object could go: one proposal a spot, drawn at random, for the layout and for additions."""

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Literal

from retouch.scenes.catalogue import KINDS
from retouch.scenes.placement import box_of, facing, fits, on_surface
from retouch.scenes.room import Placed, Room, Vector, Wall
from retouch.scenes.view import framed

Spot = Literal[
    "back wall", "side wall", "corner", "beside", "before", "around", "middle", "under", "on", "above", "hung",
    "ceiling",
]  # fmt: skip
WALL_YAW: dict[Wall, float] = {"back": 0.0, "left": math.pi / 2, "right": -math.pi / 2}
WALL_GAP = 0.03
"""Metres between furniture and the wall behind it."""
NEAREST = 0.35
"""No object comes nearer to the front of the room than this, in metres."""

Proposal = Callable[[Room, Placed, Placed | None, Random], Placed | None]


def draft(kind: str, identifier: int, generator: Random) -> Placed:
    """An object of a kind with a size of its own, of no place, colour or material yet."""
    facts = KINDS[kind]
    size = [round(generator.uniform(*span), 3) for span in (facts.width, facts.depth, facts.height)]
    for axis in facts.round:
        size[axis] = size[facts.round[0]]
    return Placed(
        id=identifier,
        kind=kind,
        colour="white",
        material=facts.materials[0],
        position=(0.0, 0.0, 0.0),
        size=(size[0], size[1], size[2]),
        variant=generator.randrange(2**16),
    )


def _span(generator: Random, low: float, high: float) -> float | None:
    return None if low > high else generator.uniform(low, high)


def _at(placed: Placed, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Placed:
    position: Vector = (round(x, 4), round(y, 4), round(z, 4))
    return replace(placed, position=position, yaw=yaw)


def against(room: Room, placed: Placed, wall: Wall, generator: Random, reach: float = 0.0) -> Placed | None:
    """Stand an object with its back to a wall, anywhere along it; `reach` is kept free at the far end."""
    width, depth, _ = placed.size
    out = depth / 2 + WALL_GAP
    if wall == "back":
        x = _span(generator, width / 2 + WALL_GAP, room.width - width / 2 - WALL_GAP)
        return None if x is None else _at(placed, x, room.depth - out)
    y = _span(generator, max(NEAREST, room.depth * 0.35) + width / 2, room.depth - width / 2 - WALL_GAP - reach)
    if y is None:
        return None
    return _at(placed, out if wall == "left" else room.width - out, y, yaw=WALL_YAW[wall])


def _back_wall(room: Room, placed: Placed, _anchor: Placed | None, generator: Random) -> Placed | None:
    return against(room, placed, "back", generator)


def _side_wall(room: Room, placed: Placed, _anchor: Placed | None, generator: Random) -> Placed | None:
    return against(room, placed, generator.choice(("left", "right")), generator)


def _corner(room: Room, placed: Placed, _anchor: Placed | None, generator: Random) -> Placed | None:
    width, depth, _ = placed.size
    side = generator.choice((-1, 1))
    inset = width / 2 + generator.uniform(0.05, 0.2)
    x = inset if side < 0 else room.width - inset
    y = room.depth - depth / 2 - generator.uniform(0.05, 0.2)
    return _at(placed, x, y)


def _beside(_room: Room, placed: Placed, anchor: Placed | None, generator: Random) -> Placed | None:
    """To the left or right of the anchor; what stands against walls keeps in line with the anchor's back."""
    if anchor is None:
        return None
    side, gap = generator.choice((-1, 1)), generator.uniform(0.06, 0.3)
    along = side * (anchor.size[0] / 2 + gap + placed.size[0] / 2)
    kept_back = KINDS[anchor.kind].against_wall
    inward = placed.size[1] / 2 - anchor.size[1] / 2 if kept_back else generator.uniform(-0.15, 0.15)
    front_x, front_y = facing(anchor.yaw)
    x = anchor.position[0] - along * front_y + inward * front_x
    y = anchor.position[1] + along * front_x + inward * front_y
    turn = 0.0 if KINDS[placed.kind].against_wall else generator.uniform(-0.3, 0.3)
    return _at(placed, x, y, yaw=anchor.yaw + turn)


def _before(_room: Room, placed: Placed, anchor: Placed | None, generator: Random) -> Placed | None:
    """In front of the anchor, a passage away and in line with it."""
    if anchor is None:
        return None
    front_x, front_y = facing(anchor.yaw)
    out = anchor.size[1] / 2 + placed.size[1] / 2 + generator.uniform(0.25, 0.5)
    slack = max(anchor.size[0] - placed.size[0], 0.0) / 4
    along = generator.uniform(-slack, slack)
    x = anchor.position[0] + out * front_x - along * front_y
    y = anchor.position[1] + out * front_y + along * front_x
    return _at(placed, x, y, yaw=anchor.yaw)


def _around(_room: Room, placed: Placed, anchor: Placed | None, generator: Random) -> Placed | None:
    """At one side of a table, its front turned to it; at a desk always at the desk's front."""
    if anchor is None:
        return None
    turn = 0.0 if KINDS[anchor.kind].against_wall else generator.choice((0.0, math.pi, math.pi / 2, -math.pi / 2))
    lengthwise = abs(math.sin(turn)) > 0.5
    reach, width = (anchor.size[0], anchor.size[1]) if lengthwise else (anchor.size[1], anchor.size[0])
    out = reach / 2 + placed.size[1] / 2 + generator.uniform(0.03, 0.12)
    slack = max(width / 2 - placed.size[0] / 2 - 0.05, 0.0)
    along = 0.0 if lengthwise else generator.uniform(-slack, slack)
    front_x, front_y = facing(anchor.yaw + turn)
    x = anchor.position[0] + out * front_x - along * front_y
    y = anchor.position[1] + out * front_y + along * front_x
    return _at(placed, x, y, yaw=anchor.yaw + turn + math.pi + generator.uniform(-0.2, 0.2))


def _middle(room: Room, placed: Placed, _anchor: Placed | None, generator: Random) -> Placed | None:
    """Free in the room, its front roughly towards the middle of the floor."""
    margin = max(placed.size[:2]) / 2 + 0.08
    x = _span(generator, margin, room.width - margin)
    y = _span(generator, max(room.depth * 0.3, NEAREST + margin), room.depth - margin)
    if x is None or y is None:
        return None
    if KINDS[placed.kind].mount == "floor flat":
        return _at(placed, x, y)
    towards = math.atan2(room.width / 2 - x, y - room.depth * 0.3)
    return _at(placed, x, y, yaw=towards + generator.uniform(-0.4, 0.4))


def _under(room: Room, placed: Placed, anchor: Placed | None, generator: Random) -> Placed | None:
    """A rug beneath a table, or reaching out from under a bed or sofa."""
    if anchor is None:
        return _at(placed, room.width / 2, room.depth * generator.uniform(0.45, 0.6))
    front_x, front_y = facing(anchor.yaw)
    out = anchor.size[1] / 2 if KINDS[anchor.kind].against_wall else 0.0
    out += generator.uniform(0.0, 0.25)
    turned = 0.0 if abs(front_x) < 0.5 else math.pi / 2
    return _at(placed, anchor.position[0] + out * front_x, anchor.position[1] + out * front_y, yaw=turned)


def _on(_room: Room, placed: Placed, anchor: Placed | None, generator: Random) -> Placed | None:
    """On the anchor's surface, upright, or as a cushion against its back."""
    if anchor is None:
        return None
    surface = anchor.position[2] + anchor.size[2] * KINDS[anchor.kind].surface
    if KINDS[anchor.kind].cushions:
        return _laid(placed, anchor, surface, generator)
    facts = KINDS[placed.kind]
    scale = 0.6 if facts.name == "plant" else 1.0
    size = (placed.size[0] * scale, placed.size[1] * scale, placed.size[2] * scale)
    slack_x = (anchor.size[0] - size[0]) / 2 - 0.02
    slack_y = (anchor.size[1] - size[1]) / 2
    if slack_x < 0 or slack_y < -0.02:
        return None
    along = generator.uniform(-slack_x, slack_x)
    inward = generator.uniform(-0.6, 0.6) * max(slack_y, 0.0)
    front_x, front_y = facing(anchor.yaw)
    x = anchor.position[0] - along * front_y + inward * front_x
    y = anchor.position[1] + along * front_x + inward * front_y
    return replace(_at(placed, x, y, surface, anchor.yaw), on=anchor.id, size=size)


def _laid(placed: Placed, anchor: Placed, surface: float, generator: Random) -> Placed | None:
    """A cushion leaning at the head of a bed or the back of a sofa, between its arms."""
    slack = anchor.size[0] / 2 - placed.size[0] / 2 - 0.2
    if slack < 0:
        return None
    back = 0.24 if anchor.kind == "sofa" else 0.48
    inward = -anchor.size[1] / 2 + back + placed.size[1] / 2
    along = generator.uniform(-slack, slack)
    front_x, front_y = facing(anchor.yaw)
    x = anchor.position[0] - along * front_y + inward * front_x
    y = anchor.position[1] + along * front_x + inward * front_y
    return replace(_at(placed, x, y, surface, anchor.yaw), on=anchor.id)


def _wall_of(room: Room, anchor: Placed) -> Wall | None:
    """The wall that furniture has its back to, if any."""
    box = box_of(anchor)
    gaps: dict[Wall, float] = {
        "back": room.depth - max(y for _, y in box.footprint()),
        "left": min(x for x, _ in box.footprint()),
        "right": room.width - max(x for x, _ in box.footprint()),
    }
    turned: list[Wall] = [
        wall for wall, gap in gaps.items() if gap < 0.15 and math.cos(anchor.yaw - WALL_YAW[wall]) > 0.9
    ]
    return turned[0] if turned else None


def hang(room: Room, placed: Placed, wall: Wall, along: float, generator: Random) -> Placed:
    """Hang an object at a wall, its middle `along` metres from the left (back wall) or front (side walls)."""
    low, high = KINDS[placed.kind].wall_height
    z = min(generator.uniform(low, high), room.height - placed.size[2] - 0.02)
    places = {"back": (along, room.depth), "left": (0.0, along), "right": (room.width, along)}
    return replace(_at(placed, *places[wall], z, WALL_YAW[wall]), wall=wall)


def _above(room: Room, placed: Placed, anchor: Placed | None, generator: Random) -> Placed | None:
    wall = _wall_of(room, anchor) if anchor is not None else None
    if anchor is None or wall is None:
        return None
    slack = max(anchor.size[0] - placed.size[0], 0.0) / 3
    along = anchor.position[0] if wall == "back" else anchor.position[1]
    return hang(room, placed, wall, along + generator.uniform(-slack, slack), generator)


def _hung(room: Room, placed: Placed, _anchor: Placed | None, generator: Random) -> Placed | None:
    wall: Wall = "back" if generator.random() < 0.65 else generator.choice(("left", "right"))
    half = placed.size[0] / 2 + 0.05
    low = half if wall == "back" else max(half, room.depth * 0.4)
    along = _span(generator, low, (room.width if wall == "back" else room.depth) - half)
    return None if along is None else hang(room, placed, wall, along, generator)


def _ceiling(room: Room, placed: Placed, anchor: Placed | None, generator: Random) -> Placed | None:
    if anchor is not None:
        return _at(placed, anchor.position[0], anchor.position[1], room.height)
    x = room.width * generator.uniform(0.3, 0.7)
    return _at(placed, x, room.depth * generator.uniform(0.5, 0.75), room.height)


PROPOSALS: dict[Spot, Proposal] = {
    "back wall": _back_wall,
    "side wall": _side_wall,
    "corner": _corner,
    "beside": _beside,
    "before": _before,
    "around": _around,
    "middle": _middle,
    "under": _under,
    "on": _on,
    "above": _above,
    "hung": _hung,
    "ceiling": _ceiling,
}


def _gap(placed: Placed) -> float:
    """Metres of air a standing object keeps around it; none where things may touch by nature."""
    return 0.02 if KINDS[placed.kind].mount in ("floor", "wall") else 0.0


def settle(
    room: Room,
    placed: Placed,
    spot: Spot,
    generator: Random,
    *,
    anchor: Placed | None = None,
    tries: int = 6,
    shown: float = 0.75,
) -> Placed | None:
    """Put an object at a kind of spot so that it fits and `shown` of its corners are framed.

    Returns None where no such place was found in `tries` proposals.
    """
    for _ in range(tries):
        candidate = PROPOSALS[spot](room, placed, anchor, generator)
        if candidate is None:
            return None
        if KINDS[placed.kind].mount == "floor" and candidate.position[1] < NEAREST + placed.size[1] / 2:
            continue
        if framed(room, candidate) < shown or not on_surface(room, candidate):
            continue
        if fits(room, candidate, gap=_gap(candidate)):
            return candidate
    return None
