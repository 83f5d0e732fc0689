"""Closed solids as meshes: boxes, rounded boxes, lofted and turned bodies, rods and tubes."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retouch.scenes.parts import Mesh

Floats = NDArray[np.floating]

# Corners of a block are numbered by bits: 1 for +x, 2 for +y, 4 for +z.
_BLOCK_FACES = np.array([[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]], np.int32)
_CORNER_BITS = np.array([[index & 1, index >> 1 & 1, index >> 2 & 1] for index in range(8)], bool)
_CREASE = math.cos(math.radians(42))


def unit(vectors: Floats) -> Floats:
    """Return vectors (..., 3) divided by their length; null vectors stay null."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return vectors / np.maximum(length, 1e-12)


def cross(one: Floats, other: Floats) -> Floats:
    """Return the cross products of vectors (..., 3); several times faster than NumPy's on short arrays."""
    return one[..., [1, 2, 0]] * other[..., [2, 0, 1]] - one[..., [2, 0, 1]] * other[..., [1, 2, 0]]


def blocks(corners: ArrayLike) -> Mesh:
    """Return K flat-faced six-sided solids from their corners (K, 8, 3), numbered by the bits x, y, z."""
    points = np.asarray(corners, np.float32)[:, _BLOCK_FACES]
    one, other = points[..., 1, :] - points[..., 0, :], points[..., 3, :] - points[..., 0, :]
    normals = unit(cross(points[..., 2, :] - points[..., 0, :], other - one))
    long, wide = np.linalg.norm(one, axis=-1), np.linalg.norm(other, axis=-1)
    swap = (wide > long)[..., None, None]
    along = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    uv = along * np.stack([long, wide], axis=-1)[..., None, :]
    uv = np.where(swap, uv[..., ::-1], uv) + points[..., :1, :2] + points[..., :1, 2:]
    count = points.shape[0] * 6
    quads = (np.arange(count, dtype=np.int32) * 4)[:, None]
    return Mesh(
        vertices=points.reshape(-1, 3),
        normals=np.repeat(normals.reshape(-1, 3), 4, axis=0),
        uv=uv.reshape(-1, 2),
        faces=(quads + np.array([0, 1, 2, 0, 2, 3], np.int32)).reshape(-1, 3),
    )


def boxes(low: ArrayLike, high: ArrayLike) -> Mesh:
    """Return K sharp boxes from their low and high corners, both (K, 3) or (3,)."""
    lows, highs = np.atleast_2d(np.asarray(low, np.float32)), np.atleast_2d(np.asarray(high, np.float32))
    return blocks(np.where(_CORNER_BITS, highs[:, None], lows[:, None]))


def tapered(low: ArrayLike, high: ArrayLike, top: float) -> Mesh:
    """Return boxes whose upper end is `top` times as wide and deep as the lower, about the same axis."""
    lows, highs = np.atleast_2d(np.asarray(low, np.float32)), np.atleast_2d(np.asarray(high, np.float32))
    corners = np.where(_CORNER_BITS, highs[:, None], lows[:, None])
    centre = (lows + highs)[:, None, :2] / 2
    widest = max(top, 1.0)
    ends = np.where(_CORNER_BITS[:, 2:], top, 1.0).astype(np.float32) / widest
    corners[..., :2] = centre + (corners[..., :2] - centre) * ends
    return blocks(corners)


@dataclass(frozen=True, kw_only=True)
class _RoundedTemplate:
    """A unit cube's six face grids: `place` (V, 3) of the inner corner that each vertex belongs to, outward
    `direction` (V, 3), the indices of each face's own axes (`outward` with its `sign`, `first`, `second`;
    all (V,)), and the faces.
    """

    place: Floats
    direction: Floats
    sign: Floats
    outward: NDArray[np.intp]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    faces: NDArray[np.int32]


