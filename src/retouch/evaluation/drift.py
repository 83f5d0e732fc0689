"""How pictures drift under edit after edit: chained, merged into one instruction, and replayed from the root."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from retouch.core.errors import Cancelled
from retouch.core.files import atomic_write
from retouch.core.settings import EditSettings
from retouch.editing.protocol import InstructionEditor
from retouch.evaluation.benchmark import Picture
from retouch.evaluation.chart import Chart, Mark, Series
from retouch.evaluation.courses import Course, joined
from retouch.evaluation.judges import Case, Judge
from retouch.evaluation.kept import Keep
from retouch.metrics.clip import Encoder, patch_similarity
from retouch.metrics.fidelity import PSNR_PROTOCOL, psnr
from retouch.metrics.sharpness import sharpness

WAYS: Mapping[str, str] = {
    "chained": "each edit is made on the last result as it was saved, in 8 bits",
    "replayed": "all edits so far are made from the root in one go, unrounded and at the model's size between them",
    "merged": "all instructions so far are joined to one, and one edit is made on the root",
    "truth": "the room itself, rendered: what light does outside the regions, and what judges say of a perfect result",
}
HIGHEST_PSNR = 99.0


@dataclass(frozen=True, kw_only=True)
class DriftLine:
    """One way after so many edits, in the mean over courses.

    psnr: outside all regions so far, in dB to the root, at most 99; to_truth: there, to the room as it would truly be,
    whose light changes with walls and floor. perceptual: likeness of CLIP's patches to the
    root, what lies inside being the root's, 0 to 1. sharpness: outside, as a share of the root's. success: of all edits
    so far, judged in this result; latest, first: of the last made and the first made alone. cut: share of courses
    whose instruction was longer than the model reads.
    """

    way: str
    length: int
    courses: int
    psnr: float
    to_truth: float
    perceptual: float
    sharpness: float
    success: float
    latest: float
    first: float
    cut: float


@dataclass(frozen=True, kw_only=True)
class Drift:
    """All ways at all lengths, with the protocols of the figures."""

    model: str
    protocols: tuple[str, ...]
    lines: tuple[DriftLine, ...]

    def markdown(self) -> str:
        """A table, what the ways are, and the pictures."""
        rows = [
            f"| {line.way} | {line.length} | {line.psnr:.1f} | {line.to_truth:.1f} | {line.perceptual:.3f} | "
            f"{line.sharpness:.2f} | {line.success:.0%} | {line.latest:.0%} | {line.first:.0%} | {line.cut:.0%} |"
            for line in self.lines
        ]
        count = max(line.courses for line in self.lines)
        return "\n".join(
            [
                f"# Drift of {self.model} over sequential edits, {count} rooms",
                "",
                "| way | edits | PSNR outside, dB | to the truth, dB | perceptual outside | sharpness outside "
                "| success of all | of the last | of the first | cut |",
                "|---|---|---|---|---|---|---|---|---|---|",
                *rows,
                "",
                *(f"- {way}: {what}." for way, what in WAYS.items()),
                "- cut: how often the instruction was longer than the model reads.",
                "",
                "![PSNR outside](drift-psnr.svg) ![Success](drift-success.svg)",
                "",
                f"Protocols: {', '.join(f'`{each}`' for each in self.protocols)}.",
                "",
            ]
        )

    def chart(self, figure: str, called: str, ways: Sequence[str] = tuple(WAYS)) -> str:
        """One figure over the number of edits, a line for each of these ways, as SVG."""
        series = tuple(
            Series(
                name=way,
                marks=tuple(
                    Mark(x=line.length, y=float(getattr(line, figure))) for line in self.lines if line.way == way
                ),
                faint=way == "truth",
            )
            for way in ways
        )
        return Chart(title=f"{self.model}: {called}", x="edits one after the other", y=called, series=series).svg()


@dataclass(frozen=True, kw_only=True)
class DriftPlan:
    """What the model is called, weights included, how it edits, and how courses are judged.

    `settings` name the seed; the same one is used for every edit made alone. `cut` says whether an instruction is
    longer than the model reads.
    """

    model: str
    settings: EditSettings
    table: Mapping[str, Judge]
    encoder: Encoder
    cut: Callable[[str], bool]


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
    scored: dict[tuple[str, int], list[tuple[float, ...]]] = {}
    total = len(every) * len(WAYS)
    for number, course in enumerate(every):
        for place, way in enumerate(WAYS):
            done = number * len(WAYS) + place
            on_progress(done, total, f"{course.name} {way}")
            for length, picture in enumerate(hand.results(course, way), start=1):
                cut = float(plan.cut(_asked(course, way, length)))
                scored.setdefault((way, length), []).append((*_scores(course, length, picture, plan), cut))
    lines = tuple(_line(way, length, rows) for (way, length), rows in scored.items())
    found = Drift(
        model=plan.model,
        protocols=(f"{PSNR_PROTOCOL}/outside/at-most-99", plan.encoder.patch_protocol),
        lines=tuple(sorted(lines, key=lambda line: (tuple(WAYS).index(line.way), line.length))),
    )
    edited = [way for way in WAYS if way != "truth"]
    drawn = found.chart("to_truth", "PSNR to the truth outside the regions, dB", edited)
    atomic_write(out / "drift-psnr.svg", drawn.encode())
    atomic_write(out / "drift-success.svg", found.chart("success", "share of all edits so far that hold").encode())
    atomic_write(out / "drift.json", (json.dumps(asdict(found), indent=2) + "\n").encode())
    atomic_write(out / "drift.md", found.markdown().encode())
    return found


def _line(way: str, length: int, rows: Sequence[tuple[float, ...]]) -> DriftLine:
    outside, true, perceptual, sharp, success, latest, first, cut = (
        fmean(column) for column in zip(*rows, strict=True)
    )
    return DriftLine(
        way=way,
        length=length,
        courses=len(rows),
        psnr=outside,
        to_truth=true,
        perceptual=perceptual,
        sharpness=sharp,
        success=success,
        latest=latest,
        first=first,
        cut=cut,
    )


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


def _scores(course: Course, length: int, picture: Picture, plan: DriftPlan) -> tuple[float, ...]:
    """The figures of `DriftLine` in its order, but for `cut`."""
    regions = course.steps[length - 1].regions
    outside = ~np.logical_or.reduce(regions)
    held = [
        plan.table[course.steps[number].kind].judge(_case(course, number, length, picture)) for number in range(length)
    ]
    kept = np.where(outside[..., None], picture, course.root)
    return (
        min(psnr(picture, course.root, outside), HIGHEST_PSNR),
        min(psnr(picture, course.steps[length - 1].truth, outside), HIGHEST_PSNR),
        patch_similarity(plan.encoder, Image.fromarray(kept), Image.fromarray(course.root)),
        sharpness(picture, outside) / sharpness(course.root, outside),
        fmean(verdict.success for verdict in held),
        float(held[-1].success),
        float(held[0].success),
    )


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
