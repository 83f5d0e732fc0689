"""Dining tables, coffee tables and desks."""

import numpy as np

from retouch.scenes.objects.craft import (
    Builder,
    Design,
    bar_handle,
    corners,
    knob,
    legs,
    part,
)
from retouch.scenes.parts import Mesh, Part, joined, mapped_from_above
from retouch.scenes.primitives import blocks, boxes, loft, rounded


def _top(width: float, depth: float, height: float, thick: float, rounding: float) -> Mesh:
    """Return a table top whose corners are rounded in plan."""
    if rounding < 0.02:
        return rounded([-width / 2, -depth / 2, height - thick], [width / 2, depth / 2, height], 0.006)
    x, y, soft = width / 2, depth / 2, 0.006
    rim = [(x - soft, y - soft, height - thick), (x, y, height - thick + soft)]
    rim += [(x, y, height - soft), (x - soft, y - soft, height)]
    return mapped_from_above(loft([(0, 0, height - thick), *rim, (0, 0, height)], sides=40, exponent=8))


def _apron(width: float, depth: float, top: float, inset: float, high: float = 0.07) -> Mesh:
    """Return the four boards under a table top."""
    x, y, thick = width / 2 - inset, depth / 2 - inset, 0.022
    return boxes(
        [[-x, -y, top - high], [-x, y - thick, top - high], [-x, -y, top - high], [x - thick, -y, top - high]],
        [[x, -y + thick, top], [x, y, top], [-x + thick, y, top], [x, y, top]],
    )


def _trestle(width: float, depth: float, height: float) -> Mesh:
    """Return two crossed trestles joined by a beam."""
    bodies = []
    for x in (-width * 0.34, width * 0.34):
        for sign in (-1, 1):
            foot, head = -sign * depth * 0.4, sign * depth * 0.3
            corner = [
                [x + dx, (foot if dz == 0 else head) + dy, dz * height]
                for dz in (0, 1)
                for dy in (-0.04, 0.04)
                for dx in (-0.03, 0.03)
            ]
            bodies.append(corner)
    beam = boxes([-width * 0.34, -0.03, height * 0.46], [width * 0.34, 0.03, height * 0.54])
    return joined([blocks(bodies), beam])


def _pedestal(width: float, depth: float, height: float) -> Mesh:
    """Return two slab feet with a plinth each."""
    x = width * 0.3
    return boxes(
        [
            [-x - 0.04, -depth * 0.3, 0],
            [x - 0.04, -depth * 0.3, 0],
            [-x - 0.09, -depth * 0.42, 0],
            [x - 0.09, -depth * 0.42, 0],
        ],
        [
            [-x + 0.04, depth * 0.3, height],
            [x + 0.04, depth * 0.3, height],
            [-x + 0.09, depth * 0.42, 0.035],
            [x + 0.09, depth * 0.42, 0.035],
        ],
    )


def dining_table(design: Design) -> list[Part]:
    """A dining table on four legs, trestles or slabs."""
    width, depth, height = design.size
    thick, style, frame = design.between(0.028, 0.05), design.style(6), design.frame
    rounding = 0.1 if design.chance(0.35) else 0.0
    inset = 0.1 if rounding else 0.06
    top, under = _top(width, depth, height, thick, rounding), height - thick
    if style == 0:
        base = _trestle(width, depth, under)
    elif style == 1:
        base = _pedestal(width, depth, under)
    else:
        standing = legs(corners(width, depth, inset), under, 0.075, style - 2, splay=0.05)
        base = joined([standing, _apron(width, depth, under, inset - 0.01)])
    return [part(design.main, top), part(frame, base)]


def coffee_table(design: Design) -> list[Part]:
    """A low table, often with a shelf below, or on slabs."""
    width, depth, height = design.size
    thick, style, frame = design.between(0.03, 0.055), design.style(4), design.frame
    rounding = 0.1 if design.chance(0.35) else 0.0
    top, under = _top(width, depth, height, thick, rounding), height - thick
    if style == 0:
        base = _pedestal(width, depth, under)
        return [part(design.main, top), part(frame, base)]
    inset = 0.09 if rounding else 0.05
    standing = legs(corners(width, depth, inset), under, 0.05, style - 1, splay=0.06)
    parts = [part(design.main, top), part(frame, standing, _apron(width, depth, under, inset - 0.01, 0.04))]
    if design.chance(0.6):
        x, y, z = width / 2 - inset, depth / 2 - inset, height * 0.3
        parts.append(part(design.main, rounded([-x, -y, z], [x, y, z + 0.025], 0.006)))
    return parts


def desk(design: Design) -> list[Part]:
    """A writing desk: legs on one side, drawers on the other, or a drawer under the top."""
    width, depth, height = design.size
    thick, style, frame, fitting = 0.035, design.style(3), design.frame, design.fitting
    side = -1 if design.chance(0.5) else 1
    top, under = _top(width, depth, height, thick, 0.0), height - thick
    y = depth / 2 - 0.03
    modesty = boxes([-width / 2 + 0.06, y - 0.02, height * 0.45], [width / 2 - 0.06, y, under])
    points = corners(width, depth, 0.045)
    if style == 0:
        rail = boxes([-width / 2 + 0.05, -y, under - 0.12], [width / 2 - 0.05, y, under])
        fronts = np.array([-0.47, 0.01]) * (width - 0.1)
        drawers = rounded(
            [[x, -y - 0.012, under - 0.11] for x in fronts],
            [[x + 0.46 * (width - 0.1), -y, under - 0.01] for x in fronts],
            0.004,
        )
        knobs = joined([knob(x + 0.23 * (width - 0.1), -y - 0.012, under - 0.06) for x in fronts])
        return [
            part(design.main, top, rail, drawers),
            part(frame, legs(points, under, 0.05, design.style(3))),
            part(fitting, knobs),
        ]
    inner, outer = side * (width / 2 - 0.42), side * (width / 2 - 0.03)
    left, right = min(inner, outer), max(inner, outer)
    pedestal = boxes([left, -y, 0.05], [right, y, under])
    levels = np.linspace(0.08, under - 0.01, 4)
    drawers = rounded(
        [[left + 0.012, -y - 0.014, z] for z in levels[:-1]],
        [[right - 0.012, -y, z - 0.014] for z in levels[1:]],
        0.005,
    )
    middle = (left + right) / 2
    handles = joined(
        [bar_handle((middle - 0.07, -y - 0.014, z - 0.06), (middle + 0.07, -y - 0.014, z - 0.06)) for z in levels[1:]]
    )
    standing = legs(points[points[:, 0] * side < 0], under, 0.05, design.style(3))
    body = [part(design.main, top, pedestal, drawers, modesty)]
    plinth = boxes([left + 0.03, -y + 0.03, 0], [right - 0.03, y - 0.03, 0.05])
    return [*body, part(frame, standing, plinth), part(fitting, handles)]


BUILDERS: dict[str, Builder] = {"dining table": dining_table, "coffee table": coffee_table, "desk": desk}
