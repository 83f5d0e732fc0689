"""RoomsBench: what is rendered is held to what was published, by pixels or within 1/255, on made-up records."""

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.evaluation.benchmarks import published

from retouch.core.errors import Cancelled, DataError, RetouchError, SettingsError
from retouch.evaluation.benchmarks.named import load_benchmark, rooms_folder
from retouch.evaluation.benchmarks.records import case_of
from retouch.evaluation.benchmarks.rooms import COUNT, RoomsBench
from retouch.evaluation.benchmarks.rooms_manifest import (
    MANIFEST,
    Entry,
    entry_of,
    load_entries,
    save_entries,
)
from retouch.records.pair import PairRecord

KINDS = ("add", "null", "recolour", "remove", "walls")


def made_up() -> list[PairRecord]:
    listed = [published.record(number, kind) for number, kind in enumerate(KINDS)]
    listed[1] = replace(listed[1], object_mask=None, reference_images=())
    return listed


def entries(listed: list[PairRecord]) -> tuple[Entry, ...]:
    return tuple(entry_of(case_of(record)) for record in listed)


def bench_of(folder: Path, listed: list[PairRecord]) -> RoomsBench:
    """What `listed` is rendered to, beside what was published."""
    return RoomsBench(folder=published.records(folder, listed), published=entries(made_up()))


def pixels(png: bytes | None) -> NDArray[np.uint8]:
    assert png is not None
    return np.array(Image.open(io.BytesIO(png)))


def drawn(array: NDArray[np.uint8]) -> bytes:
    return published.png(Image.fromarray(array))


def grained(png: bytes) -> bytes:
    """One up or down in every channel, as another platform's arithmetic may do."""
    levels = pixels(png).astype(np.int16)
    return drawn(np.clip(levels + np.random.default_rng(5).choice([-1, 1], levels.shape), 0, 255).astype(np.uint8))


def patched(png: bytes | None) -> bytes:
    array = pixels(png).copy()
    array[:24, :24] = 255 - array[:24, :24]
    return drawn(array)


def test_the_same_pixels_are_told_as_such(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, made_up())
    seen: list[tuple[int, int]] = []
    found = bench.check(on_progress=lambda done, total: seen.append((done, total)))
    assert (found.cases, found.same, found.agreement) == (5, 5, "the same pixels")
    assert seen == [(done, 5) for done in range(1, 6)]
    assert "as on the platform" in found.sentence()
    assert [case.kind for case in bench.cases()] == list(KINDS)


def test_another_encoding_of_the_same_pixels_is_the_same(tmp_path: Path) -> None:
    listed = made_up()
    stream = io.BytesIO()
    Image.fromarray(pixels(listed[0].source_image)).save(stream, "PNG", compress_level=0)
    listed[0] = replace(listed[0], source_image=stream.getvalue())
    assert bench_of(tmp_path, listed).check().agreement == "the same pixels"


def test_another_platforms_rendering_is_within_one(tmp_path: Path) -> None:
    listed = made_up()
    listed[2] = replace(listed[2], source_image=grained(listed[2].source_image))
    found = bench_of(tmp_path, listed).check()
    assert (found.same, found.agreement) == (4, "within 1/255")
    assert "4 the same pixels" in found.sentence()


@pytest.mark.parametrize("by", [2, 40])
def test_brighter_by_more_than_one_is_refused(by: int, tmp_path: Path) -> None:
    listed = made_up()
    brighter = np.minimum(pixels(listed[2].target_image).astype(np.int16) + by, 255).astype(np.uint8)
    listed[2] = replace(listed[2], target_image=drawn(brighter))
    with pytest.raises(DataError, match=r"target of case case-2 .*/255 off"):
        bench_of(tmp_path, listed).check()


Change = Callable[[PairRecord], PairRecord]
TAMPERED: dict[str, Change] = {
    "source": lambda record: replace(record, source_image=patched(record.source_image)),
    "target": lambda record: replace(record, target_image=patched(record.target_image)),
    "masks": lambda record: replace(record, mask=patched(record.mask)),
    "masks ": lambda record: replace(record, object_mask=None),
    "references": lambda record: replace(record, reference_images=()),
    "references ": lambda record: replace(record, reference_images=(record.source_image,)),
    "instruction": lambda record: replace(record, edit_prompt="do something else"),
    "kind": lambda record: replace(record, params={**record.params, "kind": "light"}),
    "id": lambda record: replace(record, id="case-77"),
}


@pytest.mark.parametrize("part", TAMPERED)
def test_what_was_tampered_with_is_named(part: str, tmp_path: Path) -> None:
    listed = made_up()
    listed[3] = TAMPERED[part](listed[3])
    bench = bench_of(tmp_path, listed)
    with pytest.raises(DataError, match=rf"The {part.strip()} of case case-3 of RoomsBench"):
        bench.check()
    cases = bench.cases()
    assert [next(cases).id for _ in range(3)] == ["case-0", "case-1", "case-2"]
    with pytest.raises(DataError, match="case-3"):
        next(cases)


def test_a_mask_of_another_size_is_told(tmp_path: Path) -> None:
    listed = made_up()
    listed[0] = replace(listed[0], mask=published.png(published.box(32, 32)))
    with pytest.raises(DataError, match=r"mask of case case-0 .*32 x 32.*64 x 64"):
        bench_of(tmp_path, listed).check()


