"""All stages from a domain to a finished data set: triples, pairs, what is good of them, a report, an export."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from retouch.core.errors import Cancelled, DataError
from retouch.core.files import atomic_write, remove_leftovers
from retouch.datagen.engine import SiftingEngine
from retouch.datagen.exported import export_pairs
from retouch.datagen.filter import FilterSummary, filter_pairs
from retouch.datagen.judge import Standards
from retouch.datagen.report.write import write_report
from retouch.datagen.sift import SiftSummary, sift_pairs, turned_down
from retouch.records.lock import exclusive
from retouch.records.pair import JSON

PLAN = "build.json"
TRIPLES, PAIRS, KEPT, DATASET, REPORT = "triples.jsonl", "pairs", "kept", "dataset", "report.html"
"""What a build leaves in its folder."""
STAGES = ("write", "pair", "filter", "report", "export")

OnStage = Callable[[str], Callable[[int, int], None]]
"""Told when a stage begins; returns what hears of its progress."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The parts of a build that depend on what is built.

    `write` makes the file of triples, None where the engine writes its own; `engine` is asked after that for what
    makes the engine, here and in every worker. `settings` are all that decides the outcome, kept to resume by.
    """

    settings: Mapping[str, JSON]
    write: Callable[[Path, Callable[[int, int], None]], object] | None
    engine: Callable[[], Callable[[], SiftingEngine]]
    standards: Standards
    workers: int = 0
    layout: str = "parquet"
    licence: str | None = None
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class BuildSummary:
    """Where the data set and its report lie, what pairing and filtering came to, and the seconds each stage took."""

    dataset: Path
    report: Path
    paired: SiftSummary
    filtered: FilterSummary
    seconds: Mapping[str, float]

    @property
    def kept_share(self) -> float:
        """The share of the pairs made that the filter kept."""
        return self.filtered.kept / self.filtered.pairs if self.filtered.pairs else 0.0

    @property
    def turned_down(self) -> Mapping[str, int]:
        """What making and filtering turned down together, by reason."""
        counts: list[Mapping[str, int]] = [self.paired.rejected, {**self.filtered.rejected}]
        return turned_down(counts)


def build(
    stages: Stages,
    out: Path,
    *,
    on_stage: OnStage = lambda _stage: lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> BuildSummary:
    """Run all stages into the folder `out`; run again after an interruption, each goes on where it stopped.

    Raises DataError where the folder was begun with other settings, another build is at work there, or nothing passes
    the filter, Cancelled when interrupted, and what the stages raise.
    """
    with exclusive(out):
        remove_leftovers(out, (PLAN, TRIPLES, REPORT))
        _begin(out, stages.settings)
        return _staged(stages, out, _Clock(on_stage, cancelled), cancelled)


def _staged(stages: Stages, out: Path, clock: "_Clock", cancelled: Callable[[], bool]) -> BuildSummary:
    triples = out / TRIPLES
    if stages.write is not None and not triples.is_file():
        stages.write(triples, clock.begin("write"))
    paired = sift_pairs(
        stages.engine(), out=out / PAIRS, workers=stages.workers, on_progress=clock.begin("pair"), cancelled=cancelled
    )
    if not paired.pairs:
        raise DataError(f"None of the {paired.units} units gave a pair; loosen the thresholds or try more candidates.")
    progress = clock.begin("filter")
    filtered = filter_pairs(
        out / PAIRS,
        out / KEPT,
        encoder=stages.standards.encoder(),
        thresholds=stages.standards.thresholds,
        limits=stages.standards.limits,
        on_progress=progress,
        cancelled=cancelled,
    )
    clock.begin("report")
    report = write_report(out / KEPT, out / REPORT, title=stages.title)
    if not filtered.kept:
        raise DataError(f"None of the {filtered.pairs} pairs passes the filter; {report} shows why.")
    if not (out / DATASET).is_dir():
        export_pairs(
            out / KEPT,
            out / DATASET,
            layout=stages.layout,
            licence=stages.licence,
            title=stages.title,
            on_progress=clock.begin("export"),
        )
    clock.end()
    return BuildSummary(
        dataset=out / DATASET, report=report, paired=paired, filtered=filtered, seconds=dict(clock.seconds)
    )


def _begin(out: Path, settings: Mapping[str, JSON]) -> None:
    path, content = out / PLAN, json.dumps(dict(settings), indent=1, sort_keys=True) + "\n"
    if not path.is_file():
        atomic_write(path, content.encode())
        return
    if path.read_text(encoding="utf-8") != content:
        raise DataError(f"{out} was begun with other settings ({path}); repeat those, or choose another folder.")


class _Clock:
    """Seconds by stage; asks between stages whether to stop."""

    def __init__(self, on_stage: OnStage, cancelled: Callable[[], bool]) -> None:
        self.seconds: dict[str, float] = {}
        self._on_stage, self._cancelled = on_stage, cancelled
        self._stage, self._start = "", time.monotonic()

    def begin(self, stage: str) -> Callable[[int, int], None]:
        self.end()
        if self._cancelled():
            raise Cancelled(f"Stopped before the stage '{stage}'; run the same command again to go on.")
        self._stage, self._start = stage, time.monotonic()
        return self._on_stage(stage)

    def end(self) -> None:
        if self._stage:
            self.seconds[self._stage] = time.monotonic() - self._start
        self._stage = ""


def facts(summary: BuildSummary) -> Mapping[str, object]:
    """A build's outcome for programs."""
    return {
        "dataset": str(summary.dataset),
        "report": str(summary.report),
        "pairs": summary.filtered.pairs,
        "kept": summary.filtered.kept,
        "kept_share": summary.kept_share,
        "turned_down": dict(summary.turned_down),
        "by_kind": {kind: list(counts) for kind, counts in summary.filtered.by_kind.items()},
        "units": summary.paired.units,
        "seconds": dict(summary.seconds),
        "paired": asdict(summary.paired) | {"folder": str(summary.paired.folder)},
    }
