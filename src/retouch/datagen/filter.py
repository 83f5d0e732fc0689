"""Keep the pairs whose pictures and captions fit: scores go into the records, those turned down lie beside."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from retouch.core.errors import Cancelled, DataError
from retouch.core.images import load_image
from retouch.datagen.thresholds import Thresholds, failed
from retouch.metrics.clip import Encoder
from retouch.metrics.pairs import MEASURES, PairMeasure, pair_protocol, pair_similarities
from retouch.records.manifest import read_manifest
from retouch.records.pair import JSON, PairRecord
from retouch.records.shards import open_writer, read_columns, read_shard

REJECTED = "rejected"
"""The folder of records, inside that of the kept ones, that did not pass."""
_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class FilterSummary:
    """How many pairs were kept, how many turned down by the first measure they failed, and both by kind of edit."""

    folder: Path
    kept: int
    rejected: Mapping[PairMeasure, int]
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
    judge = _Judge(encoder=encoder, thresholds=thresholds)
    settings = {**manifest.settings, "filter": {"encoder": encoder.protocol, **vars(thresholds)}}
    done = 0
    with (
        open_writer(out, engine=manifest.engine, settings=settings) as kept,
        open_writer(out / REJECTED, engine=manifest.engine, settings=settings) as rejected,
    ):
        for shard in manifest.shards:
            if not (kept.has(shard.first_unit, 0) and rejected.has(shard.first_unit, 0)):
                sides = _parted(list(read_shard(folder, shard)), judge, cancelled)
                # The rejected first: a shard counts as done once the kept ones are there too.
                for writer, records in ((rejected, sides[1]), (kept, sides[0])):
                    writer.write(records, first_unit=shard.first_unit, units=shard.units)
            done += shard.rows
            on_progress(done, manifest.rows)
    return _summary(out, judge)


@dataclass(frozen=True, kw_only=True)
class _Judge:
    """An encoder and what it asks of a pair."""

    encoder: Encoder
    thresholds: Thresholds

    def scored(self, records: Sequence[PairRecord]) -> list[PairRecord]:
        """The records with their similarities, those computed that are missing."""
        names = {measure: pair_protocol(measure, self.encoder) for measure in MEASURES}
        missing = [record for record in records if not all(name in record.scores for name in names.values())]
        pictures = [(load_image(one.source_image).pixels, load_image(one.target_image).pixels) for one in missing]
        captions = [(one.source_caption, one.target_caption) for one in missing]
        found = pair_similarities(pictures, captions, self.encoder) if missing else []
        made = {
            record.id: {names[measure]: value for measure, value in similarities.items()}
            for record, similarities in zip(missing, found, strict=True)
        }
        return [replace(record, scores={**record.scores, **made.get(record.id, {})}) for record in records]

    def failed(self, row: Mapping[str, object]) -> PairMeasure | None:
        """The measure that a scored record's columns fail first, None where it passes."""
        scores = cast("Mapping[str, float]", row["scores"])
        similarities: dict[PairMeasure, float] = {
            measure: scores[pair_protocol(measure, self.encoder)] for measure in MEASURES
        }
        return failed(similarities, self.thresholds, edited=row["source_caption"] != row["target_caption"])


def _parted(
    records: Sequence[PairRecord], judge: _Judge, cancelled: Callable[[], bool]
) -> tuple[list[PairRecord], list[PairRecord]]:
    """The records that pass, and the others, all scored."""
    sides: tuple[list[PairRecord], list[PairRecord]] = ([], [])
    for start in range(0, len(records), _BATCH):
        if cancelled():
            raise Cancelled(f"Stopped before {records[start].id}; run the same command again to go on.")
        for record in judge.scored(records[start : start + _BATCH]):
            sides[judge.failed(vars(record)) is not None].append(record)
    return sides


def _summary(out: Path, judge: _Judge) -> FilterSummary:
    reasons: Counter[PairMeasure] = Counter()
    kinds: dict[str, list[int]] = {}
    for place, side in enumerate((out, out / REJECTED)):
        for row in read_columns(side, ("params", "scores", "source_caption", "target_caption")):
            kind = str(cast("Mapping[str, JSON]", row["params"])["kind"])
            kinds.setdefault(kind, [0, 0])[place] += 1
            reason = judge.failed(row)
            if reason is not None:
                reasons[reason] += 1
    return FilterSummary(
        folder=out,
        kept=sum(kept for kept, _ in kinds.values()),
        rejected={measure: reasons[measure] for measure in MEASURES if reasons[measure]},
        by_kind={kind: (kept, turned_down) for kind, (kept, turned_down) in sorted(kinds.items())},
    )
