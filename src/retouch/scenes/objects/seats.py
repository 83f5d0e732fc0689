"""Sofas, armchairs, chairs, stools and cushions."""

import numpy as np

from retouch.scenes.catalogue import KINDS
from retouch.scenes.objects.craft import Builder, Design, arc, corners, legs, part, ring, shade, upright
from retouch.scenes.parts import Finish, Mesh, Part, joined, mapped_from_above, moved, turned
from retouch.scenes.primitives import boxes, loft, rods, rounded, swept, tube
from retouch.scenes.sheets import pillow

SEAT = KINDS["sofa"].surface
"""Height of a sofa's or armchair's seat as a share of its height."""


def _cushion_row(low: np.ndarray, high: np.ndarray, count: int, bulge: float) -> Mesh:
    """Return `count` equal cushions side by side in x filling a box."""
    edges = np.linspace(low[0], high[0], count + 1)
    lows, highs = np.tile(low, (count, 1)), np.tile(high, (count, 1))
    lows[:, 0], highs[:, 0] = edges[:-1] + 0.004, edges[1:] - 0.004
    return rounded(lows, highs, min(0.05, (high - low).min() * 0.4), segments=2, bulge=bulge)


def _arms(width: float, depth: float, *, foot: float, top: float, thick: float, style: int) -> Mesh:
    """Return the two arms: 0 boxy, 1 well rounded, 2 rolled, from the feet up to `top`."""
    x, y = width / 2, depth / 2
    high = top - (thick * 0.35 if style == 2 else 0.0)
    lows = [[-x, -y + 0.02, foot], [x - thick, -y + 0.02, foot]]
    highs = [[-x + thick, y - 0.04, high], [x, y - 0.04, high]]
    body = rounded(lows, highs, (0.025, thick * 0.45, 0.03)[style], segments=2)
    if style != 2:
        return body
    radius = thick * 0.62
    starts = np.array([[-x + radius, -y, top - radius], [x - radius, -y, top - radius]])
    return joined([body, rods(starts, starts + np.array([0, depth - 0.06, 0]), radius, sides=16)])


def _sofa_feet(design: Design, width: float, depth: float, height: float) -> Part:
    """Return four feet of wood or metal."""
    points = corners(width, depth, 0.09)
    return part(design.frame, legs(points, height + 0.03, 0.05, 1 + design.style(2)))


def _padded(design: Design, cushions: int) -> list[Part]:
    """Return a sofa or a boxy armchair with the given number of seat cushions."""
    width, depth, height = design.size
    foot, arm = design.between(0.07, 0.13), design.between(0.13, 0.2) * (1 if width > 1.2 else 0.8)
    seat, style = SEAT * height, design.style(3)
    inner, y = width / 2 - arm, depth / 2
    top = design.between(0.7, 0.8) * height
    frame_top = design.between(0.86, 0.96) * height
    base = rounded([-inner - 0.02, -y + 0.05, foot], [inner + 0.02, y - 0.03, seat - 0.12], 0.02)
    back = rounded([-width / 2 + 0.02, y - 0.17, foot], [width / 2 - 0.02, y, frame_top], 0.05, segments=2)
    seats = _cushion_row(
        np.array([-inner, -y + 0.01, seat - 0.14]), np.array([inner, y - 0.16, seat + 0.02]), cushions, 0.02
    )
    backs = _cushion_row(np.array([-inner, y - 0.29, seat - 0.01]), np.array([inner, y - 0.1, height]), cushions, 0.03)
    backs = turned(backs, 0, -0.16, about=(0, y - 0.2, seat))
    arms = _arms(width, depth, foot=foot, top=top, thick=arm, style=style)
    return [part(design.main, base, back, seats, backs, arms), _sofa_feet(design, width, depth, foot)]


def sofa(design: Design) -> list[Part]:
    """A sofa of two or three seats."""
    return _padded(design, 2 + int(design.chance(0.5)) if design.size[0] > 1.7 else 2)


