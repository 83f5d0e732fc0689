"""Phrases of records: a room is made again from its seed and segments, and every phrase means what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import DataError
from retouch.core.images import png_bytes
from retouch.datagen.phrases.rooms import room_phrases
from retouch.datagen.phrases.seen_room import seen_room
from retouch.datagen.phrases.write import write_phrases
from retouch.datagen.room_facts import segments_of
from retouch.records.pair import PairRecord
from retouch.records.phrases import load_phrases
from retouch.records.shards import open_writer
from retouch.scenes.language.words import NOUNS
from retouch.scenes.layout import sample_room
from retouch.scenes.room import Room
from retouch.scenes.shell import FLOOR, WALL
from retouch.scenes.view import coarse_ids

SIZE = 64


def record_of(room: Room) -> PairRecord:
    """A record as a rendered one would be, its segments those of boxes."""
    ids = coarse_ids(room, SIZE).astype(np.int32)
    ids[ids == -1] = np.where(np.arange(SIZE)[:, None].repeat(SIZE, 1) > SIZE * 0.7, FLOOR, WALL)[ids == -1]
    numbers, things = segments_of(room, ids)
    picture = png_bytes(Image.new("RGB", (SIZE, SIZE), (room.seed % 256, 90, 90)))
    return PairRecord(
        id=f"rooms-{room.seed}",
        source_image=picture,
        target_image=picture,
        edit_prompt="remove the chair",
        source_caption="",
        target_caption="",
        segments=png_bytes(Image.fromarray(numbers)),
        engine="rooms",
        seed=room.seed,
        params={"kind": "remove", "segments": things},
        split="train",
    )


@pytest.mark.parametrize("seed", range(6))
def test_a_room_is_made_again_with_its_looks_and_without_what_is_gone(seed: int) -> None:
    drawn = sample_room(seed)
    first = drawn.objects[0]
    edited = drawn.with_object(replace(first, colour="teal")).without(drawn.objects[-1].id)
    seen = seen_room(record_of(edited))
    assert seen is not None
    shown = {int(identifier) for identifier in np.unique(coarse_ids(edited, SIZE))}
    kinds = sorted(placed.kind for placed in edited if placed.id in shown)
    assert sorted(placed.kind for placed in seen.room) == kinds
    if first.id in shown:
        assert "teal" in {placed.colour for placed in seen.room.of_kind(first.kind)}


def test_a_room_with_something_new_is_not_made_again() -> None:
    drawn = sample_room(3)
    mounted = replace(drawn.objects[0], kind="bathtub" if drawn.type != "bathroom" else "sofa")
    assert seen_room(record_of(drawn.with_object(mounted))) is None


@pytest.mark.parametrize("seed", range(6))
def test_phrases_name_what_they_mean(seed: int) -> None:
    record = record_of(sample_room(seed))
    seen = seen_room(record)
    assert seen is not None
    things = record.params["segments"]
    assert isinstance(things, list)
    kinds = {number: str(thing["kind"]) for number, thing in enumerate(things, start=1)}  # type: ignore[index,call-overload]
    phrases = room_phrases(seen, seed=0, name=record.id)
    assert phrases == room_phrases(seen, seed=0, name=record.id)
    assert {"plain", "shell", "absent"} <= {phrase.kind for phrase in phrases}
    for phrase in phrases:
        if phrase.kind == "plain":
            (number,) = phrase.things
            nouns = (*NOUNS[kinds[number]], "pot", "frame", "flowerpot")
            assert any(noun in phrase.text for noun in nouns)
        if phrase.kind == "plural":
            assert len(phrase.things) > 1


def test_a_folder_gets_a_line_for_each_different_picture(tmp_path: Path) -> None:
    records = [record_of(sample_room(seed)) for seed in (1, 2)]
    records.append(replace(records[0], id="again"))
    with open_writer(tmp_path / "rooms", engine="rooms", settings={}) as writer:
        writer.write(records, first_unit=0, units=3)
    summary = write_phrases(tmp_path / "rooms", tmp_path / "rooms-phrases.jsonl")
    assert (summary.pictures, summary.phrased) == (2, 2)
    assert [line.record for line in load_phrases(summary.file)] == ["rooms-1", "rooms-2"]


def test_records_that_tell_nothing_are_refused(tmp_path: Path) -> None:
    with open_writer(tmp_path / "rooms", engine="rooms", settings={}) as writer:
        writer.write([replace(record_of(sample_room(1)), segments=None)], first_unit=0, units=1)
    with pytest.raises(DataError, match="phrases need one"):
        write_phrases(tmp_path / "rooms", tmp_path / "rooms-phrases.jsonl")
