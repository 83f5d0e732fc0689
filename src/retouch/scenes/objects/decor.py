"""Rugs, vases, balls, baskets, televisions and the piano."""

import numpy as np

from retouch.scenes.objects.craft import (
    BRASS,
    DARK,
    LINEN,
    PAPER,
    Builder,
    Design,
    corners,
    hollow,
    legs,
    mixed,
    part,
    pick,
    ring,
    shade,
    upright,
)
from retouch.scenes.palette import RGB
from retouch.scenes.parts import Finish, Mesh, Part, joined, mapped_around, mapped_from_above, turned
from retouch.scenes.primitives import boxes, ellipsoid, lathe, loft, rods, rounded, tube

SCREEN = Finish(material="screen", colour=(14, 16, 20))
FLOWERS: tuple[RGB, ...] = ((222, 70, 90), (244, 196, 60), (238, 232, 226), (190, 110, 190))


def _border(x: float, y: float, *, inset: float, wide: float, height: float) -> Mesh:
    """Return a flat rectangular band `inset` metres inside the edges."""
    low, high = height - 0.003, height
    a, b = x - inset, y - inset
    return boxes(
        [[-a, -b, low], [-a, b - wide, low], [-a, -b, low], [a - wide, -b, low]],
        [[a, -b + wide, high], [a, b, high], [-a + wide, b, high], [a, b, high]],
    )


def rug(design: Design) -> list[Part]:
    """A rug with a border, stripes or lozenges; some are oval."""
    width, depth, height = design.size
    x, y, style = width / 2, depth / 2, design.style(4)
    trim = LINEN if design.chance(0.4) else shade(design.main, 0.4)
    field = height - 0.002
    if style == 3:
        body = mapped_from_above(loft([(0, 0, 0), (x, y, 0), (x, y, field), (0, 0, field)], sides=48))
        bands = [
            loft(
                [
                    (x * b, y * b, field - 0.001),
                    (x * b, y * b, height),
                    (x * a, y * a, height),
                    (x * a, y * a, field - 0.001),
                ],
                sides=48,
            )
            for a, b in ((0.88, 0.94), (0.55, 0.58))
        ]
        return [part(design.main, body), part(trim, *bands)]
    body = boxes([-x, -y, 0], [x, y, field])
    meshes = [_border(x, y, inset=0.07, wide=0.05, height=height)]
    if style == 0:
        places = np.linspace(-x + 0.24, x - 0.24, 6)
        meshes.append(
            boxes(
                [[place - 0.03, -y + 0.12, field - 0.001] for place in places],
                [[place + 0.03, y - 0.12, height] for place in places],
            )
        )
    elif style == 1:
        meshes.append(_border(x, y, inset=0.17, wide=0.02, height=height))
    else:
        meshes += [
            _lozenge(place * width, 0.3 * depth, 0.13 * width, field - 0.001, height) for place in (-0.24, 0.0, 0.24)
        ]
    return [part(design.main, body), part(trim, *meshes)]


def _lozenge(x: float, long: float, wide: float, low: float, high: float) -> Mesh:
    """Return a flat rhombic ring."""
    sections = [(wide, long, low), (wide, long, high), (wide * 0.7, long * 0.7, high), (wide * 0.7, long * 0.7, low)]
    return loft(sections, sides=4, centres=(x, 0))


def vase(design: Design) -> list[Part]:
    """A turned vase, empty or with flowers."""
    width, _, height = design.size
    style, flowers = design.style(4), design.chance(0.3)
    top, radius = height * (0.68 if flowers else 1.0), width / 2
    shape = (
        [(0.45, 0), (0.8, 0.15), (1.0, 0.38), (0.85, 0.62), (0.42, 0.8), (0.36, 0.9), (0.5, 1)],
        [(0.5, 0), (0.62, 0.1), (0.75, 0.45), (0.9, 0.8), (1.0, 1)],
        [(0.6, 0), (0.9, 0.12), (1.0, 0.25), (0.8, 0.42), (0.3, 0.58), (0.26, 0.9), (0.36, 1)],
        [(0.7, 0), (0.98, 0.08), (1.0, 0.2), (1.0, 0.7), (0.9, 0.82), (0.55, 0.9), (0.55, 1)],
    )[style]
    heights, radii = np.array(shape)[:, 1], np.array(shape)[:, 0]
    fine = np.linspace(0, 1, 15)
    outer = [(r * radius, r * radius, z * top) for r, z in zip(np.interp(fine, heights, radii), fine, strict=True)]
    parts = [part(design.main, hollow(outer, 0.008, 0.02, sides=28))]
    if flowers:
        mouth = float(radii[-1]) * radius
        count = 6
        spread = ring(1.0, count=count)
        tips = (
            upright(spread * radius * 0.8, top) + [0, 0, 0.8] * design.random.uniform(0.26, 0.34, (count, 1)) * height
        )
        stems = rods(upright(spread * mouth * 0.3, top * 0.7), tips, 0.004, sides=5)
        heads = [ellipsoid(tip, (0.03, 0.03, 0.036), sides=10, rings=6) for tip in tips]
        colour = pick(design.random, FLOWERS)
        parts.append(part(Finish(material="leaf", colour=(70, 120, 60)), stems))
        parts.append(part(Finish(material="leaf", colour=colour), *heads))
    return parts


