import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from retouch.core.errors import Cancelled, DataError, ImageError, SettingsError
from retouch.datagen.run import make_pairs
from retouch.records.manifest import read_manifest
from retouch.records.shards import count_records, read_records, verify

PROGRAM = Path(__file__).with_name("fake_engine.py")
COUNT = 15  # three shards of three units of two pairs, the last cut short


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    return importlib.import_module("fake_engine").FakeEngine


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def whole(tmp_path, fake):
    """The folder of a run nothing happened to."""
    make_pairs(fake(), count=COUNT, out=tmp_path / "whole", workers=0, shard_units=3)
    return contents(tmp_path / "whole")


def test_the_number_of_workers_does_not_change_a_byte(tmp_path, fake, whole):
    for workers in (1, 2):
        out = tmp_path / str(workers)
        summary = make_pairs(fake(delay=0.05), count=COUNT, out=out, workers=workers, shard_units=3)
        assert contents(out) == whole
        assert (summary.pairs, summary.made) == (COUNT, COUNT)
        assert summary.pairs_per_hour > 0


def test_killed_at_every_write_it_resumes_to_the_same_bytes(tmp_path, fake, whole):
    command = [sys.executable, str(PROGRAM), "killed", str(tmp_path), str(COUNT)]
    program = subprocess.run(command, check=True, capture_output=True, timeout=120)
    *killed, last = map(int, program.stdout.split())
    assert (set(killed), last) == ({-signal.SIGKILL}, 0)
    survived = []
    for step in range(1, len(killed) + 1):
        out = tmp_path / str(step)
        manifest = read_manifest(out)
        survived.append(0 if manifest is None else manifest.rows)
        if manifest is not None:
            assert verify(out) == survived[-1] == len(list(read_records(out)))
        make_pairs(fake(), count=COUNT, out=out, workers=0, shard_units=3)
        assert contents(out) == whole
    assert survived == sorted(survived), "a later kill keeps at least as much"
    assert set(survived) == {0, 6, 12, 15}, "each finished shard stays"


def test_the_parents_death_ends_the_workers_and_frees_the_folder(tmp_path, fake, whole):
    out = tmp_path / "out"
    command = [sys.executable, str(PROGRAM), "run", str(out), str(COUNT), "2"]
    program = subprocess.Popen(command)
    wait_for(lambda: (manifest := read_manifest(out)) is not None and manifest.rows > 0)
    children = child_processes(program.pid)
    program.kill()
    program.wait()
    assert len(children) >= 2
    wait_for(lambda: not any(running(child) for child in children))
    make_pairs(fake(), count=COUNT, out=out, workers=0, shard_units=3)
    assert contents(out) == whole


def test_an_interrupt_leaves_only_whole_shards(tmp_path, whole, fake):
    out = tmp_path / "out"
    command = [sys.executable, str(PROGRAM), "run", str(out), str(COUNT), "1"]
    program = subprocess.Popen(command, stderr=subprocess.PIPE)
    wait_for(lambda: (manifest := read_manifest(out)) is not None and manifest.rows > 0)
    program.send_signal(signal.SIGINT)
    _, trouble = program.communicate(timeout=60)
    assert program.returncode == 1
    assert b"Cancelled" in trouble
    assert 0 < verify(out) < COUNT
    assert set(contents(out)) <= set(whole)
    make_pairs(fake(), count=COUNT, out=out, workers=0, shard_units=3)
    assert contents(out) == whole


def test_a_caller_can_cancel_and_sees_progress(tmp_path, fake, whole):
    seen = []
    with pytest.raises(Cancelled, match="of 15 pairs"):
        make_pairs(
            fake(),
            count=COUNT,
            out=tmp_path / "out",
            workers=0,
            shard_units=3,
            on_progress=lambda done, total: seen.append((done, total)),
            cancelled=lambda: len(seen) > 4,
        )
    assert seen == [(0, 15), (2, 15), (4, 15), (6, 15), (8, 15)]
    assert count_records(tmp_path / "out") == 6
    summary = make_pairs(fake(), count=COUNT, out=tmp_path / "out", workers=0, shard_units=3)
    assert summary.made == 9
    assert contents(tmp_path / "out") == whole
    again = make_pairs(fake(), count=COUNT, out=tmp_path / "out", workers=0, shard_units=3)
    assert (again.made, again.pairs, again.pairs_per_hour) == (0, 15, 0)


def test_a_truncated_shard_is_made_again(tmp_path, fake, whole):
    make_pairs(fake(), count=COUNT, out=tmp_path / "out", workers=0, shard_units=3)
    shard = sorted((tmp_path / "out").glob("*.parquet"))[1]
    os.truncate(shard, shard.stat().st_size // 2)
    with pytest.raises(DataError, match=shard.name):
        list(read_records(tmp_path / "out"))
    summary = make_pairs(fake(), count=COUNT, out=tmp_path / "out", workers=0, shard_units=3)
    assert summary.made == 6
    assert contents(tmp_path / "out") == whole


def test_a_larger_count_extends_the_folder(tmp_path, fake, whole):
    make_pairs(fake(), count=9, out=tmp_path / "out", workers=0, shard_units=3)
    make_pairs(fake(), count=COUNT, out=tmp_path / "out", workers=0, shard_units=3)
    assert contents(tmp_path / "out") == whole
    make_pairs(fake(), count=9, out=tmp_path / "out", workers=0, shard_units=3)
    assert contents(tmp_path / "out") == whole


def test_another_seed_is_refused(tmp_path, fake):
    make_pairs(fake(), count=2, out=tmp_path, workers=0)
    with pytest.raises(DataError, match="seed differ"):
        make_pairs(fake(seed=1), count=2, out=tmp_path, workers=0)


def test_errors_in_workers_reach_the_caller(tmp_path, fake):
    with pytest.raises(ImageError, match="picture is broken"):
        make_pairs(fake(failing=5), count=COUNT, out=tmp_path / "failing", workers=2, shard_units=3)
    with pytest.raises(DataError, match="worker died while it made unit 5"):
        make_pairs(fake(dying=5), count=COUNT, out=tmp_path / "dying", workers=1, shard_units=3)
    assert count_records(tmp_path / "dying") == 6


def test_an_engine_that_yields_too_few_is_told_so(tmp_path, fake):
    with pytest.raises(DataError, match="pairs_per_unit"):
        make_pairs(fake(pairs_per_unit=3), count=6, out=tmp_path, workers=0)


@pytest.mark.parametrize("setting", [{"count": 0}, {"workers": -1}, {"shard_units": 0}])
def test_impossible_numbers_are_refused(tmp_path, fake, setting):
    with pytest.raises(SettingsError, match=next(iter(setting))):
        make_pairs(fake(), **({"count": 2, "out": tmp_path} | setting))
    assert not list(tmp_path.iterdir())


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def child_processes(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
