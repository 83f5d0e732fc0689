"""Bathtubs, sinks and toilets."""

import numpy as np

from retouch.scenes.objects.craft import CERAMIC, CHROME, Builder, Design, bar_handle, hollow, part
from retouch.scenes.parts import Mesh, Part, joined, moved
from retouch.scenes.primitives import boxes, cylinder, lathe, loft, rods, rounded, tube


def _tap(x: float, y: float, z: float, reach: float, rise: float) -> Mesh:
    """Return a tap standing at a point, its spout reaching forwards (−y)."""
    path = [(0, 0), (0, 0.6), (0.06, 0.9), (0.3, 1.0), (0.75, 1.0), (1.0, 0.86)]
    spout = tube([(x, y - reach * along, z + rise * up) for along, up in path], 0.014, sides=10)
    foot = cylinder((x, y, z), 0.024, 0.02, sides=14)
    lever = rods([x, y, z + rise], [x, y + 0.02, z + rise + 0.06], 0.008, sides=8)
    return joined([spout, foot, lever])


def bathtub(design: Design) -> list[Part]:
    """A bathtub: free-standing and oval, or built in behind a panel."""
    width, depth, height = design.size
    style, x, y = design.style(3), width / 2, depth / 2
    side = -1 if design.chance(0.5) else 1
    rim = height - 0.08
    if style == 2:
        body = _built_in(x, y, rim)
    else:
        foot = 0.8 if style == 0 else 0.68
        levels = np.linspace(0, 1, 7)
        swell = foot + (1 - foot) * np.sin(levels * np.pi / 2) ** 0.8
        outer = [(x * s * 0.97, y * s * 0.97, rim * t) for s, t in zip(swell, levels, strict=True)]
        outer += [(x, y, rim - 0.004), (x, y, rim + 0.02)]
        body = hollow(outer, 0.06, 0.12, exponent=2.8, sides=36)
    spout = _tap(side * (x - 0.1) if style == 2 else 0, y - 0.03, rim, 0.14, 0.1)
    drain = cylinder((side * x * 0.4, 0, 0.121), 0.03, 0.004, sides=14)
    return [part(design.main, body), part(CHROME, spout, drain)]


def _built_in(x: float, y: float, rim: float) -> Mesh:
    """Return a tub in a box: a panelled front and a rounded hollow."""
    wall = 0.07
    sections = [(x, y, 0), (x, y, rim), (x - 0.01, y - 0.01, rim + 0.015), (x - wall, y - wall, rim + 0.015)]
    sections += [(x - wall - 0.03, y - wall - 0.02, rim - 0.05), (x - wall - 0.1, y - wall - 0.06, 0.2)]
    sections += [(x - wall - 0.18, y - wall - 0.12, 0.13), (0, 0, 0.12)]
    return loft([(0, 0, 0), *sections], sides=44, exponent=9)


def sink(design: Design) -> list[Part]:
    """A washbasin on a pedestal, or a bowl on a washstand."""
    width, depth, height = design.size
    x, y, top = width / 2, depth / 2, height - 0.11
    style = design.style(3)
    tap = _tap(0, y - 0.06, top, depth * 0.35, 0.09)
    if style < 2:
        exponent = (2.6, 5.0)[style]
        outer = [(0.5, 0.45, 0.72), (0.8, 0.8, 0.8), (0.96, 0.95, 0.9), (1, 1, 0.97), (1, 1, 1)]
        bowl = _basin([(x * a, y * b, top * c) for a, b, c in outer], exponent)
        shaft = [(0, 0, 0), (0.14, 0.12, 0), (0.14, 0.12, 0.03), (0.09, 0.085, 0.12)]
        shaft += [(0.085, 0.08, top * 0.55), (0.13, 0.11, top * 0.78)]
        column = loft(shaft, centres=(0, y * 0.15), exponent=2.4)
        return [part(design.main, bowl, column), part(CHROME, tap)]
    counter = top - 0.12
    cabinet = boxes([-x + 0.015, -y + 0.035, 0.1], [x - 0.015, y, counter - 0.03])
    slab = rounded([-x, -y, counter - 0.035], [x, y, counter], 0.006)
    fronts = rounded(
        [[-x + 0.022, -y + 0.015, 0.11], [0.007, -y + 0.015, 0.11]],
        [[-0.007, -y + 0.036, counter - 0.045], [x - 0.022, -y + 0.036, counter - 0.045]],
        0.005,
    )
    feet = boxes(
        [[-x + 0.03, -y + 0.06, 0], [x - 0.07, -y + 0.06, 0], [-x + 0.03, y - 0.06, 0], [x - 0.07, y - 0.06, 0]],
        [[-x + 0.07, -y + 0.1, 0.1], [x - 0.03, -y + 0.1, 0.1], [-x + 0.07, y - 0.02, 0.1], [x - 0.03, y - 0.02, 0.1]],
    )
    handles = [
        bar_handle((place, -y + 0.015, counter * 0.6), (place, -y + 0.015, counter * 0.8)) for place in (-0.04, 0.04)
    ]
    bowl = _basin(
        [(0.15, 0.12, counter), (0.19, 0.15, counter + 0.06), (0.2, 0.16, counter + 0.12)], 2.2, floor=counter + 0.03
    )
    tap = _tap(0, y - 0.035, counter, 0.13, 0.2)
    return [
        part(design.main, cabinet, slab, fronts, feet),
        part(CERAMIC, moved(bowl, [0, -0.03, 0])),
        part(CHROME, tap, *handles),
    ]