@lru_cache(maxsize=16)
def _rounded_template(segments: int, inner: int) -> _RoundedTemplate:
    """Return the grids of a rounded cube with `segments` to an edge and `inner` extra points to a side."""
    bend = np.tan(np.linspace(math.pi / 4, 0, segments + 1))
    ends = np.concatenate([-bend, np.zeros(inner), bend[::-1]])
    flat = np.concatenate([-np.ones(segments), np.linspace(-1, 1, inner + 2), np.ones(segments)])
    size = len(ends)
    place, direction = np.zeros((6, size, size, 3)), np.zeros((6, size, size, 3))
    axes = np.zeros((6, 3), np.intp)
    for face in range(6):
        outward, sign = face // 2, (-1, 1)[face % 2]
        first, second = ((outward + 1) % 3, (outward + 2) % 3)[::sign]
        axes[face] = outward, first, second
        place[face, ..., outward] = direction[face, ..., outward] = sign
        place[face, ..., first], place[face, ..., second] = flat[:, None], flat[None]
        direction[face, ..., first], direction[face, ..., second] = ends[:, None], ends[None]
    cells = grid_faces(size, size)
    outward, first, second = np.repeat(axes, size * size, axis=0).T
    return _RoundedTemplate(
        place=place.reshape(-1, 3).astype(np.float32),
        direction=unit(direction.reshape(-1, 3)).astype(np.float32),
        sign=np.repeat(np.tile([-1.0, 1.0], 3), size * size).astype(np.float32),
        outward=outward,
        first=first,
        second=second,
        faces=np.concatenate([cells + np.int32(face * size * size) for face in range(6)]),
    )


def grid_faces(rows: int, columns: int) -> NDArray[np.int32]:
    """Return the two triangles of each cell of a grid of vertices numbered row by row."""
    start = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
    steps = np.array([0, columns, columns + 1, 0, columns + 1, 1])
    return (start + steps).reshape(-1, 3).astype(np.int32)


def rounded(
    low: ArrayLike, high: ArrayLike, radius: ArrayLike = 0.01, *, segments: int = 1, bulge: float = 0.0
) -> Mesh:
    """Return K boxes with rounded edges: corners (K, 3) or (3,), `radius` in metres, one or three numbers.

    `bulge` metres swell the middle of every face outwards, as stuffing does, less where rounding leaves
    little of the face level; `segments` (1 to 4) is how finely an edge is rounded. The bulge is taken off
    the box first, so that the result stays inside it.
    """
    lows, highs = np.atleast_2d(np.asarray(low, np.float32)), np.atleast_2d(np.asarray(high, np.float32))
    template = _rounded_template(segments, 1 if bulge else 0)
    centre, half = (lows + highs)[:, None] / 2, (highs - lows)[:, None] / 2 - np.float32(bulge)
    bend = np.minimum(np.asarray(radius, np.float32), half * np.float32(0.999))
    vertices = centre + template.place * (half - bend) + template.direction * bend
    normals = unit(np.broadcast_to(template.direction, vertices.shape) / bend)
    rows = np.arange(len(template.place))
    if bulge:
        across, along = template.place[rows, template.first], template.place[rows, template.second]
        level = (half - bend) / half
        level_first, level_second = level[:, 0, template.first], level[:, 0, template.second]
        swell = (1 - across**2) * (1 - along**2) * level_first * level_second
        vertices[:, rows, template.outward] += template.sign * np.float32(bulge) * swell
        slope_first = across * (1 - along**2) * level_second / half[:, 0, template.first]
        slope_second = along * (1 - across**2) * level_first / half[:, 0, template.second]
        normals[:, rows, template.first] += np.float32(2 * bulge) * slope_first
        normals[:, rows, template.second] += np.float32(2 * bulge) * slope_second
        normals = unit(normals)
    swap = half[:, 0, template.second] > half[:, 0, template.first]
    long = np.where(swap, template.second, template.first)
    wide = np.where(swap, template.first, template.second)
    bodies = np.arange(len(lows))[:, None]
    uv = np.stack([vertices[bodies, rows, long], vertices[bodies, rows, wide]], axis=-1)
    starts = (np.arange(len(lows), dtype=np.int32) * len(rows))[:, None, None]
    return Mesh(
        vertices=vertices.reshape(-1, 3).astype(np.float32),
        normals=normals.reshape(-1, 3).astype(np.float32),
        uv=uv.reshape(-1, 2).astype(np.float32),
        faces=(template.faces + starts).reshape(-1, 3),
    )


def loft(
    sections: ArrayLike,
    *,
    sides: int = 24,
    exponent: float = 2.0,
    centres: ArrayLike = (0.0, 0.0),
) -> Mesh:
    """Return the body through K rings, `sections` (K, 3): half width, half depth and height of each, in order.

    The rings are superellipses (2 round, above 4 nearly rectangular) about `centres` ((2,) or (K, 2)).
    Going up draws an outside and going down an inside; a ring of width 0 closes an end. Edges sharper
    than about 40° stay sharp.
    """
    rings = np.asarray(sections, np.float64)
    middle = np.broadcast_to(np.asarray(centres, np.float64), (len(rings), 2))
    angle = np.linspace(0, 2 * math.pi, sides + 1)
    outline = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    outline = np.sign(outline) * np.abs(outline) ** (2 / exponent)
    points = np.empty((len(rings), sides + 1, 3))
    points[..., :2] = middle[:, None] + rings[:, None, :2] * outline
    points[..., 2] = rings[:, 2:]
    return _skin(points, closed_rings=np.maximum(rings[:, 0], rings[:, 1]) < 1e-9)


