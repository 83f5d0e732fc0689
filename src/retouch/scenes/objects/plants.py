"""Potted plants."""

import numpy as np

from retouch.scenes.objects.craft import Builder, Design, part, pick, upright
from retouch.scenes.parts import Finish, Part
from retouch.scenes.primitives import lathe, rods
from retouch.scenes.sheets import leaves

SOIL = Finish(material="paper", colour=(58, 42, 32))
GREENS = tuple(
    Finish(material="leaf", colour=colour) for colour in ((52, 110, 48), (74, 132, 58), (38, 88, 50), (96, 140, 70))
)
STEM = Finish(material="leaf", colour=(94, 84, 52))


def _turns(count: int, random: np.random.Generator) -> np.ndarray:
    """Return headings (count,) spread around by the golden angle, with some chance."""
    return np.arange(count) * 2.39996 + random.uniform(-0.3, 0.3, count)


def _headings(turn: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """Return unit directions (K, 3) from angles about z and above the horizon."""
    return np.stack([np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)], axis=-1)


def _sword(design: Design, pot: float, height: float, reach: float) -> list[Part]:
    """Stiff upright blades from the soil, as of a snake plant."""
    count, random = 15, design.random
    turn, rise = _turns(count, random), random.uniform(1.15, 1.5, count)
    root = upright(np.stack([np.cos(turn), np.sin(turn)], -1) * reach * 0.18, pot)
    length = (height - pot) * random.uniform(0.65, 1.02, count)
    blades = leaves(root, _headings(turn, rise), length, np.full(count, reach * 0.26), np.full(count, 0.03), steps=5)
    return [part(pick(random, GREENS[:3]), blades)]


def _broad(design: Design, pot: float, height: float, reach: float) -> list[Part]:
    """Large oval leaves around a stem, as of a rubber plant."""
    count, random = 24, design.random
    turn = _turns(count, random)
    level = np.linspace(0.18, 1.0, count)
    root = upright(np.zeros((count, 2)), 0) + [0, 0, 1] * (pot + level * (height - pot) * 0.86)[:, None]
    rise = 0.15 + 0.9 * level
    length = reach * random.uniform(0.85, 1.15, count) * (1.15 - 0.35 * level)
    foliage = leaves(root, _headings(turn, rise), length, length * 0.5, np.full(count, 0.3), steps=5, stem=0.15)
    stem = rods([0, 0, pot - 0.03], [0, 0, pot + (height - pot) * 0.86], 0.014, end_radius=0.006)
    return [part(pick(random, GREENS), foliage), part(STEM, stem)]


def _palm(design: Design, pot: float, height: float, reach: float) -> list[Part]:
    """Arching fronds, each of many narrow leaflets."""
    fronds, pairs, random = 9, 9, design.random
    turn, rise = _turns(fronds, random), random.uniform(0.95, 1.35, fronds)
    heading, length = _headings(turn, rise), (height - pot) * random.uniform(0.9, 1.1, fronds)
    along = np.linspace(0.3, 1.0, pairs)
    spine = heading[:, None] * (length[:, None] * along)[..., None]
    spine[..., 2] -= 0.32 * length[:, None] * along**2.4
    flat = np.stack([-np.sin(turn), np.cos(turn), np.zeros(fronds)], -1)[:, None]
    out = heading[:, None] * 0.8 - [0, 0, 0.35]
    sides = np.stack([np.broadcast_to(out + flat, spine.shape), np.broadcast_to(out - flat, spine.shape)])
    roots = np.stack([spine, spine]).reshape(-1, 3) + np.array([0, 0, pot])
    size = np.broadcast_to(reach * 0.62 * np.sin(np.pi * (0.25 + 0.65 * (along - 0.3) / 0.7)), (2, fronds, pairs))
    flat_size = size.reshape(-1)
    leaflets = leaves(
        roots,
        sides.reshape(-1, 3),
        flat_size,
        np.full(len(flat_size), reach * 0.11),
        np.full(len(flat_size), 0.25),
        steps=2,
    )
    stalk = leaves(
        upright(np.zeros((fronds, 2)), pot), heading, length, np.full(fronds, 0.014), np.full(fronds, 0.3), steps=5
    )
    return [part(pick(random, GREENS), leaflets), part(pick(random, GREENS), stalk)]


def _bush(design: Design, pot: float, height: float, reach: float) -> list[Part]:
    """A round crown of small leaves on a stem or straight from the pot."""
    count, random = 130, design.random
    stemmed = design.chance(0.5)
    low = pot + (0.32 if stemmed else 0.08) * (height - pot)
    radius = np.array([reach * 0.75, reach * 0.75, (height - low) / 2])
    rise = np.arcsin(np.linspace(-0.85, 1, count))
    heading = _headings(_turns(count, random), rise)
    root = heading * radius * random.uniform(0.55, 0.85, (count, 1)) + [0, 0, (low + height) / 2]
    aim = heading + np.array([0, 0, 0.35]) + random.uniform(-0.3, 0.3, (count, 3))
    length = np.full(count, reach * 0.5)
    foliage = leaves(root, aim, length, length * 0.7, np.full(count, 0.2), steps=2)
    parts = [part(pick(random, GREENS), foliage)]
    return [*parts, part(STEM, rods([0, 0, pot - 0.03], [0, 0, (low + height) / 2], 0.014))]


def plant(design: Design) -> list[Part]:
    """A plant in a pot of the main finish."""
    width, _, height = design.size
    style, shape = design.style(4), design.style(3)
    pot = height * design.between(0.3, 0.38)
    radius = min(width * design.between(0.3, 0.36), pot * 0.75)
    foot = (0.7, 0.95, 0.6)[shape] * radius
    belly = (0.0, 0.0, 0.14)[shape] * radius
    levels = np.linspace(0, 1, 6)
    outer = [(foot + (radius - foot) * t + belly * np.sin(np.pi * t), pot * t) for t in levels]
    if shape == 0:
        outer = [*outer[:-1], (radius * 0.95, pot * 0.84), (radius * 1.06, pot * 0.84), (radius * 1.06, pot)]
    rim = outer[-1][0]
    vessel = lathe([(0, 0), *outer, (rim - 0.02, pot), (rim - 0.025, pot * 0.9), (0, pot * 0.9)], sides=28)
    soil = lathe([(rim - 0.02, pot * 0.93), (0, pot * 0.94)], sides=20)
    grow = (_sword, _broad, _palm, _bush)[style]
    return [part(design.main, vessel), part(SOIL, soil), *grow(design, pot * 0.94, height, width / 2)]


BUILDERS: dict[str, Builder] = {"plant": plant}