def _wing_chair(design: Design) -> list[Part]:
    """A high-backed armchair with wings."""
    width, depth, height = design.size
    x, y, foot, seat = width / 2, depth / 2, 0.14, SEAT * height
    base = rounded([-x + 0.04, -y + 0.06, foot], [x - 0.04, y - 0.06, seat - 0.1], 0.02)
    cushion = rounded([-x + 0.12, -y, seat - 0.13], [x - 0.12, y - 0.16, seat + 0.02], 0.05, segments=2, bulge=0.02)
    back = rounded([-x + 0.1, y - 0.2, seat - 0.1], [x - 0.1, y - 0.04, height], 0.06, segments=2, bulge=0.02)
    back = turned(back, 0, -0.1, about=(0, y, seat))
    arms = _arms(width, depth, foot=foot, top=height * 0.68, thick=0.13, style=1)
    wings = rounded(
        [[-x + 0.02, y - 0.36, height * 0.5], [x - 0.14, y - 0.36, height * 0.5]],
        [[-x + 0.14, y - 0.02, height * 0.97], [x - 0.02, y - 0.02, height * 0.97]],
        0.055,
        segments=2,
    )
    return [part(design.main, base, cushion, back, arms, wings), _sofa_feet(design, width, depth, foot)]


def _tub_chair(design: Design) -> list[Part]:
    """An armchair whose low back sweeps round into the arms."""
    width, depth, height = design.size
    foot, seat, thick = 0.12, SEAT * height, 0.13
    sweep = arc(19, 205, -25)
    radii = np.array([width / 2 - thick / 2, depth / 2 - thick / 2])
    lift = 0.72 + 0.28 * np.clip(sweep[:, 1], 0, 1) ** 0.7
    wall = _swept_wall(sweep * radii, thick, foot, lift * height)
    low, high = [-radii[0] + 0.02, -depth / 2, foot], [radii[0] - 0.02, radii[1] - 0.05, seat - 0.1]
    base = rounded(low, high, [0.12, 0.12, 0.02], segments=2)
    cushion = rounded(
        [low[0] + 0.03, -depth / 2 - 0.01, seat - 0.13], [high[0] - 0.03, high[1], seat + 0.02], [0.1, 0.1, 0.05],
        segments=3, bulge=0.015,
    )  # fmt: skip
    return [part(design.main, wall, base, cushion), _sofa_feet(design, width * 0.8, depth * 0.85, foot)]


def _swept_wall(plan: np.ndarray, thick: float, bottom: float, top: np.ndarray) -> Mesh:
    """Return an upright padded wall along plan points (P, 2), clockwise, rounded above, `top` (P,) high."""
    along = np.gradient(plan, axis=0)
    inward = np.stack([along[:, 1], -along[:, 0]], axis=-1)
    inward /= np.linalg.norm(inward, axis=1, keepdims=True)
    crown, bevel = arc(5, 180, 0) * thick / 2, 0.012
    side = thick / 2
    across = np.array([bevel - side, -side, *crown[:, 0], side, side - bevel])
    lifted = np.array([0.0, 0, 1, 1, 1, 1, 1, 0, 0])
    raised = np.array([0, bevel, *(crown[:, 1] - side), bevel, 0])
    rings = np.empty((len(plan), len(across), 3))
    rings[..., :2] = plan[:, None] + inward[:, None] * across[:, None]
    rings[..., 2] = bottom + (top[:, None] - bottom) * lifted + raised
    return swept(rings)


def armchair(design: Design) -> list[Part]:
    """An armchair: boxy, with wings, or with a round back."""
    style = design.style(3)
    if style == 0:
        return _padded(design, 1)
    return _wing_chair(design) if style == 1 else _tub_chair(design)


def _chair_back(design: Design, frame: Finish, width: float, seat: float) -> list[Part]:
    """Return the upper part of a chair: posts with a panel, slats, rungs, or an upholstered pad."""
    style, x, y, height = design.style(3), width / 2, design.size[1] / 2, design.size[2]
    posts = boxes(
        [[-x, y - 0.032, seat - 0.02], [x - 0.035, y - 0.032, seat - 0.02]],
        [[-x + 0.035, y, height], [x, y, height]],
    )
    low = seat + 0.12
    if design.soft:
        pad = rounded([-x + 0.005, y - 0.065, low], [x - 0.005, y + 0.0, height + 0.01], 0.025, segments=2, bulge=0.008)
        return [part(frame, posts), part(design.main, pad)]
    if style == 0:
        back = rounded([-x, y - 0.03, height - 0.22], [x, y - 0.006, height], 0.008)
    elif style == 1:
        heights = np.linspace(low, height - 0.075, 3)
        back = boxes([[-x + 0.02, y - 0.026, z] for z in heights], [[x - 0.02, y - 0.008, z + 0.075] for z in heights])
    else:
        places = np.linspace(-x + 0.08, x - 0.08, 4)
        rail = rounded([-x, y - 0.034, height - 0.08], [x, y + 0.002, height], 0.01)
        slats = boxes(
            [[place - 0.02, y - 0.026, seat] for place in places],
            [[place + 0.02, y - 0.01, height - 0.04] for place in places],
        )
        back = joined([rail, slats])
    return [part(design.main, posts, back)]