def _skin(points: NDArray[np.float64], closed_rings: NDArray[np.bool_]) -> Mesh:
    """Return the surface through rings of points (K, S + 1, 3), the last point of a ring being its first."""
    count, around = points.shape[:2]
    ahead = np.roll(points[:, :-1], -1, axis=1) - np.roll(points[:, :-1], 1, axis=1)
    ahead = np.concatenate([ahead, ahead[:, :1]], axis=1)
    rise = points[1:] - points[:-1]
    lower_ahead = np.where(closed_rings[:-1, None, None], ahead[1:], ahead[:-1])
    upper_ahead = np.where(closed_rings[1:, None, None], ahead[:-1], ahead[1:])
    lower, upper = unit(cross(lower_ahead, rise)), unit(cross(upper_ahead, rise))
    before, after = upper[:-1].copy(), lower[1:].copy()
    soft = np.einsum("ksi,ksi->ks", before, after)[..., None] > _CREASE
    # Weighted by length, a flat top keeps its normal beside a narrow bevel.
    reach = np.sqrt(np.einsum("ksi,ksi->ks", rise, rise))[..., None]
    between = unit(before * reach[:-1] + after * reach[1:])
    upper[:-1] = np.where(soft, between, before)
    lower[1:] = np.where(soft, between, after)
    vertices = np.stack([points[:-1], points[1:]], axis=1)
    around_length = np.linalg.norm(np.diff(points, axis=1), axis=-1).max(axis=0)
    turn = np.concatenate([[0.0], np.cumsum(around_length)])
    climb = np.concatenate([[0.0], np.cumsum(reach.mean(axis=(1, 2)))])
    uv = np.empty((count - 1, 2, around, 2), np.float32)
    uv[..., 0] = np.stack([climb[:-1], climb[1:]], axis=1)[..., None]
    uv[..., 1] = turn
    return Mesh(
        vertices=vertices.reshape(-1, 3).astype(np.float32),
        normals=np.stack([lower, upper], axis=1).reshape(-1, 3).astype(np.float32),
        uv=uv.reshape(-1, 2),
        faces=_skin_faces(count, around, closed_rings),
    )


