"""From what `--bench` names to a benchmark."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from retouch.core.errors import DataError, SettingsError
from retouch.evaluation.benchmark import Benchmark
from retouch.evaluation.benchmarks import cocoee, emu_edit, instruct_pix2pix, magicbrush, pie_bench
from retouch.evaluation.benchmarks.files import open_files
from retouch.evaluation.benchmarks.photos import PhotosBench
from retouch.evaluation.benchmarks.records import METRICS, RecordsBench
from retouch.evaluation.benchmarks.rooms import NAME, REFERENCES, VERSION, RoomsBench
from retouch.records.layouts.instruct_pix2pix import SEEDS
from retouch.records.manifest import MANIFEST_NAME

RECORDS = "records:"
BENCHES_FOLDER = "benches"
"""Below the cache folder: what is made on demand."""


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
    return cache / BENCHES_FOLDER / f"{NAME}-{VERSION}"


def _records(folder: Path, name: str) -> RecordsBench:
    if not (folder / MANIFEST_NAME).is_file():
        raise DataError(f"'{folder}' holds no records (no {MANIFEST_NAME}); make some with `retouch data pairs`.")
    return RecordsBench(folder=folder, name=name)


def load_rooms(source: Path | None, *, cache: Path, make: MakePairs | None = None) -> RoomsBench:
    """RoomsBench in a folder or in the cache; see `load_benchmark`."""
    if source is not None and make is None and not source.is_dir():
        raise DataError(f"There is no folder '{source}'; name one with RoomsBench, or none to use the cache.")
    render = None if make is None else partial(_render, make)
    return RoomsBench(folder=source or rooms_folder(cache), render=render)


def _render(make: MakePairs, count: int, folder: Path) -> None:
    make("rooms", count=count, out=folder, source=None, references=REFERENCES)


def _photos(order: Order) -> Benchmark:
    if order.source is None:
        raise SettingsError("The benchmark photos needs pictures; name their folder with --source.")
    if (order.source / MANIFEST_NAME).is_file():
        return _records(order.source, name="photos")
    if not order.source.is_dir():
        raise DataError(f"There is no folder '{order.source}'; name one with PNG, JPEG or WEBP pictures.")
    make = None if order.make is None else partial(_dye, order.make, order.source)
    return PhotosBench(source=order.source, cache=order.cache / BENCHES_FOLDER, make=make)


def _dye(make: MakePairs, source: Path, count: int, folder: Path) -> None:
    make("photos", count=count, out=folder, source=source, references=0)


def _needed(order: Order, bench: str, what: str) -> Path:
    if order.source is None:
        raise SettingsError(f"The benchmark {bench} is not on the hub; name {what} with --source.")
    return order.source


def _pie_bench(order: Order) -> Benchmark:
    source = _needed(order, "pie-bench", f"the folder or zip that holds {pie_bench.MAPPING}")
    return pie_bench.PieBench(files=open_files(source, pie_bench.MAPPING))


def _instruct_pix2pix(order: Order) -> Benchmark:
    source = _needed(order, "ip2p-test", f"the folder or zip of InstructPix2Pix's set that holds {SEEDS}")
    return instruct_pix2pix.InstructPix2PixTest(files=open_files(source, SEEDS))


def _cocoee(order: Order) -> Benchmark:
    return cocoee.CocoeeBench(root=_needed(order, "cocoee", "the folder that holds id_list.npy"))


BENCHES: Mapping[str, Bench] = {
    "rooms": Bench(
        cases="1,000",
        tells="edits of held-out rooms by kind, with true results, regions and references",
        metrics=METRICS,
        origin="rendered here",
        load=lambda order: load_rooms(order.source, cache=order.cache, make=order.make),
    ),
    "photos": Bench(
        cases="300",
        tells="looks and dyes of one's own pictures, with true results",
        metrics=METRICS,
        origin="made here of --source",
        load=_photos,
    ),
    "magicbrush": Bench(
        cases="528 (test: 1,053)",
        tells="turns of editing sessions by hand, with regions and targets",
        metrics=magicbrush.METRICS,
        origin=magicbrush.HUB_ID,
        load=lambda order: magicbrush.magicbrush(order.source),
    ),
    "emu-edit": Bench(
        cases="2,022",
        tells="instructions of several tasks, without targets",
        metrics=emu_edit.METRICS,
        origin=emu_edit.HUB_ID,
        load=lambda order: emu_edit.emu_edit(order.source),
    ),
    "pie-bench": Bench(
        cases="700",
        tells="ten kinds of edit with regions, without targets: what stays as it was",
        metrics=pie_bench.METRICS,
        origin="--source",
        load=_pie_bench,
    ),
    "cocoee": Bench(
        cases="3,500",
        tells="an object by example into a box",
        metrics=cocoee.METRICS,
        origin="--source",
        load=_cocoee,
    ),
    "ip2p-test": Bench(
        cases="a twentieth of the set's prompts",
        tells="generated pairs with captions before and after",
        metrics=instruct_pix2pix.METRICS,
        origin="--source",
        load=_instruct_pix2pix,
    ),
}
"""The benchmarks by name, but for `records:FOLDER`."""
