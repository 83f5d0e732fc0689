"""What every benchmark promises, on miniatures in the published layouts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.benchmarks import published

from retouch.core.errors import DataError, SettingsError
from retouch.evaluation.benchmark import BenchCase, Benchmark
from retouch.evaluation.benchmarks.named import BENCHES, load_benchmark
from retouch.metrics.registry import metric_names


def source_of(name: str, folder: Path) -> Path:
    """A miniature of the benchmark; "-zip" behind the name packs it."""
    makers: dict[str, Callable[[Path], Path]] = {
        "magicbrush": published.magicbrush_tables,
        "magicbrush-sessions": published.magicbrush_sessions,
        "emu-edit": published.emu_edit,
        "pie-bench": published.pie_bench,
        "cocoee": published.cocoee,
        "ip2p-test": published.instruct_pix2pix,
        "photos": lambda place: published.records(place, [published.record(number) for number in range(3)]),
    }
    made = makers[name.removesuffix("-zip")](folder / "source")
    return published.zipped(made, folder / "source.zip", "deep/er/") if name.endswith("-zip") else made


KINDS = (
    "magicbrush", "magicbrush-sessions", "magicbrush-sessions-zip", "emu-edit", "pie-bench", "pie-bench-zip", "cocoee",
    "ip2p-test", "ip2p-test-zip", "photos", "records",
)  # fmt: skip


def load(name: str, folder: Path) -> Benchmark:
    if name == "records":
        place = published.records(folder / "own", [published.record(number) for number in range(5)])
        return load_benchmark(f"records:{place}", source=None, cache=folder / "cache")
    spec = name.removesuffix("-zip").removesuffix("-sessions")
    return load_benchmark(spec, source=source_of(name, folder), cache=folder / "cache")


@pytest.mark.parametrize("name", KINDS)
def test_every_case_is_whole(name: str, tmp_path: Path) -> None:
    bench = load(name, tmp_path)
    cases = list(bench.cases())
    assert len(bench) == len(cases) > 1
    assert len({case.id for case in cases}) == len(cases)
    assert bench.metrics and set(metric_names()).issuperset(bench.metrics)
    assert bench.name == name or name.startswith(bench.name) or bench.name.startswith("records:")
    for case in cases:
        check(case)


def check(case: BenchCase) -> None:
    assert case.kind and case.instruction == case.instruction.strip() != ""
    assert case.source.dtype == np.uint8 and case.source.ndim == 3 and case.source.shape[2] == 3
    assert case.target is None or (case.target.dtype == np.uint8 and case.target.shape == case.source.shape)
    for mask in (case.mask, case.object_mask):
        assert mask is None or (mask.dtype == np.bool_ and mask.shape == case.source.shape[:2])
    assert all(view.dtype == np.uint8 and view.shape[2] == 3 for view in case.references)


@pytest.mark.parametrize("name", KINDS)
def test_a_limit_takes_the_first_and_order_is_fixed(name: str, tmp_path: Path) -> None:
    bench = load(name, tmp_path)
    every = [case.id for case in bench.cases()]
    assert [case.id for case in bench.cases(1)] == every[:1]
    assert [case.id for case in bench.cases(10_000)] == every
    one, again = next(iter(bench.cases(1))), next(iter(bench.cases(1)))
    assert np.array_equal(one.source, again.source)
    for limit in (0, -3):
        with pytest.raises(SettingsError, match="limit"):
            list(bench.cases(limit))


@pytest.mark.parametrize("name", ["magicbrush-sessions", "pie-bench", "ip2p-test"])
def test_a_zip_is_the_same_benchmark_as_its_folder(name: str, tmp_path: Path) -> None:
    bench, packed = load(name, tmp_path / "a"), load(f"{name}-zip", tmp_path / "b")
    assert bench.version == packed.version
    for one, other in zip(bench.cases(), packed.cases(), strict=True):
        assert one.id == other.id and np.array_equal(one.source, other.source)


WORDS_AND_PICTURE = {
    "magicbrush": ("data/dev-00000-of-00001.parquet",),
    "magicbrush-sessions": ("edit_sessions.json", "images/7/7-mask2.png"),
    "emu-edit": ("data/test-00000-of-00001.parquet",),
    "pie-bench": ("mapping_file.json", "annotation_images/1_kind/000000000003.jpg"),
    "cocoee": ("id_list.npy", "Ref_3500/000000001007_ref.png"),
    "ip2p-test": ("seeds.json", "0000040/140_1.jpg"),
}


@pytest.mark.parametrize("name", WORDS_AND_PICTURE)
def test_a_version_stays_until_a_file_changes(name: str, tmp_path: Path) -> None:
    source = source_of(name, tmp_path)

    def version() -> str:
        return load_benchmark(name.removesuffix("-sessions"), source=source, cache=tmp_path).version

    first = version()
    assert first == version() and len(first) == 12
    for file in WORDS_AND_PICTURE[name]:
        path = source / file
        before = path.read_bytes()
        # Behind a Parquet file's or an array's data nothing may stand, before Parquet's footer it may.
        path.write_bytes(before[:4] + b" " + before[4:] if path.suffix == ".parquet" else before + b" ")
        assert version() != first
        path.write_bytes(before)
    assert version() == first


def test_the_version_of_records_is_that_of_their_bytes(tmp_path: Path) -> None:
    def version(folder: str, prompt: str) -> str:
        listed = [published.record(0), published.record(1, edit_prompt=prompt)]
        place = published.records(tmp_path / folder, listed)
        return load_benchmark(f"records:{place}", source=None, cache=tmp_path).version

    assert version("a", "make it red") == version("b", "make it red") != version("c", "make it blue")


@pytest.mark.parametrize("name", [*BENCHES, "records:"])
def test_a_missing_source_is_told(name: str, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    spec = f"records:{missing}" if name == "records:" else name
    with pytest.raises(DataError, match="nowhere"):
        bench = load_benchmark(spec, source=missing, cache=tmp_path)
        list(bench.cases())


@pytest.mark.parametrize("name", ["photos", "pie-bench", "cocoee", "ip2p-test"])
def test_a_source_that_nobody_named_is_asked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--source"):
        load_benchmark(name, source=None, cache=tmp_path)


@pytest.mark.parametrize("name", ["magicbrush", "emu-edit"])
def test_offline_a_hub_set_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    for source in (None, Path("somebody/else")):
        with pytest.raises(DataError, match="hf download"):
            load_benchmark(name, source=source, cache=tmp_path)


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"rooms, photos.*records:FOLDER"):
        load_benchmark("coco", source=None, cache=tmp_path)


@pytest.mark.parametrize("name", ["pie-bench", "ip2p-test", "magicbrush"])
@pytest.mark.parametrize("kept", [0, 30, 0.5])
def test_a_cut_zip_is_told(name: str, kept: float, tmp_path: Path) -> None:
    made = source_of("magicbrush-sessions" if name == "magicbrush" else name, tmp_path)
    packed = published.zipped(made, tmp_path / "cut.zip")
    data = packed.read_bytes()
    packed.write_bytes(data[: int(kept if kept > 1 else kept * len(data))])
    with pytest.raises(DataError, match=r"cut\.zip"):
        load_benchmark(name, source=packed, cache=tmp_path)


@pytest.mark.parametrize("name", ["magicbrush", "emu-edit", "pie-bench", "cocoee", "ip2p-test"])
def test_an_empty_folder_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        list(load_benchmark(name, source=tmp_path / "empty", cache=tmp_path).cases())


def test_records_of_other_splits_are_read_where_none_is_held_out(tmp_path: Path) -> None:
    def ids(folder: str, splits: tuple[str, ...]) -> list[str]:
        listed = [published.record(number, split=split) for number, split in enumerate(splits)]
        place = published.records(tmp_path / folder, listed)
        bench = load_benchmark(f"records:{place}", source=None, cache=tmp_path)
        assert len(bench) == len(list(bench.cases()))
        return [case.id for case in bench.cases()]

    assert ids("mixed", ("train", "bench", "validation", "bench")) == ["case-1", "case-3"]
    assert ids("others", ("train", "validation")) == ["case-0", "case-1"]


def test_a_cut_shard_is_told(tmp_path: Path) -> None:
    bench = load("records", tmp_path)
    shard = max((tmp_path / "own").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-200])
    with pytest.raises(DataError, match=shard.name):
        list(bench.cases())


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    (case, *_) = load("records", tmp_path).cases(1)
    (view,) = case.references
    outside = np.array(published.box()) > 0
    assert (view[outside] == 255).all()
    assert np.array_equal(view[~outside], np.array(published.noise(0))[~outside])
