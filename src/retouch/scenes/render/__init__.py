"""Rooms as pictures: path tracing with Mitsuba and Dr.Jit, denoised, with the object under every pixel."""

import math
import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retouch.scenes import objects
from retouch.scenes.lighting import STUDIO, ambient, panels, studio, sun
from retouch.scenes.palette import COLOURS
from retouch.scenes.parts import Part
from retouch.scenes.render.arrays import FlatScene, constants_of, flatten, placed_in_world
from retouch.scenes.render.film import denoiser, develop
from retouch.scenes.render.variant import VECTOR, activate, available_variant
from retouch.scenes.room import Camera, Light, Placed, Room
from retouch.scenes.shell import OTHER, build_shell
from retouch.scenes.textures import linear

__all__ = ["ReferenceView", "Rendering", "available_variant", "render", "render_reference", "use_threads"]


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """A picture and what it shows.

    `image` (H, W, 3) uint8 sRGB; `ids` (H, W) int32, the `Placed.id` under each pixel's centre, or
    −1 wall, −2 floor, −3 ceiling, −4 anything else.
    """

    image: NDArray[np.uint8]
    ids: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class ReferenceView:
    """From where and in what light an object is shown alone: angles in radians, azimuth 0 at its front."""

    azimuth: float = 0.0
    elevation: float = 0.3
    light: Light = "daylight"


_threads = os.cpu_count() or 1


def use_threads(count: int) -> None:
    """Render with this many threads from the next picture on; by default there is one per core.

    For many pictures, one process per core with one thread each is the faster arrangement. Start
    such processes anew ("spawn"): the renderer's threads do not survive a fork.
    """
    global _threads  # noqa: PLW0603
    _threads = count


def render(room: Room, *, size: int = 256, samples: int = 8, seed: int = 0) -> Rendering:
    """Return the square picture of a room, `size` pixels wide, from `samples` paths a pixel.

    The same arguments give the same bytes. Raises MissingExtraError without Mitsuba or pyoidn.
    """
    variant = activate(_threads)
    image, ids, _ = _picture(flat_room(room), variant, size, samples, room.seed * 1013 + seed)
    return Rendering(image=image, ids=ids)


def flat_room(room: Room) -> FlatScene:
    """Return a room as the arrays that are traced."""
    walls = linear(COLOURS[room.walls.colour])
    return flatten(
        [*build_shell(room), *(part for placed in room for part in placed_in_world(placed, objects.build(placed)))],
        light=room.light,
        glowing=panels(room),
        constants=constants_of(room.camera, ambient=ambient(room, walls), sunlight=sun(room)),
    )


def render_reference(placed: Placed, *, view: ReferenceView, size: int = 128, samples: int = 8) -> NDArray[np.uint8]:
    """Return an object alone on nothing, (H, W, 4) uint8 sRGB with coverage as alpha (not premultiplied).

    The object's place in its room does not matter. Raises MissingExtraError without Mitsuba or pyoidn.
    """
    variant = activate(_threads)
    parts = placed_in_world(replace(placed, position=(0.0, 0.0, 0.0), yaw=0.0), objects.build(placed))
    camera, radius = _portrait(parts, view)
    surrounding = np.asarray(STUDIO[view.light][2], np.float32)
    flat = flatten(
        parts,
        light=view.light,
        glowing=studio(view.light, camera, radius),
        constants=constants_of(camera, ambient=surrounding, backdrop=surrounding),
    )
    image, _, coverage = _picture(flat, variant, size, samples, placed.variant)
    alpha = np.rint(coverage * 255.0).astype(np.uint8)
    return np.concatenate([image, alpha[..., None]], axis=-1)


def _portrait(parts: tuple[tuple[int, Part], ...], view: ReferenceView) -> tuple[Camera, float]:
    """Return a camera that just holds all parts in view, and the radius of the sphere around them."""
    points = np.concatenate([part.mesh.vertices for _, part in parts]).astype(np.float64)
    centre = (points.min(0) + points.max(0)) / 2
    radius = float(np.linalg.norm(points - centre, axis=1).max())
    flat, high = math.cos(view.elevation), math.sin(view.elevation)
    back = np.array([math.sin(view.azimuth) * flat, -math.cos(view.azimuth) * flat, high])
    eye = centre + back * radius * 4
    right = np.array([math.cos(view.azimuth), math.sin(view.azimuth), 0.0])
    offsets = points - eye
    axes = np.stack([right, np.cross(back, right)], axis=1)
    slope = np.abs(offsets @ axes / (offsets @ -back)[:, None]).max()
    field_of_view = 2 * math.degrees(math.atan(slope * 1.06))
    x, y, z = (float(value) for value in eye)
    tx, ty, tz = (float(value) for value in centre)
    return Camera(eye=(x, y, z), target=(tx, ty, tz), field_of_view=field_of_view), radius


def _picture(
    flat: FlatScene, variant: str, size: int, samples: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.float32]]:
    """Return sRGB picture, ids and coverage."""
    if variant == VECTOR:
        from retouch.scenes.render import kernel as tracer
    else:
        from retouch.scenes.render import plugins as tracer

    traced = tracer.trace(flat, size=size, samples=samples, seed=seed)
    clean = denoiser(size, _threads)(traced.radiance, traced.albedo, traced.normals)
    clean = clean / np.maximum(traced.coverage, 1 / 255)[..., None]
    owners = np.append(flat.soup.owners, np.int32(OTHER))
    return develop(clean), owners[traced.faces], traced.coverage
