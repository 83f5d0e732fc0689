"""The stages on a real Ray of this machine: the bytes of one process, whoever dies, and every record once."""

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from tests.datagen.fake_engine import FakeEngine
from tests.datagen.fake_sifter import FakeSifter

from retouch.core.errors import Cancelled, DataError, ImageError, SettingsError
from retouch.datagen.cluster import Resources, Sieve, Watch, filter_on_cluster, make_on_cluster, sift_on_cluster
from retouch.datagen.filter import filter_pairs, sieve_of
from retouch.datagen.judge import Limits, Standards
from retouch.datagen.run import make_pairs
from retouch.datagen.sift import sift_pairs
from retouch.datagen.thresholds import Thresholds
from retouch.metrics.clip import load_encoder
from retouch.records.manifest import read_manifest
from retouch.records.pair import PairRecord
from retouch.records.shards import read_records, verify

pytest.importorskip("ray", reason="Ray is not installed: pip install 'retouch[cluster]'.")

TWO = Resources(actors=2, cpus=0.5)
COUNT, UNITS = 22, 2


@dataclass(frozen=True, kw_only=True)
class Mortal:
    """A factory of an engine whose process is killed at one unit, the first time only."""

    marker: Path
    unit: int

    def __call__(self) -> "MortalEngine":
        return MortalEngine(marker=self.marker, unit=self.unit)


@dataclass(frozen=True, kw_only=True)
class MortalEngine:
    marker: Path
    unit: int
    name: str = "fake"
    pairs_per_unit: int = 2

    def fingerprint(self) -> dict[str, int]:
        return {"seed": 0}

    def make(self, unit: int) -> tuple[PairRecord, ...]:
        if unit == self.unit and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return FakeEngine().make(unit)


def even_units(records: Sequence[PairRecord]) -> tuple[list[PairRecord], list[PairRecord]]:
    """A sieve: scores every record, keeps those of even units."""
    scored = [replace(record, scores={"evenness": float(record.seed % 2 == 0)}) for record in records]
    return [one for one in scored if one.seed % 2 == 0], [one for one in scored if one.seed % 2]


def sieve() -> Sieve:
    return even_units


@pytest.fixture(scope="module", autouse=True)
def one_ray() -> Iterator[None]:
    """One Ray for all tests here: starting it takes seconds."""
    import ray

    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix in (".parquet", ".json")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "records"
    make_pairs(FakeEngine(), count=COUNT, out=folder, workers=0, shard_units=UNITS)
    return folder


def test_a_worker_that_is_killed_loses_and_doubles_nothing(undisturbed: Path, tmp_path: Path) -> None:
    out, marker = tmp_path / "records", tmp_path / "died"
    summary = make_on_cluster(
        Mortal(marker=marker, unit=5), count=COUNT, out=str(out), resources=TWO, shard_units=UNITS
    )
    assert marker.exists()
    assert (summary.kept, summary.rejected, summary.shards) == (COUNT, 0, 6)
    assert shards(out) == shards(undisturbed)
    ids = [record.id for record in read_records(out)]
    assert ids == [record.id for record in read_records(undisturbed)]
    assert len(set(ids)) == COUNT == verify(out)


