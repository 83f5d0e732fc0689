"""A room made again from a record of it, without rendering: what its picture shows, as a room's value."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.records.pair import PairRecord
from retouch.scenes.layout import sample_room
from retouch.scenes.room import FloorFinish, Placed, Room, Surface, WallFinish
from retouch.scenes.view import ScreenBox, screen_box

SHELL = ("walls", "floor")
_OUTSIDE = 0.05
"""How far, in widths of the picture, an object's pixels may lie outside the box that its place allows."""


@dataclass(frozen=True, kw_only=True)
class SeenRoom:
    """A room that holds what its picture shows and no more; `numbers` are the segments by the objects' ids.

    `shell` holds the segments of walls and floor by name, `shares` how much of the picture each segment fills.
    """

    room: Room
    numbers: Mapping[int, int]
    shell: Mapping[str, int]
    shares: Mapping[int, float]


def seen_room(record: PairRecord) -> SeenRoom | None:
    """The room of a record's source, None where it is not the one drawn from its seed with other looks or less in it.

    A room where something came in or was replaced cannot be made again: its place is not on record.
    """
    things, shown = record.params.get("segments"), record.segments
    if shown is None or not isinstance(things, list) or not all(isinstance(thing, Mapping) for thing in things):
        return None
    with Image.open(io.BytesIO(shown)) as image:
        numbers = np.asarray(image.convert("L"))
    told = [cast("Mapping[str, str]", thing) for thing in things]
    for reserved in (False, True):
        found = _matched(sample_room(record.seed, include_reserved=reserved), told, numbers)
        if found is not None:
            return found
    return None


def _matched(drawn: Room, things: list[Mapping[str, str]], numbers: NDArray[np.uint8]) -> SeenRoom | None:
    left = {placed.id: (placed, screen_box(drawn, placed)) for placed in drawn}
    objects: dict[int, Placed] = {}
    places: dict[int, int] = {}
    shell: dict[str, int] = {}
    surfaces: dict[str, Surface] = {}
    for number, thing in enumerate(things, start=1):
        colour, material = thing["colour"], thing["material"]
        if thing["kind"] in SHELL:
            finish = cast("WallFinish | FloorFinish", material)
            shell[thing["kind"]], surfaces[thing["kind"]] = number, Surface(finish=finish, colour=colour)
            continue
        place = _place(thing["kind"], _box(numbers == number), left)
        if place is None:
            return None
        placed, _ = left.pop(place)
        objects[placed.id] = replace(placed, colour=colour, material=material)
        places[placed.id] = number
    counts = np.bincount(numbers.ravel(), minlength=len(things) + 1) / numbers.size
    standing = tuple(objects[placed.id] for placed in drawn if placed.id in objects)
    return SeenRoom(
        room=replace(drawn, objects=_grounded(standing), **surfaces),
        numbers=places,
        shell=shell,
        shares={number: float(counts[number]) for number in range(1, len(things) + 1)},
    )


def _place(kind: str, seen: ScreenBox, left: Mapping[int, tuple[Placed, ScreenBox]]) -> int | None:
    """The id of the object of a kind in whose box a thing was seen, the one it fits best; None where there is none."""
    fits = [
        (_difference(seen, box), identifier)
        for identifier, (placed, box) in left.items()
        if placed.kind == kind and _within(seen, box)
    ]
    return min(fits)[1] if fits else None


def _box(shown: NDArray[np.bool_]) -> ScreenBox:
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if not len(rows):
        return ScreenBox(left=0, top=0, right=1, bottom=1)
    height, width = shown.shape
    return ScreenBox(
        left=columns[0] / width, right=(columns[-1] + 1) / width, top=rows[0] / height, bottom=(rows[-1] + 1) / height
    )


def _within(seen: ScreenBox, box: ScreenBox) -> bool:
    across = seen.left >= box.left - _OUTSIDE and seen.right <= box.right + _OUTSIDE
    return across and seen.top >= box.top - _OUTSIDE and seen.bottom <= box.bottom + _OUTSIDE


def _difference(seen: ScreenBox, box: ScreenBox) -> float:
    inside = ScreenBox(left=max(0, box.left), top=max(0, box.top), right=min(1, box.right), bottom=min(1, box.bottom))
    edges = ((seen.left, inside.left), (seen.right, inside.right), (seen.top, inside.top), (seen.bottom, inside.bottom))
    return sum(abs(one - other) for one, other in edges)


def _grounded(objects: tuple[Placed, ...]) -> tuple[Placed, ...]:
    """The objects, those that stood on what is not seen on nothing."""
    known = {placed.id for placed in objects}
    return tuple(replace(placed, on=None) if placed.on not in known else placed for placed in objects)