def chair(design: Design) -> list[Part]:
    """A dining chair with a back of slats, rungs, a panel or a pad."""
    width, depth, height = design.size
    seat, frame = 0.5 * height, design.frame
    style, splay = design.style(4), design.between(0.0, 0.12)
    points = corners(width - 0.02, depth - 0.02, 0.024)
    standing = legs(points, seat - 0.02, 0.038, style, splay=splay)
    thick = 0.09 if design.soft else 0.035
    pan = rounded(
        [-width / 2 + 0.004, -depth / 2, seat - thick], [width / 2 - 0.004, depth / 2 - 0.015, seat],
        0.035 if design.soft else 0.012, segments=2, bulge=0.008 if design.soft else 0.0,
    )  # fmt: skip
    apron = boxes(
        [-width / 2 + 0.03, -depth / 2 + 0.03, seat - thick - 0.04],
        [width / 2 - 0.03, depth / 2 - 0.03, seat - thick + 0.02],
    )
    back = _chair_back(design, frame, width - 0.02, seat)
    return [part(design.main, pan), part(frame, standing, apron), *back]


def stool(design: Design) -> list[Part]:
    """A stool, round or square, with a footrest; low ones may be drums of fabric or leather."""
    width, depth, height = design.size
    soft, frame = design.soft, design.frame
    is_round = design.chance(0.6)
    three = design.chance(0.3) and is_round
    thick = 0.1 if soft else 0.045
    if is_round:
        edge = min(0.03, thick * 0.4)
        curve = arc(4, 0, 90) * edge
        profile = [(0, height - thick), (0.48, height - thick)]
        profile += [(0.5 - edge + across, height - edge + up) for across, up in curve] + [(0, height)]
        seat = mapped_from_above(loft([(r * width, r * depth, z) for r, z in profile], sides=28))
    else:
        seat = rounded(
            [-width / 2, -depth / 2, height - thick], [width / 2, depth / 2, height], min(0.03, thick * 0.4),
            segments=2, bulge=0.008 if soft else 0.0,
        )  # fmt: skip
    feet = ring(0.36, count=3) if three else corners(1, 1, 0.2 if is_round else 0.1)
    points = feet * [width, depth]
    standing = legs(points, height - thick + 0.01, 0.036, 2 if is_round else design.style(2), splay=0.22)
    rest = 0.35 * height
    if is_round:
        circle = ring(float(np.linalg.norm(points[0])) * 1.14, count=20)
        rest_mesh = tube(upright(circle, rest), 0.009, sides=6, loop=True)
    else:
        x, y = points[3]
        rest_mesh = boxes(
            [[-x, -y - 0.012, rest], [-x, y - 0.012, rest], [-x - 0.012, -y, rest], [x - 0.012, -y, rest]],
            [
                [x, -y + 0.012, rest + 0.03],
                [x, y + 0.012, rest + 0.03],
                [-x + 0.012, y, rest + 0.03],
                [x + 0.012, y, rest + 0.03],
            ],
        )
    return [part(design.main, seat), part(frame, standing, rest_mesh)]


def cushion(design: Design) -> list[Part]:
    """A scatter cushion, plain or with a pattern, leaning back a little."""
    width, depth, height = design.size
    body = moved(pillow(width, depth, height), [0, 0, height / 2])
    parts, style = [part(design.main, body)], design.style(3)
    edge = shade(design.main, 0.3)
    outline = np.array([[-1, -1], [-0.5, -0.93], [0, -0.91], [0.5, -0.93], [1, -1]])
    sides = [
        outline,
        np.stack([-outline[:, 1], outline[:, 0]], -1),
        -outline,
        np.stack([outline[:, 1], -outline[:, 0]], -1),
    ]
    loop = np.concatenate([side[:-1] for side in sides]) / 2
    path = np.stack([loop[:, 0] * width, np.zeros(16), loop[:, 1] * height + height / 2], axis=-1)
    if style == 0:
        parts.append(part(edge, tube(path, 0.008, sides=6, loop=True)))
    elif style == 1:
        parts.append(part(edge, rods([0, -depth / 2 - 0.004, height / 2], [0, depth / 2 + 0.004, height / 2], 0.02)))
    return [part(one.finish, turned(one.mesh, 0, -0.12)) for one in parts]


BUILDERS: dict[str, Builder] = {
    "sofa": sofa,
    "armchair": armchair,
    "chair": chair,
    "stool": stool,
    "cushion": cushion,
}