def test_a_run_goes_on_where_it_stopped_and_grows(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "records"
    run = {"out": str(out), "resources": TWO, "shard_units": UNITS}
    heard: list[tuple[int, int]] = []
    stops = Watch(on_progress=lambda *progress: heard.append(progress), cancelled=lambda: len(heard) > 2)
    with pytest.raises(Cancelled, match="2 of 4 shards"):
        make_on_cluster(FakeEngine(), count=15, watch=stops, **run)
    assert heard == [(0, 4), (1, 4), (2, 4)]
    (out / "units-00000006-00000099.parquet").write_bytes(b"left by a run that was killed")
    assert make_on_cluster(FakeEngine(), count=15, **run).shards == 2
    assert make_on_cluster(FakeEngine(), count=15, **run).shards == 0
    assert make_on_cluster(FakeEngine(), count=COUNT, **run).shards == 3
    assert shards(out) == shards(undisturbed)


def test_pairs_are_sifted_where_they_are_made_or_later_to_the_same_bytes(undisturbed: Path, tmp_path: Path) -> None:
    fused, later = tmp_path / "fused", tmp_path / "later"
    made = make_on_cluster(
        FakeEngine(),
        count=COUNT,
        out=str(fused),
        resources=TWO,
        shard_units=UNITS,
        sieve_factory=sieve,
        sieve_settings={"by": "evenness"},
    )
    parted = filter_on_cluster(
        str(undisturbed), str(later), sieve_factory=sieve, sieve_settings={"by": "evenness"}, resources=TWO
    )
    assert (made.kept, made.rejected) == (parted.kept, parted.rejected) == (12, 10)
    for part in (".", "rejected"):
        assert shards(fused / part) == shards(later / part)
    assert all(record.scores == {"evenness": 1.0} for record in read_records(fused))
    with pytest.raises(DataError, match="filter differ"):
        filter_on_cluster(str(undisturbed), str(later), sieve_factory=sieve, sieve_settings={"by": "x"}, resources=TWO)


def test_pairs_are_judged_by_an_encoder_as_on_one_machine(undisturbed: Path, tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    thresholds = Thresholds(image_image=0.5, caption_image=-1.0, directional=-1.0)
    encoder = partial(load_encoder, "pocket/clip")
    standards = Standards(encoder=encoder, thresholds=thresholds, limits=Limits(minimum_change=0.2))
    summary = filter_pairs(undisturbed, alone, encoder=encoder(), thresholds=thresholds, limits=standards.limits)
    made = filter_on_cluster(
        str(undisturbed),
        str(together),
        sieve_factory=partial(sieve_of, standards),
        sieve_settings=standards.judge().criteria.settings(),
        resources=TWO,
    )
    assert made.kept + made.rejected == COUNT
    assert made.kept == summary.kept
    for part in (".", "rejected"):
        assert shards(together / part) == shards(alone / part)
        assert read_manifest(together / part) == read_manifest(alone / part)
    with pytest.raises(SettingsError, match="Near-duplicates"):
        sieve_of(replace(standards, limits=Limits(near_duplicates=4)))


def test_records_may_lie_wherever_fsspec_reaches(undisturbed: Path, tmp_path: Path) -> None:
    out = f"local://{tmp_path}/records"
    assert make_on_cluster(FakeEngine(), count=COUNT, out=out, resources=TWO, shard_units=UNITS).kept == COUNT
    assert shards(tmp_path / "records") == shards(undisturbed)


def test_engines_whose_pairs_may_fail_are_counted_as_on_one_machine(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    summary = sift_pairs(FakeSifter(), out=alone, shard_units=3)
    made = sift_on_cluster(FakeSifter(), out=str(together), resources=TWO, shard_units=3)
    assert (made.kept, made.rejected) == (summary.pairs, sum(summary.rejected.values()))
    assert shards(together) == shards(alone)
    assert sift_on_cluster(FakeSifter(), out=str(together), resources=TWO, shard_units=3).shards == 0


def test_what_goes_wrong_in_a_worker_is_said_here(tmp_path: Path) -> None:
    run = {"count": 8, "resources": TWO, "shard_units": UNITS}
    with pytest.raises(ImageError, match="picture is broken"):
        make_on_cluster(FakeEngine(failing=3), out=str(tmp_path / "a"), **run)
    with pytest.raises(DataError, match="worker of the cluster died"):
        make_on_cluster(FakeEngine(dying=3), out=str(tmp_path / "b"), **run)
    with pytest.raises(DataError, match="holds no records"):
        filter_on_cluster(str(tmp_path / "c"), str(tmp_path / "d"), sieve_factory=sieve, sieve_settings={})
    with pytest.raises(SettingsError, match="0 actors"):
        Resources(actors=0)
