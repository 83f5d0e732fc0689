"""What the published benchmarks' adapters make of each layout, and of rows that are broken."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from tests.evaluation.benchmarks import published

from retouch.core.errors import DataError
from retouch.evaluation.benchmark import Benchmark
from retouch.evaluation.benchmarks.cases import interleaved
from retouch.evaluation.benchmarks.named import load_benchmark
from retouch.evaluation.benchmarks.pie_bench import region_of, unmarked


def load(name: str, source: Path) -> Benchmark:
    return load_benchmark(name, source=source, cache=source.parent)


def test_magicbrush_reads_the_development_split_alone(tmp_path: Path) -> None:
    cases = list(load("magicbrush", published.magicbrush_tables(tmp_path / "hub")).cases())
    assert [case.id for case in cases] == ["7-1", "7-2", "9-1"]
    assert [case.params for case in cases] == [
        {"img_id": "7", "turn": 1}, {"img_id": "7", "turn": 2}, {"img_id": "9", "turn": 1},
    ]  # fmt: skip
    first = cases[0]
    assert first.instruction == "edit 10" and np.array_equal(first.source, np.array(published.noise(10)))
    assert first.target is not None and np.array_equal(first.target, np.array(published.noise(11)))
    assert first.mask is not None and np.array_equal(first.mask, np.array(published.box()) > 0)


@pytest.mark.parametrize("name", ["magicbrush", "emu-edit"])
def test_the_hubs_cache_is_read_and_no_other_split(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, hub = "0123456789abcdef0123456789abcdef01234567", tmp_path / "hub"
    repository = hub / {"magicbrush": "datasets--osunlp--MagicBrush"}.get(name, "datasets--facebook--emu_edit_test_set")
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    made = {"magicbrush": published.magicbrush_tables}.get(name, published.emu_edit)(repository / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    bench = load_benchmark(name, source=None, cache=tmp_path)
    assert len(bench) == len(list(bench.cases())) == 3
    for path in (*made.rglob("dev-*"), *made.rglob("test-*")):
        path.unlink()
    with pytest.raises(DataError, match="other splits alone"):
        load_benchmark(name, source=None, cache=tmp_path)


def test_magicbrush_sessions_chain(tmp_path: Path) -> None:
    cases = list(load("magicbrush", published.magicbrush_sessions(tmp_path / "test")).cases())
    one, two, other = cases
    assert (one.params["turns"], two.params["turn"], two.params["turns"], other.params["turns"]) == (2, 2, 2, 1)
    assert one.target is not None and np.array_equal(one.target, two.source)
    assert two.source_caption == "what 7-output1.png shows" and two.target_caption == "what 7-output2.png shows"
    assert two.mask is not None and np.array_equal(two.mask, np.array(published.box()) > 0)


def test_magicbrush_goes_without_captions(tmp_path: Path) -> None:
    source = published.magicbrush_sessions(tmp_path / "test")
    (source / "local_descriptions.json").unlink()
    assert {case.target_caption for case in load("magicbrush", source).cases()} == {""}


def test_a_target_of_another_size_is_fitted_and_of_another_shape_refused(tmp_path: Path) -> None:
    rows = published.magicbrush_rows()
    rows[0]["target_img"] = published.cell(published.noise(1, 128, 128))
    source = published.table(tmp_path / "dev.parquet", rows[:1])
    (case,) = load("magicbrush", source).cases()
    assert case.target is not None and case.target.shape == (64, 64, 3)
    rows[0]["target_img"] = published.cell(published.noise(1, 128, 64))
    with pytest.raises(DataError, match=r"Row 1 of .*target_img.*128 x 64.*64 x 64"):
        list(load("magicbrush", published.table(tmp_path / "dev.parquet", rows[:1])).cases())


def change(column: str, value: object) -> Callable[[list[dict[str, object]]], None]:
    def changed(rows: list[dict[str, object]]) -> None:
        rows[1][column] = value

    return changed


@pytest.mark.parametrize(
    ("name", "column", "value", "told"),
    [
        ("magicbrush", "instruction", "  ", "an empty text"),
        ("magicbrush", "instruction", None, "nothing"),
        ("magicbrush", "turn_index", None, "nothing"),
        ("magicbrush", "source_img", None, "nothing"),
        ("magicbrush", "target_img", {"bytes": b"not a picture", "path": None}, "no picture"),
        ("magicbrush", "mask_img", {"bytes": b"", "path": None}, "dict"),
        ("magicbrush", "mask_img", published.cell(published.noise(1, 32, 64)), "32 x 64"),
        ("emu-edit", "output_caption", None, "nothing"),
        ("emu-edit", "task", "", "an empty text"),
        ("emu-edit", "image", {"bytes": published.png(published.noise(1))[:200], "path": None}, "no picture"),
        ("emu-edit", "idx", None, "nothing"),
    ],
)
def test_a_broken_row_is_named(name: str, column: str, value: object, told: str, tmp_path: Path) -> None:
    rows = published.magicbrush_rows() if name == "magicbrush" else published.emu_edit_rows()
    change(column, value)(rows)
    source = published.table(tmp_path / "rows.parquet", rows)
    with pytest.raises(DataError) as caught:
        list(load(name, source).cases())
    message = str(caught.value)
    assert told in message
    assert ("Row 2" in message and f"column {column}" in message) or "mask of case 7-2" in message


def test_a_table_without_a_column_is_told(tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "image"} for row in published.emu_edit_rows()]
    with pytest.raises(DataError, match=r"no column image, only .*input_caption"):
        load("emu-edit", published.table(tmp_path / "rows.parquet", rows))


def test_a_number_where_text_belongs_is_told(tmp_path: Path) -> None:
    rows = [{**row, "instruction": 5} for row in published.emu_edit_rows()]
    with pytest.raises(DataError, match=r"Row 1 .*column instruction.*int"):
        list(load("emu-edit", published.table(tmp_path / "rows.parquet", rows)).cases())


def test_a_cut_table_is_told(tmp_path: Path) -> None:
    source = published.table(tmp_path / "rows.parquet", published.emu_edit_rows())
    source.write_bytes(source.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"rows\.parquet"):
        load("emu-edit", source)


def test_twice_the_same_id_is_told(tmp_path: Path) -> None:
    rows = published.magicbrush_rows()
    with pytest.raises(DataError, match=r"7-1 twice"):
        list(load("magicbrush", published.table(tmp_path / "dev.parquet", [rows[0], rows[0]])).cases())


def test_emu_edit_keeps_the_test_split(tmp_path: Path) -> None:
    cases = list(load("emu-edit", published.emu_edit(tmp_path / "hub")).cases())
    assert [(case.id, case.kind) for case in cases] == [("add-3", "add"), ("style-4", "style"), ("add-6", "add")]
    assert {case.target is None and case.mask is None for case in cases} == {True}
    assert cases[1].source_caption == "a room 4" and cases[1].target_caption == "another room 4"
    with pytest.raises(DataError, match="no row belongs"):
        list(load("emu-edit", published.table(tmp_path / "v.parquet", published.emu_edit_rows()[2:3])).cases())


def test_pie_bench_reads_runs_marks_and_kinds(tmp_path: Path) -> None:
    bench = load("pie-bench", published.pie_bench(tmp_path / "pie"))
    cases = {case.id: case for case in bench.cases()}
    first, coloured = cases["000000000000"], cases["000000000004"]
    assert (first.kind, coloured.kind) == ("random", "change attribute colour")
    assert first.source_caption == "a red cube 0" and first.target_caption == "a blue cube 0"
    assert first.instruction == "Make cube 0 blue" and first.target is None
    assert first.params == {"blended_words": "red blue"}
    assert first.mask is not None
    inner = first.mask[1:-1, 1:-1]
    assert inner.sum() == 20 + 510 and inner[99, 49:69].all() and inner[-1].all()


def published_decoder(runs: list[int]) -> np.ndarray:
    """The region as PIE-Bench's own reader makes it, pixel by pixel."""
    flat = [0] * (512 * 512)
    for index in range(0, len(runs), 2):
        for step in range(min(runs[index + 1], 512 * 512 - runs[index])):
            flat[runs[index] + step] = 1
    region = np.array(flat).reshape(512, 512)
    region[0, :] = region[-1, :] = region[:, 0] = region[:, -1] = 1
    return region.astype(bool)


