"""What hangs at walls: windows, doors, curtains, mirrors and clocks."""

import numpy as np

from retouch.scenes.objects.craft import (
    BRASS,
    DARK,
    PAPER,
    Builder,
    Design,
    bar_handle,
    part,
    shade,
)
from retouch.scenes.parts import Finish, Mesh, Part, mapped_around, moved, turned
from retouch.scenes.primitives import boxes, ellipsoid, lathe, loft, rods, rounded
from retouch.scenes.sheets import cloth, disc

Rectangle = tuple[float, float, float, float]
"""Left, low, right and high in metres."""

SKY = Finish(material="sky", colour=(190, 215, 240))
MIRROR = Finish(material="mirror", colour=(225, 228, 230))


def frame_bars(box: Rectangle, border: float, front: float, back: float) -> Mesh:
    """Return the four bars of a rectangular frame of width `border` from depth `front` to `back`."""
    left, low, right, high = box
    return rounded(
        [[left, front, low], [right - border, front, low], [left, front, low], [left, front, high - border]],
        [[left + border, back, high], [right, back, high], [right, back, low + border], [right, back, high]],
        0.006,
    )


def window(design: Design) -> list[Part]:
    """A window: casing, sashes with glazing bars, panes through which the sky shows, a sill below."""
    width, depth, height = design.size
    style, x, border = design.style(4), width / 2, 0.075
    casing = frame_bars((-x, 0.03, x, height), border, -depth * 0.75, 0.0)
    sill = rounded([-x - 0.03, -depth, 0], [x + 0.03, 0, 0.04], 0.006)
    columns, rows = ((2, 1), (2, 2), (3, 2), (2, 3))[style]
    across = np.linspace(-x + border, x - border, columns + 1)[1:-1]
    up = np.linspace(border + 0.03, height - border, rows + 1)[1:-1]
    bar, front = 0.022 if style else 0.035, -depth * 0.6
    bars = boxes(
        [[place - bar, front, border] for place in across] + [[-x + border, front, place - bar] for place in up],
        [[place + bar, -0.01, height - border] for place in across]
        + [[x - border, -0.01, place + bar] for place in up],
    )
    pane = boxes([-x + 0.04, -0.02, 0.05], [x - 0.04, -0.008, height - 0.03])
    handle = bar_handle((0, front, height * 0.45), (0, front, height * 0.45 + 0.1), stand=0.02)
    return [part(design.main, casing, sill, bars), part(SKY, pane), part(design.fitting, handle)]


def door(design: Design) -> list[Part]:
    """A door in its casing, with panels and a handle."""
    width, depth, height = design.size
    style, x, border, fitting = design.style(4), width / 2, 0.08, design.fitting
    side = -1 if design.chance(0.5) else 1
    casing = boxes(
        [[-x, -depth, 0], [x - border, -depth, 0], [-x, -depth, height - border]],
        [[-x + border, 0, height], [x, 0, height], [x, 0, height]],
    )
    leaf_front = -depth * 0.5
    leaf = boxes([-x + border + 0.006, leaf_front, 0.006], [x - border - 0.006, -0.004, height - border - 0.006])
    left, right, low, high = -x + border + 0.1, x - border - 0.1, 0.16, height - border - 0.12
    rows = (
        [(0.0, 1.0)],
        [(0.0, 0.4), (0.48, 1.0)],
        [(0.0, 0.28), (0.36, 0.64), (0.72, 1.0)],
        [(0.0, 0.4), (0.48, 1.0)],
    )[style]
    columns = [(left, right)] if style != 3 else [(left, -0.04), (0.04, right)]
    panels = [(a, low + (high - low) * bottom, b, low + (high - low) * top) for a, b in columns for bottom, top in rows]
    mouldings = [frame_bars(panel, 0.03, leaf_front - 0.016, leaf_front + 0.004) for panel in panels]
    inlay = boxes(
        [[a + 0.07, leaf_front - 0.012, b + 0.07] for a, b, _, _ in panels],
        [[c - 0.07, leaf_front + 0.004, d - 0.07] for _, _, c, d in panels],
    )
    place = side * (x - border - 0.06)
    rose = rods([place, leaf_front, 1.02], [place, leaf_front - 0.012, 1.02], 0.028, sides=12)
    lever = bar_handle((place - side * 0.13, leaf_front, 1.02), (place, leaf_front, 1.02), stand=0.045, radius=0.012)
    return [part(design.main, casing, leaf, *mouldings, inlay), part(fitting, rose, lever)]


