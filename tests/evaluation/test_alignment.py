"""Mapped pictures beside texts: known cosines, whose names records tell, and the models' own tokens."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.models.inserts import clip_folder, tiny_insert
from tests.training.test_insert import insertion
from torch import Tensor

from retouch.conditioning.insert import insert_tokens
from retouch.core.errors import DataError, ModelError
from retouch.core.images import png_bytes
from retouch.evaluation.alignment import (
    NamedObject,
    evaluate_alignment,
    exemplar_mapper,
    insert_mapper,
    named_objects,
    text_reader,
)
from retouch.models.exemplar import fresh_exemplar
from retouch.models.insert import Insert
from retouch.models.spec import ConditioningSpec
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer

NAMES = [("blue", "chair"), ("red", "chair"), ("red", "lamp")]


def axis(place: int) -> Tensor:
    return torch.eye(6)[place]


def reader(texts: list[str]) -> Tensor:
    """Texts on axes of their own, each two tokens that are so in the mean: blue chair, blue lamp, red chair, …"""
    order = ["a blue chair", "a blue lamp", "a red chair", "a red lamp"]
    return torch.stack([torch.stack([axis(order.index(text)) * 0.5, axis(order.index(text)) * 1.5]) for text in texts])


def objects() -> list[NamedObject]:
    return [NamedObject(colour=colour, kind=kind, references=()) for colour, kind in NAMES]


def test_cosines_and_shares_are_as_counted_by_hand(tmp_path: Path) -> None:
    mapped = iter([axis(0), axis(2), 3 * axis(2) + 4 * axis(3), -axis(3)] * 2)
    found = evaluate_alignment(
        {"mine": lambda _references: next(mapped).expand(1, 2, -1)},
        reader,  # pyright: ignore[reportArgumentType]
        [*objects(), objects()[0]],
        out=tmp_path,
    )
    raw, centred = found.lines
    assert (found.objects, found.texts) == (4, 4)
    assert raw.matching == pytest.approx((1 + 1 + 0.8 + 0) / 4)
    assert raw.others == pytest.approx((0.6 - 1) / 12)
    # The last is nearest to none; ties go to the first text, which is its own.
    assert (raw.nearest, raw.colour, raw.kind) == (1.0, 1.0, 1.0)
    assert centred.centred
    assert json.loads((tmp_path / "report.json").read_text())["lines"][0]["matching"] == raw.matching
    assert f"| mine | {raw.matching:.3f}" in (tmp_path / "report.md").read_text()


def test_a_wrong_colour_may_be_of_the_right_kind() -> None:
    mapped = iter([axis(2), axis(1), axis(3)])
    (line, _) = evaluate_alignment({"mine": lambda _references: next(mapped)[None, None]}, reader, objects()).lines  # pyright: ignore[reportArgumentType]
    assert (line.nearest, line.colour, line.kind) == pytest.approx((1 / 3, 1 / 3, 2 / 3))


def test_what_all_have_in_common_is_taken_off() -> None:
    common = 50 * axis(5)
    mapped = iter([axis(0) + common, axis(2) + common, axis(3) + common])
    raw, centred = evaluate_alignment(
        {"mine": lambda _references: next(mapped)[None, None]},
        lambda texts: reader(list(texts)) - common,
        objects(),
    ).lines
    assert raw.matching < -0.9
    assert centred.matching > 0.5
    assert centred.nearest == 1.0


def record(number: int, **changes: object) -> PairRecord:
    made = insertion("bench", number)
    return replace(made, **changes)  # type: ignore[arg-type]


def write(folder: Path, records: list[PairRecord]) -> Path:
    with open_writer(folder, engine="squares", settings={}) as writer:
        writer.write(records, first_unit=0, units=len(records))
    return folder


def test_records_tell_the_shown_objects_name(tmp_path: Path) -> None:
    removed = record(2)
    told = {"kind": "remove", "object": "square", "segments": [{"kind": "square", "colour": "teal"}]}
    with_place = replace(removed, segments=segments_of(removed), params=told)
    replaced = {"kind": "replace", "object": "square", "to": "disc", "colour": "pink"}
    records = [
        record(0),
        removed,
        replace(with_place, id="told"),
        record(3, params=replaced),
        record(4, reference_images=()),
        record(6, params={"kind": "walls", "colour": "blue", "object": "walls"}),
    ]
    folder = write(tmp_path / "records", records)
    found = named_objects(folder)
    assert [(each.colour, each.kind) for each in found] == [("red", "square"), ("teal", "square"), ("pink", "disc")]
    assert [len(each.references) for each in found] == [2, 2, 2]
    assert len(named_objects(folder, limit=2)) == 2
    with pytest.raises(DataError, match=r"holds 1 objects of the split 'bench'.+--references 2"):
        named_objects(folder, limit=1)
    with pytest.raises(DataError, match="holds 0 objects of the split 'train'"):
        named_objects(folder, split="train")


def segments_of(removed: PairRecord) -> bytes:
    assert removed.object_mask is not None
    with Image.open(io.BytesIO(removed.object_mask)) as image:
        return png_bytes(image.point([int(level > 127) for level in range(256)]))


@pytest.fixture(scope="module")
def insert(make_tiny, tiny_tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Insert:
    return tiny_insert(make_tiny(seed=2), clip_folder(tiny_tokenizer, tmp_path_factory.mktemp("encoder") / "clip"))


def test_models_map_by_their_own_tokens(insert: Insert, tmp_path: Path) -> None:
    found = named_objects(write(tmp_path / "records", [record(0), record(1), record(3)]))
    spec = ConditioningSpec(
        kind="inpaint", channel_order=("latents", "masked-image", "mask"), mask_meaning="white-is-kept"
    )
    exemplar = fresh_exemplar(insert.checkpoint, insert.encoder, spec, layers=1)
    mappers = {"insert": insert_mapper(insert), "exemplar": exemplar_mapper(exemplar)}
    assert torch.equal(mappers["insert"](found[0].references), insert_tokens(insert, found[0].references))
    assert mappers["exemplar"](found[0].references).shape == (2, 1, 16)
    result = evaluate_alignment(mappers, text_reader(insert), found)
    assert [(line.mapper, line.centred) for line in result.lines] == [
        ("insert", False), ("insert", True), ("exemplar", False), ("exemplar", True)
    ]  # fmt: skip
    assert all(-1 <= line.matching <= 1 for line in result.lines)
    with pytest.raises(ModelError, match="maps pictures to 7 features, the texts have 16"):
        evaluate_alignment({"other": lambda _references: torch.ones(1, 1, 7)}, text_reader(insert), found)
