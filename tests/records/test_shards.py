import io
import json

import pyarrow.parquet as pq
import pytest
from PIL import Image

from retouch.core.errors import DataError
from retouch.core.images import png_bytes
from retouch.records.manifest import MANIFEST_NAME, read_manifest
from retouch.records.pair import PairRecord
from retouch.records.shards import (
    count_records,
    open_writer,
    read_columns,
    read_records,
    read_rows,
    shard_bytes,
    verify,
)

SETTINGS = {"seed": 1, "size": 16}


def write(folder, records, *, first_unit=0, settings=SETTINGS):
    with open_writer(folder, engine="fake", settings=settings) as writer:
        return writer.write(records, first_unit=first_unit, units=len(records))


def full(record) -> PairRecord:
    grey = png_bytes(Image.new("L", (16, 16), 255))
    view = png_bytes(Image.new("RGBA", (8, 8)))
    return record(
        mask=grey,
        object_mask=grey,
        segments=grey,
        reference_images=(view, grey),
        object="sofa",
        scores={"clip-b32": 0.25},
        params={"kind": "recolour", "place": {"left": True}, "names": ["a", "é"], "none": None},
    )


def test_records_come_back_as_they_went(tmp_path, record):
    records = [full(record), record(id="fake-1", split="bench")]
    write(tmp_path, records)
    assert list(read_records(tmp_path)) == records
    assert count_records(tmp_path) == verify(tmp_path) == 2


def test_a_split_and_some_columns_can_be_read_alone(tmp_path, record):
    records = [full(record), record(id="fake-1", split="bench", seed=9), full(record)]
    write(tmp_path, records)
    assert [made.id for made in read_records(tmp_path, split="bench")] == ["fake-1"]
    assert count_records(tmp_path, split="train") == 2
    assert list(read_columns(tmp_path, ("seed", "params"), split="bench")) == [{"seed": 9, "params": records[1].params}]
    light = next(read_records(tmp_path, columns=("object",)))
    assert (light.object, light.mask, light.reference_images) == ("sofa", None, ())
    with pytest.raises(DataError, match="no column 'picture'"):
        list(read_columns(tmp_path, ("picture",)))


def test_shards_without_a_later_column_are_read_without_it(tmp_path, record):
    entry = write(tmp_path, [full(record)])
    table = pq.read_table(tmp_path / entry.file)
    pq.write_table(table.drop_columns(["segments"]), tmp_path / entry.file)
    (found,) = read_records(tmp_path)
    assert (found.segments, found.object) == (None, "sofa")
    pq.write_table(table.drop_columns(["edit_prompt"]), tmp_path / entry.file)
    with pytest.raises(DataError, match="has no edit_prompt; make it anew"):
        list(read_records(tmp_path))


def test_same_records_same_bytes(record):
    assert shard_bytes([full(record)] * 3) == shard_bytes([full(record)] * 3)


