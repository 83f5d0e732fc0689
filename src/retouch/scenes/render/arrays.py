"""A room as flat arrays: one triangle soup, its finishes, its lights and its camera, ready to trace."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from retouch.scenes.lighting import MOODS, Mood, Panel, Sun
from retouch.scenes.looks import Look, look
from retouch.scenes.parts import Finish, Mesh, Part
from retouch.scenes.room import Camera, Light, Placed
from retouch.scenes.shell import OTHER
from retouch.scenes.textures import linear, period, texture

Floats = NDArray[np.float32]
_LEAST_SLOTS = 4096


@dataclass(frozen=True, kw_only=True)
class Soup:
    """The triangles of a scene.

    `vertices` (N, 3), `faces` (M, 3); per face: `corners` (M, 16) as three normals, three texture
    positions in tiles and the finish's number; `normals` (M, 4) as the face normal and a zero;
    `owners` (M,) as ids; `opaque` (M,) whether shadow rays stop there.
    """

    vertices: Floats
    faces: NDArray[np.uint32]
    corners: Floats
    normals: Floats
    owners: NDArray[np.int32]
    opaque: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Finishes:
    """All finishes of a scene.

    `table` (K, 12): texture start, texture side, roughness, metallic, specular, opacity, whether its
    glow is among the sampled lights, scattering, glow (3), 0. `atlas` (T,) uint32: all texels, 8 bits
    of square-rooted albedo a channel, red lowest.
    """

    table: Floats
    atlas: NDArray[np.uint32]


@dataclass(frozen=True, kw_only=True)
class Lights:
    """Glowing triangles to aim at.

    `triangles` (E, 16): corner, red, edge, green, edge, blue, normal, area over probability. `slots`
    (S,) uint32 holds each triangle's number as often as its power asks, in order.
    """

    triangles: Floats
    slots: NDArray[np.uint32]


@dataclass(frozen=True, kw_only=True)
class FlatScene:
    """All a tracer needs; `constants` (32,) as laid out in `constants_of`."""

    soup: Soup
    finishes: Finishes
    lights: Lights
    constants: Floats


def flatten(
    parts: Iterable[tuple[int, Part]],
    *,
    light: Light,
    glowing: Sequence[Panel],
    constants: Floats,
) -> FlatScene:
    """Return the arrays of world-space `parts`, each with its owner's id, and of the glowing panels."""
    mood = MOODS[light]
    numbers: dict[tuple[Finish, tuple[float, ...] | None], int] = {}
    entries: list[tuple[int, int, Mesh, float]] = []
    for owner, part in parts:
        number = numbers.setdefault((part.finish, None), len(numbers))
        entries.append((owner, number, part.mesh, period(part.finish.material)))
    for panel in glowing:
        number = numbers.setdefault((panel.finish, panel.radiance), len(numbers))
        entries.append((OTHER, number, _panel_mesh(panel), 1.0))
    finishes, glows, opaque = _finishes(list(numbers), mood)
    soup = _soup(entries, opaque)
    return FlatScene(soup=soup, finishes=finishes, lights=_lights(soup, glows), constants=constants)


def placed_in_world(placed: Placed, parts: Iterable[Part]) -> tuple[tuple[int, Part], ...]:
    """Return an object's parts turned and moved to where it stands, with its id.

    Fabric and glass around a lamp let its light through.
    """
    parts = tuple(parts)
    around_lamp = any(part.finish.material == "lamp" for part in parts)
    cosine, sine = math.cos(placed.yaw), math.sin(placed.yaw)
    turn = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]], np.float32)
    shift = np.asarray(placed.position, np.float32)
    return tuple(
        (
            placed.id,
            Part(
                mesh=Mesh(
                    vertices=part.mesh.vertices @ turn + shift,
                    normals=part.mesh.normals @ turn,
                    uv=part.mesh.uv,
                    faces=part.mesh.faces,
                ),
                finish=_lit(part.finish) if around_lamp else part.finish,
            ),
        )
        for part in parts
    )


def _lit(finish: Finish) -> Finish:
    return replace(finish, material=f"lit {finish.material}") if finish.material in ("fabric", "glass") else finish


def constants_of(
    camera: Camera, *, ambient: Floats, backdrop: Floats | None = None, sunlight: Sun | None = None
) -> Floats:
    """Lay out what is uniform over a picture, (32,).

    0–2 eye, 3–5 right, 6–8 up (both scaled by half the view's width at distance 1), 9–11 forward,
    12–14 ambient, 15–17 backdrop radiance, 18 the sun's wall, 19–22 its opening (low y, low z,
    high y, high z), 23–25 towards the sun, 26–28 its irradiance over π.
    """
    values = np.zeros(32, np.float32)
    eye, target = np.asarray(camera.eye, np.float64), np.asarray(camera.target, np.float64)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    scale = math.tan(math.radians(camera.field_of_view) / 2)
    values[0:12] = np.concatenate([eye, right * scale, np.cross(right, forward) * scale, forward])
    values[12:15] = ambient
    if backdrop is not None:
        values[15:18] = backdrop
    if sunlight is not None:
        values[18:23] = (sunlight.plane, *sunlight.low, *sunlight.high)
        values[23:29] = (*sunlight.towards, *sunlight.irradiance)
    return values


