"""The engine of room pairs: exact, varied and the same bytes every time."""

import importlib.util
import io
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import DataError, SettingsError
from retouch.datagen.rooms import MAXIMUM_UNITS, RoomEngine, edit_kinds
from retouch.records.pair import PairRecord, Split
from retouch.scenes.edits import EDIT_KINDS, Compound, Edit
from retouch.scenes.language import instruct
from retouch.scenes.room import Room
from retouch.scenes.seeds import SCENE_RANGES

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mitsuba") is None, reason="Mitsuba is not installed: pip install 'retouch[scenes]'."
)

TRAIN = RoomEngine(seed=1, split="train", size=64, samples=1)
BENCH = RoomEngine(seed=1, split="bench", size=64, samples=1, references=2)


def pixels(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


@pytest.fixture(scope="module")
def unit() -> tuple[PairRecord, ...]:
    return TRAIN.make(0)


@pytest.fixture(scope="module")
def held_out() -> tuple[PairRecord, ...]:
    return tuple(record for index in range(len(EDIT_KINDS)) for record in BENCH.make(index))


def test_a_training_unit_has_its_fixed_number_of_pairs(unit: tuple[PairRecord, ...]) -> None:
    assert len(unit) == TRAIN.pairs_per_unit == 12
    assert len({record.id for record in unit}) == 12
    assert sum(record.kind == "null" for record in unit) == 1
    assert len({record.edit_prompt for record in unit}) >= 10


def test_every_edit_is_told_both_ways(unit: tuple[PairRecord, ...]) -> None:
    ways = {(record.source_image, record.target_image) for record in unit}
    base = unit[0].source_image
    for record in unit[:4]:
        assert record.source_image == base
        assert (record.target_image, base) in ways


def test_the_same_unit_has_the_same_bytes(unit: tuple[PairRecord, ...]) -> None:
    assert RoomEngine(seed=1, split="train", size=64, samples=1).make(0) == unit


def test_seeds_are_those_of_the_split(unit: tuple[PairRecord, ...], held_out: tuple[PairRecord, ...]) -> None:
    assert all(record.seed in SCENE_RANGES["train"] and record.split == "train" for record in unit)
    assert all(record.seed in SCENE_RANGES["bench"] and record.split == "bench" for record in held_out)


def test_the_bench_goes_through_all_kinds(held_out: tuple[PairRecord, ...]) -> None:
    assert [record.kind for record in held_out] == list(EDIT_KINDS)


def test_masks_hold_what_changes(held_out: tuple[PairRecord, ...]) -> None:
    for record in held_out:
        assert record.mask is not None
        inside = pixels(record.mask) > 127
        source, target = pixels(record.source_image).astype(int), pixels(record.target_image).astype(int)
        difference = np.abs(source - target).mean(axis=2)
        if record.kind == "null":
            assert not inside.any()
            assert record.source_image == record.target_image
        else:
            assert inside.any()
        if record.kind in ("recolour", "replace", "remove", "add"):
            assert difference[inside].mean() > 2 * difference[~inside].mean()


def test_edits_of_objects_come_with_their_mask_and_views(held_out: tuple[PairRecord, ...]) -> None:
    for record in held_out:
        if record.kind in ("recolour", "material", "replace", "remove", "add"):
            assert record.object_mask is not None
            assert record.object
            assert len(record.reference_images) == 2
            view = pixels(record.reference_images[0])
            assert view.shape == (32, 32, 4)
            assert (view[..., 3] > 0).any()
            assert len({*record.reference_images}) == 2
        if record.kind == "recolour":
            assert record.params["from"] != record.params["to"] == record.params["colour"]
            assert len(record.params["target_rgb"]) == 3  # type: ignore[arg-type]


def test_segments_say_what_is_where_in_the_source(unit: tuple[PairRecord, ...]) -> None:
    for record in unit:
        things = record.params["segments"]
        assert isinstance(things, list) and record.segments is not None
        numbers = pixels(record.segments)
        assert set(np.unique(numbers)) - {0} == set(range(1, len(things) + 1))
        assert all(set(thing) == {"kind", "colour", "material"} for thing in things)  # type: ignore[arg-type]
        kinds = [thing["kind"] for thing in things]  # type: ignore[index, call-overload]
        if record.kind == "recolour":
            assert record.object_mask is not None
            inside = numbers[pixels(record.object_mask) > 127]
            assert kinds[np.bincount(inside).argmax() - 1] == record.object


def test_edits_whose_words_come_out_too_long_are_told_in_other_words(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter(range(10_000))

    def short_of_words(edit: Edit, room: Room, generator: Random) -> str | None:
        return None if isinstance(edit, Compound) or next(draws) % 5 == 4 else instruct(edit, room, generator)

    monkeypatch.setattr("retouch.datagen.rooms.instruct", short_of_words)
    records = TRAIN.make(0)
    assert len(records) == TRAIN.pairs_per_unit
    assert all(record.edit_prompt and record.kind != "compound" for record in records)


@pytest.mark.parametrize("split", ["train", "bench"])
def test_edits_can_be_of_chosen_kinds_alone(split: Split) -> None:
    engine = RoomEngine(seed=1, split=split, size=64, samples=1, only=edit_kinds("remove, add"))
    assert {record.kind for record in engine.make(0)} <= {"add", "remove"}
    assert engine.fingerprint() != replace(engine, only=()).fingerprint()


def test_kinds_that_no_room_is_edited_by_alone_are_refused() -> None:
    with pytest.raises(SettingsError, match="'compound' is no kind of edit of its own; choose from recolour"):
        edit_kinds("add,compound")


def test_units_out_of_range_are_refused() -> None:
    for unit in (-1, MAXIMUM_UNITS):
        with pytest.raises(DataError, match="Unit"):
            TRAIN.make(unit)


def test_engines_of_other_seeds_show_other_rooms() -> None:
    first = [next(TRAIN._scenes(unit)).seed for unit in range(3)]
    second = [next(RoomEngine(seed=2, split="train")._scenes(unit)).seed for unit in range(3)]
    assert not {*first} & {*second}


def test_reserved_rooms_are_of_what_others_never_show(unit: tuple[PairRecord, ...]) -> None:
    engine = RoomEngine(seed=1, split="train", size=64, samples=1, reserved=True)
    words = ("piano", "turquoise", "burgundy")
    told = [record for record in engine.make(0) if record.kind == "recolour"]
    assert told
    assert all(any(word in f"{one.source_caption} {one.target_caption}" for word in words) for one in told)
    assert not any(word in record.source_caption for record in unit for word in words)
    assert engine.fingerprint() == {**TRAIN.fingerprint(), "reserved": True}
    assert not {record.id for record in told} & {record.id for record in unit}
