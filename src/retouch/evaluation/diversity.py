"""How different the results of several seeds are where the edit acts, against how well they do what was asked."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.core.files import atomic_write
from retouch.core.settings import EditSettings
from retouch.editing.protocol import InstructionEditor
from retouch.evaluation.benchmark import BenchCase, Picture
from retouch.evaluation.calibration.objectives import Objective
from retouch.evaluation.chart import Chart, Mark, Series
from retouch.evaluation.kept import Keep
from retouch.evaluation.reporting.statistics import Estimate, mean_interval
from retouch.metrics.diversity import FEWEST, check_distance, diversity
from retouch.metrics.metric import Metric, Sample

DISTANCES = ("clip-region-distance", "pixel-colour-inside")
"""The metrics that tell how far two results lie apart, where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class DiversityPlan:
    """What is tried: text guidances, seeds a case (at least `FEWEST`), and all other settings."""

    model: str
    text_guidance: tuple[float, ...]
    seeds: int = FEWEST
    settings: EditSettings = field(default_factory=EditSettings)

    def __post_init__(self) -> None:
        if self.seeds < FEWEST:
            raise SettingsError(f"seeds is {self.seeds}; expected at least {FEWEST}.")
        if not self.text_guidance:
            raise SettingsError("There is no text guidance to try; give one at least.")
        for value in self.text_guidance:
            EditSettings(text_guidance=value)


@dataclass(frozen=True, kw_only=True)
class DiversityLine:
    """One text guidance, in the mean over cases with its interval.

    distances: by each of the metrics, how far two seeds' results lie apart, over all pairs. follows, keeps: the two
    objectives in the mean over seeds.
    """

    text_guidance: float
    distances: tuple[Estimate, ...]
    follows: Estimate
    keeps: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """A line for each text guidance, with the protocols of the figures."""

    model: str
    seeds: int
    distances: tuple[str, ...]
    follows: str
    keeps: str
    protocols: tuple[str, ...]
    lines: tuple[DiversityLine, ...]

    def markdown(self) -> str:
        """A table."""
        rows = [
            f"| {line.text_guidance:g} | {line.distances[0].count} | {' | '.join(map(_told, line.distances))} | "
            f"{_told(line.follows)} | {_told(line.keeps)} |"
            for line in self.lines
        ]
        return "\n".join(
            [
                f"# Diversity of {self.model} over {self.seeds} seeds",
                "",
                f"| text guidance | cases | {' | '.join(self.distances)} | {self.follows} | {self.keeps} |",
                "|---" * (4 + len(self.distances)) + "|",
                *rows,
                "",
                "Distances are the mean over pairs of seeds; in brackets the 95% interval over cases.",
                "",
                "![Diversity](diversity.svg)",
                "",
                f"Protocols: {', '.join(f'`{each}`' for each in self.protocols)}.",
                "",
            ]
        )

    def chart(self) -> str:
        """Following over the first distance between seeds, as SVG."""
        marks = tuple(
            Mark(x=line.distances[0].value, y=line.follows.value, label=f"text {line.text_guidance:g}")
            for line in self.lines
        )
        title = f"{self.model}: {self.seeds} seeds"
        series = (Series(name="by text guidance", marks=marks),)
        return Chart(title=title, x=f"{self.distances[0]} between seeds", y=self.follows, series=series).svg()


def measure_diversity(
    editor: InstructionEditor,
    cases: Sequence[BenchCase],
    out: Path,
    *,
    plan: DiversityPlan,
    objectives: tuple[Objective, Objective],
    distances: Sequence[Metric],
    on_progress: Callable[[int, int, str], None] = lambda *_: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Diversity:
    """Edit every case with every seed at every text guidance; write `diversity.md`, `.json` and `.svg` to `out`.

    Results are kept in `out`; a later run with the same model and settings makes none of them again.

    Args:
        objectives: how well a result follows, and how well it keeps the rest.
        distances: how far two results lie apart, the first of them drawn; see `check_distance`.

    Raises:
        DataError: no case has a region, or a metric is no distance.
        Cancelled: interrupted; run it again to go on.
    """
    for metric in distances:
        check_distance(metric)
    regional = [case for case in cases if case.mask is not None and case.mask.any()]
    if not regional:
        raise DataError("No case has a region that the edit may change; choose cases with masks.")
    keep = Keep(out, plan.model, json.dumps(asdict(plan.settings), sort_keys=True))
    lines = []
    for place, guidance in enumerate(plan.text_guidance):
        rows = []
        for number, case in enumerate(regional):
            on_progress(place * len(regional) + number, len(plan.text_guidance) * len(regional), f"text {guidance:g}")
            if cancelled():
                raise Cancelled(f"Stopped at text guidance {guidance:g}; run the same command again to go on.")
            make = partial(
                _edited, editor, case, settings=replace(plan.settings, text_guidance=guidance), count=plan.seeds
            )
            names = [f"{guidance:g}/{case.id}-{seed}" for seed in range(plan.seeds)]
            results = keep.get(names, partial(make, cancelled=cancelled))
            rows.append(_row(case, results, objectives, distances))
        lines.append(_line(guidance, rows))
    found = Diversity(
        model=plan.model,
        seeds=plan.seeds,
        distances=tuple(metric.name for metric in distances),
        follows=objectives[0].name,
        keeps=objectives[1].name,
        protocols=tuple(each.protocol for each in (*distances, *objectives)),
        lines=tuple(lines),
    )
    atomic_write(out / "diversity.svg", found.chart().encode())
    atomic_write(out / "diversity.json", (json.dumps(asdict(found), indent=2) + "\n").encode())
    atomic_write(out / "diversity.md", found.markdown().encode())
    return found


def _edited(
    editor: InstructionEditor, case: BenchCase, *, settings: EditSettings, count: int, cancelled: Callable[[], bool]
) -> Sequence[Image.Image]:
    source = Image.fromarray(case.source)
    return editor.edit(source, case.instruction, settings=settings, count=count, cancelled=cancelled).images[0]


_Row = tuple[tuple[float, ...], float | None, float | None]


def _row(
    case: BenchCase, results: Sequence[Picture], objectives: tuple[Objective, Objective], distances: Sequence[Metric]
) -> _Row:
    samples = [Sample(output=result, mask=case.mask) for result in results]
    scores = [[objective.score(case, result) for result in results] for objective in objectives]
    follows, keeps = ([value for value in each if value is not None] for each in scores)
    apart = tuple(diversity(samples, metric) for metric in distances)
    return apart, fmean(follows) if follows else None, fmean(keeps) if keeps else None


def _line(guidance: float, rows: Sequence[_Row]) -> DiversityLine:
    apart = zip(*(row[0] for row in rows), strict=True)
    follows, keeps = ([row[place] for row in rows if row[place] is not None] for place in (1, 2))
    return DiversityLine(
        text_guidance=guidance,
        distances=tuple(mean_interval(np.array(column)) for column in apart),
        follows=mean_interval(np.array(follows)),
        keeps=mean_interval(np.array(keeps)) if keeps else None,
    )


def _told(value: Estimate | None) -> str:
    return "–" if value is None else f"{value.value:.3g} ({value.low:.3g} … {value.high:.3g})"
