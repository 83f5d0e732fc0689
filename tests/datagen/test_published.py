"""Published data sets are read as they are: pictures, words, masks, references, scores and splits."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.datagen import published

from retouch.core.errors import DataError
from retouch.datagen.imported import import_pairs
from retouch.records.layouts.row import ReadOptions, ReferenceManner
from retouch.records.pair import PairRecord
from retouch.records.shards import read_records


def imported(source: Path, layout: str, options: ReadOptions | None = None) -> list[PairRecord]:
    out = source.with_name(f"{source.name}-records")
    import_pairs(str(source), out, layout=layout, options=options)
    return list(read_records(out))


def pixels(data: bytes | None) -> np.ndarray:
    assert data is not None
    return np.asarray(Image.open(io.BytesIO(data)))


def test_magicbrush(tmp_path: Path) -> None:
    held_out, first, second = imported(published.magicbrush(tmp_path / "magicbrush"), "magicbrush")
    assert (held_out.split, first.split) == ("validation", "train")
    assert first.params == {"kind": "imported", "img_id": "7", "turn_index": 1}
    assert (first.edit_prompt, second.edit_prompt) == ("make it blue 1", "make it blue 2")
    for record in (first, second, held_out):
        assert np.array_equal(pixels(record.mask), np.asarray(published.disc()))
        assert np.array_equal(pixels(record.source_image), pixels(published.RED))


def test_the_hub_tables_of_instruct_pix2pix(tmp_path: Path) -> None:
    records = imported(published.instruct_pix2pix(tmp_path / "ip2p"), "instruct-pix2pix")
    assert len(records) == 3
    assert len({record.id for record in records}) == 3
    assert (records[2].source_caption, records[2].target_caption) == ("a red square", "a blue square")
    assert np.abs(pixels(records[0].target_image).astype(int) - pixels(published.BLUE)).mean() < 3


def test_the_small_set_of_a_thousand(tmp_path: Path) -> None:
    (record,) = imported(published.fusing(tmp_path / "fusing.parquet"), "diffusers")
    assert (record.edit_prompt, record.source_caption) == ("make it blue", "")
    assert np.array_equal(pixels(record.source_image), pixels(published.RED))


def test_ultraedit_keeps_its_scores_under_its_own_names(tmp_path: Path) -> None:
    free, region = imported(published.ultraedit(tmp_path / "ultraedit"), "ultraedit")
    assert free.mask is None and np.array_equal(pixels(region.mask), np.asarray(published.disc()))
    names = {name.removeprefix("ultraedit/published/") for name in free.scores}
    assert names == {"clip_sim_source", "clip_sim_target", "clip_sim_dir", "clip_sim_image", "ssim"}
    assert (free.params["idx"], region.params["idx"]) == (5, 6)


@pytest.mark.parametrize("manner", ["cut-out", "crop"])
def test_pipe_is_joined_on_both_ids(manner: ReferenceManner, tmp_path: Path) -> None:
    source, masks = published.pipe(tmp_path)
    records = imported(source, "pipe", ReadOptions(masks=str(masks), reference=manner))
    assert [record.params["ann_id"] for record in records] == [0, 1, 2, 3]
    assert [record.edit_prompt for record in records[:2]] == ["put a cat in", "add a white cat"]
    for record in records:
        assert (record.object, record.kind, record.mask) == ("white cat", "add", record.object_mask)
        assert pixels(record.mask).shape == (64, 64), "masks have the size of the pictures"
        (reference,) = map(pixels, record.reference_images)
        assert reference.shape[0] < 64
        assert (reference[0, 0] == 255).all() == (manner == "cut-out")


def test_pipe_without_a_mask_for_a_row(tmp_path: Path) -> None:
    source, masks = published.pipe(tmp_path)
    published.table(source / "data" / "train-1.parquet", [{**row_of(source), "ann_id": 99}])
    options = ReadOptions(masks=str(masks))
    with pytest.raises(DataError, match=r"Row 1 of .* has no mask for img_id 100 and ann_id 99; mend it"):
        import_pairs(str(source), tmp_path / "out", layout="pipe", options=options)
    summary = import_pairs(str(source), tmp_path / "out", layout="pipe", options=options, on_error="skip")
    assert (summary.pairs, summary.skipped) == (4, {"partner": 1})
    with pytest.raises(DataError, match="give PIPE_Masks with --masks"):
        import_pairs(str(source), tmp_path / "b", layout="pipe", options=ReadOptions(masks=str(source)))
    alone = imported(source, "pipe")
    assert len(alone) == 5 and alone[0].mask is None and not alone[0].reference_images


def row_of(source: Path) -> dict[str, object]:
    import pyarrow.parquet as pq

    return pq.read_table(source / "data" / "train-0.parquet").to_pylist()[0]


def test_open_images_are_put_back(tmp_path: Path) -> None:
    folder = published.open_images(tmp_path / "open")
    (record,) = imported(folder, "open-images")
    assert (record.edit_prompt, record.object, record.split) == ("insert the square", "square", "validation")
    assert record.kind == "exemplar"
    region = pixels(record.mask) == 255
    assert region[16:32, 16:48].all() and region.sum() == 16 * 32
    source, target = pixels(record.source_image), pixels(record.target_image)
    assert (source[region] == 127).all()
    assert np.array_equal(source[~region], target[~region])
    (reference,) = map(pixels, record.reference_images)
    assert reference.shape == (16 + 20, 32 + 20, 3)


def test_boxes_without_pictures_or_sense_are_counted(tmp_path: Path) -> None:
    folder = published.open_images(tmp_path / "open")
    boxes = folder / "validation-annotations-bbox.csv"
    boxes.write_text(boxes.read_text() + "9999,x,/m/01,1,0.2,0.8,0.2,0.8,0\n0001,x,/m/01,1,b,0.8,0.2,0.8,0\n")
    summary = import_pairs(str(folder), tmp_path / "out", layout="open-images", on_error="skip")
    assert (summary.pairs, summary.skipped) == (1, {"partner": 1, "line": 1})
    boxes.unlink()
    with pytest.raises(DataError, match=r"holds no \*bbox\*.csv; name the table of boxes with --boxes"):
        import_pairs(str(folder), tmp_path / "b", layout="open-images")


def test_shards_of_others_are_read(tmp_path: Path) -> None:
    members = {
        "a/001.input.jpg": published.jpeg(published.RED), "a/001.output.png": published.BLUE, "a/001.txt": b"blue!\n",
        "a/002.input.jpg": published.jpeg(published.RED), "a/002.output.png": published.BLUE,
        "a/002.json": b'{"instruction": "turn blue", "input_caption": "a red square"}', "a/003.json": b"[",
    }  # fmt: skip
    with tarfile.open(tmp_path / "val-000.tar", "w") as file:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
    summary = import_pairs(str(tmp_path / "val-000.tar"), tmp_path / "out", layout="webdataset", on_error="skip")
    first, second = read_records(tmp_path / "out")
    assert summary.skipped == {"missing": 1}
    assert (first.edit_prompt, second.edit_prompt, second.source_caption) == (
        "blue!",
        "turn blue",
        "a red square",
    )
    assert first.split == "validation"
