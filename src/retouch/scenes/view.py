"""What the camera sees of a room, from boxes alone: screen boxes, framing and a coarse map of ids."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retouch.scenes.catalogue import KINDS
from retouch.scenes.placement import Box, box_of
from retouch.scenes.room import Camera, Placed, Room, Vector

NOTHING = -1
"""The id of a pixel that shows no object in `coarse_ids`."""


@dataclass(frozen=True, kw_only=True)
class ScreenBox:
    """A rectangle in the picture; 0 is the left or upper edge, 1 the right or lower one."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> float:
        """The horizontal centre."""
        return (self.left + self.right) / 2


def camera_axes(camera: Camera) -> tuple[Vector, Vector, Vector]:
    """The unit vectors to the right, upward and forward of a camera that is held level."""
    forward = _unit(tuple(t - e for t, e in zip(camera.target, camera.eye, strict=True)))
    right = _unit((forward[1], -forward[0], 0.0))
    up = (
        right[1] * forward[2] - right[2] * forward[1],
        right[2] * forward[0] - right[0] * forward[2],
        right[0] * forward[1] - right[1] * forward[0],
    )
    return right, up, forward


def _unit(vector: tuple[float, ...]) -> Vector:
    length = math.sqrt(sum(value * value for value in vector))
    return vector[0] / length, vector[1] / length, vector[2] / length


def project(camera: Camera, points: tuple[Vector, ...]) -> list[tuple[float, float, float]]:
    """Each point's place in a square picture, (0, 0) upper left to (1, 1), and its distance along the view.

    Points behind the camera come with a distance ≤ 0 and a meaningless place.
    """
    scale = 0.5 / math.tan(math.radians(camera.field_of_view) / 2)
    axes = camera_axes(camera)
    projected = []
    for point in points:
        offset = tuple(p - e for p, e in zip(point, camera.eye, strict=True))
        across, upward, ahead = (sum(o * a for o, a in zip(offset, axis, strict=True)) for axis in axes)
        near = max(ahead, 1e-3)
        projected.append((0.5 + scale * across / near, 0.5 - scale * upward / near, ahead))
    return projected


def screen_box(room: Room, placed: Placed) -> ScreenBox:
    """The rectangle around an object's box in the picture; parts outside the picture are included."""
    projected = project(room.camera, box_of(placed).corners())
    across = [x for x, _, _ in projected]
    down = [y for _, y, _ in projected]
    return ScreenBox(left=min(across), right=max(across), top=min(down), bottom=max(down))


def framed(room: Room, placed: Placed, edge: float = 0.02) -> float:
    """The share of an object's eight corners that lie in the picture, widened by `edge` on every side."""
    projected = project(room.camera, box_of(placed).corners())
    seen = [-edge <= x <= 1 + edge and -edge <= y <= 1 + edge and ahead > 0.3 for x, y, ahead in projected]
    return sum(seen) / len(seen)


def _distances(box: Box, eye: Vector, rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far along each ray (N, 3) the box begins; infinite where it is missed. The slab method."""
    (ax, ay), (bx, by) = box.axes()
    ox, oy = eye[0] - box.x, eye[1] - box.y
    middle = (box.low + box.high) / 2
    origin = np.array([ox * ax + oy * ay, ox * bx + oy * by, eye[2] - middle])
    half = np.array([box.half_width, box.half_depth, (box.high - box.low) / 2])
    turn = np.array([[ax, bx, 0.0], [ay, by, 0.0], [0.0, 0.0, 1.0]])
    inverse = 1.0 / (rays @ turn + 1e-12)
    one, other = (-half - origin) * inverse, (half - origin) * inverse
    near = np.minimum(one, other).max(axis=1)
    far = np.maximum(one, other).min(axis=1)
    return np.where((far >= near) & (far > 0), np.maximum(near, 0.0), np.inf)


def _rays(camera: Camera, size: int) -> NDArray[np.float64]:
    right, up, forward = (np.array(axis) for axis in camera_axes(camera))
    extent = math.tan(math.radians(camera.field_of_view) / 2)
    steps = ((np.arange(size) + 0.5) / size * 2 - 1) * extent
    across, down = np.meshgrid(steps, steps)
    return forward + across.reshape(-1, 1) * right - down.reshape(-1, 1) * up


def _solid(placed: Placed) -> Box:
    """The box that hides what is behind; of a sofa or bed only up to where cushions lie."""
    box, kind = box_of(placed), KINDS[placed.kind]
    return replace(box, high=box.low + placed.size[2] * kind.surface) if kind.cushions else box


def _depths(room: Room, size: int) -> NDArray[np.float64]:
    rays = _rays(room.camera, size)
    return np.stack([_distances(_solid(placed), room.camera.eye, rays) for placed in room])


def coarse_ids(room: Room, size: int = 64) -> NDArray[np.int64]:
    """Which object's box each pixel shows, (size, size); `NOTHING` where it is wall, floor or ceiling."""
    if not room.objects:
        return np.full((size, size), NOTHING)
    depths = _depths(room, size)
    identifiers = np.array([placed.id for placed in room])
    seen = np.where(np.isfinite(depths.min(axis=0)), identifiers[depths.argmin(axis=0)], NOTHING)
    return seen.reshape(size, size)


def visible_shares(room: Room, size: int = 64) -> Mapping[int, tuple[float, float]]:
    """For every object's id: the share of the picture it fills, and the share of its own area not hidden."""
    if not room.objects:
        return {}
    depths = _depths(room, size)
    nearest = depths.argmin(axis=0)
    shares = {}
    for index, placed in enumerate(room):
        own = np.isfinite(depths[index])
        seen = int((own & (nearest == index)).sum())
        shares[placed.id] = (seen / size**2, seen / max(int(own.sum()), 1))
    return shares
