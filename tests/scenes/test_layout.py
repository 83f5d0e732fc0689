"""Laws of furnished rooms: nothing intersects, everything is inside, seen and allowed."""

import math
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retouch.core.errors import DataError
from retouch.scenes.catalogue import KINDS, RESERVED_KINDS, TRAINED_KINDS
from retouch.scenes.layout import MAXIMUM_OBJECTS, MINIMUM_OBJECTS, sample_room, uses_reserved
from retouch.scenes.palette import TRAINED_COLOURS
from retouch.scenes.placement import Box, box_of, clashes, inside, intersect, on_surface
from retouch.scenes.places import places_of
from retouch.scenes.room import ROOM_TYPES, Placed, Room
from retouch.scenes.seeds import SCENE_RANGES, scene_seeds
from retouch.scenes.view import coarse_ids, project, screen_box, visible_shares

ROOMS = tuple(sample_room(seed) for seed in range(200))


def test_nothing_intersects_and_all_is_inside() -> None:
    for room in ROOMS:
        for placed in room:
            assert inside(room, placed), (room.seed, placed)
            assert not clashes(placed, room), (room.seed, placed)
            assert on_surface(room, placed), (room.seed, placed)


def test_rooms_are_furnished_with_what_suits_them() -> None:
    for room in ROOMS:
        assert MINIMUM_OBJECTS <= len(room.objects) <= MAXIMUM_OBJECTS
        assert all(one.id < other.id for one, other in pairwise(room.objects))
        for placed in room:
            facts = KINDS[placed.kind]
            assert room.type in facts.rooms
            assert placed.material in facts.materials
            assert (placed.wall is not None) == (facts.mount == "wall")


def test_every_kind_colour_and_type_of_room_appears() -> None:
    assert {placed.kind for room in ROOMS for placed in room} == set(TRAINED_KINDS)
    assert {placed.colour for room in ROOMS for placed in room} == set(TRAINED_COLOURS)
    assert {room.type for room in ROOMS} == set(ROOM_TYPES)


def test_reserved_kinds_and_colours_never_appear_unasked() -> None:
    assert not any(uses_reserved(room) for room in ROOMS)


def test_reserved_kinds_appear_when_asked_for() -> None:
    rooms = [sample_room(seed, include_reserved=True) for seed in range(60)]
    assert any(room.of_kind(kind) for room in rooms for kind in RESERVED_KINDS)
    assert any(uses_reserved(room) for room in rooms)


def test_everything_is_seen() -> None:
    for room in ROOMS:
        for identifier, (share, open_part) in visible_shares(room).items():
            assert share > 0.002, (room.seed, room.find(identifier))
            assert open_part > 0.2, (room.seed, room.find(identifier))


def test_like_objects_differ_in_colour_as_a_rule() -> None:
    couples = [
        (one.colour, other.colour)
        for room in ROOMS
        for one in room
        for other in room.of_kind(one.kind)
        if one.id < other.id
    ]
    assert len(couples) > 40
    assert sum(one != other for one, other in couples) > 0.75 * len(couples)


def test_lamps_burn_where_lamp_light_is() -> None:
    for room in ROOMS:
        if room.light == "lamp light":
            assert any("lamp" in placed.kind for placed in room)


def test_a_seed_always_gives_the_same_room() -> None:
    assert [sample_room(seed) for seed in range(5)] == list(ROOMS[:5])
    assert ROOMS[0] != ROOMS[1]


def test_splits_never_share_a_room() -> None:
    seeds = list(SCENE_RANGES.values())
    for index, one in enumerate(seeds):
        assert all(one.stop <= other.start or other.stop <= one.start for other in seeds[index + 1 :])
    assert list(scene_seeds("bench", 3, 5)) == [seeds[2][5], seeds[2][6], seeds[2][7]]


@pytest.mark.parametrize(("split", "count", "start"), [("test", 1, 0), ("train", 1, 2**31), ("bench", -1, 0)])
def test_seeds_outside_a_split_are_refused(split: str, count: int, start: int) -> None:
    with pytest.raises(DataError):
        scene_seeds(split, count, start)


