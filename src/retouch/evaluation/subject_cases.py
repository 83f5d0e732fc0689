"""Subjects to be taught and tested on: objects of held-out rooms, in views of their own and in their places."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.reference import Reference, load_reference
from retouch.core.region import Region
from retouch.evaluation.examples import Mask, Picture
from retouch.grounding.shapes import dilated
from retouch.scenes.layout import sample_room
from retouch.scenes.render import ReferenceView, render, render_reference
from retouch.scenes.room import LIGHTS, Placed, Room
from retouch.scenes.seeds import SCENE_RANGES

AZIMUTHS = (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0)
"""From where views show a subject, in radians from its front."""
HELD_OUT = (1, 4)
"""Which of the views are not taught."""
_ELEVATIONS = (0.2, 0.35, 0.45)
_SHARES = (0.02, 0.35)
"""Of the picture, that a subject fills."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SubjectPlace:
    """A room without the subject, with it, (H, W, 3) uint8, where it is, (H, W) bool, and a region about that."""

    source: Picture
    target: Picture
    object_mask: Mask
    region: Region


@dataclass(frozen=True, kw_only=True, eq=False)
class SubjectCase:
    """An object: what it is called, views to teach it from, others to judge by, and where it is to be put."""

    name: str
    kind: str
    taught: tuple[Reference, ...]
    held_out: tuple[Reference, ...]
    places: tuple[SubjectPlace, ...]


def subject_cases(count: int, *, size: int = 256, samples: int = 8) -> Iterator[SubjectCase]:
    """Subjects of as many kinds as there are, each in its own room in every light; the same for every `count`.

    Pictures are `size` pixels wide, of `samples` paths a pixel.

    Raises:
        SettingsError: `count` is below 1.
        MissingExtraError: rooms cannot be rendered here.
    """
    if count < 1:
        raise SettingsError(f"The number of subjects is {count}; expected at least 1.")
    kinds: set[str] = set()
    made = 0
    for seed in SCENE_RANGES["bench"]:
        room = sample_room(seed)
        for placed in room:
            if made < count and placed.kind not in kinds and _stands_free(placed, room):
                case = _case(placed, room, size=size, samples=samples)
                if case is not None:
                    kinds.add(placed.kind)
                    made += 1
                    yield case
                    break
        if made == count:
            return


def _stands_free(placed: Placed, room: Room) -> bool:
    """Whether an object stands on the floor with nothing on it, and is no flat thing."""
    flat = placed.size[2] < 0.1
    return placed.on is None and placed.wall is None and not flat and not room.standing_on(placed.id)


def _case(placed: Placed, room: Room, *, size: int, samples: int) -> SubjectCase | None:
    """None where the object is hardly seen, or all that is seen."""
    own = _place(placed, room, size=size, samples=samples)
    if not _SHARES[0] <= own.object_mask.mean() <= _SHARES[1]:
        return None
    others = [replace(room, light=light) for light in LIGHTS if light != room.light]
    views = [_view(placed, number, size // 2, samples) for number in range(len(AZIMUTHS))]
    return SubjectCase(
        name=f"{placed.colour}-{placed.kind}".replace(" ", "-"),
        kind=placed.kind,
        taught=tuple(view for number, view in enumerate(views) if number not in HELD_OUT),
        held_out=tuple(views[number] for number in HELD_OUT),
        places=(own, *(_place(placed, other, size=size, samples=samples) for other in others)),
    )


def _place(placed: Placed, room: Room, *, size: int, samples: int) -> SubjectPlace:
    shown = render(room, size=size, samples=samples)
    area = shown.ids == placed.id
    return SubjectPlace(
        source=render(room.without(placed.id), size=size, samples=samples).image,
        target=shown.image,
        object_mask=area,
        region=Region(mask=Image.fromarray(np.uint8(255) * dilated(area)), origin="where the object stood"),
    )


def _view(placed: Placed, number: int, size: int, samples: int) -> Reference:
    view = ReferenceView(
        azimuth=AZIMUTHS[number] * math.pi / 4,
        elevation=_ELEVATIONS[number % len(_ELEVATIONS)],
        light=LIGHTS[number % len(LIGHTS)],
    )
    pixels = render_reference(placed, view=view, size=size, samples=samples)
    return replace(load_reference(Image.fromarray(pixels)), name=f"view {number + 1}")
