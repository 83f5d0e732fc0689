"""How pictures drift under edit after edit: chained, merged into one instruction, and replayed from the root."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from retouch.core.errors import Cancelled, DataError
from retouch.core.files import atomic_write
from retouch.core.settings import EditSettings
from retouch.editing.protocol import InstructionEditor
from retouch.evaluation.benchmark import Mask, Picture
from retouch.evaluation.chart import Chart, Mark, Series
from retouch.evaluation.courses import Course, joined
from retouch.evaluation.judges import Case, Judge
from retouch.evaluation.kept import Keep
from retouch.metrics.metric import Metric, Sample
from retouch.metrics.sample_metric import applies, compares_with_source
from retouch.metrics.sharpness import sharpness

WAYS: Mapping[str, str] = {
    "chained": "each edit is made on the last result as it was saved, in 8 bits",
    "replayed": "all edits so far are made from the root in one go, unrounded and at the model's size between them",
    "merged": "all instructions so far are joined to one, and one edit is made on the root",
    "truth": "the room itself, rendered: what light does outside the regions, and what judges say of a perfect result",
}
METRICS = ("psnr-outside", "perceptual-outside")
"""The metrics that tell what was kept, where nothing else is said."""
Values = tuple[float | None, ...]
"""A value for each metric, None where there is none: where all pixels have been edited, nothing is outside."""


@dataclass(frozen=True, kw_only=True)
class DriftLine:
    """One way after so many edits, in the mean over courses.

    to_root: by each metric, outside all regions so far, to the picture before any edit; to_truth: to the room as it
    would truly be, whose light changes with walls and floor. sharpness: outside, as a share of the root's. success: of
    all edits so far, judged in this result; latest, first: of the last made and the first made alone. cut: share of
    courses whose instruction was longer than the model reads.
    """

    way: str
    length: int
    courses: int
    to_root: Values
    to_truth: Values
    sharpness: float
    success: float
    latest: float
    first: float
    cut: float


@dataclass(frozen=True, kw_only=True)
class Drift:
    """All ways at all lengths, with the protocols of the figures."""

    model: str
    metrics: tuple[str, ...]
    protocols: tuple[str, ...]
    lines: tuple[DriftLine, ...]

    def markdown(self) -> str:
        """A table, what the ways are, and the pictures."""
        rows = [
            f"| {line.way} | {line.length} | {_told(line.to_root)} | {_told(line.to_truth)} | "
            f"{line.sharpness:.2f} | {line.success:.0%} | {line.latest:.0%} | {line.first:.0%} | {line.cut:.0%} |"
            for line in self.lines
        ]
        count = max(line.courses for line in self.lines)
        return "\n".join(
            [
                f"# Drift of {self.model} over sequential edits, {count} rooms",
                "",
                f"| way | edits | {' | '.join(f'{name} to the root' for name in self.metrics)} | "
                f"{' | '.join(f'{name} to the truth' for name in self.metrics)} | sharpness outside "
                "| success of all | of the last | of the first | cut |",
                "|---" * (7 + 2 * len(self.metrics)) + "|",
                *rows,
                "",
                *(f"- {way}: {what}." for way, what in WAYS.items()),
                "- cut: how often the instruction was longer than the model reads.",
                "",
                f"![{self.metrics[0]} to the truth](drift-truth.svg) ![Success](drift-success.svg)",
                "",
                f"Protocols: {', '.join(f'`{each}`' for each in self.protocols)}.",
                "",
            ]
        )

    def charts(self) -> Mapping[str, str]:
        """By file name, as SVG: the first metric to the truth, and the share of edits that hold."""
        edited = [way for way in WAYS if way != "truth"]
        truth, held = f"{self.metrics[0]} to the truth", "share of all edits so far that hold"
        return {
            "drift-truth.svg": self._chart(lambda line: line.to_truth[0], truth, edited),
            "drift-success.svg": self._chart(lambda line: line.success, held, tuple(WAYS)),
        }

    def _chart(self, figure: Callable[[DriftLine], float | None], called: str, ways: Sequence[str]) -> str:
        """One figure over the number of edits, a line for each of these ways."""
        series = tuple(
            Series(
                name=way,
                marks=tuple(
                    Mark(x=line.length, y=value)
                    for line in self.lines
                    if line.way == way and (value := figure(line)) is not None
                ),
                faint=way == "truth",
            )
            for way in ways
        )
        return Chart(title=f"{self.model}: {called}", x="edits one after the other", y=called, series=series).svg()


@dataclass(frozen=True, kw_only=True)
class DriftPlan:
    """What the model is called, weights included, how it edits, and how courses are judged.

    `settings` name the seed; the same one is used for every edit made alone. `metrics` tell what was kept, the first
    of them is drawn. `cut` says whether an instruction is longer than the model reads.

    Raises DataError for no metric, and for one that does not compare an output with its source alone.
    """

    model: str
    settings: EditSettings
    table: Mapping[str, Judge]
    metrics: Sequence[Metric]
    cut: Callable[[str], bool]

    def __post_init__(self) -> None:
        if not self.metrics:
            raise DataError("There is no metric to tell what was kept; give one at least, such as psnr-outside.")
        for metric in self.metrics:
            if not compares_with_source(metric):
                raise DataError(
                    f"'{metric.name}' does not compare an output with its source alone; give a metric such as "
                    "'psnr-outside'."
                )


def measure_drift(
    editor: InstructionEditor,
    every: Sequence[Course],
    out: Path,
    *,
    plan: DriftPlan,
    on_progress: Callable[[int, int, str], None] = lambda *_: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Drift:
    """Edit every course in every way and write `drift.md`, `drift.json` and two pictures to `out`.

    Results are kept in `out`; a later run with the same model and settings makes none of them again.

    Raises:
        Cancelled: interrupted; run it again to go on.
    """
    keep = Keep(out, plan.model, json.dumps(asdict(plan.settings), sort_keys=True))
    hand = _Hand(editor=editor, keep=keep, settings=plan.settings, cancelled=cancelled)
    scored: dict[tuple[str, int], list[DriftLine]] = {}
    total = len(every) * len(WAYS)
    for number, course in enumerate(every):
        for place, way in enumerate(WAYS):
            done = number * len(WAYS) + place
            on_progress(done, total, f"{course.name} {way}")
            for length, picture in enumerate(hand.results(course, way), start=1):
                scored.setdefault((way, length), []).append(_scores(course, way, length, picture, plan))
    lines = tuple(map(_mean, scored.values()))
    found = Drift(
        model=plan.model,
        metrics=tuple(metric.name for metric in plan.metrics),
        protocols=tuple(metric.protocol for metric in plan.metrics),
        lines=tuple(sorted(lines, key=lambda line: (tuple(WAYS).index(line.way), line.length))),
    )
    for name, drawn in found.charts().items():
        atomic_write(out / name, drawn.encode())
    atomic_write(out / "drift.json", (json.dumps(asdict(found), indent=2) + "\n").encode())
    atomic_write(out / "drift.md", found.markdown().encode())
    return found


def _mean(lines: Sequence[DriftLine]) -> DriftLine:
    """One way after so many edits, in the mean over courses of one line each."""
    return replace(
        lines[0],
        courses=len(lines),
        to_root=_means([line.to_root for line in lines]),
        to_truth=_means([line.to_truth for line in lines]),
        sharpness=fmean(line.sharpness for line in lines),
        success=fmean(line.success for line in lines),
        latest=fmean(line.latest for line in lines),
        first=fmean(line.first for line in lines),
        cut=fmean(line.cut for line in lines),
    )


def _means(rows: Sequence[Values]) -> Values:
    columns = [[value for value in column if value is not None] for column in zip(*rows, strict=True)]
    return tuple(fmean(column) if column else None for column in columns)


def _told(values: Values) -> str:
    return " | ".join("–" if value is None else f"{value:.3g}" for value in values)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Hand:
    """Makes the pictures of a course in any of the ways."""

    editor: InstructionEditor
    keep: Keep
    settings: EditSettings
    cancelled: Callable[[], bool]

    def results(self, course: Course, way: str) -> Iterator[Picture]:
        """The picture after each edit."""
        said, before = course.instructions, course.root
        names = [f"{course.name}-{way}-{number}" for number in range(1, len(said) + 1)]
        if way == "truth":
            yield from (step.truth for step in course.steps)
        elif way == "replayed":
            yield from self.keep.get(names, lambda: self._edited(course.root, said))
        else:
            for length, name in enumerate(names, start=1):
                start, text = before if way == "chained" else course.root, _asked(course, way, length)
                (before,) = self.keep.get([name], partial(self._edited, start, [text]))
                yield before

    def _edited(self, picture: Picture, instructions: Sequence[str]) -> Sequence[Image.Image]:
        if self.cancelled():
            raise Cancelled("Stopped between two edits; run the same command again to go on.")
        shown = Image.fromarray(picture)
        made = self.editor.edit(shown, instructions, settings=self.settings, cancelled=self.cancelled)
        return made.intermediates[0][0]


def _asked(course: Course, way: str, length: int) -> str:
    """The instruction that leads to this length, in one call of the editor or of its chain."""
    return joined(course.instructions[:length]) if way == "merged" else course.instructions[length - 1]


def _scores(course: Course, way: str, length: int, picture: Picture, plan: DriftPlan) -> DriftLine:
    """The figures of one course."""
    state = course.steps[length - 1]
    inside = np.logical_or.reduce(state.regions)
    held = [
        plan.table[course.steps[number].kind].judge(_case(course, number, length, picture)) for number in range(length)
    ]
    return DriftLine(
        way=way,
        length=length,
        courses=1,
        to_root=_kept(picture, course.root, inside, plan.metrics),
        to_truth=_kept(picture, state.truth, inside, plan.metrics),
        sharpness=sharpness(picture, ~inside) / sharpness(course.root, ~inside),
        success=fmean(verdict.success for verdict in held),
        latest=float(held[-1].success),
        first=float(held[0].success),
        cut=float(plan.cut(_asked(course, way, length))),
    )


def _kept(output: Picture, source: Picture, inside: Mask, metrics: Sequence[Metric]) -> Values:
    sample = Sample(output=output, source=source, mask=inside)
    return tuple(float(metric.measure([sample])[0]) if applies(metric, sample) else None for metric in metrics)


def _case(course: Course, number: int, length: int, picture: Picture) -> Case:
    """Edit `number`, from 0, as it is to be judged in the picture of the state after `length` edits."""
    step, state = course.steps[number], course.steps[length - 1]
    region = state.regions[number]
    return Case(
        kind=step.kind,
        params=step.params,
        source=course.root,
        target=state.truth,
        output=picture,
        round_trip=course.root,
        changed=region,
        object_mask=region,
    )
