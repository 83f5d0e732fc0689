"""Objects put in from pictures of them, by every contestant with the same seeds, set side by side."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np
from PIL import Image

from retouch.core.contact import Cell, contact_sheet
from retouch.core.errors import Cancelled
from retouch.core.files import atomic_write
from retouch.core.images import png_bytes
from retouch.evaluation.example_contestants import ExampleContestant, RoundTrip
from retouch.evaluation.examples import (
    EXAMPLES_PROTOCOL,
    SAME_COLOUR,
    ExampleCase,
    ExampleJudge,
    ExampleOutcome,
    Picture,
    reference_difference,
)

SHEET_ROWS = 12
"""Cases that the sheet of pictures shows."""
PICTURES = "pictures"


@dataclass(frozen=True, kw_only=True)
class ExampleLine:
    """The figures of one contestant over `count` cases; see `ExampleOutcome`.

    right_colour is the share of all cases whose object is within `SAME_COLOUR` of the references, as_true that of those
    within it of the true object, in the light of its room; colour the median of differences to the references and
    likeness the mean of those that changed anything, None where none did.
    """

    contestant: str
    count: int
    present: float
    right_colour: float
    as_true: float
    colour: float | None
    likeness: float | None
    elsewhere: float
    exact: float


@dataclass(frozen=True, kw_only=True)
class ExampleSummary:
    """The lines of all contestants, and what their figures depend on.

    ceiling: the share of cases whose true object, by its own mask, is of the references' colour.
    """

    lines: tuple[ExampleLine, ...]
    ceiling: float
    protocol: str

    def markdown(self) -> str:
        """Return the figures as a table."""
        rows = [
            f"| | cases | present | colour within ΔE {SAME_COLOUR:g} | of the true object's "
            "| median ΔE | CLIP to the reference | PSNR elsewhere, dB | exact outside |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for line in self.lines:
            colour = "–" if line.colour is None else f"{line.colour:.1f}"
            likeness = "–" if line.likeness is None else f"{line.likeness:.3f}"
            rows.append(
                f"| {line.contestant} | {line.count} | {line.present:.0%} | {line.right_colour:.0%} "
                f"| {line.as_true:.0%} | {colour} "
                f"| {likeness} | {line.elsewhere:.1f} | {line.exact:.0%} |"
            )
        note = f"The true objects by their own masks: {self.ceiling:.0%} within ΔE {SAME_COLOUR:g}."
        return "\n".join([*rows, "", f"{note} Protocol: `{self.protocol}`."]) + "\n"


def evaluate_insertion(
    contestants: Sequence[ExampleContestant],
    cases: Sequence[ExampleCase],
    out: Path,
    *,
    judge: ExampleJudge,
    round_trip: RoundTrip,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ExampleSummary:
    """Put every case to every contestant and judge what comes.

    `out` gets report.md, report.json, sheet.png with the first cases in rows, and every output as PNG under
    `pictures/`. `round_trip` takes a picture through the model's autoencoder and back. Raises Cancelled when
    interrupted, and whatever a contestant raises.
    """
    trips = [round_trip(case.source) for case in cases]
    outcomes: dict[str, list[ExampleOutcome]] = {contestant.name: [] for contestant in contestants}
    rows: list[list[Picture]] = [[] for _ in cases]
    total, done = len(contestants) * len(cases), 0
    for contestant in contestants:
        for number, (case, trip) in enumerate(zip(cases, trips, strict=True)):
            if cancelled():
                raise Cancelled(f"Interrupted after {done} of {total} edits; nothing was written but pictures.")
            output = contestant.answer(case, seed)
            _write(out, contestant.name, case.id, output)
            outcomes[contestant.name].append(judge.judge(case, output, trip))
            if number < SHEET_ROWS:
                rows[number].append(output)
            done += 1
            on_progress(done, total)
    lines = tuple(_line(name, found) for name, found in outcomes.items())
    true = [reference_difference(case.target, case.object_mask, case.references) <= SAME_COLOUR for case in cases]
    protocol = f"{EXAMPLES_PROTOCOL}/{judge.encoder.protocol}"
    summary = ExampleSummary(lines=lines, ceiling=mean(true), protocol=protocol)
    facts = {**asdict(summary), "outcomes": {name: list(map(asdict, found)) for name, found in outcomes.items()}}
    atomic_write(out / "report.json", json.dumps(facts, indent=2).encode())
    atomic_write(out / "report.md", summary.markdown().encode())
    atomic_write(out / "sheet.png", png_bytes(_sheet(cases, [one.name for one in contestants], rows)))
    return summary


def _line(name: str, found: Sequence[ExampleOutcome]) -> ExampleLine:
    colours = [one.colour for one in found if one.colour is not None]
    likenesses = [one.likeness for one in found if one.likeness is not None]
    return ExampleLine(
        contestant=name,
        count=len(found),
        present=mean(one.present for one in found),
        as_true=sum(one.lit is not None and one.lit <= SAME_COLOUR for one in found) / len(found),
        right_colour=sum(colour <= SAME_COLOUR for colour in colours) / len(found),
        colour=median(colours) if colours else None,
        likeness=mean(likenesses) if likenesses else None,
        elsewhere=mean(one.elsewhere for one in found),
        exact=mean(one.exact for one in found),
    )


def _write(out: Path, name: str, case: str, output: Picture) -> None:
    atomic_write(out / PICTURES / name.replace(" ", "-") / f"{case}.png", png_bytes(Image.fromarray(output)))


def _sheet(cases: Sequence[ExampleCase], names: Sequence[str], rows: Sequence[Sequence[Picture]]) -> Image.Image:
    """A row for each case: the picture without the object, a reference, the true picture, then all contestants."""
    cells = []
    for case, outputs in zip(cases[:SHEET_ROWS], rows, strict=False):
        shown = [
            (np.asarray(case.references[0].squared()), f"{case.kind}: {case.instruction}"),
            (case.source, "without"),
            (case.target, "truth"),
            *zip(outputs, names, strict=True),
        ]
        cells += [Cell(images=(Image.fromarray(pixels),), caption=caption) for pixels, caption in shown]
    return contact_sheet(cells, columns=3 + len(names), side=160)