def _basin(outer: list[tuple[float, float, float]], exponent: float, floor: float | None = None) -> Mesh:
    """Return an open bowl with the given outside."""
    low, high = outer[0][2], outer[-1][2]
    x, y, _ = outer[-1]
    rim = 0.03 if floor is None else 0.015
    bottom = low + 0.45 * (high - low) if floor is None else floor
    inside = [(x - rim, y - rim, high), (x * 0.8, y * 0.78, high - 0.35 * (high - bottom))]
    inside += [(x * 0.55, y * 0.52, bottom + 0.01), (0, 0, bottom)]
    return loft([(0, 0, low), *outer, *inside], sides=36, exponent=exponent)


def toilet(design: Design) -> list[Part]:
    """A toilet with cistern, seat and lid."""
    width, depth, height = design.size
    x, y, seat = width / 2, depth / 2, 0.4
    closed = design.chance(0.5)
    tank = rounded([-x, y - 0.18, seat + 0.02], [x, y, height - 0.035], 0.03, segments=2)
    lid = rounded([-x - 0.004, y - 0.19, height - 0.04], [x + 0.004, y + 0.002, height], 0.012)
    long, middle = (depth - 0.16) / 2, -y + (depth - 0.16) / 2
    sections = [(0, 0, 0), (0.11, 0.2, 0), (0.11, 0.19, 0.04), (0.1, 0.17, 0.16), (x * 0.82, long * 0.9, seat - 0.1)]
    sections += [(x * 0.95, long, seat - 0.02), (x * 0.93, long * 0.99, seat)]
    sections += [(x * 0.7, long * 0.74, seat), (x * 0.6, long * 0.6, seat - 0.12), (0, 0, seat - 0.16)]
    backs = np.array([0.1, 0.1, 0.1, 0.1, 0.03, 0, 0, -0.01, 0.02, 0.03])
    centres = np.column_stack([np.zeros(len(sections)), middle + backs])
    bowl = loft(sections, sides=28, exponent=2.3, centres=centres)
    plinth = rounded([-0.1, middle, 0], [0.1, y - 0.02, seat + 0.03], 0.03)
    ring = [(x * 0.97, long, seat + 0.004), (x * 0.97, long, seat + 0.022), (x * 0.9, long * 0.95, seat + 0.03)]
    if closed:
        seat_mesh = loft(
            [(0, 0, seat + 0.004), *ring, (0, 0, seat + 0.035)], sides=28, exponent=2.3, centres=(0, middle)
        )
        meshes = [seat_mesh]
    else:
        hole = [(x * 0.68, long * 0.7, seat + 0.028), (x * 0.66, long * 0.68, seat + 0.004)]
        meshes = [loft([*ring, *hole, ring[0]], sides=28, exponent=2.3, centres=(0, middle))]
        meshes.append(
            rounded(
                [-x * 0.9, y - 0.215, seat + 0.03], [x * 0.9, y - 0.185, seat + 0.4], [x * 0.5, 0.01, 0.15], segments=3
            )
        )
    button = lathe(
        [(0, height - 0.005), (0.025, height - 0.005), (0.022, height + 0.006), (0, height + 0.006)],
        centre=(0, y - 0.09),
    )
    return [part(design.main, tank, lid, bowl, plinth, *meshes), part(CHROME, button)]


BUILDERS: dict[str, Builder] = {"bathtub": bathtub, "sink": sink, "toilet": toilet}
