"""Soft and flat things as meshes: pillows, draped cloth, leaves, and plates that lie on other parts."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retouch.scenes.parts import Mesh, joined
from retouch.scenes.primitives import cross, grid_faces, unit

UP = (0.0, 0.0, 1.0)


def sheet(points: ArrayLike) -> Mesh:
    """Return the surface through a grid of points (R, C, 3), facing rows × columns (rows downwards and columns
    to the right face −y), with smooth normals."""
    grid = np.asarray(points, np.float64)
    rows, columns = grid.shape[:2]
    down, across = np.gradient(grid, axis=0), np.gradient(grid, axis=1)
    steps = [np.linalg.norm(np.diff(grid, axis=axis), axis=-1).mean(axis=1 - axis) for axis in (0, 1)]
    u, v = (np.concatenate([[0.0], np.cumsum(step)]) for step in steps)
    uv = np.stack(np.broadcast_arrays(u[:, None], v[None]), axis=-1)
    return Mesh(
        vertices=grid.reshape(-1, 3).astype(np.float32),
        normals=unit(cross(down, across)).reshape(-1, 3).astype(np.float32),
        uv=uv.reshape(-1, 2).astype(np.float32),
        faces=grid_faces(rows, columns),
    )


def pillow(width: float, depth: float, height: float, *, cells: int = 10, square: float = 0.5) -> Mesh:
    """Return a stuffed cushion standing on its edge, centred on the origin: x width, y depth, z height.

    `square` below 1 gives plump sides; the seam between its faces is pulled in between the corners.
    """
    turn = np.linspace(-math.pi / 2, math.pi / 2, cells + 1)
    across, up = np.meshgrid(np.sin(turn), np.sin(turn), indexing="ij")
    puff = ((1 - across**2) * (1 - up**2)) ** square
    x = across * (1 - 0.09 * (1 - up**2)) * width / 2
    z = up * (1 - 0.09 * (1 - across**2)) * height / 2
    front = np.stack([x, -puff * depth / 2, z], axis=-1)
    back = front * [1, -1, 1]
    return joined([sheet(front), sheet(back[::-1])])


def cloth(front: NDArray[np.float64], thickness: float) -> Mesh:
    """Return a closed sheet through `front` (R, C, 3) and, `thickness` behind it in y, its back."""
    back = front + np.array([0.0, thickness, 0.0])
    faces = [sheet(front), sheet(back[:, ::-1])]
    for edge, other in ((front[:1], back[:1]), (back[-1:], front[-1:])):
        faces.append(sheet(np.concatenate([other, edge])))
    for edge, other in ((back[:, :1], front[:, :1]), (front[:, -1:], back[:, -1:])):
        faces.append(sheet(np.concatenate([edge, other], axis=1)))
    return joined(faces)


def leaves(
    root: ArrayLike,
    heading: ArrayLike,
    length: ArrayLike,
    width: ArrayLike,
    droop: ArrayLike,
    *,
    steps: int = 4,
    stem: float = 0.0,
) -> Mesh:
    """Return K thin leaves, each a folded blade that starts at `root` (K, 3) along `heading` (K, 3) and
    bends down by `droop` (K,) of its `length` (K,); `width` (K,) at its widest. `stem` is the part of
    the length that is bare stalk.
    """
    roots, headings = np.asarray(root, np.float64), unit(np.asarray(heading, np.float64))
    lengths, widths, droops = (np.asarray(value, np.float64)[:, None] for value in (length, width, droop))
    along = np.linspace(0, 1, steps + 1)
    spine = roots[:, None] + headings[:, None] * (lengths * along)[..., None]
    spine[..., 2] -= droops * lengths * along**2
    side = unit(cross(headings, np.broadcast_to(UP, headings.shape)) + np.array([1e-6, 0.0, 0.0]))[:, None]
    blade = np.clip((along - stem) / (1 - stem), 0, 1)
    half = widths / 2 * np.maximum(np.sin(math.pi * blade**0.8) ** 0.75, 0.05)
    over = unit(cross(np.broadcast_to(side, spine.shape), np.gradient(spine, axis=1)))
    fold = 0.3 * half[..., None] * over
    left, right = spine - side * half[..., None] + fold, spine + side * half[..., None] + fold
    return _blades(np.stack([left, spine, right, spine - 0.012 * lengths[..., None] * over], axis=2))


def _blades(points: NDArray[np.float64]) -> Mesh:
    """Return K closed flat-faced blades from their cross-sections (K, R, 4, 3): left, ridge, right, keel."""
    ring = points[:, :, [0, 1, 2, 3, 0]]
    corners = np.stack([ring[:, :-1, :-1], ring[:, :-1, 1:], ring[:, 1:, 1:], ring[:, 1:, :-1]], axis=3)
    corners = corners.reshape(-1, 4, 3)
    normals = unit(cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]))
    quads = (np.arange(len(corners), dtype=np.int32) * 4)[:, None]
    return Mesh(
        vertices=corners.reshape(-1, 3).astype(np.float32),
        normals=np.repeat(normals, 4, axis=0).astype(np.float32),
        uv=np.tile(np.array([[0, 0], [0, 0.02], [0.05, 0.02], [0.05, 0]], np.float32), (len(corners), 1)),
        faces=(quads + np.array([0, 1, 2, 0, 2, 3], np.int32)).reshape(-1, 3),
    )


def plate(outline: ArrayLike, y: float) -> Mesh:
    """Return a flat convex plate facing −y at depth `y` from its `outline` (K, 2) in x and z, anticlockwise."""
    corners = np.asarray(outline, np.float32)
    count = len(corners)
    vertices = np.stack([corners[:, 0], np.full(count, y, np.float32), corners[:, 1]], axis=-1)
    fan = np.arange(1, count - 1, dtype=np.int32)
    return Mesh(
        vertices=vertices,
        normals=np.broadcast_to(np.array([0, -1, 0], np.float32), (count, 3)).copy(),
        uv=corners.copy(),
        faces=np.stack([np.zeros_like(fan), fan, fan + 1], axis=-1),
    )


def disc(centre: tuple[float, float], radii: tuple[float, float], y: float, *, sides: int = 28) -> Mesh:
    """Return a flat elliptical plate facing −y about `centre` (x, z)."""
    angle = np.linspace(0, 2 * math.pi, sides, endpoint=False)
    outline = np.stack([centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)], axis=-1)
    return plate(outline, y)
