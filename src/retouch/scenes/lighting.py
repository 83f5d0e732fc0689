"""The light of a room: the panels that light it, the sun through an unseen window, and the fixed exposure."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retouch.scenes.palette import COLOURS, RGB
from retouch.scenes.parts import Finish
from retouch.scenes.room import Camera, Light, Room
from retouch.scenes.shell import front
from retouch.scenes.textures import linear

Colour = tuple[float, float, float]
"""Linear radiance or tint; 1 is what a white surface shows in good daylight."""


_WHITE = Finish(material="panel", colour=(255, 255, 255))


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A glowing rectangle `corner` + a·`right` + b·`up` (metres), a and b in [0, 1]; its finish tints it."""

    corner: NDArray[np.float32]
    right: NDArray[np.float32]
    up: NDArray[np.float32]
    radiance: Colour
    finish: Finish = _WHITE


@dataclass(frozen=True, kw_only=True)
class Sun:
    """Sunlight through the rectangle `low` to `high` (y, z) in the wall plane x = `plane`.

    `towards` is the unit direction to the sun, `irradiance` what a surface facing it receives / π.
    """

    plane: float
    low: tuple[float, float]
    high: tuple[float, float]
    towards: NDArray[np.float32]
    irradiance: Colour


@dataclass(frozen=True, kw_only=True)
class Mood:
    """What one time of day means: radiances of the fixed lights and of the parts that glow."""

    ceiling: Colour
    front: Colour
    window: Colour
    sun: Colour
    sky: Colour
    lamp: Colour
    shade: Colour
    ambient: Colour


MOODS: dict[Light, Mood] = {
    "daylight": Mood(
        ceiling=(0.50, 0.50, 0.50),
        front=(0.52, 0.52, 0.52),
        window=(6.4, 6.6, 6.9),
        sun=(1.6, 1.46, 1.2),
        sky=(1.25, 1.32, 1.4),
        lamp=(0.25, 0.24, 0.21),
        shade=(0.0, 0.0, 0.0),
        ambient=(0.55, 0.55, 0.55),
    ),
    "evening": Mood(
        ceiling=(0.17, 0.17, 0.225),
        front=(0.13, 0.125, 0.16),
        window=(2.3, 1.4, 0.9),
        sun=(1.7, 0.82, 0.3),
        sky=(0.62, 0.55, 0.75),
        lamp=(140.0, 94.0, 52.0),
        shade=(1.5, 1.0, 0.55),
        ambient=(0.19, 0.17, 0.19),
    ),
    "lamp light": Mood(
        ceiling=(0.19, 0.148, 0.1),
        front=(0.16, 0.126, 0.086),
        window=(1.5, 1.02, 0.56),
        sun=(0.0, 0.0, 0.0),
        sky=(0.02, 0.03, 0.075),
        lamp=(250.0, 172.0, 98.0),
        shade=(2.2, 1.5, 0.85),
        ambient=(0.2, 0.15, 0.098),
    ),
}
"""Every light the rooms know, exposed alike, so that a source and its target agree to the pixel."""


def panels(room: Room) -> tuple[Panel, ...]:
    """Return the glowing rectangles no object owns: an unseen window beside the camera and a fill behind it."""
    mood = MOODS[room.light]
    w, h = room.width, room.height
    x, inward = _window_plane(room)
    (y0, z0), (y1, z1) = _window_opening(room)
    window = Panel(
        corner=_vector(x + 0.01 * inward, y0, z0),
        right=_vector(0, y1 - y0, 0),
        up=_vector(0, 0, z1 - z0),
        radiance=mood.window,
    )
    fill = Panel(
        corner=_vector(0.02, front(room) + 0.01, 0.02),
        right=_vector(w - 0.04, 0, 0),
        up=_vector(0, 0, h - 0.04),
        radiance=_brightened(mood.front, COLOURS[room.walls.colour]),
        finish=Finish(material="backdrop", colour=COLOURS[room.walls.colour]),
    )
    return (window, fill)


def sun(room: Room) -> Sun:
    """Return the sunlight that falls through the unseen window, from a height and side `room.seed` picks."""
    x, inward = _window_plane(room)
    low, high = _window_opening(room)
    choice = np.random.default_rng([room.seed, 7])
    elevation = math.radians(choice.uniform(24, 40) if room.light == "daylight" else choice.uniform(9, 14))
    azimuth = math.radians(choice.uniform(28, 50))
    towards = _vector(
        -inward * math.cos(elevation) * math.cos(azimuth),
        -math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
    )
    return Sun(plane=x, low=low, high=high, towards=towards, irradiance=MOODS[room.light].sun)


def ambient(room: Room, wall_albedo: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the radiance that stands for all light beyond the traced bounces, tinted by the walls."""
    base = np.asarray(MOODS[room.light].ambient, np.float32)
    return (base * (0.45 + 0.55 * wall_albedo)).astype(np.float32)


STUDIO: dict[Light, tuple[Colour, Colour, Colour]] = {
    "daylight": ((3.4, 3.4, 3.4), (1.1, 1.1, 1.15), (0.42, 0.42, 0.43)),
    "evening": ((2.6, 1.75, 1.15), (0.55, 0.6, 0.85), (0.24, 0.23, 0.28)),
    "lamp light": ((2.7, 1.9, 1.1), (0.4, 0.3, 0.2), (0.2, 0.16, 0.11)),
}
"""Key light, fill light and surrounding radiance of an object shown alone."""


def studio(light: Light, camera: Camera, radius: float) -> tuple[Panel, ...]:
    """Return a large key panel above to the left of the camera and a fill to its right, aimed at its target."""
    eye, target = np.asarray(camera.eye), np.asarray(camera.target)
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross((0.0, 0.0, 1.0), back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    key, fill, _ = STUDIO[light]
    placements = ((-0.7 * right + 0.9 * up + 0.45 * back, 3.2, key), (1.0 * right + 0.1 * up + 0.6 * back, 2.6, fill))
    return tuple(_aimed(target, way, radius * 3.2, radius * side, glow) for way, side, glow in placements)


def _aimed(target: NDArray, way: NDArray, distance: float, side: float, radiance: Colour) -> Panel:
    """Return a square panel that faces `target` from a direction."""
    outward = way / np.linalg.norm(way)
    right = np.cross((0.0, 0.0, 1.0), outward)
    right *= side / np.linalg.norm(right)
    up = np.cross(outward, right)
    corner = target + outward * distance - right / 2 - up / 2
    return Panel(
        corner=corner.astype(np.float32), right=right.astype(np.float32), up=up.astype(np.float32), radiance=radiance
    )


def _brightened(radiance: Colour, colour: RGB) -> Colour:
    """Return the glow that makes a wall of any colour send out about as much light, in that colour."""
    brightness = 0.25 + 0.75 * float(linear(colour).mean())
    red, green, blue = radiance
    return red / brightness, green / brightness, blue / brightness


def _window_plane(room: Room) -> tuple[float, float]:
    """Return the x of the wall with the unseen window, and the sign of the direction into the room."""
    return (0.0, 1.0) if room.seed % 2 else (room.width, -1.0)


def _window_opening(room: Room) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the lower and upper (y, z) corner of the unseen window, in front of what the camera sees."""
    return (0.15, 0.85), (min(1.75, 0.4 * room.depth), min(2.3, room.height - 0.2))


def _vector(x: float, y: float, z: float) -> NDArray[np.float32]:
    return np.array([x, y, z], np.float32)
