"""How different the results of several seeds are where the edit acts, against how well they do what was asked."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import combinations
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
from retouch.metrics.clip import Encoder
from retouch.metrics.colour import PIXEL_PROTOCOL, pixel_difference
from retouch.metrics.region_clip import REGION_CLIP_PROTOCOL, region_square

LEAST_SEEDS = 4


@dataclass(frozen=True, kw_only=True)
class DiversityPlan:
    """What is tried: text guidances, seeds a case (at least `LEAST_SEEDS`), and all other settings."""

    model: str
    text_guidance: tuple[float, ...]
    seeds: int = LEAST_SEEDS
    settings: EditSettings = field(default_factory=EditSettings)

    def __post_init__(self) -> None:
        if self.seeds < LEAST_SEEDS:
            raise SettingsError(f"seeds is {self.seeds}; expected at least {LEAST_SEEDS}.")
        if not self.text_guidance:
            raise SettingsError("There is no text guidance to try; give one at least.")
        for value in self.text_guidance:
            EditSettings(text_guidance=value)


@dataclass(frozen=True, kw_only=True)
class DiversityLine:
    """One text guidance, in the mean over cases with its interval.

    clip: 1 − cosine of the regions of two seeds' results, as CLIP sees them, over all pairs. colour: mean ΔE2000 of the
    region's pixels over all pairs. follows, keeps: the two objectives in the mean over seeds.
    """

    text_guidance: float
    clip: Estimate
    colour: Estimate
    follows: Estimate
    keeps: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """A line for each text guidance, with the protocols of the figures."""

    model: str
    seeds: int
    follows: str
    keeps: str
    protocols: tuple[str, ...]
    lines: tuple[DiversityLine, ...]

    def markdown(self) -> str:
        """A table."""
        rows = [
            f"| {line.text_guidance:g} | {line.clip.count} | {_told(line.clip, 3)} | {_told(line.colour, 1)} | "
            f"{_told(line.follows, 2)} | {_told(line.keeps, 1)} |"
            for line in self.lines
        ]
        return "\n".join(
            [
                f"# Diversity of {self.model} over {self.seeds} seeds",
                "",
                f"| text guidance | cases | CLIP distance | ΔE2000 | {self.follows} | {self.keeps} |",
                "|---|---|---|---|---|---|",
                *rows,
                "",
                "Distances are the mean over pairs of seeds, inside the region that the edit may change; in brackets "
                "the 95% interval over cases.",
                "",
                "![Diversity](diversity.svg)",
                "",
                f"Protocols: {', '.join(f'`{each}`' for each in self.protocols)}.",
                "",
            ]
        )

    def chart(self) -> str:
        """Following over the distance between seeds, as SVG."""
        marks = tuple(
            Mark(x=line.clip.value, y=line.follows.value, label=f"text {line.text_guidance:g}") for line in self.lines
        )
        title = f"{self.model}: {self.seeds} seeds"
        series = (Series(name="by text guidance", marks=marks),)
        return Chart(title=title, x="CLIP distance between seeds", y=self.follows, series=series).svg()


def measure_diversity(
    editor: InstructionEditor,
    cases: Sequence[BenchCase],
    out: Path,
    *,
    plan: DiversityPlan,
    objectives: tuple[Objective, Objective],
    encoder: Encoder,
    on_progress: Callable[[int, int, str], None] = lambda *_: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Diversity:
    """Edit every case with every seed at every text guidance; write `diversity.md`, `.json` and `.svg` to `out`.

    Results are kept in `out`; a later run with the same model and settings makes none of them again.

    Raises:
        DataError: no case has a region.
        Cancelled: interrupted; run it again to go on.
    """
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
            rows.append(_row(case, results, objectives, encoder))
        lines.append(_line(guidance, rows))
    found = Diversity(
        model=plan.model,
        seeds=plan.seeds,
        follows=objectives[0].name,
        keeps=objectives[1].name,
        protocols=(
            f"{REGION_CLIP_PROTOCOL}/{encoder.protocol}", PIXEL_PROTOCOL, *(each.protocol for each in objectives)
        ),
        lines=tuple(lines),
    )  # fmt: skip
    atomic_write(out / "diversity.svg", found.chart().encode())
    atomic_write(out / "diversity.json", (json.dumps(asdict(found), indent=2) + "\n").encode())
    atomic_write(out / "diversity.md", found.markdown().encode())
    return found


def pairwise(pictures: Sequence[Picture], case: BenchCase, encoder: Encoder) -> tuple[float, float]:
    """Mean CLIP distance and mean ΔE2000 over all pairs of (H, W, 3) pictures, inside the case's region."""
    assert case.mask is not None
    left, top, right, bottom = region_square(case.mask)
    vectors = encoder.pictures([Image.fromarray(picture[top:bottom, left:right]) for picture in pictures])
    pairs = list(combinations(range(len(pictures)), 2))
    return (
        fmean(1 - float(vectors[one] @ vectors[other]) for one, other in pairs),
        fmean(pixel_difference(pictures[one], pictures[other], case.mask) for one, other in pairs),
    )


def _edited(
    editor: InstructionEditor, case: BenchCase, *, settings: EditSettings, count: int, cancelled: Callable[[], bool]
) -> Sequence[Image.Image]:
    source = Image.fromarray(case.source)
    return editor.edit(source, case.instruction, settings=settings, count=count, cancelled=cancelled).images[0]


_Row = tuple[float, float, float | None, float | None]


def _row(
    case: BenchCase, results: Sequence[Picture], objectives: tuple[Objective, Objective], encoder: Encoder
) -> _Row:
    distance, colour = pairwise(results, case, encoder)
    scores = [[objective.score(case, result) for result in results] for objective in objectives]
    follows, keeps = ([value for value in each if value is not None] for each in scores)
    return distance, colour, fmean(follows) if follows else None, fmean(keeps) if keeps else None


def _line(guidance: float, rows: Sequence[_Row]) -> DiversityLine:
    distance, colour, follows, keeps = (
        [value for value in column if value is not None] for column in zip(*rows, strict=True)
    )
    return DiversityLine(
        text_guidance=guidance,
        clip=mean_interval(np.array(distance)),
        colour=mean_interval(np.array(colour)),
        follows=mean_interval(np.array(follows)),
        keeps=mean_interval(np.array(keeps)) if keeps else None,
    )


def _told(value: Estimate | None, digits: int) -> str:
    if value is None:
        return "–"
    return f"{value.value:.{digits}f} ({value.low:.{digits}f} … {value.high:.{digits}f})"
