"""Pairs in other layouts: read as they are published, written as others read them, and back the same."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.training.conftest import square, squares, write_squares

from retouch.core.errors import DataError, OutputError, SettingsError
from retouch.datagen.imported import export_pairs, import_engine_factory
from retouch.datagen.run import make_pairs
from retouch.records.pair import PairRecord
from retouch.records.shards import read_records


def imported(source: Path, out: Path, layout: str = "image-folder") -> list[PairRecord]:
    factory, count = import_engine_factory(source, layout=layout, split="train")
    make_pairs(factory, count=count, out=out, workers=0)
    return list(read_records(out))


def words(record: PairRecord) -> tuple[str, str, str]:
    return record.edit_prompt, record.source_caption, record.target_caption


def test_an_image_folder_comes_back_the_same(tmp_path: Path) -> None:
    records = write_squares(tmp_path / "records", "train", 5)
    assert export_pairs(records, tmp_path / "folder", layout="image-folder") == 5
    found = imported(tmp_path / "folder", tmp_path / "back")
    for before, after in zip(squares("train", 5), found, strict=True):
        assert words(before) == words(after)
        assert after.kind == "recolour"
        for name in ("source_image", "target_image", "mask"):
            first, second = (Image.open(io.BytesIO(getattr(record, name))) for record in (before, after))
            assert np.array_equal(np.asarray(first), np.asarray(second))


def test_datasets_reads_what_is_written(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    records = write_squares(tmp_path / "records", "train", 3)
    export_pairs(records, tmp_path / "folder", layout="image-folder")
    loaded = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "folder"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert {"source_image", "target_image", "edit_prompt"} <= set(loaded.column_names)
    assert loaded[0]["source_image"].size == (64, 64)


def test_columns_of_the_rebuilt_instruct_pix2pix_are_known(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(square("red", left=0))
    line = {
        "original_prompt": "a red square", "original_image_file_name": "a.png", "edit_prompt": "make it blue",
        "edited_prompt": "a blue square", "edited_image_file_name": "b.png",
    }  # fmt: skip
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line) + "\n\n")
    (record,) = imported(tmp_path, tmp_path / "out")
    assert words(record) == ("make it blue", "a red square", "a blue square")
    assert (record.kind, record.engine) == ("imported", "imported")


def test_the_published_folders_are_read_and_written(tmp_path: Path) -> None:
    place = tmp_path / "published" / "0000012"
    place.mkdir(parents=True)
    for seed in ("7", "99"):
        for side, colour in enumerate(("red", "blue")):
            Image.open(io.BytesIO(square(colour, left=0))).save(place / f"{seed}_{side}.jpg")
    (place / "prompt.json").write_text(json.dumps({"input": "a red square", "edit": "blue!", "output": "a blue one"}))
    lines = [{"seed": 7, "p2p_threshold": 0.5, "cfg_scale": 8.0, "clip_sim_dir": 0.3}, {"seed": 99}]
    (place / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "published" / "seeds.json").write_text(json.dumps([["0000012", ["7", "99"]]]))
    first, second = imported(tmp_path / "published", tmp_path / "records", "instruct-pix2pix")
    assert words(first) == words(second) == ("blue!", "a red square", "a blue one")
    assert first.params == {"kind": "imported", "p2p_threshold": 0.5, "cfg_scale": 8.0}
    assert first.scores == {"instruct-pix2pix/published/clip_sim_dir": 0.3}
    export_pairs(tmp_path / "records", tmp_path / "again", layout="instruct-pix2pix")
    again = imported(tmp_path / "again", tmp_path / "records-again", "instruct-pix2pix")
    assert [words(record) for record in again] == [words(first), words(second)]
    assert again[0].scores == first.scores


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"edit_prompt": "x"}', "Line 1 of .* lacks a picture"),
        ("[]", "Line 1 of .* is no JSON object"),
        ("{", "Line 1 of .* is not JSON"),
        ('{"edit_prompt": "x", "source_image_file_name": "../a.png", "target_image_file_name": "b"}', "not inside"),
        ('{"edit_prompt": "x", "source_image_file_name": "/a.png", "target_image_file_name": "b"}', "not inside"),
        ('{"edit_prompt": "x", "source_image_file_name": "a.png", "target_image_file_name": "b"}', "Line 1 of"),
        ("", "lists no pairs"),
    ],
)
def test_what_is_wrong_is_said(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text(line)
    with pytest.raises(DataError, match=said):
        imported(tmp_path, tmp_path / "out")


def test_layouts_and_folders_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="choose image-folder or instruct-pix2pix"):
        import_engine_factory(tmp_path, layout="zip", split="train")
    with pytest.raises(DataError, match=r"metadata.jsonl cannot be read"):
        import_engine_factory(tmp_path, layout="image-folder", split="train")
    with pytest.raises(DataError, match=r"seeds.json cannot be read"):
        import_engine_factory(tmp_path, layout="instruct-pix2pix", split="train")
    (tmp_path / "seeds.json").write_text('{"a": 3}')
    with pytest.raises(DataError, match="is no list of"):
        import_engine_factory(tmp_path, layout="instruct-pix2pix", split="train")
    records = write_squares(tmp_path / "records", "train", 1)
    with pytest.raises(OutputError, match="is not empty"):
        export_pairs(records, tmp_path, layout="image-folder")
