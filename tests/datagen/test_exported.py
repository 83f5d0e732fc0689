"""Records in layouts of others: `datasets` opens them, they come back, and an export is whole or not there."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import DatasetCard
from PIL import Image
from tests.training.conftest import square, squares, write_squares

from retouch.core.errors import DataError, OutputError, SettingsError
from retouch.datagen.exported import LAYOUTS, export_pairs
from retouch.datagen.imported import READERS, import_pairs
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer, read_records


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Three pairs to train on, two held out, one of them without a mask, all with a score."""
    pairs = [*squares("train", 3), *squares("validation", 2)]
    pairs[3] = replace(pairs[3], mask=None, edit_prompt="make it |<b>blue</b>")
    pairs = [replace(pair, scores={"pair/directional/test": 0.5}) for pair in pairs]
    settings = {"filter": {"encoder": "clip/test", "image_image": 0.35, "near_duplicates": 0}}
    with open_writer(tmp_path / "records", engine="squares", settings=settings) as writer:
        writer.write(pairs, first_unit=0, units=5)
    return tmp_path / "records"


def words(record: PairRecord) -> tuple[str, str, str]:
    return record.edit_prompt, record.source_caption, record.target_caption


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def loaded(tmp_path: Path, *arguments: str, **options: Any) -> Any:
    datasets = pytest.importorskip("datasets")
    return datasets.load_dataset(*arguments, cache_dir=str(tmp_path / "cache"), **options)


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_every_layout_comes_back(layout: str, records: Path, tmp_path: Path) -> None:
    assert export_pairs(records, tmp_path / "out", layout=layout) == 5
    summary = import_pairs(str(tmp_path / "out"), tmp_path / "back", layout=layout)
    assert layout in READERS and summary.pairs == 5
    before, after = (
        {words(record): record for record in read_records(place)} for place in (records, tmp_path / "back")
    )
    assert before.keys() == after.keys()
    for key, record in before.items():
        difference = pixels(record.target_image).astype(int) - pixels(after[key].target_image)
        assert np.abs(difference).mean() < (3 if layout == "instruct-pix2pix" else 1e-9)
        if layout != "instruct-pix2pix":
            assert after[key].split == record.split
        if layout in ("image-folder", "parquet", "webdataset"):
            assert (after[key].mask, after[key].kind) == (record.mask, record.kind)
        if layout == "parquet":
            assert after[key] == record


def test_parquet_opens_with_its_pictures(records: Path, tmp_path: Path) -> None:
    export_pairs(records, tmp_path / "out", layout="parquet")
    both = loaded(tmp_path, str(tmp_path / "out"))
    assert {name: len(rows) for name, rows in both.items()} == {"train": 3, "validation": 2}
    assert both["validation"][0]["mask"] is None
    files = [str(path) for path in (tmp_path / "out" / "data").iterdir()]
    shard = next(path for path in records.iterdir() if path.suffix == ".parquet")
    for place in (files, str(shard)):
        rows = loaded(tmp_path, "parquet", data_files=place, split="train")
        assert len(rows) == 5 and rows[0]["source_image"].size == (64, 64)
        assert rows[0]["reference_images"] == []


def test_the_trainers_columns(records: Path, tmp_path: Path) -> None:
    export_pairs(records, tmp_path / "out", layout="diffusers")
    rows = loaded(tmp_path, str(tmp_path / "out"), split="train")
    assert {"input_image", "edit_prompt", "edited_image"} <= set(rows.column_names)
    assert rows[0]["input_image"].mode == rows[0]["edited_image"].mode == "RGB"
    assert rows[1]["edit_prompt"] == "make the left square blue"


def test_an_image_folder_opens(records: Path, tmp_path: Path) -> None:
    export_pairs(records, tmp_path / "out", layout="image-folder")
    rows = loaded(tmp_path, "imagefolder", data_dir=str(tmp_path / "out"), split="train")
    assert {"source_image", "target_image", "edit_prompt"} <= set(rows.column_names)
    assert rows[0]["source_image"].size == (64, 64)