def curtain(design: Design) -> list[Part]:
    """A pair of curtains gathered on a rod, hanging straight or tied back."""
    width, depth, height = design.size
    tied, waves = design.chance(0.3), design.between(4.0, 6.5)
    share, x = design.between(0.3, 0.4), width / 2
    rows, columns = (9 if tied else 4), 41
    high = height - 0.03
    down, along = np.linspace(0, 1, rows)[:, None], np.linspace(0, 1, columns)[None]
    waist = 1 - 0.55 * np.exp(-(((down - 0.6) / 0.22) ** 2)) if tied else 1 + 0.04 * down
    amplitude = depth * 0.3 * (0.75 + 0.25 * down)
    wave = np.sin(2 * np.pi * waves * along + 0.5 * np.sin(3 * along + 2 * down)) * amplitude
    grid = np.empty((rows, columns, 3))
    grid[..., 0] = (-x + 0.03) + share * width * waist * along
    grid[..., 1] = wave - depth * 0.45
    grid[..., 2] = high * (1 - down)
    left = cloth(grid, 0.006)
    mirrored = grid[:, ::-1] * [-1, 1, 1]
    right = cloth(mirrored, 0.006)
    metal = design.fitting
    rod = rods([-x + 0.02, -depth * 0.45, high], [x - 0.02, -depth * 0.45, high], 0.016, sides=12)
    ends = [
        ellipsoid((side * (x - 0.025), -depth * 0.45, high), (0.03, 0.03, 0.03), sides=12, rings=8) for side in (-1, 1)
    ]
    brackets = boxes(
        [[-x + 0.05, -depth * 0.45, high - 0.012], [x - 0.07, -depth * 0.45, high - 0.012]],
        [[-x + 0.07, 0, high + 0.012], [x - 0.05, 0, high + 0.012]],
    )
    parts = [part(design.main, left, right), part(metal, rod, *ends, brackets)]
    if tied:
        middle, z = share * width * 0.45, high * 0.4
        bands = [
            rounded([min(a, b), -depth, z - 0.03], [max(a, b), 0, z + 0.03], 0.02)
            for a, b in ((-x + 0.02, -x + 0.04 + middle), (x - 0.02, x - 0.04 - middle))
        ]
        parts.append(part(shade(design.main), *bands))
    return parts


def mirror(design: Design) -> list[Part]:
    """A wall mirror, rectangular, oval or arched."""
    width, depth, height = design.size
    style, border = design.style(3), design.between(0.05, 0.08)
    x = width / 2
    if style == 0:
        frame = frame_bars((-x, 0, x, height), border, -depth, 0)
        glass = boxes(
            [-x + border * 0.8, -depth * 0.55, border * 0.8], [x - border * 0.8, -0.004, height - border * 0.8]
        )
        return [part(design.main, frame), part(MIRROR, glass)]
    exponent = 2.0 if style == 1 else 3.5
    z, half = height / 2, height / 2
    outline = [(x, half, 0.0), (x, half, depth * 0.7), (x - border * 0.3, half - border * 0.3, depth)]
    inner = [(x - border * 0.8, half - border * 0.8, depth), (x - border, half - border, depth * 0.5)]
    body = loft([(0, 0, 0), *outline, *inner, (0, 0, depth * 0.5)], sides=40, exponent=exponent)
    glass = loft(
        [(x - border, half - border, depth * 0.5), (x - border, half - border, depth * 0.56), (0, 0, depth * 0.56)],
        sides=40,
        exponent=exponent,
    )
    return [part(design.main, _facing(body, z)), part(MIRROR, _facing(glass, z))]


def _facing(mesh: Mesh, z: float) -> Mesh:
    """Return a mesh built upwards from the plan turned to face −y, its middle at height `z`, the grain around it."""
    return moved(turned(mapped_around(mesh), 0, np.pi / 2), [0, 0, z])


def clock(design: Design) -> list[Part]:
    """A wall clock, round or square, with ticks and hands."""
    width, depth, height = design.size
    square, z = design.chance(0.3), height / 2
    x, border = width / 2, 0.2 * width / 2
    if square:
        rim = frame_bars((-x, 0, x, height), border, -depth, 0)
        back = boxes([-x + border * 0.9, -depth * 0.4, border * 0.9], [x - border * 0.9, -0.002, height - border * 0.9])
        body, face = [rim], [back]
    else:
        profile = [(0, 0), (1, 0), (1, 0.6), (0.95, 0.95), (0.86, 1), (0.8, 0.9), (0.79, 0.45), (0, 0.45)]
        body = [_facing(lathe([(r * x, d * depth) for r, d in profile], sides=40), z)]
        face = [disc((0, z), (x * 0.79, x * 0.79), -depth * 0.46, sides=36)]
    front = -depth * 0.5
    dial = PAPER if design.chance(0.75) else DARK
    marks = DARK if dial is PAPER else PAPER
    radius = x * 0.7
    ticks = [
        _bar(turn * np.pi / 6, (radius * (0.88 if turn % 3 else 0.8), radius), 0.007 if turn % 3 else 0.014, (front, z))
        for turn in range(12)
    ]
    hour, minute = design.between(0, 2 * np.pi), design.between(0, 2 * np.pi)
    hands = [
        _bar(hour, (-0.1 * radius, 0.52 * radius), 0.016, (front - 0.004, z)),
        _bar(minute, (-0.12 * radius, 0.8 * radius), 0.011, (front - 0.008, z)),
    ]
    pin = rods([0, front, z], [0, front - 0.014, z], 0.014, sides=10)
    return [part(design.main, *body), part(dial, *face), part(marks, *ticks, *hands), part(BRASS, pin)]


def _bar(angle: float, reach: tuple[float, float], width: float, place: tuple[float, float]) -> Mesh:
    """Return a thin bar on a dial between two radii, `angle` clockwise from the top, about `place` (y, z)."""
    y, z = place
    bar = boxes([-width / 2, y - 0.003, reach[0]], [width / 2, y + 0.001, reach[1]])
    return moved(turned(bar, 1, angle), [0, 0, z])


BUILDERS: dict[str, Builder] = {
    "window": window,
    "door": door,
    "curtain": curtain,
    "mirror": mirror,
    "clock": clock,
}
