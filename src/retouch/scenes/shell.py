"""Walls, floor and ceiling of a room as parts, with the ids the masks know them by."""

import numpy as np
from numpy.typing import NDArray

from retouch.scenes.palette import COLOURS, RGB
from retouch.scenes.parts import Finish, Mesh, Part
from retouch.scenes.room import Room, Surface

WALL, FLOOR, CEILING, OTHER = -1, -2, -3, -4
"""Ids of what is no object, in `Rendering.ids`."""

_CEILING_COLOUR: RGB = (244, 243, 240)
_SKIRTING_COLOUR: RGB = (236, 234, 228)
_SKIRTING_HEIGHT, _SKIRTING_DEPTH = 0.09, 0.015
_WALLPAPERS = ("wallpaper stripes", "wallpaper dots", "wallpaper damask")


def build_shell(room: Room) -> tuple[tuple[int, Part], ...]:
    """Return every surface of the empty room, in the room's own frame, with its id."""
    wall = Finish(material=wall_material(room.walls, room.seed), colour=COLOURS[room.walls.colour])
    floor = Finish(material=floor_material(room.floor), colour=COLOURS[room.floor.colour])
    ceiling = Finish(material="ceiling", colour=_CEILING_COLOUR)
    w, d, h, near = room.width, room.depth, room.height, front(room)
    surfaces = (
        (WALL, _quad((0, d, 0), (w, 0, 0), (0, 0, h)), wall),
        (WALL, _quad((0, near, 0), (0, d - near, 0), (0, 0, h)), wall),
        (WALL, _quad((w, d, 0), (0, near - d, 0), (0, 0, h)), wall),
        (WALL, _quad((w, near, 0), (-w, 0, 0), (0, 0, h)), wall),
        (FLOOR, _quad((0, near, 0), (w, 0, 0), (0, d - near, 0)), floor),
        (CEILING, _quad((0, d, h), (w, 0, 0), (0, near - d, 0)), ceiling),
    )
    parts = tuple((identifier, Part(mesh=mesh, finish=finish)) for identifier, mesh, finish in surfaces)
    return parts if room.walls.finish == "tile" else parts + _skirting(room)


def front(room: Room) -> float:
    """Return the y of the wall behind the camera, which may stand a little before the room."""
    return min(0.0, room.camera.eye[1] - 0.3)


def wall_material(surface: Surface, seed: int) -> str:
    """Return the texture name of a wall covering; `seed` picks one of the wallpapers."""
    if surface.finish == "wallpaper":
        return _WALLPAPERS[seed % len(_WALLPAPERS)]
    return "wall tile" if surface.finish == "tile" else surface.finish


def floor_material(surface: Surface) -> str:
    """Return the texture name of a floor covering."""
    return {"tile": "floor tile", "marble": "floor marble"}.get(surface.finish, surface.finish)


def _skirting(room: Room) -> tuple[tuple[int, Part], ...]:
    """Boards along the foot of the three visible walls."""
    w, d, near = room.width, room.depth, front(room)
    high, deep, long = _SKIRTING_HEIGHT, _SKIRTING_DEPTH, room.depth - near
    finish = Finish(material="skirting", colour=_SKIRTING_COLOUR)
    quads = (
        _quad((0, d - deep, 0), (w, 0, 0), (0, 0, high)),
        _quad((0, d - deep, high), (w, 0, 0), (0, deep, 0)),
        _quad((deep, near, 0), (0, long, 0), (0, 0, high)),
        _quad((0, near, high), (deep, 0, 0), (0, long, 0)),
        _quad((w - deep, d, 0), (0, -long, 0), (0, 0, high)),
        _quad((w - deep, near, high), (deep, 0, 0), (0, long, 0)),
    )
    return tuple((WALL, Part(mesh=mesh, finish=finish)) for mesh in quads)


def _quad(corner: tuple[float, ...], right: tuple[float, ...], up: tuple[float, ...]) -> Mesh:
    """A parallelogram whose texture starts at its corner, in metres."""
    origin, first, second = (np.asarray(value, np.float32) for value in (corner, right, up))
    across, along = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    vertices: NDArray[np.float32] = np.stack([origin, origin + first, origin + first + second, origin + second])
    normal = np.cross(first, second)
    return Mesh(
        vertices=vertices,
        normals=np.tile((normal / np.linalg.norm(normal)).astype(np.float32), (4, 1)),
        uv=np.array([[0, 0], [across, 0], [across, along], [0, along]], np.float32),
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    )
