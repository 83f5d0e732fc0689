"""Bookshelves, cabinets, wardrobes and nightstands."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retouch.scenes.objects.craft import (
    Builder,
    Design,
    bar_handle,
    corners,
    knob,
    legs,
    part,
)
from retouch.scenes.palette import RGB
from retouch.scenes.parts import Finish, Mesh, Part, joined
from retouch.scenes.primitives import boxes, rounded

BOOK_COLOURS: tuple[RGB, ...] = (
    (156, 44, 40),
    (38, 70, 118),
    (206, 160, 60),
    (58, 96, 70),
    (226, 218, 200),
    (70, 50, 44),
    (196, 108, 58),
    (104, 128, 148),
)


def _case(width: float, depth: float, low: float, high: float, board: float) -> Mesh:
    """Return an open-fronted case: two sides, bottom, top and back."""
    x, y = width / 2, depth / 2
    return boxes(
        [[-x, -y, low], [x - board, -y, low], [-x, -y, low], [-x, -y, high - board], [-x, y - 0.015, low]],
        [[-x + board, y, high], [x, y, high], [x, y, low + board], [x, y, high], [x, y, high]],
    )


def _fronts(columns: np.ndarray, levels: np.ndarray, y: float, *, gap: float = 0.014, panel: bool = False) -> Mesh:
    """Return doors or drawer fronts filling a grid of edges in x and z, standing out from the plane `y`."""
    lows = [[left, z] for left in columns[:-1] for z in levels[:-1]]
    highs = [[right, z] for right in columns[1:] for z in levels[1:]]
    low = np.insert(np.array(lows) + gap / 2, 1, y - 0.02, axis=1)
    high = np.insert(np.array(highs) - gap / 2, 1, y, axis=1)
    slabs = rounded(low, high, 0.004)
    if not panel:
        return slabs
    border = min(0.07, float((high - low)[:, [0, 2]].min()) * 0.22)
    x0, z0, x1, z1 = low[:, 0], low[:, 2], high[:, 0], high[:, 2]
    front, back = np.full_like(x0, y - 0.034), np.full_like(x0, y - 0.019)
    bars = (
        (x0, z0, x0 + border, z1),
        (x1 - border, z0, x1, z1),
        (x0 + border, z0, x1 - border, z0 + border),
        (x0 + border, z1 - border, x1 - border, z1),
    )
    lows = np.concatenate([np.stack([left, front, bottom], -1) for left, bottom, _, _ in bars])
    highs = np.concatenate([np.stack([right, back, top], -1) for _, _, right, top in bars])
    return joined([slabs, boxes(lows, highs)])


def _books(
    random: np.random.Generator, span: tuple[float, float], floor: NDArray[np.float64], *, room: float, depth: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return low and high corners (B, 3) of rows of books on shelves at heights `floor` (S,), gaps left out."""
    left, right = span
    lows, highs = [], []
    for z in floor:
        widths = random.uniform(0.022, 0.05, 40)
        edges = left + np.cumsum(widths)
        heights = room * random.uniform(0.6, 0.92, 40)
        setback = random.uniform(0.01, 0.035, 40)
        first, last = sorted(random.uniform(0.0, 1.35, 2)) if random.random() < 0.7 else (2.0, 2.0)
        share = (edges - left) / (right - left)
        kept = (edges < right) & ((share < first) | (share > last) | (last - first > 0.6))
        near = -depth / 2 + setback[kept]
        lows.append(np.stack([(edges - widths)[kept], near, np.full(kept.sum(), z)], -1))
        highs.append(np.stack([edges[kept] - 0.002, near + depth * 0.7, z + heights[kept]], -1))
    return np.concatenate(lows), np.concatenate(highs)


def bookshelf(design: Design) -> list[Part]:
    """An open case of shelves with rows of books."""
    width, depth, height = design.size
    board, random = design.between(0.028, 0.04), design.random
    shelves = 4 + design.style(2)
    levels = np.linspace(0.06, height - board, shelves + 1)
    x, y = width / 2, depth / 2
    case = _case(width, depth, 0.0, height, board)
    boards = boxes([[-x, -y + 0.004, z] for z in levels[:-1]], [[x, y, z + board] for z in levels[:-1]])
    plinth = boxes([-x, -y + 0.02, 0], [x, y, 0.06])
    uprights = [case, boards, plinth]
    middle = width > 0.95 and design.chance(0.5)
    if middle:
        uprights.append(boxes([-board / 2, -y + 0.004, 0.06], [board / 2, y, height]))
    room = float(levels[1] - levels[0]) - board
    spans = [(-x + board, -board / 2), (board / 2, x - board)] if middle else [(-x + board, x - board)]
    rows = [_books(random, span, levels[:-1] + board, room=room, depth=depth) for span in spans]
    low, high = np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows])
    colour = random.integers(len(BOOK_COLOURS), size=len(low))
    books = [
        part(Finish(material="paper", colour=BOOK_COLOURS[index]), boxes(low[colour == index], high[colour == index]))
        for index in np.unique(colour)
    ]
    return [part(design.main, *uprights), *books]