def test_datasets_sees_pictures(tmp_path, record):
    datasets = pytest.importorskip("datasets")
    entry = write(tmp_path, [full(record), record()])
    features = datasets.Features.from_arrow_schema(pq.read_schema(tmp_path / entry.file))
    assert features["source_image"] == datasets.Image()
    assert features["seed"] == datasets.Value("int64")
    loaded = datasets.Dataset.from_parquet(str(tmp_path / entry.file), cache_dir=str(tmp_path / "cache"))
    assert loaded[0]["source_image"].getpixel((0, 0)) == (10, 20, 30)
    assert loaded[0]["reference_images"][0].size == (8, 8)
    assert loaded[1]["mask"] is None


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "empty"])
def test_a_broken_shard_is_named_and_the_next_writer_makes_room_for_it(tmp_path, record, damage):
    write(tmp_path, [record()])
    path = tmp_path / write(tmp_path, [full(record)] * 4, first_unit=1).file
    content = path.read_bytes()
    position = content.index(full(record).source_image) + 30
    flipped = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
    path.write_bytes({"cut": content[: len(content) // 2], "flip": flipped, "gone": b"", "empty": b""}[damage])
    if damage == "gone":
        path.unlink()
    for reader in (verify, lambda folder: list(read_records(folder))):
        with pytest.raises(DataError, match=path.name) as caught:
            reader(tmp_path)
        assert str(caught.value).count("\n") == 0
    if damage != "flip":
        with open_writer(tmp_path, engine="fake", settings=SETTINGS) as writer:
            assert not writer.has(1, 4)
            assert writer.has(0, 1)


def test_leftovers_of_a_dead_run_are_removed(tmp_path, record):
    entry = write(tmp_path, [record()])
    strangers = [".units-0.parquet.ab12.tmp", f".{MANIFEST_NAME}.ab12.tmp", "units-00000099-00000100.parquet"]
    for name in [*strangers, "notes.txt", "mine.tmp"]:
        (tmp_path / name).write_bytes(b"half")
    with open_writer(tmp_path, engine="fake", settings=SETTINGS):
        left = {path.name for path in tmp_path.iterdir()}
    assert left == {entry.file, MANIFEST_NAME, ".lock", "notes.txt", "mine.tmp"}


def test_other_settings_are_refused(tmp_path, record):
    write(tmp_path, [record()])
    before = (tmp_path / MANIFEST_NAME).read_bytes()
    with (
        pytest.raises(DataError, match="other settings \\(seed differ"),
        open_writer(tmp_path, engine="fake", settings={"seed": 2, "size": 16}),
    ):
        pass
    with pytest.raises(DataError, match="engine fake"), open_writer(tmp_path, engine="e", settings=SETTINGS):
        pass
    assert (tmp_path / MANIFEST_NAME).read_bytes() == before


def test_two_writers_at_once_are_refused(tmp_path):
    with (
        open_writer(tmp_path, engine="fake", settings=SETTINGS),
        pytest.raises(DataError, match="Another run is writing"),
        open_writer(tmp_path, engine="fake", settings=SETTINGS),
    ):
        pass
    with open_writer(tmp_path, engine="fake", settings=SETTINGS) as writer:
        assert writer.manifest.rows == 0


def test_a_longer_shard_takes_the_place_of_a_shorter_one(tmp_path, record):
    short = write(tmp_path, [record()])
    longer = write(tmp_path, [record(), record(id="fake-1")])
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert manifest.shards == (longer,)
    assert not (tmp_path / short.file).exists()


def test_a_folder_without_records_or_with_a_strange_manifest_is_said_so(tmp_path, record):
    with pytest.raises(DataError, match="holds no records"):
        count_records(tmp_path)
    (tmp_path / MANIFEST_NAME).write_text(json.dumps({"format": "else"}))
    with pytest.raises(DataError, match="not a records manifest"):
        count_records(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "units-00000000-00000001.parquet").write_bytes(shard_bytes([record()]))
    with pytest.raises(DataError, match="no manifest"), open_writer(other, engine="fake", settings=SETTINGS):
        pass


def test_pictures_survive_untouched(tmp_path, record):
    write(tmp_path, [record()])
    (made,) = read_records(tmp_path)
    assert Image.open(io.BytesIO(made.source_image)).getpixel((3, 3)) == (10, 20, 30)


def test_single_rows_are_read_from_any_shard(record, tmp_path):
    with open_writer(tmp_path, engine="fake", settings={}) as writer:
        for first in (0, 70, 140):
            made = [record(id=f"fake-{number}") for number in range(first, first + 70)]
            writer.write(made, first_unit=first, units=70)
    rows = [0, 31, 32, 69, 70, 139, 209]
    found = list(read_rows(tmp_path, rows, ("id", "source_image")))
    assert [row["id"] for row in found] == [f"fake-{number}" for number in rows]
    assert found[0]["source_image"] == record().source_image
    assert not list(read_rows(tmp_path, [], ("id",)))
