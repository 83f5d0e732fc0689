"""Run a pair engine over worker processes into a folder of records that a crash cannot spoil."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.datagen.engine import PairEngine
from retouch.datagen.progress import Report
from retouch.datagen.workers import EngineFactory, UnitResult, make_units
from retouch.records.pair import JSON, PairRecord
from retouch.records.shards import ShardWriter, open_writer

SHARD_UNITS = 32


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What a run did: pairs in the folder, pairs made by this run, seconds it took."""

    folder: Path
    pairs: int
    made: int
    seconds: float

    @property
    def pairs_per_hour(self) -> float:
        """The speed of this run, start of the workers included; 0 where nothing was left to make."""
        return 3600 * self.made / self.seconds if self.made else 0.0


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The units of one shard, and how many records it holds."""

    first_unit: int
    units: int
    rows: int


def make_pairs(
    engine_factory: EngineFactory,
    *,
    count: int,
    out: Path,
    workers: int = 1,
    shard_units: int = SHARD_UNITS,
    on_progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RunSummary:
    """Make `count` pairs in the folder `out`, resuming what an earlier run of the same settings left there.

    `engine_factory` is called here and once in every worker, so it must be picklable; 0 workers means this
    process. A shard holds `shard_units` units: what a kill loses at most. The bytes depend neither on the
    number of workers nor on interruptions, and a larger `count` extends a folder. `on_progress` gets the
    pairs done so far, earlier runs included, and `count`; `cancelled` is asked between units.

    Raises Cancelled when interrupted, DataError where the folder is in use or was made with other settings,
    OutputError where it cannot be written, SettingsError for impossible numbers.
    """
    check_least(count=(count, 1), workers=(workers, 0), shard_units=(shard_units, 1))
    start = time.monotonic()
    engine = engine_factory()
    plan = plan_shards(count, engine.pairs_per_unit, shard_units)
    with open_writer(out, engine=engine.name, settings=run_settings(engine, shard_units)) as writer:
        missing = [shard for shard in plan if not writer.has(shard.first_unit, shard.rows)]
        done = count - sum(shard.rows for shard in missing)
        report = Report(done=done, count=count, things="pairs", on_progress=on_progress, cancelled=cancelled)
        try:
            _make_shards(engine_factory, missing, writer=writer, workers=workers, report=report)
        except (Cancelled, KeyboardInterrupt):
            saved = f"{writer.manifest.rows} of {count} pairs are saved"
            raise Cancelled(f"Stopped: {saved}; run the same command again to go on.") from None
        pairs = writer.manifest.rows
    return RunSummary(folder=out, pairs=pairs, made=count - done, seconds=time.monotonic() - start)


def _make_shards(
    factory: EngineFactory, shards: list[Shard], *, writer: ShardWriter, workers: int, report: Report
) -> None:
    units = [unit for shard in shards for unit in range(shard.first_unit, shard.first_unit + shard.units)]
    if not units:
        return
    with closing(make_units(factory, units, workers=workers, on_wait=report.check)) as results:
        for shard in shards:
            records = make_shard(shard, results, report.add)
            writer.write(records, first_unit=shard.first_unit, units=shard.units)


def make_shard(
    shard: Shard, results: Iterator[UnitResult], on_made: Callable[[int], None] = lambda _pairs: None
) -> list[PairRecord]:
    """The records of a shard, from what its units yield; raises DataError where these are too few."""
    records: list[PairRecord] = []
    for _ in range(shard.units):
        kept = next(results)[: shard.rows - len(records)]
        records.extend(kept)
        on_made(len(kept))
    if len(records) != shard.rows:
        raise DataError(
            f"The {shard.units} units from {shard.first_unit} on gave {len(records)} pairs instead of "
            f"{shard.rows}; every unit of an engine must yield its `pairs_per_unit`."
        )
    return records


def plan_shards(count: int, pairs_per_unit: int, shard_units: int) -> list[Shard]:
    """The shards that `count` pairs are written in."""
    units = -(-count // pairs_per_unit)
    return [
        Shard(
            first_unit=first,
            units=min(shard_units, units - first),
            rows=min(shard_units * pairs_per_unit, count - first * pairs_per_unit),
        )
        for first in range(0, units, shard_units)
    ]


def run_settings(engine: PairEngine, shard_units: int) -> Mapping[str, JSON]:
    """What a folder of records is resumed by."""
    return {
        **engine.fingerprint(),
        "pairs_per_unit": engine.pairs_per_unit,
        "shard_units": shard_units,
    }


def check_least(**settings: tuple[int, int]) -> None:
    """Raise SettingsError for a setting, (value, least), that is too small."""
    for name, (value, least) in settings.items():
        if value < least:
            raise SettingsError(f"{name} is {value}; it must be at least {least}.")