def cabinet(design: Design) -> list[Part]:
    """A sideboard with doors, drawers or both."""
    width, depth, height = design.size
    style, panel, fitting, frame = design.style(3), design.chance(0.5), design.fitting, design.frame
    foot = design.between(0.06, 0.16)
    x, y = width / 2, depth / 2
    body = boxes([-x + 0.01, -y + 0.036, foot], [x - 0.01, y, height - 0.03])
    top = rounded([-x, -y, height - 0.032], [x, y, height], 0.006)
    columns = np.linspace(-x + 0.012, x - 0.012, (3 if style == 0 else 4) + (width > 1.2))
    low, high = foot + 0.004, height - 0.036
    levels = np.linspace(low, high, 4)
    if style == 0:
        fronts = _fronts(columns, levels, -y + 0.036)
        middles = [((a + b) / 2, (c + d) / 2) for a, b in pairwise(columns) for c, d in pairwise(levels)]
        fittings = joined(
            [bar_handle((u - 0.06, -y + 0.016, v), (u + 0.06, -y + 0.016, v), stand=0.02) for u, v in middles]
        )
    else:
        split = levels[2] if style == 1 else high
        doors = _fronts(columns, np.array([low, split]), -y + 0.036, panel=panel)
        knobs = [
            knob(edge + (0.05 if index % 2 else -0.05), -y + 0.004, split - 0.16 * (split - low))
            for index, edge in enumerate(columns[1:-1])
        ]
        if style == 1:
            doors = joined([doors, _fronts(columns, np.array([split, high]), -y + 0.036)])
            knobs += [knob((a + b) / 2, -y + 0.016, (split + high) / 2) for a, b in pairwise(columns)]
        fronts, fittings = doors, joined(knobs)
    standing = legs(corners(width, depth, 0.07), foot + 0.01, 0.045, 1 + design.style(2))
    return [part(design.main, body, top, fronts), part(fitting, fittings), part(frame, standing)]


def wardrobe(design: Design) -> list[Part]:
    """A wardrobe with two or three doors, perhaps drawers below."""
    width, depth, height = design.size
    panel, drawers, fitting, cornice = design.chance(0.6), design.chance(0.4), design.fitting, design.chance(0.5)
    x, y = width / 2, depth / 2
    body = boxes([-x + 0.015, -y + 0.04, 0.06], [x - 0.015, y, height - 0.03])
    plinth = boxes([-x + 0.03, -y + 0.07, 0], [x - 0.03, y - 0.02, 0.06])
    top = rounded([-x, -y if cornice else -y + 0.03, height - 0.05], [x, y, height], 0.012)
    columns = np.linspace(-x + 0.017, x - 0.017, 3 if width < 1.25 else 4)
    split = 0.42 if drawers else 0.066
    meshes = [_fronts(columns, np.array([split, height - 0.055]), -y + 0.04, panel=panel)]
    handles = [
        bar_handle((edge + side, -y + 0.006, 0.9), (edge + side, -y + 0.006, 1.2), radius=0.01)
        for index, edge in enumerate(columns[1:-1])
        for side in ((-0.05, 0.05) if index == 0 else (0.05,))
    ]
    if drawers:
        meshes.append(_fronts(np.array([columns[0], columns[-1]]), np.array([0.066, 0.24, split]), -y + 0.04))
        handles += [bar_handle((-0.1, -y + 0.02, z), (0.1, -y + 0.02, z)) for z in (0.153, 0.33)]
    return [part(design.main, body, plinth, top, *meshes), part(fitting, *handles)]


def nightstand(design: Design) -> list[Part]:
    """A bedside cabinet with drawers or with a drawer over an open shelf."""
    width, depth, height = design.size
    style, fitting, frame = design.style(3), design.fitting, design.frame
    foot = design.between(0.08, 0.16)
    x, y = width / 2, depth / 2
    top = rounded([-x, -y, height - 0.026], [x, y, height], 0.006)
    front = -y + 0.03
    low, high = foot + 0.004, height - 0.03
    columns = np.array([-x + 0.012, x - 0.012])
    if style == 2:
        low = foot + 0.55 * (height - foot)
        case = _case(width - 0.02, depth - 0.03, foot, low, 0.022)
        body = joined([case, boxes([-x + 0.01, front, low], [x - 0.01, y, height - 0.02])])
    else:
        body = boxes([-x + 0.01, front, foot], [x - 0.01, y, height - 0.02])
    levels = np.linspace(low, high, 3 - (style == 2) + (style == 1))
    fronts = _fronts(columns, levels, front)
    middles = (levels[1:] + levels[:-1]) / 2
    if design.chance(0.5):
        fittings = [knob(0, front - 0.02, z) for z in middles]
    else:
        fittings = [bar_handle((-0.06, front - 0.02, z), (0.06, front - 0.02, z)) for z in middles]
    standing = legs(corners(width, depth, 0.045), foot + 0.01, 0.038, 1 + design.style(2))
    return [part(design.main, top, body, fronts), part(fitting, *fittings), part(frame, standing)]


BUILDERS: dict[str, Builder] = {
    "bookshelf": bookshelf,
    "cabinet": cabinet,
    "wardrobe": wardrobe,
    "nightstand": nightstand,
}
