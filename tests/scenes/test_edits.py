"""Laws of edits: they change what they say, nothing else, and can be undone."""

from dataclasses import replace
from random import Random

import pytest

from retouch.core.errors import DataError
from retouch.scenes.edits import (
    EDIT_KINDS,
    Add,
    ChangeMaterial,
    Edit,
    EditKind,
    Nothing,
    Recolour,
    Remove,
    Replace,
    apply,
    invert,
    kind_of,
    subjects,
)
from retouch.scenes.layout import sample_room, uses_reserved
from retouch.scenes.palette import NATURAL_COLOURS
from retouch.scenes.placement import fits
from retouch.scenes.places import Place, places_of
from retouch.scenes.proposals import coarse_shares, independent, sample_edit
from retouch.scenes.room import Room

ROOMS = tuple(sample_room(seed) for seed in range(40))


def drawn(kind: EditKind) -> list[tuple[Room, Edit]]:
    found = []
    for room in ROOMS:
        generator = Random(room.seed)
        edits = [sample_edit(room, kind, generator) for _ in range(2)]
        found += [(room, edit) for edit in edits if edit is not None]
    return found


EDITS = {kind: drawn(kind) for kind in EDIT_KINDS}


@pytest.mark.parametrize("kind", EDIT_KINDS)
def test_there_are_edits_of_every_kind(kind: EditKind) -> None:
    assert len(EDITS[kind]) >= len(ROOMS)
    assert all(kind_of(edit) == kind for _, edit in EDITS[kind])


@pytest.mark.parametrize("kind", EDIT_KINDS)
def test_undoing_an_edit_gives_the_room_back(kind: EditKind) -> None:
    for room, edit in EDITS[kind]:
        after = apply(edit, room)
        assert apply(invert(edit, room), after) == room


@pytest.mark.parametrize("kind", EDIT_KINDS)
def test_an_edit_changes_the_room_unless_it_asks_for_nothing(kind: EditKind) -> None:
    for room, edit in EDITS[kind]:
        assert (apply(edit, room) == room) == (kind == "null")


@pytest.mark.parametrize("kind", EDIT_KINDS)
def test_edited_rooms_are_as_sound_as_sampled_ones(kind: EditKind) -> None:
    for room, edit in EDITS[kind]:
        after = apply(edit, room)
        assert all(fits(after, placed) for placed in after)
        assert not uses_reserved(after)


def test_only_the_target_of_an_object_edit_changes() -> None:
    for kind in ("recolour", "material", "replace"):
        for room, edit in EDITS[kind]:
            after = apply(edit, room)
            changed = {one.id for one, other in zip(room, after, strict=True) if one != other}
            assert changed == subjects(edit)
            assert replace(after, objects=room.objects) == room


def test_edited_objects_can_be_seen() -> None:
    for kind in ("recolour", "material", "replace", "remove"):
        for room, edit in EDITS[kind]:
            shares = coarse_shares(room)
            assert all(shares[identifier] >= 0.008 for identifier in subjects(edit))


def test_removing_removes_the_object_and_what_stands_on_it() -> None:
    for room, edit in EDITS["remove"]:
        assert isinstance(edit, Remove)
        gone = {edit.target, *(placed.id for placed in room.standing_on(edit.target))}
        assert {placed.id for placed in apply(edit, room)} == {placed.id for placed in room} - gone


def test_removing_a_carrier_and_undoing_it_brings_everything_back() -> None:
    carriers = [(room, room.find(placed.on)) for room in ROOMS for placed in room if placed.on is not None]
    assert carriers
    for room, carrier in carriers:
        edit = Remove(target=carrier.id)
        back = invert(edit, room)
        assert isinstance(back, Add)
        assert len(back.objects) >= 2
        assert apply(back, apply(edit, room)) == room


def test_additions_are_where_they_are_said_to_be() -> None:
    for room, edit in EDITS["add"]:
        assert isinstance(edit, Add)
        assert edit.place in places_of(room, edit.objects[0])


def test_a_material_brings_its_natural_colour_unless_one_is_named() -> None:
    for room, edit in EDITS["material"]:
        assert isinstance(edit, ChangeMaterial)
        silent = apply(replace(edit, colour=None), room).find(edit.target)
        assert silent.material == edit.material
        assert silent.colour == NATURAL_COLOURS.get(edit.material, room.find(edit.target).colour)
        assert apply(replace(edit, colour="red"), room).find(edit.target).colour == "red"


def test_replacing_changes_the_kind_and_keeps_the_place_in_the_room() -> None:
    for room, edit in EDITS["replace"]:
        assert isinstance(edit, Replace)
        new = apply(edit, room).find(edit.target)
        assert new.kind != room.find(edit.target).kind


def test_after_dark_no_lamp_changes() -> None:
    for kind in EDIT_KINDS:
        for room, edit in EDITS[kind]:
            if room.light != "daylight":
                lamps = [placed for placed in room if "lamp" in placed.kind]
                assert lamps == [placed for placed in apply(edit, room) if "lamp" in placed.kind]


def test_edits_about_the_same_thing_are_not_independent() -> None:
    room = next(room for room in ROOMS if any(placed.on is not None for placed in room))
    rider = next(placed for placed in room if placed.on is not None)
    assert rider.on is not None
    assert not independent(room, Recolour(target=rider.id, colour="red"), Remove(target=rider.id))
    assert not independent(room, Recolour(target=rider.id, colour="red"), Remove(target=rider.on))
    assert independent(room, Recolour(target=rider.id, colour="red"), Recolour(target=rider.on, colour="red"))


def test_edits_about_what_is_not_there_are_refused() -> None:
    with pytest.raises(DataError, match="object 999"):
        apply(Recolour(target=999, colour="red"), ROOMS[0])
    with pytest.raises(DataError, match="already"):
        apply(Add(objects=(ROOMS[0].objects[0],), place=Place(relation="room")), ROOMS[0])


def test_asking_for_what_is_absent_changes_nothing() -> None:
    for request in ("remove", "recolour", "keep"):
        assert apply(Nothing(request=request, kind="piano", colour="red"), ROOMS[0]) is ROOMS[0]