@pytest.mark.parametrize("runs", [[], [0, 512 * 512], [512 * 3 + 7, 1000, 99_999, 0, 262_143, 50]])
def test_a_region_is_that_of_the_published_reader(runs: list[int]) -> None:
    assert np.array_equal(region_of(runs, "here"), published_decoder(runs))


@pytest.mark.parametrize("runs", [[1], [-1, 5], [512 * 512, 1], [1, -2], "1 2", None, [1.5, 2], [True, 2], {"1": 2}])
def test_runs_that_are_none_are_told(runs: object) -> None:
    with pytest.raises(DataError, match="here: expected pairs"):
        region_of(runs, "here")


def test_marks_are_taken_off() -> None:
    assert unmarked("a [red] cat and [a  [big]] dog ") == "a red cat and a big dog"
    assert unmarked("[photo] a cat") == "photo a cat"


def test_the_first_cases_of_pie_bench_hold_all_kinds(tmp_path: Path) -> None:
    bench = load("pie-bench", published.pie_bench(tmp_path / "pie", "0000000066669999"))
    assert sorted(case.kind for case in bench.cases(4)) == [
        "change attribute colour", "change style", "random", "random",
    ]  # fmt: skip


def test_interleaving_keeps_every_prefix_in_proportion() -> None:
    items = [*"a" * 60, *"b" * 30, *"c" * 10]
    mixed = interleaved(items, str)
    assert sorted(mixed) == items
    for count in range(1, 101):
        for kind, share in (("a", 0.6), ("b", 0.3), ("c", 0.1)):
            assert abs(mixed[:count].count(kind) - share * count) <= 1


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("editing_instruction", "", "no text under editing_instruction"),
        ("editing_type_id", "12", "'12'; expected 0 to 9"),
        ("image_path", "../../secret.jpg", "not inside"),
        ("image_path", "/etc/secret.jpg", "not inside"),
        ("image_path", "0_kind/none.jpg", "missing"),
        ("mask", [5], "expected pairs"),
        ("mask", ..., "nothing under mask"),
    ],
)
def test_a_broken_entry_is_named(key: str, value: object, told: str, tmp_path: Path) -> None:
    source = published.pie_bench(tmp_path / "pie", "01")
    mapping = json.loads((source / "mapping_file.json").read_text())
    entry = mapping["000000000001"]
    entry[key] = value
    mapping["000000000001"] = {name: content for name, content in entry.items() if content is not ...}
    (source / "mapping_file.json").write_text(json.dumps(mapping))
    with pytest.raises(DataError) as caught:
        list(load("pie-bench", source).cases())
    assert told in str(caught.value) and ("000000000001" in str(caught.value) or "none.jpg" in str(caught.value))


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"1": 5}', '{"1": {}}'])
def test_a_mapping_that_is_none_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "mapping_file.json").write_text(text)
    with pytest.raises(DataError):
        list(load("pie-bench", tmp_path).cases())


