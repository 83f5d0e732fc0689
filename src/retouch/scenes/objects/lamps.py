"""Floor lamps, table lamps and pendant lamps."""

import numpy as np

from retouch.scenes.objects.craft import (
    BULB,
    CERAMIC,
    IRON,
    Builder,
    Design,
    arc,
    part,
    pick,
    ring,
    upright,
)
from retouch.scenes.parts import Mesh, Part
from retouch.scenes.primitives import cylinder, ellipsoid, lathe, rods, tube


def _shade(style: int, radius: float, low: float, high: float) -> Mesh:
    """Return a shade open below and above: 0 drum, 1 cone, 2 tapered drum, 3 dome closed above."""
    if style == 3:
        curve = arc(8, 0, 84)
        outer = [(radius * across, low + (high - low) * up) for across, up in curve]
    else:
        narrow = (1.0, 0.45, 0.75)[style] * radius
        outer = [(radius, low), (narrow, high)]
    thin = 0.008
    inner = [(max(across - thin, 0.004), up - (thin if style == 3 else 0)) for across, up in reversed(outer)]
    inner[-1] = (radius - thin, low)
    return lathe([*outer, *inner, outer[0]], sides=32)


def _bulb(z: float, radius: float = 0.045) -> Part:
    """Return a lit bulb about height `z`."""
    return part(BULB, ellipsoid((0, 0, z), (radius, radius, radius * 1.2), sides=14, rings=8))


def floor_lamp(design: Design) -> list[Part]:
    """A floor lamp on a post or a tripod."""
    width, _, height = design.size
    radius, metal, tripod = width / 2, design.fitting, design.chance(0.35)
    style = design.style(3)
    tall = design.between(0.3, 0.38)
    shade = _shade(style, radius, height - tall, height)
    bulb = _bulb(height - tall * 0.6, 0.055)
    if tripod:
        feet = ring(radius * 0.95, count=3)
        finish = design.frame if not design.soft else pick(design.random, (metal, design.frame))
        head = np.tile([0.0, 0.0, height - tall * 0.9], (3, 1))
        stand = rods(upright(feet, 0.0), head + upright(feet * 0.06, 0.0), 0.014)
        neck = cylinder((0, 0, height - tall), 0.02, tall * 0.3, sides=10)
        return [part(design.main, shade), bulb, part(finish, stand, neck)]
    foot = radius * design.between(0.62, 0.75)
    base = lathe([(0, 0), (foot, 0), (foot, 0.015), (foot * 0.9, 0.03), (0.03, 0.04), (0, 0.05)])
    pole = cylinder((0, 0, 0.02), 0.014, height - tall * 0.7, sides=12)
    return [part(design.main, shade), bulb, part(metal, base, pole)]


def table_lamp(design: Design) -> list[Part]:
    """A table lamp: a turned body of ceramic, wood or metal under a shade."""
    width, _, height = design.size
    radius, style, body = width / 2, design.style(3), design.style(4)
    foot_finish = pick(design.random, (CERAMIC, design.fitting, design.frame))
    low = height * design.between(0.42, 0.5)
    shade = _shade((0, 1, 2)[style], radius, low, height)
    neck = low + 0.04
    if body == 0:
        profile = [(0, 0), (0.07, 0), (0.075, 0.01), (0.1, 0.35), (0.07, 0.7), (0.025, 0.9), (0.012, 1), (0, 1)]
    elif body == 1:
        profile = [(0, 0), (0.09, 0), (0.09, 0.08), (0.03, 0.14), (0.018, 0.3), (0.018, 1), (0, 1)]
    elif body == 2:
        profile = [(0, 0), (0.1, 0), (0.1, 0.1), (0.075, 0.5), (0.02, 0.85), (0.012, 1), (0, 1)]
    else:
        curve = [(0.02 + 0.075 * np.sin(angle), 0.45 - 0.38 * np.cos(angle)) for angle in np.linspace(0.3, 2.9, 9)]
        profile = [(0, 0), (0.06, 0), (0.06, 0.05), *curve, (0.012, 1), (0, 1)]
    stem = lathe([(across * radius / 0.14, up * neck) for across, up in profile], sides=20)
    return [part(design.main, shade), _bulb(low + (height - low) * 0.35, 0.035), part(foot_finish, stem)]


def pendant_lamp(design: Design) -> list[Part]:
    """A lamp hanging from the ceiling by a cord; the origin is where it hangs."""
    width, _, height = design.size
    radius, style = width / 2, design.style(4)
    tall = {0: 0.24, 1: 0.26, 2: 0.24, 3: 0.22}[style] * design.between(0.9, 1.15)
    metal = pick(design.random, (IRON, design.fitting))
    shade = _shade((0, 1, 2, 3)[style], radius, 0.0, tall)
    bulb = _bulb(tall * 0.28, 0.055)
    cord = cylinder((0, 0, tall * 0.4), 0.008, height - tall * 0.4 - 0.01, sides=8)
    cup = lathe([(0, tall * 0.45), (0.03, tall * 0.45), (0.03, tall + 0.01), (0.012, tall + 0.05), (0, tall + 0.05)])
    rose = lathe([(0, height - 0.03), (0.05, height - 0.025), (0.055, height), (0, height)])
    meshes = [cord, cup, rose]
    if style != 3:
        spokes = np.append(ring(0.97 * radius * (1.0, 0.45, 0.75)[style], count=3), np.zeros((3, 2)), axis=0)
        meshes.append(rods(upright(spokes[:3], tall - 0.01), upright(spokes[3:], tall - 0.01), 0.004, sides=5))
    if design.chance(0.3):
        meshes.append(tube(upright(ring(radius * 0.985), 0.004), 0.008, sides=6, loop=True))
    return [part(design.main, shade), bulb, part(metal, *meshes)]


BUILDERS: dict[str, Builder] = {
    "floor lamp": floor_lamp,
    "table lamp": table_lamp,
    "pendant lamp": pendant_lamp,
}
