"""Captions read back tell what they were made of."""

from collections import Counter
from random import Random

import pytest

from retouch.scenes.language import caption
from retouch.scenes.language.reading import Reading, Told, read_caption
from retouch.scenes.layout import sample_room
from retouch.scenes.room import Surface


def test_every_caption_is_read_and_tells_of_what_is_there() -> None:
    for seed in range(60):
        room = sample_room(seed)
        reading = read_caption(caption(room, Random(seed)))
        assert reading is not None
        assert reading.type == room.type
        assert reading.walls in (None, room.walls)
        assert reading.floor in (None, room.floor)
        assert reading.light in (None, room.light)
        there = Counter((placed.kind, placed.colour) for placed in room)
        assert Counter((told.kind, told.colour) for told in reading.objects) <= there


def test_a_caption_in_all_its_parts() -> None:
    text = "A photo of a study with two red wooden chairs, a plant in an olive green marble pot and a television, brown floorboards and white wallpaper, at dusk."  # noqa: E501
    assert read_caption(text) == Reading(
        type="study",
        objects=(
            Told(kind="chair", colour="red", material="wood"),
            Told(kind="chair", colour="red", material="wood"),
            Told(kind="plant", colour="olive", material="marble"),
            Told(kind="television"),
        ),
        floor=Surface(finish="planks", colour="brown"),
        walls=Surface(finish="wallpaper", colour="white"),
        light="evening",
    )


@pytest.mark.parametrize(
    "text",
    [
        "a castle with a red chair",
        "a study with a red chair and a dragon",
        "a study, white walls and red walls",
        "a study with red chair",
        "nothing",
    ],
)
def test_what_cannot_be_read_is_none(text: str) -> None:
    assert read_caption(text) is None
