"""Runs whose pairs may fail: what is kept, what is counted, and that interruptions leave no trace."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.datagen.fake_sifter import FakeSifter

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.datagen.sift import sift_pairs
from retouch.records.manifest import read_manifest
from retouch.records.shards import read_records, verify

ROOT = Path(__file__).parents[2]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """The folder of a run nothing happened to."""
    sift_pairs(FakeSifter(), out=tmp_path / "whole", shard_units=3)
    return contents(tmp_path / "whole")


def test_what_is_kept_and_what_is_counted(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    summary = sift_pairs(
        FakeSifter(), out=tmp_path, shard_units=4, on_progress=lambda done, total: seen.append((done, total))
    )
    assert (summary.units, summary.pairs, summary.made, summary.empty) == (11, 10, 10, 4)
    assert summary.rejected == {"light": 21, "dark": 2}
    assert summary.pairs_per_hour > 0
    assert [record.id for record in read_records(tmp_path)][:3] == ["fake-1-0", "fake-2-0", "fake-2-1"]
    assert (seen[0], seen[1], seen[-1]) == ((0, 11), (1, 11), (11, 11))
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert [(shard.rejected, shard.empty) for shard in manifest.shards] == [
        ({"light": 9}, 2), ({"light": 6, "dark": 2}, 1), ({"light": 6}, 1),
    ]  # fmt: skip
    again = sift_pairs(FakeSifter(), out=tmp_path, shard_units=4)
    assert (again.pairs, again.rejected, again.made, again.pairs_per_hour) == (10, summary.rejected, 0, 0)


def test_neither_workers_nor_interruptions_change_a_byte(tmp_path: Path, whole: dict[str, bytes]) -> None:
    sift_pairs(FakeSifter(), out=tmp_path / "two", workers=2, shard_units=3)
    assert contents(tmp_path / "two") == whole
    answers = iter([False] * 5 + [True])
    with pytest.raises(Cancelled, match="Stopped at 5 of 11 triples"):
        sift_pairs(FakeSifter(), out=tmp_path / "cut", shard_units=3, cancelled=lambda: next(answers))
    assert verify(tmp_path / "cut") == 4, "units 0 to 4 stay"
    sift_pairs(FakeSifter(), out=tmp_path / "cut", shard_units=3)
    assert contents(tmp_path / "cut") == whole
    with pytest.raises(DataError, match="worker died while it made unit 5"):
        sift_pairs(FakeSifter(dying=5), out=tmp_path / "dying", workers=1, shard_units=3)
    assert verify(tmp_path / "dying") == 4
    sift_pairs(FakeSifter(), out=tmp_path / "dying", shard_units=3)
    assert contents(tmp_path / "dying") == whole


def test_killed_at_every_write_it_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    sift_pairs(FakeSifter(units=3), out=tmp_path / "whole", shard_units=2)
    command = [sys.executable, "-m", "tests.datagen.fake_sifter", str(tmp_path)]
    program = subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=ROOT)
    *killed, last = map(int, program.stdout.split())
    assert (set(killed), last) == ({-signal.SIGKILL}, 0)
    for step in range(1, len(killed) + 1):
        out = tmp_path / str(step)
        if read_manifest(out) is not None:
            verify(out)
        sift_pairs(FakeSifter(units=3), out=out, shard_units=2)
        assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize(("count", "pairs", "units"), [(1, 1, 2), (2, 3, 3), (4, 4, 5), (6, 6, 6), (99, 10, 11)])
def test_it_stops_once_there_are_enough_and_goes_on_for_more(
    tmp_path: Path, whole: dict[str, bytes], count: int, pairs: int, units: int
) -> None:
    first = sift_pairs(FakeSifter(), out=tmp_path / "out", count=count, shard_units=3)
    assert (first.pairs, first.units) == (pairs, units)
    kept = contents(tmp_path / "out")
    again = sift_pairs(FakeSifter(), out=tmp_path / "out", count=count, shard_units=3)
    assert (again.made, again.units, again.rejected) == (0, units, first.rejected)
    assert contents(tmp_path / "out") == kept
    sift_pairs(FakeSifter(), out=tmp_path / "out", shard_units=3)
    assert contents(tmp_path / "out") == whole


def test_other_settings_and_impossible_numbers_are_refused(tmp_path: Path) -> None:
    sift_pairs(FakeSifter(), out=tmp_path / "out", count=1)
    with pytest.raises(DataError, match="seed differ"):
        sift_pairs(FakeSifter(seed=1), out=tmp_path / "out")
    with pytest.raises(SettingsError, match="count is 0"):
        sift_pairs(FakeSifter(), out=tmp_path / "new", count=0)
    assert not (tmp_path / "new").exists()


def test_manifests_without_rejects_are_as_before(tmp_path: Path) -> None:
    sift_pairs(FakeSifter(), out=tmp_path, count=1)
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_text())
    assert content["shards"][0]["rejected"] == {"light": 5} and content["shards"][0]["empty"] == 1
    for name in ("rejected", "empty"):
        del content["shards"][0][name]
    path.write_text(json.dumps(content))
    manifest = read_manifest(tmp_path)
    assert manifest is not None and (manifest.shards[0].rejected, manifest.shards[0].empty) == ({}, 0)
