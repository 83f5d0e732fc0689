"""Keep the pairs whose pictures and captions fit: scores go into the records, those turned down lie beside."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.datagen.judge import (
    JUDGED_COLUMNS,
    REASONS,
    Criteria,
    EarlierPairs,
    Limits,
    PairJudge,
    RejectReason,
    Standards,
)
from retouch.datagen.thresholds import Thresholds
from retouch.metrics.clip import Encoder
from retouch.records.manifest import read_manifest
from retouch.records.pair import JSON, PairRecord
from retouch.records.shards import open_writer, read_columns, read_shard

REJECTED = "rejected"
"""The folder of records, inside that of the kept ones, that did not pass."""
_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class FilterSummary:
    """How many pairs were kept, how many turned down by the first reason, and both by kind of edit."""

    folder: Path
    kept: int
    rejected: Mapping[RejectReason, int]
    by_kind: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        """All pairs that were looked at."""
        return self.kept + sum(self.rejected.values())


def filter_pairs(
    folder: Path,
    out: Path,
    *,
    encoder: Encoder,
    thresholds: Thresholds,
    limits: Limits | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> FilterSummary:
    """Write the pairs of `folder` that pass to `out` and the others to `out`/rejected, all with their scores.

    Scores that records have from this encoder are not computed anew, so that other thresholds cost no pictures.
    What an interrupted run finished is kept; `cancelled` is asked before every batch. Pairs are as they were: the
    same input gives the same bytes. Raises DataError where there are no records or a folder is in use or was
    made with other settings, Cancelled when interrupted.
    """
    if folder.resolve() in (out.resolve(), (out / REJECTED).resolve()):
        raise DataError(f"{out} holds the pairs that are to be filtered; choose another folder for the kept ones.")
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder} holds no records (no manifest.json); make some with `retouch data pairs`.")
    criteria = Criteria(encoder=encoder.protocol, thresholds=thresholds, limits=limits or Limits())
    judge = PairJudge(encoder=encoder, criteria=criteria)
    settings = {**manifest.settings, "filter": criteria.settings()}
    done = 0
    with (
        open_writer(out, engine=manifest.engine, settings=settings) as kept,
        open_writer(out / REJECTED, engine=manifest.engine, settings=settings) as rejected,
    ):
        earlier = EarlierPairs() if criteria.limits.near_duplicates is not None else None
        for shard in manifest.shards:
            done_before = kept.manifest.shard_at(shard.first_unit)
            if done_before is not None and rejected.has(shard.first_unit, 0):
                if earlier:
                    earlier.add_shard(out, done_before)
            else:
                sides = _parted(list(read_shard(folder, shard)), judge, earlier, cancelled)
                # The rejected first: a shard counts as done once the kept ones are there too.
                for writer, records in ((rejected, sides[1]), (kept, sides[0])):
                    writer.write(records, first_unit=shard.first_unit, units=shard.units)
            done += shard.rows
            on_progress(done, manifest.rows)
    return _summary(out, criteria)


def sieve_of(standards: Standards) -> Callable[[Sequence[PairRecord]], tuple[list[PairRecord], list[PairRecord]]]:
    """What parts records into those that meet the standards and those that do not, all scored, its encoder loaded.

    Raises SettingsError where near-duplicates are to go: whether a pair is one depends on all that were kept before.
    """
    if standards.limits.near_duplicates is not None:
        raise SettingsError("Near-duplicates are not looked for on a cluster; filter what comes of it once more, here.")
    judge = standards.judge()
    return lambda records: _parted(records, judge, None, lambda: False)


def _parted(
    records: Sequence[PairRecord], judge: PairJudge, earlier: EarlierPairs | None, cancelled: Callable[[], bool]
) -> tuple[list[PairRecord], list[PairRecord]]:
    """The records that pass, and the others, all scored."""
    sides: tuple[list[PairRecord], list[PairRecord]] = ([], [])
    for start in range(0, len(records), _BATCH):
        if cancelled():
            raise Cancelled(f"Stopped before {records[start].id}; run the same command again to go on.")
        for record in judge.scored(records[start : start + _BATCH]):
            known = earlier.measured(record) if earlier and judge.criteria.reason(vars(record)) is None else record
            passes = judge.criteria.reason(vars(known)) is None
            sides[not passes].append(known)
            if earlier and passes:
                earlier.add(known)
    return sides


def _summary(out: Path, criteria: Criteria) -> FilterSummary:
    reasons: Counter[RejectReason] = Counter()
    kinds: dict[str, list[int]] = {}
    for place, side in enumerate((out, out / REJECTED)):
        for row in read_columns(side, JUDGED_COLUMNS):
            kind = str(cast("Mapping[str, JSON]", row["params"])["kind"])
            kinds.setdefault(kind, [0, 0])[place] += 1
            reason = criteria.reason(row)
            if reason is not None:
                reasons[reason] += 1
    return FilterSummary(
        folder=out,
        kept=sum(kept for kept, _ in kinds.values()),
        rejected={reason: reasons[reason] for reason in REASONS if reasons[reason]},
        by_kind={kind: (kept, turned_down) for kind, (kept, turned_down) in sorted(kinds.items())},
    )