def test_shards_open_though_some_lack_a_mask(records: Path, tmp_path: Path) -> None:
    export_pairs(records, tmp_path / "out", layout="webdataset")
    names = {path.name for path in (tmp_path / "out" / "data").iterdir()}
    assert names == {"train-00000.tar", "validation-00000.tar", "validation-00001.tar"}
    for place in ({"path": str(tmp_path / "out")}, {"path": "webdataset", "data_dir": str(tmp_path / "out" / "data")}):
        both = loaded(tmp_path, **place)
        assert {name: len(rows) for name, rows in both.items()} == {"train": 3, "validation": 2}
        first, second = both["validation"]
        assert first["mask.png"].size == first["source.png"].size == (64, 64)
        assert second["mask.png"] is None and second["json"]["edit_prompt"] == "make it |<b>blue</b>"


def test_shards_are_the_same_each_time(records: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_pairs(records, tmp_path / name, layout="webdataset")
    first, second = ((tmp_path / name / "data" / "train-00000.tar").read_bytes() for name in ("a", "b"))
    assert first == second
    with tarfile.open(tmp_path / "a" / "data" / "train-00000.tar") as file:
        assert file.getnames()[:2] == ["0000000.source.png", "0000000.target.png"]


def test_the_published_folders_are_read_and_written(tmp_path: Path) -> None:
    place = tmp_path / "published" / "0000012"
    place.mkdir(parents=True)
    for seed in ("7", "99"):
        for side, colour in enumerate(("red", "blue")):
            Image.open(io.BytesIO(square(colour, left=0))).save(place / f"{seed}_{side}.jpg")
    (place / "prompt.json").write_text(json.dumps({"input": "a red square", "edit": "blue!", "output": "a blue one"}))
    lines = [{"seed": 7, "p2p_threshold": 0.5, "cfg_scale": 8.0, "clip_sim_dir": 0.3}, {"seed": 99}]
    (place / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    seeds = [["0000012", ["7", "99"]], ["0000013", ["1"]]]
    (tmp_path / "published" / "seeds.json").write_text(json.dumps(seeds))
    summary = import_pairs(
        str(tmp_path / "published"), tmp_path / "records", layout="instruct-pix2pix", on_error="skip"
    )
    first, second = read_records(tmp_path / "records")
    assert summary.skipped == {"line": 1}
    assert words(first) == words(second) == ("blue!", "a red square", "a blue one")
    assert first.params == {"kind": "imported", "p2p_threshold": 0.5, "cfg_scale": 8.0}
    assert first.scores == {"instruct-pix2pix/published/clip_sim_dir": 0.3}
    export_pairs(tmp_path / "records", tmp_path / "again", layout="instruct-pix2pix")
    import_pairs(str(tmp_path / "again"), tmp_path / "records-again", layout="instruct-pix2pix")
    again = list(read_records(tmp_path / "records-again"))
    assert [words(record) for record in again] == [words(first), words(second)]
    assert again[0].scores == first.scores


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_a_card_says_what_the_pairs_are(layout: str, records: Path, tmp_path: Path) -> None:
    export_pairs(records, tmp_path / "out", layout=layout, licence="cc0-1.0", title="Squares")
    card = DatasetCard.load(tmp_path / "out" / "README.md")
    head = card.data.to_dict()
    assert (head["license"], head["pretty_name"], head["size_categories"]) == ("cc0-1.0", "Squares", ["n<1K"])
    for said in (
        "5 pairs",
        "| train | 3 |",
        "| recolour | 5 |",
        "clip/test",
        "image image: 0.35",
        "squares (5)",
        "more than 0 bits",
    ):
        assert said in card.text
    assert "pair/directional/test" in card.text


def test_a_card_without_a_filter_or_licence_says_so(tmp_path: Path) -> None:
    records = write_squares(tmp_path / "records", "bench", 1)
    export_pairs(records, tmp_path / "out", layout="parquet")
    card = DatasetCard.load(tmp_path / "out" / "README.md")
    assert "license" not in card.data.to_dict()
    assert "were not filtered" in card.text and "None stated" in card.text and card.text.lstrip().startswith("# out")
    assert len(loaded(tmp_path, str(tmp_path / "out"), split="bench")) == 1


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_an_interrupted_export_leaves_nothing(layout: str, records: Path, tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_pairs(records, tmp_path / "out", layout=layout, on_progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


def test_what_cannot_be_exported_is_refused(records: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is not empty"):
        export_pairs(records, tmp_path, layout="image-folder")
    with pytest.raises(SettingsError, match="choose image-folder, instruct-pix2pix"):
        export_pairs(records, tmp_path / "out", layout="zip")
    with pytest.raises(DataError, match="holds no records"):
        export_pairs(tmp_path / "none", tmp_path / "out", layout="parquet")
    assert not (tmp_path / "out").exists()
