"""Run an engine whose pairs may fail: the good ones become records, the others are counted beside their shard."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from retouch.datagen.engine import Sifted, SiftingEngine
from retouch.datagen.progress import Report
from retouch.datagen.run import check_least
from retouch.datagen.workers import make_units
from retouch.records.manifest import Manifest
from retouch.records.shards import ShardWriter, open_writer, read_shard

SHARD_UNITS = 16
"""Units of a shard."""


@dataclass(frozen=True, kw_only=True)
class SiftSummary:
    """What the folder holds now: units gone through, pairs, units of which nothing was kept, and what was rejected.

    `made` are the pairs of this run alone, which took `seconds`.
    """

    folder: Path
    units: int
    pairs: int
    empty: int
    rejected: Mapping[str, int]
    made: int
    seconds: float

    @property
    def pairs_per_hour(self) -> float:
        """The speed of this run, loading of models included; 0 where it made none."""
        return 3600 * self.made / self.seconds if self.made else 0.0


def sift_pairs(
    engine_factory: Callable[[], SiftingEngine],
    *,
    out: Path,
    count: int | None = None,
    workers: int = 0,
    shard_units: int = SHARD_UNITS,
    on_progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SiftSummary:
    """Go through an engine's units into the folder `out`, resuming what an earlier run of the same settings left.

    A kill loses the unit at hand. With a `count` the run stops after the unit with which the folder holds as many
    pairs; a larger one goes on there.
    `engine_factory` is called once here and once in every worker; 0 workers means this process. The bytes depend
    neither on the number of workers nor on interruptions. `on_progress` gets the units done and all there are.

    Raises Cancelled when interrupted, DataError where the folder is in use or was made with other settings,
    OutputError where it cannot be written, SettingsError for impossible numbers.
    """
    check_least(count=(1 if count is None else count, 1), workers=(workers, 0), shard_units=(shard_units, 1))
    start = time.monotonic()
    engine = engine_factory()
    settings = {**engine.fingerprint(), "shard_units": shard_units}
    # In this process the engine that was asked for its settings does the work too: models are loaded once.
    factory = engine_factory if workers else lambda: engine
    with open_writer(out, engine=engine.name, settings=settings) as writer:
        before = writer.manifest.rows
        run = _Run(writer=writer, shard_units=shard_units, units=engine.units, wanted=count)
        report = Report(done=0, count=engine.units, things="triples", on_progress=on_progress, cancelled=cancelled)
        try:
            with closing(make_units(factory, run.missing(), workers=workers, on_wait=report.check)) as results:
                run.go(results, report)
        except KeyboardInterrupt:
            raise report.interruption() from None
        return _summary(out, writer.manifest, before=before, seconds=time.monotonic() - start)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """The units of a folder shard by shard, up to the `wanted` number of pairs; a shard grows unit by unit."""

    writer: ShardWriter
    shard_units: int
    units: int
    wanted: int | None

    def missing(self) -> list[int]:
        """The units that no shard holds, in order."""
        return [unit for shard in self._shards() for unit in shard[self._held(shard) :]]

    def go(self, results: Iterator[Sifted], report: Report) -> None:
        """Take the missing units' results, in order, into their shards."""
        pairs = 0
        for shard in self._shards():
            entry = self.writer.manifest.shard_at(shard.start)
            if entry is not None:
                pairs += entry.rows
                report.add(entry.units)
            for _ in shard[self._held(shard) :]:
                if self._enough(pairs):
                    return
                sifted = next(results)
                self._grow(shard.start, sifted)
                pairs += len(sifted.pairs)
                report.add(1)
            if self._enough(pairs):
                return

    def _shards(self) -> list[range]:
        return [
            range(first, min(first + self.shard_units, self.units)) for first in range(0, self.units, self.shard_units)
        ]

    def _held(self, shard: range) -> int:
        """How many of its units a shard holds."""
        entry = self.writer.manifest.shard_at(shard.start)
        return 0 if entry is None else entry.units

    def _grow(self, first_unit: int, sifted: Sifted) -> None:
        """Write a shard anew with one more unit: so much slower are units than writing that none shall be lost."""
        entry = self.writer.manifest.shard_at(first_unit)
        before = [] if entry is None else list(read_shard(self.writer.folder, entry))
        self.writer.write(
            [*before, *sifted.pairs],
            first_unit=first_unit,
            units=1 if entry is None else entry.units + 1,
            rejected=turned_down([{} if entry is None else entry.rejected, sifted.rejected]),
            empty=(0 if entry is None else entry.empty) + (not sifted.pairs),
        )

    def _enough(self, pairs: int) -> bool:
        return self.wanted is not None and pairs >= self.wanted


def turned_down(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """How many were turned down in all, by reason, the most frequent first."""
    return dict(sum(map(Counter, counts), Counter[str]()).most_common())


def _summary(folder: Path, manifest: Manifest, *, before: int, seconds: float) -> SiftSummary:
    return SiftSummary(
        folder=folder,
        units=sum(shard.units for shard in manifest.shards),
        pairs=manifest.rows,
        empty=sum(shard.empty for shard in manifest.shards),
        rejected=turned_down(shard.rejected for shard in manifest.shards),
        made=max(0, manifest.rows - before),
        seconds=seconds,
    )
