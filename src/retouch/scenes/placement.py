"""Where objects are: their oriented boxes, whether two intersect, and whether one fits in a room."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from retouch.scenes.catalogue import KINDS
from retouch.scenes.room import Placed, Room, Vector

Point = tuple[float, float]
DOOR_CLEARANCE = 0.5
"""Metres in front of a door that stay free, so that it could open."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright box turned about z: ground centre, half sizes along its own axes, yaw, and its span in z."""

    x: float
    y: float
    half_width: float
    half_depth: float
    yaw: float
    low: float
    high: float

    def axes(self) -> tuple[Point, Point]:
        """The unit vectors of the box's width and depth on the ground."""
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        return (cosine, sine), (-sine, cosine)

    def footprint(self) -> tuple[Point, Point, Point, Point]:
        """The four ground corners, in order around the box."""
        (ax, ay), (bx, by) = self.axes()
        w, d = self.half_width, self.half_depth
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return tuple((self.x + i * w * ax + j * d * bx, self.y + i * w * ay + j * d * by) for i, j in signs)  # type: ignore[return-value]

    def corners(self) -> tuple[Vector, ...]:
        """The eight corners, the lower four first."""
        ground = self.footprint()
        return tuple((x, y, z) for z in (self.low, self.high) for x, y in ground)


def facing(yaw: float) -> Point:
    """The ground direction an object's front looks in: −y at yaw 0."""
    return math.sin(yaw), -math.cos(yaw)


def box_of(placed: Placed, clearance: float = 0.0) -> Box:
    """The box of an object; `clearance` metres are added at its front."""
    x, y, z = placed.position
    width, depth, height = placed.size
    depth += clearance
    shift = depth / 2 if placed.wall is not None else clearance / 2
    front_x, front_y = facing(placed.yaw)
    low = z - height if KINDS[placed.kind].mount == "ceiling" else z
    return Box(x + shift * front_x, y + shift * front_y, width / 2, depth / 2, placed.yaw, low, low + height)


def intersect(one: Box, other: Box, gap: float = 0.0) -> bool:
    """Whether two boxes come nearer than `gap` metres on the ground and overlap in height.

    The separating-axis test on the axes of both footprints; touching is not intersecting.
    """
    if one.low >= other.high - 1e-6 or other.low >= one.high - 1e-6:
        return False
    dx, dy = other.x - one.x, other.y - one.y
    reach = math.hypot(one.half_width, one.half_depth) + math.hypot(other.half_width, other.half_depth)
    if dx * dx + dy * dy >= (reach + gap) ** 2:
        return False
    own, others = one.axes(), other.axes()
    for ax, ay in (*own, *others):
        radius = gap - 1e-6
        for box, (width_axis, depth_axis) in ((one, own), (other, others)):
            radius += box.half_width * abs(ax * width_axis[0] + ay * width_axis[1])
            radius += box.half_depth * abs(ax * depth_axis[0] + ay * depth_axis[1])
        if abs(dx * ax + dy * ay) >= radius:
            return False
    return True


def may_touch(one: Placed, other: Placed) -> bool:
    """Whether two objects belong together: one stands on the other, or on a rug that lies on the floor."""
    if one.on == other.id or other.on == one.id:
        return True
    flat = KINDS[one.kind].mount == "floor flat", KINDS[other.kind].mount == "floor flat"
    return flat[0] != flat[1]


def _needed(placed: Placed) -> Box:
    return box_of(placed, DOOR_CLEARANCE if placed.kind == "door" else 0.0)


def clashes(placed: Placed, others: Iterable[Placed], gap: float = 0.0) -> bool:
    """Whether an object's box intersects that of any other (of another id) it may not touch."""
    box = _needed(placed)
    return any(
        other.id != placed.id and not may_touch(placed, other) and intersect(box, _needed(other), gap)
        for other in others
    )


def inside(room: Room, placed: Placed) -> bool:
    """Whether an object's whole box lies in the room."""
    box = box_of(placed)
    if box.low < -1e-6 or box.high > room.height + 1e-6:
        return False
    return all(-1e-6 <= x <= room.width + 1e-6 and -1e-6 <= y <= room.depth + 1e-6 for x, y in box.footprint())


def fits(room: Room, placed: Placed, ignoring: Collection[int] = (), gap: float = 0.0) -> bool:
    """Whether an object is inside the room and clear of every object not in `ignoring`."""
    if not inside(room, placed):
        return False
    return not clashes(placed, (other for other in room if other.id not in ignoring), gap)


def on_surface(room: Room, placed: Placed) -> bool:
    """Whether an object that stands on another has its footprint's centre on it, or stands on nothing."""
    if placed.on is None:
        return True
    box = box_of(room.find(placed.on))
    (ax, ay), (bx, by) = box.axes()
    dx, dy = placed.position[0] - box.x, placed.position[1] - box.y
    return abs(dx * ax + dy * ay) <= box.half_width and abs(dx * bx + dy * by) <= box.half_depth
