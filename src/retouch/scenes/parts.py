"""What objects are built from: triangle meshes with a finish, and how meshes are moved and joined."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retouch.scenes.palette import RGB


@dataclass(frozen=True, kw_only=True)
class Finish:
    """How a part looks. `material` is one of `palette.MATERIALS` or of the part-only looks
    "ceramic", "leaf", "screen", "lamp" (emits when the lamps are lit), "mirror", "picture",
    "paper", "sky" (a window's outside). `colour` is sRGB, 0 to 255.
    """

    material: str
    colour: RGB


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """Triangles: `vertices` (N, 3) and `uv` (N, 2) float32 in metres, `normals` (N, 3) unit, `faces` (M, 3) int32.

    `u` runs along the longer side of a piece, the way the grain of a board runs. Faces wind
    anticlockwise seen from outside; meshes are closed, but for flat plates lying on another part.
    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    uv: NDArray[np.float32]
    faces: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One mesh of an object, in the object's own frame (origin as in `Placed.position`), and its finish."""

    mesh: Mesh
    finish: Finish


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Return one mesh holding all the triangles of `meshes` (at least one)."""
    if len(meshes) == 1:
        return meshes[0]
    faces, start = [], 0
    for mesh in meshes:
        faces.append(mesh.faces + np.int32(start))
        start += len(mesh.vertices)
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        normals=np.concatenate([mesh.normals for mesh in meshes]),
        uv=np.concatenate([mesh.uv for mesh in meshes]),
        faces=np.concatenate(faces),
    )


def moved(mesh: Mesh, offset: ArrayLike) -> Mesh:
    """Return the mesh shifted by `offset` (3,) metres."""
    return replace(mesh, vertices=mesh.vertices + np.asarray(offset, np.float32))


def turned(mesh: Mesh, axis: int, angle: float, about: ArrayLike = (0.0, 0.0, 0.0)) -> Mesh:
    """Return the mesh turned by `angle` radians about the axis 0, 1 or 2 through the point `about`."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3, dtype=np.float32)
    matrix[first, first] = matrix[second, second] = math.cos(angle)
    matrix[first, second], matrix[second, first] = -math.sin(angle), math.sin(angle)
    centre = np.asarray(about, np.float32)
    vertices = (mesh.vertices - centre) @ matrix.T + centre
    return replace(mesh, vertices=vertices, normals=mesh.normals @ matrix.T)


def stretched(mesh: Mesh, scale: NDArray[np.float32], offset: NDArray[np.float32]) -> Mesh:
    """Return the mesh with vertices `v * scale + offset`, `scale` (3,) positive, its normals kept right."""
    normals = mesh.normals / scale
    normals /= np.sqrt(np.einsum("ij,ij->i", normals, normals))[:, None]
    return replace(mesh, vertices=mesh.vertices * scale + offset, normals=normals)


def mapped_from_above(mesh: Mesh) -> Mesh:
    """Return the mesh with texture coordinates (x, y), for flat things of round outline: `u` along x."""
    return replace(mesh, uv=mesh.vertices[:, :2].copy())


def mapped_around(mesh: Mesh) -> Mesh:
    """Return a turned or lofted mesh with its grain running around instead of along its profile."""
    return replace(mesh, uv=mesh.uv[:, ::-1].copy())


def fitted(parts: Sequence[Part], low: ArrayLike, high: ArrayLike) -> tuple[Part, ...]:
    """Return the parts stretched together so that their bounding box is exactly `low` to `high`."""
    everything = np.concatenate([part.mesh.vertices for part in parts])
    found_low, found_high = everything.min(axis=0), everything.max(axis=0)
    wanted_low, wanted_high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    scale = (wanted_high - wanted_low) / (found_high - found_low)
    offset = wanted_low - found_low * scale
    return tuple(replace(part, mesh=stretched(part.mesh, scale, offset)) for part in parts)


def by_finish(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts with those of equal finish joined, so that a renderer meets few meshes."""
    groups: dict[Finish, list[Mesh]] = {}
    for part in parts:
        groups.setdefault(part.finish, []).append(part.mesh)
    return tuple(Part(mesh=joined(meshes), finish=finish) for finish, meshes in groups.items())