BOXES = st.builds(
    Box,
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(0.1, 1),
    st.floats(0.1, 1),
    st.floats(-math.pi, math.pi),
    st.just(0.0),
    st.just(1.0),
)


def contains(box: Box, x: float, y: float) -> bool:
    (ax, ay), (bx, by) = box.axes()
    dx, dy = x - box.x, y - box.y
    return abs(dx * ax + dy * ay) < box.half_width and abs(dx * bx + dy * by) < box.half_depth


@settings(max_examples=60, deadline=None)
@given(BOXES, BOXES, st.integers(0, 2**32))
def test_boxes_that_share_a_point_intersect(one: Box, other: Box, seed: int) -> None:
    assert intersect(one, other) == intersect(other, one)
    generator = Random(seed)
    points = [(generator.uniform(-2.5, 2.5), generator.uniform(-2.5, 2.5)) for _ in range(300)]
    if any(contains(one, x, y) and contains(other, x, y) for x, y in points):
        assert intersect(one, other)


def test_boxes_above_one_another_do_not_intersect() -> None:
    box = Box(0.0, 0.0, 1.0, 1.0, 0.3, 0.0, 1.0)
    assert intersect(box, box)
    assert not intersect(box, replace(box, low=1.0, high=2.0))
    beside = replace(box, x=2.0, yaw=0.0)
    assert not intersect(replace(box, yaw=0.0), beside)
    assert intersect(replace(box, yaw=0.0), beside, gap=0.1)


def chair(identifier: int, x: float, y: float) -> Placed:
    return Placed(
        id=identifier,
        kind="chair",
        colour="red",
        material="wood",
        position=(x, y, 0.0),
        size=(0.45, 0.45, 0.9),
    )


def empty(room: Room, *objects: Placed) -> Room:
    return replace(room, width=4.0, depth=4.0, objects=objects)


def test_the_camera_sees_left_and_right_as_they_are() -> None:
    room = empty(ROOMS[0], chair(1, 1.0, 3.0), chair(2, 3.0, 3.0))
    assert screen_box(room, room.find(1)).middle < screen_box(room, room.find(2)).middle
    ids = coarse_ids(room)
    assert {1, 2} <= set(ids.ravel().tolist())
    assert (ids == 1).nonzero()[1].mean() < (ids == 2).nonzero()[1].mean()


def test_what_the_camera_aims_at_is_in_the_middle() -> None:
    for room in ROOMS[:20]:
        ((x, y, ahead),) = project(room.camera, (room.camera.target,))
        assert (x, y) == pytest.approx((0.5, 0.5))
        assert ahead == pytest.approx(math.dist(room.camera.eye, room.camera.target))


def test_the_nearer_of_two_hides_the_farther() -> None:
    room = empty(ROOMS[0], chair(1, 2.0, 3.4), replace(chair(2, 2.0, 2.8), size=(1.0, 0.4, 1.6)))
    shares = visible_shares(replace(room, camera=replace(room.camera, eye=(2.0, 0.0, 1.2), target=(2.0, 4.0, 1.0))))
    assert shares[2][1] == 1.0
    assert shares[1][1] < 0.1


def test_places_are_true() -> None:
    table = replace(chair(3, 2.0, 3.0), kind="desk", size=(1.2, 0.6, 0.75))
    room = empty(ROOMS[0], chair(1, 1.0, 3.0), table)
    relations = {(place.relation, place.anchor) for place in places_of(room, room.find(1))}
    assert ("left of", 3) in relations
    assert ("next to", 3) in relations
    far = places_of(room.without(3), room.find(1))
    assert [place.relation for place in far] == ["room"]


def test_wall_objects_stay_at_their_wall() -> None:
    hung = [(room, placed) for room in ROOMS for placed in room if placed.wall is not None]
    assert hung
    for room, placed in hung:
        corners = box_of(placed).footprint()
        gaps = {
            "back": room.depth - max(y for _, y in corners),
            "left": min(x for x, _ in corners),
            "right": room.width - max(x for x, _ in corners),
        }
        assert gaps[placed.wall or ""] == pytest.approx(0.0, abs=1e-3)