def test_a_picture_of_another_size_than_the_region_is_told(tmp_path: Path) -> None:
    source = published.pie_bench(tmp_path / "pie", "0")
    published.noise(1, 256, 512).save(source / "annotation_images" / "0_kind" / "000000000000.jpg")
    with pytest.raises(DataError, match=r"mask of case 000000000000.*512 x 512.*256 x 512"):
        list(load("pie-bench", source).cases())


def test_a_damaged_member_of_a_zip_is_told(tmp_path: Path) -> None:
    packed = published.zipped(published.pie_bench(tmp_path / "pie", "00"), tmp_path / "pie.zip")
    data = bytearray(packed.read_bytes())
    place = data.index(b"000000000001.jpg") + 400
    data[place : place + 40] = bytes(40)
    packed.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"000000000001\.jpg.*damaged"):
        list(load("pie-bench", packed).cases())


def test_instruct_pix2pix_takes_the_last_twentieth(tmp_path: Path) -> None:
    cases = list(load("ip2p-test", published.instruct_pix2pix(tmp_path / "set")).cases())
    # floor((0.9 + 0.05) * 41) = 38: three prompts are left, the first seed of each.
    assert [case.id for case in cases] == ["0000038-138", "0000039-139", "0000040-140"]
    assert cases[0].instruction == "edit 0000038" and cases[0].target_caption == "after 0000038"


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '[["a"]]', '{"a": 1}', "[]"])
def test_seeds_that_are_none_are_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "seeds.json").write_text(text)
    with pytest.raises(DataError, match=r"seeds\.json"):
        list(load("ip2p-test", tmp_path).cases())


def test_seeds_do_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "seeds.json").write_text(json.dumps([["../outside", ["1"]]]))
    with pytest.raises(DataError, match="not inside"):
        list(load("ip2p-test", tmp_path).cases())


def test_cocoee_gives_boxes_and_references(tmp_path: Path) -> None:
    case = next(iter(load("cocoee", published.cocoee(tmp_path / "coco")).cases()))
    assert case.id == "000000001000" and case.target is None
    assert case.mask is not None and np.array_equal(case.mask, np.array(published.box()) > 0)
    assert case.references[0].shape == (40, 30, 3)
    assert np.array_equal(case.references[0], np.array(published.noise(1001, 30, 40)))


def test_cocoee_with_a_mask_of_another_size_is_told(tmp_path: Path) -> None:
    source = published.cocoee(tmp_path / "coco")
    published.box(32, 64).save(source / "Mask_bbox_3500" / "000000001007_mask.png")
    with pytest.raises(DataError, match="32 x 64"):
        list(load("cocoee", source).cases())