def _skin_faces(count: int, around: int, closed_rings: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the triangles between each pair of rings, without those that a closed ring makes empty."""
    cell = np.arange(around - 1)
    start = (np.arange(count - 1)[:, None] * 2 * around + cell)[..., None]
    below = start + np.array([0, 1, around + 1])
    above = start + np.array([0, around + 1, around])
    kept = [below[~closed_rings[:-1]].reshape(-1, 3), above[~closed_rings[1:]].reshape(-1, 3)]
    return np.concatenate(kept).astype(np.int32)


def lathe(profile: ArrayLike, *, sides: int = 24, centre: ArrayLike = (0.0, 0.0)) -> Mesh:
    """Return the body of revolution of `profile` (K, 2): radius and height in metres, as in `loft`."""
    radius_height = np.asarray(profile, np.float64)
    return loft(radius_height[:, [0, 0, 1]], sides=sides, centres=centre)


def cylinder(
    bottom: ArrayLike, radius: float, height: float, *, top_radius: float | None = None, sides: int = 20
) -> Mesh:
    """Return an upright closed cylinder, or cone frustum with `top_radius`, standing on the point `bottom`."""
    x, y, z = np.asarray(bottom, np.float64)
    upper = radius if top_radius is None else top_radius
    profile = [(0, z), (radius, z), (upper, z + height), (0, z + height)]
    return lathe(profile, sides=sides, centre=(x, y))


def ellipsoid(centre: ArrayLike, radii: ArrayLike, *, sides: int = 24, rings: int = 12) -> Mesh:
    """Return an ellipsoid of half axes `radii` (3,) about `centre` (3,)."""
    middle, half = np.asarray(centre, np.float64), np.asarray(radii, np.float64)
    angle = np.linspace(-math.pi / 2, math.pi / 2, rings + 1)
    wide, high = np.cos(angle), np.sin(angle)
    wide[[0, -1]] = 0.0
    sections = np.stack([half[0] * wide, half[1] * wide, middle[2] + half[2] * high], axis=-1)
    return loft(sections, sides=sides, centres=middle[:2])


def rods(start: ArrayLike, end: ArrayLike, radius: float, *, end_radius: float | None = None, sides: int = 8) -> Mesh:
    """Return K straight round rods between points (K, 3) or (3,), tapering to `end_radius`, ends closed."""
    starts, ends = np.atleast_2d(np.asarray(start, float)), np.atleast_2d(np.asarray(end, float))
    along = unit(ends - starts)
    helper = np.where(np.abs(along[:, 2:]) > 0.8, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]])
    side = unit(cross(helper, along))
    over = cross(along, side)
    angle = np.linspace(0, 2 * math.pi, sides + 1)
    outline = np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * over[:, None]
    radii = np.array([0, radius, radius, radius if end_radius is None else end_radius])
    radii = np.append(radii, [radii[3], 0])
    levels = np.array([0, 0, 0, 1, 1, 1], float)
    spine = starts[:, None] + (ends - starts)[:, None] * levels[:, None]
    vertices = spine[:, :, None] + radii[:, None, None] * outline[:, None]
    ring = np.stack([-along, -along, along, along], axis=1)[:, [0, 1, 1, 2, 2, 3]]
    normals = np.broadcast_to(ring[:, :, None], vertices.shape).copy()
    normals[:, 2:4] = outline[:, None]
    length = np.linalg.norm(ends - starts, axis=1)
    uv = np.empty((*vertices.shape[:3], 2))
    uv[..., 0] = (length[:, None] * levels + [-radius, 0, 0, 0, 0, radius])[..., None]
    uv[..., 1] = angle * radius
    return Mesh(
        vertices=vertices.reshape(-1, 3).astype(np.float32),
        normals=normals.reshape(-1, 3).astype(np.float32),
        uv=uv.reshape(-1, 2).astype(np.float32),
        faces=_rod_faces(len(starts), sides + 1),
    )


def _rod_faces(count: int, around: int) -> NDArray[np.int32]:
    """Return the triangles of `count` rods of six rings each: cap, side, cap."""
    cell = np.arange(around - 1)[:, None]
    first_cap = cell + np.array([0, around + 1, around])
    first_cap = np.where(first_cap == cell, 0, first_cap)
    body = np.concatenate(
        [cell + 2 * around + np.array(steps) for steps in ([0, 1, around + 1], [0, around + 1, around])]
    )
    last_cap = cell + 4 * around + np.array([0, 1, around])
    one = np.concatenate([first_cap, body, last_cap])
    return (one + (np.arange(count) * 6 * around)[:, None, None]).reshape(-1, 3).astype(np.int32)


def tube(path: ArrayLike, radius: ArrayLike, *, sides: int = 8, loop: bool = False) -> Mesh:
    """Return a round tube along `path` (P, 3), of one `radius` or one a point (P,); `loop` joins its ends.

    The path must nowhere run along the axis that it follows least; a plane path never does.
    """
    points = np.asarray(path, np.float64)
    along = _path_directions(points, loop)
    radii = np.broadcast_to(np.asarray(radius, np.float64), (len(points),))
    reference = np.eye(3)[np.argmin(np.abs(along).max(axis=0))]
    side = unit(cross(np.broadcast_to(reference, along.shape), along))
    over = cross(along, side)
    angle = np.linspace(0, 2 * math.pi, sides + 1)
    outline = np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * over[:, None]
    rings = points[:, None] + radii[:, None, None] * outline[:, :-1]
    return swept(np.concatenate([rings, rings[:1]]) if loop else rings, capped=not loop)


def swept(rings: ArrayLike, *, capped: bool = True) -> Mesh:
    """Return the body through K rings of points (K, S, 3), each anticlockwise seen against the direction of
    travel; `capped` closes both ends.
    """
    points = np.asarray(rings, np.float64)
    points = np.concatenate([points, points[:, :1]], axis=1)
    closed = np.zeros(len(points), bool)
    if capped:
        ends = [np.broadcast_to(end.mean(axis=0), points[:1].shape) for end in (points[0, :-1], points[-1, :-1])]
        points = np.concatenate([ends[0], points, ends[1]])
        closed = np.pad(closed, 1, constant_values=True)
    return _skin(points, closed)


def _path_directions(points: Floats, loop: bool) -> Floats:
    """Return the unit tangents (P, 3) of a path."""
    if loop:
        return unit(np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0))
    return unit(np.gradient(points, axis=0))