def _panel_mesh(panel: Panel) -> Mesh:
    corner, right, up = panel.corner, panel.right, panel.up
    normal = np.cross(right, up)
    return Mesh(
        vertices=np.stack([corner, corner + right, corner + right + up, corner + up]),
        normals=np.tile((normal / np.linalg.norm(normal)).astype(np.float32), (4, 1)),
        uv=np.zeros((4, 2), np.float32),
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    )


def _finishes(
    keys: Sequence[tuple[Finish, tuple[float, ...] | None]], mood: Mood
) -> tuple[Finishes, Floats, NDArray[np.bool_]]:
    """Return the table and atlas, each finish's mean glow as a sampled light (K, 3), and which are opaque (K,)."""
    table = np.zeros((len(keys), 12), np.float32)
    glows = np.zeros((len(keys), 3), np.float32)
    texels: list[NDArray[np.uint32]] = []
    start = 0
    for number, (finish, radiance) in enumerate(keys):
        packed, size = _packed(finish)
        texels.append(packed)
        surface = look(finish.material)
        gloss = (surface.roughness, surface.metallic, surface.specular, surface.opacity)
        glow = np.asarray(_glow(surface, mood) if radiance is None else radiance, np.float32)
        sampled = not surface.broad
        table[number] = (start, size, *gloss, sampled, surface.scattering, *glow, 0)
        glows[number] = glow * linear(finish.colour) * sampled
        start += packed.size
    return Finishes(table=table, atlas=np.concatenate(texels)), glows, table[:, 5] >= 1.0


def _glow(surface: Look, mood: Mood) -> tuple[float, float, float]:
    if surface.glows is None:
        return (0.0, 0.0, 0.0)
    return {"lamp": mood.lamp, "shade": mood.shade, "sky": mood.sky, "ceiling": mood.ceiling}[surface.glows]


@lru_cache(maxsize=256)
def _packed(finish: Finish) -> tuple[NDArray[np.uint32], int]:
    """Return a texture's texels in 8 bits a channel, row by row, and its side."""
    albedo = texture(finish).albedo
    channels = np.rint(np.sqrt(albedo) * 255.0).astype(np.uint32)
    packed = channels[..., 0] | (channels[..., 1] << 8) | (channels[..., 2] << 16)
    return packed.ravel().astype(np.uint32), albedo.shape[0]


def _soup(entries: Sequence[tuple[int, int, Mesh, float]], opaque: NDArray[np.bool_]) -> Soup:
    counts = np.array([len(mesh.vertices) for _, _, mesh, _ in entries])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    triangles = np.array([len(mesh.faces) for _, _, mesh, _ in entries])
    vertices = np.concatenate([mesh.vertices for _, _, mesh, _ in entries]).astype(np.float32)
    normals = np.concatenate([mesh.normals for _, _, mesh, _ in entries])
    tiles = np.concatenate([mesh.uv / period for _, _, mesh, period in entries])
    faces = np.concatenate([mesh.faces for _, _, mesh, _ in entries]) + np.repeat(starts, triangles)[:, None]
    numbers = np.repeat(np.array([number for _, number, _, _ in entries]), triangles)
    owners = np.repeat(np.array([owner for owner, _, _, _ in entries], np.int32), triangles)
    corners = np.empty((len(faces), 16), np.float32)
    corners[:, :9] = normals[faces].reshape(-1, 9)
    corners[:, 9:15] = tiles[faces].reshape(-1, 6)
    corners[:, 15] = numbers
    return Soup(
        vertices=vertices,
        faces=faces.astype(np.uint32),
        corners=corners,
        normals=_face_normals(vertices, faces),
        owners=owners,
        opaque=opaque[numbers],
    )


def _face_normals(vertices: Floats, faces: NDArray[np.integer]) -> Floats:
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    unit = normal / np.maximum(length, 1e-12)
    return np.concatenate([unit, np.zeros((len(faces), 1))], axis=1).astype(np.float32)


def _lights(soup: Soup, glows: Floats) -> Lights:
    """Return the glowing triangles; each gets at least one slot, so that its probability is exact."""
    glow = glows[soup.corners[:, 15].astype(np.int64)]
    glowing = np.flatnonzero(glow.sum(1) > 0)
    corner = soup.vertices[soup.faces[glowing]]
    first, second = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = np.linalg.norm(np.cross(first, second), axis=1) / 2
    power = area * glow[glowing].sum(1)
    slots = _slots(power)
    triangles = np.zeros((len(glowing), 16), np.float32)
    triangles[:, 0:3], triangles[:, 4:7], triangles[:, 8:11] = corner[:, 0], first, second
    triangles[:, (3, 7, 11)] = glow[glowing]
    triangles[:, 12:15] = soup.normals[glowing, :3]
    triangles[:, 15] = area * len(slots) / np.bincount(slots, minlength=len(glowing))
    return Lights(triangles=triangles, slots=slots)


def _slots(power: Floats) -> NDArray[np.uint32]:
    """Share the slots out by power, one at least to each triangle, in order."""
    count = len(power)
    size = max(_LEAST_SLOTS, 4 * count)
    spare = np.cumsum(power.astype(np.float64)) / power.sum() * (size - count)
    ends = np.rint(spare).astype(np.int64) + np.arange(1, count + 1)
    return np.searchsorted(ends, np.arange(size), side="right").astype(np.uint32)
