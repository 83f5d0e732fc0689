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
from retouch.records.manifest import Manifest, ShardEntry
from retouch.records.shards import ShardWriter, open_writer

SHARD_UNITS = 16
"""Units of a shard: what a kill loses at the most."""


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

    With a `count` it stops after the unit with which the folder holds as many pairs; a larger one extends the folder.
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
    """The units of a folder shard by shard, up to the `wanted` number of pairs."""

    writer: ShardWriter
    shard_units: int
    units: int
    wanted: int | None

    def missing(self) -> list[int]:
        """The units that no whole shard holds, in order."""
        return [unit for shard in self._shards() if self._finished(shard) is None for unit in shard]

    def go(self, results: Iterator[Sifted], report: Report) -> None:
        """Take the units' results in order into shards; a shard cut short is made anew when more is wanted."""
        pairs = 0
        for shard in self._shards():
            entry = self._finished(shard) or self._cut_short(shard, pairs) or self._made(shard, pairs, results, report)
            pairs += entry.rows
            report.add(max(0, entry.first_unit + entry.units - report.done))
            if self._enough(pairs):
                return

    def _shards(self) -> list[range]:
        return [
            range(first, min(first + self.shard_units, self.units)) for first in range(0, self.units, self.shard_units)
        ]

    def _finished(self, shard: range) -> ShardEntry | None:
        entry = self.writer.manifest.shard_at(shard.start)
        return entry if entry is not None and entry.units == len(shard) else None

    def _cut_short(self, shard: range, pairs: int) -> ShardEntry | None:
        """The part of a shard that an earlier run stopped in, where it is enough."""
        entry = self.writer.manifest.shard_at(shard.start)
        return entry if entry is not None and self._enough(pairs + entry.rows) else None

    def _made(self, shard: range, pairs: int, results: Iterator[Sifted], report: Report) -> ShardEntry:
        made: list[Sifted] = []
        for _ in shard:
            made.append(next(results))
            report.add(1)
            pairs += len(made[-1].pairs)
            if self._enough(pairs):
                break
        return self.writer.write(
            [record for sifted in made for record in sifted.pairs],
            first_unit=shard.start,
            units=len(made),
            rejected=turned_down(sifted.rejected for sifted in made),
            empty=sum(not sifted.pairs for sifted in made),
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
