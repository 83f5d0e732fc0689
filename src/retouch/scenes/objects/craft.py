"""What all builders of objects share: the design brief they get, common finishes, legs and handles."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from retouch.scenes.palette import RGB
from retouch.scenes.parts import Finish, Mesh, Part, joined
from retouch.scenes.primitives import boxes, loft, rods, tapered
from retouch.scenes.room import Vector

SOFT = ("fabric", "leather")

STEEL = Finish(material="metal", colour=(168, 170, 174))
CHROME = Finish(material="metal", colour=(205, 208, 212))
BRASS = Finish(material="metal", colour=(186, 150, 84))
IRON = Finish(material="metal", colour=(42, 42, 44))
OAK = Finish(material="wood", colour=(178, 134, 88))
WALNUT = Finish(material="wood", colour=(96, 62, 40))
CERAMIC = Finish(material="ceramic", colour=(242, 242, 240))
LINEN = Finish(material="fabric", colour=(240, 238, 232))
BULB = Finish(material="lamp", colour=(255, 226, 178))
PAPER = Finish(material="paper", colour=(244, 242, 234))
DARK = Finish(material="paper", colour=(30, 30, 32))

METALS = (STEEL, BRASS, IRON)
WOODS = (OAK, WALNUT)


@dataclass(frozen=True, kw_only=True)
class Design:
    """What a builder is given: the box to fill in metres, the main finish, and chance for the details.

    Chance must be drawn the same whatever the finish, so that an edit of colour or material keeps the shape.
    """

    size: Vector
    main: Finish
    random: np.random.Generator

    @property
    def soft(self) -> bool:
        """Whether the main finish is upholstery."""
        return self.main.material in SOFT

    @property
    def frame(self) -> Finish:
        """The finish of legs: the main one where that can bear a load, else drawn wood or metal."""
        drawn = pick(self.random, (OAK, WALNUT, IRON, STEEL))
        return drawn if self.main.material in (*SOFT, "glass") else self.main

    @property
    def fitting(self) -> Finish:
        """The finish of handles and other small metal parts."""
        return pick(self.random, METALS)

    def chance(self, probability: float) -> bool:
        """Return true with the given probability."""
        return bool(self.random.random() < probability)

    def between(self, low: float, high: float) -> float:
        """Return a number drawn evenly from a range."""
        return low + (high - low) * float(self.random.random())

    def style(self, count: int) -> int:
        """Return one of `count` styles, 0 to count − 1."""
        return int(self.random.integers(count))


Choice = TypeVar("Choice")
Builder = Callable[[Design], list[Part]]


def pick(random: np.random.Generator, choices: tuple[Choice, ...]) -> Choice:
    """Return one of `choices`, drawn evenly."""
    return choices[int(random.integers(len(choices)))]


def part(finish: Finish, *meshes: Mesh) -> Part:
    """Return one part made of several meshes."""
    return Part(mesh=joined(meshes), finish=finish)


def mixed(colour: RGB, other: RGB, share: float) -> RGB:
    """Return `colour` with `share` (0 to 1) of `other` mixed in, in sRGB."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def shade(finish: Finish, share: float = 0.35) -> Finish:
    """Return the finish in a tone that stands out from it: darker, or lighter where it is dark already."""
    target = (255, 255, 255) if sum(finish.colour) < 200 else (0, 0, 0)
    return Finish(material=finish.material, colour=mixed(finish.colour, target, share))


def corners(width: float, depth: float, inset: float) -> NDArray[np.float64]:
    """Return the four points (4, 2) `inset` metres inside the corners of a centred rectangle."""
    x, y = width / 2 - inset, depth / 2 - inset
    return np.array([[-x, -y], [x, -y], [-x, y], [x, y]])


def upright(points: NDArray[np.float64], z: float) -> NDArray[np.float64]:
    """Return plan points (K, 2) as points (K, 3) at height `z`."""
    return np.column_stack([points, np.full(len(points), z)])


def legs(points: NDArray[np.float64], height: float, thickness: float, style: int, *, splay: float = 0.0) -> Mesh:
    """Return legs standing at plan points (K, 2): style 0 square, 1 square and tapered, 2 or more round.

    `splay` moves the feet of round legs outwards by that share of their distance from the middle.
    """
    half = thickness / 2
    if style == 0:
        return boxes(upright(points - half, 0), upright(points + half, height))
    if style == 1:
        return tapered(upright(points - half, 0), upright(points + half, height), 1 / 0.6)
    feet = upright(points * (1 + splay), 0)
    return rods(feet, upright(points, height), half * 0.65, end_radius=half)


def knob(x: float, y: float, z: float, radius: float = 0.016) -> Mesh:
    """Return a round knob standing out from the plane `y` towards −y."""
    return rods([x, y, z], [x, y - 2 * radius, z], radius * 0.7, end_radius=radius * 1.2, sides=10)


def bar_handle(start: Vector, end: Vector, *, stand: float = 0.03, radius: float = 0.007) -> Mesh:
    """Return a bar handle between two points on a front, standing `stand` metres out towards −y."""
    first, last = np.array(start), np.array(end)
    out = np.array([0.0, -stand, 0.0])
    overhang = (last - first) * 0.08
    starts = [first + out - overhang, first, last]
    return rods(starts, [last + out + overhang, first + out, last + out], radius, sides=6)


def hollow(
    outer: Sequence[tuple[float, float, float]],
    thickness: float,
    floor: float,
    *,
    sides: int = 24,
    exponent: float = 2.0,
) -> Mesh:
    """Return an open vessel: `outer` sections from bottom to top as in `loft`, walls of `thickness`
    and an inner bottom at height `floor`.
    """
    base, rim = outer[0], outer[-1]
    inside = [(x - thickness, y - thickness, z) for x, y, z in reversed(outer[1:]) if z > floor]
    last = inside[-1]
    sections = [(0.0, 0.0, base[2]), *outer, (rim[0] - thickness, rim[1] - thickness, rim[2]), *inside[1:]]
    sections += [(last[0] * 0.92, last[1] * 0.92, floor), (0.0, 0.0, floor)]
    return loft(sections, sides=sides, exponent=exponent)


def arc(count: int, start: float, end: float) -> NDArray[np.float64]:
    """Return `count` points (count, 2) on the unit circle between two angles in degrees."""
    angle = np.radians(np.linspace(start, end, count))
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def ring(radius: float, *, count: int = 24) -> NDArray[np.float64]:
    """Return `count` points (count, 2) around a circle, the first not repeated."""
    angle = np.linspace(0, 2 * math.pi, count, endpoint=False)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