def ball(design: Design) -> list[Part]:
    """A ball with seams, a stripe or coloured panels."""
    height = design.size[2]
    style, radius = design.style(3), height / 2 * 0.99
    tilt, lean = design.between(-0.6, 0.6), design.between(-0.5, 0.5)
    centre = np.array([0, 0, height / 2])
    extra: list[Mesh] = []
    trim = shade(design.main, 0.6)
    sphere = ellipsoid(centre, (radius, radius, radius), sides=32, rings=16)
    if style == 0:
        circle = ring(radius, count=36)
        flat = np.column_stack([circle, np.zeros(36)])
        for rolled in (flat, flat[:, [0, 2, 1]], flat[:, [2, 0, 1]]):
            extra.append(tube(rolled + centre, radius * 0.022, sides=6, loop=True))
    else:
        white = Finish(material=design.main.material, colour=mixed((244, 244, 240), design.main.colour, 0.06))
        trim = white if sum(design.main.colour) < 600 else shade(design.main, 0.5)
        bands = ((-0.22, 0.22),) if style == 1 else ((-0.6, -0.4), (0.4, 0.6))
        for low, high in bands:
            angle = np.linspace(np.arcsin(low), np.arcsin(high), 5)
            skin = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * radius
            profile = np.concatenate([skin * 1.012, skin[::-1] * 0.98, skin[:1] * 1.012]) + centre[1:]
            extra.append(lathe(profile, sides=32))
    parts = [part(design.main, sphere), part(trim, *extra)]
    return [part(one.finish, turned(turned(one.mesh, 0, tilt, centre), 1, lean, centre)) for one in parts]


def basket(design: Design) -> list[Part]:
    """A woven basket with handles, empty or holding a folded cloth."""
    width, depth, height = design.size
    style, full = design.style(3), design.chance(0.45)
    x, y, lip = width / 2, depth / 2, height * 0.9
    foot, exponent = ((0.78, 2.0), (0.9, 2.0), (0.9, 5.0))[style]
    rings = np.linspace(0, 1, 17)
    swell = foot + (1 - foot) * np.sin(rings * np.pi / 2) - 0.02 * (np.arange(17) % 2)
    outer = [(x * s * 0.96, y * s * 0.96, lip * t) for s, t in zip(swell, rings, strict=True)]
    body = mapped_around(hollow(outer, 0.02, 0.03, exponent=exponent, sides=32))
    rim_path = outer[-1]
    outline = ring(1.0, count=32)
    outline = np.sign(outline) * np.abs(outline) ** (2 / exponent)
    rim = tube(upright(outline * rim_path[:2] * 0.985, lip), 0.016, sides=6, loop=True)
    bow = np.radians(np.linspace(0, 180, 9))
    handles = [
        tube(
            np.stack([np.full(9, side * (x * 0.95)), np.cos(bow) * y * 0.3, lip + np.sin(bow) * (height - lip)], -1),
            0.012,
            sides=6,
        )
        for side in (-1, 1)
    ]
    parts = [part(design.main, body), part(shade(design.main, 0.25), rim, *handles)]
    if full:
        size = 0.62 if style == 2 else 0.52
        cloth = rounded(
            [-x * size, -y * size, lip * 0.5], [x * size, y * size, lip + 0.03], 0.06, segments=2, bulge=0.02
        )
        parts.append(part(LINEN, cloth))
    return parts


