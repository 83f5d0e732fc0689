"""An interior as a value: walls, floor, light, camera and placed objects.

Axes, in metres: x to the right, y into the room (away from the camera), z up. The room fills
[0, width] × [0, depth] × [0, height]; the back wall is y = depth.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Vector = tuple[float, float, float]
RoomType = Literal["living room", "bedroom", "dining room", "study", "hallway", "bathroom"]
ROOM_TYPES: tuple[RoomType, ...] = ("living room", "bedroom", "dining room", "study", "hallway", "bathroom")
WallFinish = Literal["paint", "brick", "tile", "wallpaper"]
WALL_FINISHES: tuple[WallFinish, ...] = ("paint", "brick", "tile", "wallpaper")
FloorFinish = Literal["planks", "carpet", "tile", "marble"]
FLOOR_FINISHES: tuple[FloorFinish, ...] = ("planks", "carpet", "tile", "marble")
Light = Literal["daylight", "evening", "lamp light"]
LIGHTS: tuple[Light, ...] = ("daylight", "evening", "lamp light")
Wall = Literal["back", "left", "right"]


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A wall or floor covering: a finish and a colour of `palette.COLOURS`."""

    finish: WallFinish | FloorFinish
    colour: str


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Where the picture is taken from: `eye` and `target` in metres, horizontal field of view in degrees."""

    eye: Vector
    target: Vector
    field_of_view: float


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One object in a room.

    `position` is the centre of the bottom of its box (for wall objects: the centre of the box's
    back at its bottom; for ceiling objects: the point where it hangs, at the ceiling). `yaw` in
    radians about z; at 0 the front looks towards −y, the camera. `size` is width (local x), depth
    (local y), height. `variant` seeds the details of its shape. `on` is the id of the object it
    stands on, `wall` the wall it hangs at; floor objects have neither.
    """

    id: int
    kind: str
    colour: str
    material: str
    position: Vector
    size: Vector
    yaw: float = 0.0
    variant: int = 0
    on: int | None = None
    wall: Wall | None = None


@dataclass(frozen=True, kw_only=True)
class Room:
    """A whole interior; `seed` fixes everything about its rendering that is not stated here."""

    type: RoomType
    width: float
    depth: float
    height: float
    walls: Surface
    floor: Surface
    light: Light
    camera: Camera
    objects: tuple[Placed, ...]
    seed: int

    def __iter__(self) -> Iterator[Placed]:
        return iter(self.objects)

    def find(self, identifier: int) -> Placed:
        """Return the object with this id. Raises KeyError where there is none."""
        for placed in self.objects:
            if placed.id == identifier:
                return placed
        raise KeyError(identifier)

    def of_kind(self, kind: str) -> tuple[Placed, ...]:
        """Return the objects of one kind, in order of id."""
        return tuple(placed for placed in self.objects if placed.kind == kind)

    def standing_on(self, identifier: int) -> tuple[Placed, ...]:
        """Return the objects that stand directly on the one with this id."""
        return tuple(placed for placed in self.objects if placed.on == identifier)

    def with_object(self, changed: Placed) -> "Room":
        """Return the room with the object of the same id replaced, or with `changed` added."""
        if all(placed.id != changed.id for placed in self.objects):
            return replace(self, objects=(*self.objects, changed))
        return replace(self, objects=tuple(changed if placed.id == changed.id else placed for placed in self.objects))

    def without(self, identifier: int) -> "Room":
        """Return the room without one object and without whatever stands on it."""
        gone = {identifier} | {placed.id for placed in self.standing_on(identifier)}
        return replace(self, objects=tuple(placed for placed in self.objects if placed.id not in gone))