def test_a_broken_picture_is_told(tmp_path: Path) -> None:
    listed = made_up()
    listed[0] = replace(listed[0], target_image=listed[0].target_image[:300])
    with pytest.raises(DataError, match="The target of record case-0"):
        bench_of(tmp_path, listed).check()


def test_part_of_it_is_enough_for_part_of_it(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, made_up()[:3])
    assert (len(bench), bench.rendered) == (5, 3)
    assert [case.id for case in bench.cases(3)] == ["case-0", "case-1", "case-2"]
    assert bench.check().cases == 3
    with pytest.raises(DataError, match=r"holds 3 of the 5 cases .*make rooms --count 5"):
        bench.cases()


def test_what_is_lacking_is_rendered_and_no_more(tmp_path: Path) -> None:
    asked: list[int] = []

    def render(count: int, folder: Path) -> None:
        asked.append(count)
        published.records(folder, made_up()[:count])

    bench = RoomsBench(folder=tmp_path / "new", published=entries(made_up()), render=render)
    assert len(list(bench.cases(2))) == len(list(bench.cases(2))) == 2
    assert len(list(bench.cases(4))) == 4
    assert asked == [2, 4]


def test_rendering_that_falls_short_is_told(tmp_path: Path) -> None:
    bench = RoomsBench(folder=tmp_path / "new", published=entries(made_up()), render=lambda _count, _folder: None)
    with pytest.raises(DataError, match="holds 0 of the 5"):
        bench.cases()


def test_nothing_rendered_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no case of RoomsBench"):
        RoomsBench(folder=tmp_path, published=entries(made_up())).check()


def test_a_check_is_interrupted(tmp_path: Path) -> None:
    with pytest.raises(Cancelled, match="of 5 cases"):
        bench_of(tmp_path, made_up()).check(cancelled=lambda: True)


@pytest.mark.parametrize("limit", [0, -1])
def test_limits_under_one_are_refused(limit: int, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="limit"):
        bench_of(tmp_path, made_up()).cases(limit)


def test_what_is_published_comes_back(tmp_path: Path) -> None:
    save_entries(entries(made_up()), tmp_path / "rooms.parquet")
    assert load_entries(tmp_path / "rooms.parquet") == entries(made_up())


@pytest.mark.parametrize("kept", [0, 100, -9])
def test_a_damaged_manifest_is_told(kept: int, tmp_path: Path) -> None:
    place = tmp_path / "rooms.parquet"
    save_entries(entries(made_up()), place)
    place.write_bytes(place.read_bytes()[:kept])
    with pytest.raises(DataError, match="missing or damaged"):
        load_entries(place)


def test_thumbnails_are_means_of_cells() -> None:
    record = made_up()[0]
    found = np.frombuffer(entry_of(case_of(record)).thumbnails["source"], np.uint8).reshape(8, 8, 3)
    cells = pixels(record.source_image).reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
    assert np.abs(found - cells).max() <= 0.51


def test_the_published_thousand() -> None:
    listed = load_entries()
    assert len(listed) == len({entry.id for entry in listed}) == COUNT == 1000
    assert MANIFEST.stat().st_size < 400_000
    assert set(Counter(entry.kind for entry in listed).values()) == {100}
    for count in (10, 37, 250, 999):
        shares = Counter(entry.kind for entry in listed[:count])
        assert len(shares) == 10 and max(shares.values()) - min(shares.values()) <= 1
    assert len({entry.digests["source"] for entry in listed}) > 990
    assert all(entry.digests["source"] != entry.digests["target"] for entry in listed if entry.kind != "null")
    assert all(entry.digests["source"] == entry.digests["target"] for entry in listed if entry.kind == "null")


def test_rooms_lie_in_the_cache_unless_a_folder_is_named(tmp_path: Path) -> None:
    published.records(rooms_folder(tmp_path), made_up())
    with pytest.raises(DataError, match="case rooms-bench-0-000000-00"):
        list(load_benchmark("rooms", source=None, cache=tmp_path).cases(1))
    with pytest.raises(DataError, match="holds 5 of the 6"):
        load_benchmark("rooms", source=rooms_folder(tmp_path), cache=tmp_path / "other").cases(6)


def test_pairs_of_photographs_are_made_on_demand(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    published.noise(1).save(tmp_path / "photos" / "a.png")
    asked: list[tuple[str, int, Path | None]] = []

    def make(engine: str, *, count: int, out: Path, source: Path | None, references: int) -> None:
        asked.append((engine, count, source))
        published.records(out, made_up()[:count])

    bench = load_benchmark("photos", source=tmp_path / "photos", cache=tmp_path / "cache", make=make)
    assert [case.id for case in bench.cases(2)] == ["case-0", "case-1"]
    assert asked == [("photos", 2, tmp_path / "photos")]
    version = bench.version
    published.noise(2).save(tmp_path / "photos" / "b.png")
    assert bench.version != version
    with pytest.raises(RetouchError, match="data pairs --engine photos"):
        list(load_benchmark("photos", source=tmp_path / "photos", cache=tmp_path / "cache").cases(1))