def television(design: Design) -> list[Part]:
    """A flat television: a dark screen in a frame of the main colour, on a foot or on two legs."""
    width, depth, height = design.size
    x, y, style = width / 2, depth / 2, design.style(2)
    low, border = (0.09, 0.1)[style], 0.034
    thick = 0.05
    back = rounded([-x, -thick / 2 + 0.012, low], [x, thick / 2 + 0.012, height], 0.008)
    frame = boxes(
        [
            [-x, -thick / 2, low],
            [x - border, -thick / 2, low],
            [-x, -thick / 2, low],
            [-x, -thick / 2, height - border],
        ],
        [[-x + border, 0, height], [x, 0, height], [x, 0, low + border * 1.4], [x, 0, height]],
    )
    screen = boxes([-x + 0.03, -thick / 2 + 0.006, low + 0.04], [x - 0.03, 0, height - 0.03])
    bulge = rounded([-x * 0.6, 0, low + 0.08], [x * 0.6, thick, height * 0.7], 0.02)
    if style == 0:
        foot = rounded([-x * 0.42, -y, 0], [x * 0.42, y, 0.018], 0.006)
        stand = joined([foot, boxes([-0.07, -0.012, 0.01], [0.07, 0.03, low + 0.04])])
    else:
        places = np.array([[-x * 0.7, 0.0], [x * 0.7, 0.0]])
        starts = np.repeat(upright(places, low + 0.01), 2, axis=0)
        ends = starts + np.array([[0, -y + 0.014, 0], [0, y - 0.014, 0]] * 2)
        ends[:, 2] = 0.012
        stand = rods(starts, ends, 0.013)
    return [part(design.main, back, frame, bulge, stand), part(SCREEN, screen)]


def piano(design: Design) -> list[Part]:
    """An upright piano with its keyboard, music desk and pedals."""
    width, depth, height = design.size
    x, y = width / 2, depth / 2
    carved, key_height = design.chance(0.5), 0.62
    body = rounded([[-x, y - 0.34, 0], [-x, y - 0.34, height - 0.035]], [[x, y, height - 0.035], [x, y, height]], 0.008)
    lid = rounded([-x - 0.01, y - 0.37, height - 0.03], [x + 0.01, y, height], 0.01)
    bed = rounded([-x, -y, key_height - 0.07], [x, y - 0.3, key_height], 0.008)
    cheeks = rounded(
        [[-x, -y, key_height], [x - 0.06, -y, key_height]],
        [[-x + 0.06, y - 0.3, key_height + 0.1], [x, y - 0.3, key_height + 0.1]],
        0.02,
    )
    fall = boxes([-x, y - 0.36, key_height], [x, y - 0.33, key_height + 0.13])
    plinth = boxes([-x, y - 0.37, 0], [x, y, 0.09])
    posts = legs(corners(2 * x, 2 * y, 0.045)[:2], key_height - 0.05, 0.07, 2 if carved else 1)
    front = y - 0.345
    low, high = key_height + 0.18, height - 0.08
    panels = joined(
        [
            boxes([[a, front - 0.008, low]], [[b, front + 0.01, high]])
            for a, b in ((-x + 0.06, -0.36), (-0.32, 0.32), (0.36, x - 0.06))
        ]
    )
    lower = boxes([-x + 0.08, front - 0.008, 0.13], [x - 0.08, front + 0.01, key_height - 0.12])
    desk = boxes([-0.3, front - 0.06, low - 0.02], [0.3, front + 0.01, low])
    sheets = turned(
        boxes(
            [[-0.2, front - 0.035, low], [0.005, front - 0.035, low]],
            [[-0.005, front - 0.03, low + 0.26], [0.2, front - 0.03, low + 0.26]],
        ),
        0,
        -0.1,
        (0, front, low),
    )
    return [
        part(design.main, body, lid, bed, cheeks, fall, plinth, posts, panels, lower, desk),
        *_keyboard(x - 0.065, -y + 0.02, front - 0.02, key_height),
        part(PAPER, sheets),
        part(
            BRASS,
            rods(
                [[-0.08, front + 0.02, 0.05], [0.08, front + 0.02, 0.05]],
                [[-0.08, front - 0.1, 0.04], [0.08, front - 0.1, 0.04]],
                0.014,
            ),
        ),
    ]


def _keyboard(x: float, front: float, back: float, z: float) -> list[Part]:
    """Return the 52 white and 36 black keys between −x and x."""
    edges = np.linspace(-x, x, 53)
    white = boxes(
        np.column_stack([edges[:-1] + 0.001, np.full(52, front), np.full(52, z)]),
        np.column_stack([edges[1:] - 0.001, np.full(52, back), np.full(52, z + 0.022)]),
    )
    places = edges[1:-1][np.isin(np.arange(51) % 7, (0, 2, 3, 5, 6))]
    black = boxes(
        np.column_stack([places - 0.006, np.full(len(places), front + 0.06), np.full(len(places), z + 0.01)]),
        np.column_stack([places + 0.006, np.full(len(places), back), np.full(len(places), z + 0.035)]),
    )
    return [part(PAPER, white), part(DARK, black)]


BUILDERS: dict[str, Builder] = {
    "rug": rug,
    "vase": vase,
    "ball": ball,
    "basket": basket,
    "television": television,
    "piano": piano,
}
