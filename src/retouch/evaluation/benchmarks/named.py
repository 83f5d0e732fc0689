"""From what `--bench` names to a benchmark."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from retouch.core.errors import DataError, SettingsError
from retouch.evaluation.benchmark import Benchmark
from retouch.evaluation.benchmarks.records import METRICS, RecordsBench
from retouch.evaluation.benchmarks.rooms import NAME, REFERENCES, VERSION, RoomsBench
from retouch.records.manifest import MANIFEST_NAME

RECORDS = "records:"


class MakePairs(Protocol):
    """Makes the pairs of an engine, "rooms" or "photos", in the split "bench"; goes on where a run stopped."""

    def __call__(self, engine: str, *, count: int, out: Path, source: Path | None, references: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Order:
    """Where a benchmark lies, as `load_benchmark` is told."""

    source: Path | None
    cache: Path
    make: MakePairs | None


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a name stands for: how many cases, what they tell, the metrics, where they come from, and the loader."""

    cases: str
    tells: str
    metrics: tuple[str, ...]
    origin: str
    load: Callable[[Order], Benchmark]


def load_benchmark(spec: str, *, source: Path | None, cache: Path, make: MakePairs | None = None) -> Benchmark:
    """The benchmark that `spec` names.

    Args:
        spec: a name of `BENCHES`, or `records:FOLDER`.
        source: where it lies: a folder, a zip, Parquet, or a hub id as a path; None is the cache or the hub.
        cache: the folder that what is made on demand goes to.
        make: what makes pairs where rooms or photos lack them; without it they must be there.

    Raises:
        SettingsError: the name is unknown, or the benchmark needs a source.
        DataError: the source is missing, or holds no such benchmark.
    """
    if spec.startswith(RECORDS):
        return _records(Path(spec.removeprefix(RECORDS)).expanduser(), name=spec)
    if spec not in BENCHES:
        known = ", ".join(BENCHES)
        raise SettingsError(f"The benchmark '{spec}' is unknown; choose {known} or {RECORDS}FOLDER.")
    return BENCHES[spec].load(Order(source=source, cache=cache, make=make))


def rooms_folder(cache: Path) -> Path:
    """Where RoomsBench is rendered to."""
    return cache / "benches" / f"{NAME}-{VERSION}"


def _records(folder: Path, name: str) -> RecordsBench:
    if not (folder / MANIFEST_NAME).is_file():
        raise DataError(f"'{folder}' holds no records (no {MANIFEST_NAME}); make some with `retouch data pairs`.")
    return RecordsBench(folder=folder, name=name)


def _rooms(order: Order) -> RoomsBench:
    if order.source is not None and not order.source.is_dir():
        raise DataError(f"There is no folder '{order.source}'; name one with RoomsBench, or none to use the cache.")
    render = None if order.make is None else partial(_render, order.make)
    return RoomsBench(folder=order.source or rooms_folder(order.cache), render=render)


def _render(make: MakePairs, count: int, folder: Path) -> None:
    make("rooms", count=count, out=folder, source=None, references=REFERENCES)


BENCHES: Mapping[str, Bench] = {
    "rooms": Bench(
        cases="1,000",
        tells="edits of held-out rooms by kind, with the true result, regions and references",
        metrics=METRICS,
        origin="rendered here",
        load=_rooms,
    ),
}
"""The benchmarks by name, but for `records:FOLDER`."""
