"""Paintings: a frame around a landscape, the sea, an abstract composition or a still life."""

import numpy as np

from retouch.scenes.objects.craft import PAPER, Builder, Design, part, pick
from retouch.scenes.objects.wall import Rectangle, frame_bars
from retouch.scenes.palette import RGB
from retouch.scenes.parts import Finish, Mesh, Part
from retouch.scenes.primitives import boxes
from retouch.scenes.sheets import disc, plate, sheet

Layer = tuple[RGB, Mesh]

SKIES: tuple[tuple[RGB, ...], ...] = (
    ((120, 168, 214), (160, 196, 226), (206, 222, 228)),
    ((70, 84, 140), (196, 120, 120), (244, 184, 110)),
    ((172, 186, 190), (200, 206, 202), (226, 222, 208)),
)
HILLS: tuple[tuple[RGB, ...], ...] = (
    ((116, 146, 150), (84, 124, 84), (58, 92, 52)),
    ((110, 90, 130), (84, 66, 96), (48, 40, 62)),
    ((150, 150, 128), (140, 122, 80), (98, 82, 54)),
)
MODERN: tuple[RGB, ...] = (
    (196, 60, 44), (30, 72, 140), (238, 190, 60), (34, 34, 38), (92, 146, 128), (232, 222, 204), (222, 130, 110),
)  # fmt: skip


def _band(left: float, right: float, low: np.ndarray | float, high: np.ndarray, y: float) -> Mesh:
    """Return a strip facing −y between two lines of heights given at evenly spaced places."""
    across = np.linspace(left, right, len(high))
    grid = np.empty((2, len(high), 3))
    grid[..., 0], grid[..., 1] = across, y
    grid[0, :, 2], grid[1, :, 2] = high, low
    return sheet(grid)


def _landscape(design: Design, box: Rectangle, y: float) -> list[Layer]:
    """Return hills under a sky with a sun."""
    left, low, right, high = box
    sky, hills = pick(design.random, SKIES), pick(design.random, HILLS)
    levels = np.linspace(high, low + 0.35 * (high - low), 4)
    layers = [
        (colour, _band(left, right, bottom, np.full(2, top), y))
        for colour, top, bottom in zip(sky, levels[:-1], levels[1:], strict=True)
    ]
    sun = left + design.between(0.2, 0.8) * (right - left), low + design.between(0.6, 0.8) * (high - low)
    size = 0.09 * (high - low)
    layers.append(((250, 236, 180), disc(sun, (size, size), y - 0.0008)))
    places = np.linspace(0, 1, 13)
    for index, colour in enumerate(hills):
        waves = np.sin(places * design.between(4, 9) + design.between(0, 6)) * 0.07
        crest = low + (0.48 - 0.16 * index + waves) * (high - low)
        layers.append((colour, _band(left, right, low, crest, y - 0.0016 - 0.0008 * index)))
    return layers


def _sea(design: Design, box: Rectangle, y: float) -> list[Layer]:
    """Return the sea with a sailing boat."""
    left, low, right, high = box
    sky, horizon = pick(design.random, SKIES), low + 0.42 * (high - low)
    tones: tuple[RGB, ...] = ((44, 104, 140), (58, 126, 156), (86, 152, 172))
    levels = np.linspace(low, horizon, 4)
    layers = [((sky[1]), _band(left, right, horizon, np.full(2, high), y))]
    layers.append((sky[2], _band(left, right, horizon, np.full(2, horizon + 0.2 * (high - low)), y - 0.0006)))
    layers += [
        (tone, _band(left, right, levels[index], np.full(2, levels[index + 1]), y)) for index, tone in enumerate(tones)
    ]
    x, unit = left + design.between(0.3, 0.7) * (right - left), 0.1 * (high - low)
    base = horizon - 0.6 * unit
    hull = plate(
        [(x - 1.5 * unit, base), (x - unit, base - 0.6 * unit), (x + unit, base - 0.6 * unit), (x + 1.6 * unit, base)],
        y - 0.002,
    )
    sail = plate(
        [(x + 0.1 * unit, base + 0.2 * unit), (x + 1.4 * unit, base + 0.2 * unit), (x + 0.1 * unit, base + 3.4 * unit)],
        y - 0.002,
    )
    jib = plate(
        [(x - 1.2 * unit, base + 0.2 * unit), (x - 0.1 * unit, base + 0.2 * unit), (x - 0.1 * unit, base + 2.8 * unit)],
        y - 0.002,
    )
    return [*layers, ((110, 58, 40), hull), ((246, 242, 232), sail), ((226, 96, 70), jib)]


def _composition(design: Design, box: Rectangle, y: float) -> list[Layer]:
    """Return blocks and circles of strong colours."""
    left, low, right, high = box
    wide, tall = right - left, high - low
    layers: list[Layer] = [((236, 230, 216), _band(left, right, low, np.full(2, high), y))]
    for index in range(6):
        x, z = left + design.between(0, 0.65) * wide, low + design.between(0, 0.65) * tall
        across, up = design.between(0.15, 0.35) * wide, design.between(0.15, 0.35) * tall
        depth = y - 0.0008 * (index + 1)
        colour = pick(design.random, MODERN)
        if design.chance(0.35):
            size = min(across, up) / 2
            layers.append((colour, disc((x + across / 2, z + up / 2), (size, size), depth)))
        else:
            layers.append((colour, _band(x, x + across, z, np.full(2, z + up), depth)))
    return layers


def _still_life(design: Design, box: Rectangle, y: float) -> list[Layer]:
    """Return a vase of flowers on a table."""
    left, low, right, high = box
    wide, tall = right - left, high - low
    wall = pick(design.random, ((206, 188, 158), (86, 104, 112), (150, 76, 64)))
    table = low + 0.28 * tall
    layers: list[Layer] = [(wall, _band(left, right, table, np.full(2, high), y))]
    layers.append(((112, 76, 50), _band(left, right, low, np.full(2, table), y)))
    x, vase = left + design.between(0.4, 0.6) * wide, low + 0.3 * tall
    layers.append(((232, 228, 220), disc((x, vase), (0.1 * wide, 0.17 * tall), y - 0.001)))
    for index in range(7):
        place = x + design.between(-0.2, 0.2) * wide, low + design.between(0.5, 0.84) * tall
        layers.append(
            (
                (56, 92, 52),
                disc(
                    (place[0] * 0.7 + x * 0.3, place[1] - 0.1 * tall), (0.03 * wide, 0.08 * tall), y - 0.002, sides=12
                ),
            )
        )
        layers.append(
            (pick(design.random, MODERN), disc(place, (0.07 * wide, 0.07 * wide), y - 0.003 - 0.0004 * index, sides=14))
        )
    fruit = pick(design.random, ((222, 120, 40), (188, 40, 40), (214, 190, 60)))
    layers += [
        (fruit, disc((x + side * wide, low + 0.2 * tall), (0.055 * wide, 0.055 * wide), y - 0.006))
        for side in (0.22, 0.32)
    ]
    return layers


def painting(design: Design) -> list[Part]:
    """A framed picture, some with a white mount around it."""
    width, depth, height = design.size
    border, style, mount = design.between(0.055, 0.08), design.style(4), design.chance(0.35)
    x = width / 2
    frame = frame_bars((-x, 0, x, height), border, -depth, 0)
    ground = boxes([-x + border * 0.7, -depth * 0.4, border * 0.7], [x - border * 0.7, 0, height - border * 0.7])
    inset = border + (0.06 if mount else -0.004)
    box = (-x + inset, inset, x - inset, height - inset)
    layers = (_landscape, _sea, _composition, _still_life)[style](design, box, -depth * 0.4 - 0.0006)
    picture = [part(Finish(material="picture", colour=colour), mesh) for colour, mesh in layers]
    return [part(design.main, frame), part(PAPER, ground), *picture]


BUILDERS: dict[str, Builder] = {"painting": painting}
