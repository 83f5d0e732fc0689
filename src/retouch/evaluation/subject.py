"""How much more like itself a subject is in filled regions once a model was taught it, by views it never saw."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
from PIL import Image

from retouch.core.contact import Cell, contact_sheet
from retouch.core.errors import Cancelled
from retouch.core.files import atomic_write
from retouch.core.images import png_bytes
from retouch.core.reference import Reference
from retouch.core.reference_settings import ReferenceSettings
from retouch.core.settings import EditSettings
from retouch.evaluation.example_contestants import ExampleEditor
from retouch.evaluation.examples import Picture, reference_difference
from retouch.evaluation.subject_cases import SubjectCase, SubjectPlace
from retouch.metrics.clip import Encoder, patch_similarity
from retouch.metrics.region_clip import region_square

SUBJECT_PROTOCOL = "subject/square-of-object/held-out-views/colour-deltaE2000/v1"
BEFORE, TRUTH, SOURCE = "before", "ground truth", "empty"
DETAILS = (0.8, 1.0)
"""m, how much of the guidance is what was taught, at which a taught subject is measured."""

Teach = Callable[[SubjectCase], ExampleEditor]
"""Teaches a case's object from its taught views, and returns what edits with it."""


@dataclass(frozen=True, kw_only=True)
class SubjectOutcome:
    """One filled region beside the held-out views of its subject.

    image: CLIP-I, the cosine of the image embeddings; patches: in [0, 1], see `patch_similarity`; both means over the
        views, of a square about the object. colour: ΔE2000 of the mean colours.
    """

    subject: str
    image: float
    patches: float
    colour: float


@dataclass(frozen=True, kw_only=True)
class SubjectLine:
    """Means over all outcomes of one way to fill."""

    contestant: str
    count: int
    image: float
    patches: float
    colour: float


@dataclass(frozen=True, kw_only=True)
class SubjectSummary:
    """The lines of all ways, and what their figures depend on."""

    lines: tuple[SubjectLine, ...]
    protocol: str

    def markdown(self) -> str:
        """Return the figures as a table."""
        rows = ["| | regions | CLIP-I | patches | mean ΔE |", "|---|---|---|---|---|"]
        rows += [
            f"| {line.contestant} | {line.count} | {line.image:.3f} | {line.patches:.3f} | {line.colour:.1f} |"
            for line in self.lines
        ]
        return "\n".join([*rows, "", f"Against held-out views. Protocol: `{self.protocol}`."]) + "\n"


def evaluate_subjects(
    cases: Sequence[SubjectCase],
    out: Path,
    *,
    base: ExampleEditor,
    teach: Teach,
    encoder: Encoder,
    details: Sequence[float] = DETAILS,
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
) -> SubjectSummary:
    """Fill every place of every subject by `base` with the taught views for references, then by what was taught.

    The room without the object and the true picture are measured beside. `out` gets report.md, report.json and
    sheet.png. Raises Cancelled when interrupted, and whatever teaching or editing raises.
    """
    outcomes: dict[str, list[SubjectOutcome]] = {}
    cells: list[Cell] = []
    for case in cases:
        taught = teach(case)
        for number, place in enumerate(case.places):
            if cancelled():
                raise Cancelled(f"Interrupted at '{case.name}'; no report was written.")
            made = {SOURCE: place.source, BEFORE: _filled(base, place, case.taught, None, seed + number)}
            made |= {f"taught, m {m:g}": _filled(taught, place, (), m, seed + number) for m in details}
            made[TRUTH] = place.target
            for name, output in made.items():
                outcomes.setdefault(name, []).append(_outcome(case, place, output, encoder))
            cells += _row(case, made)
    protocol = f"{SUBJECT_PROTOCOL}/{encoder.protocol}/{encoder.patch_protocol}"
    summary = SubjectSummary(lines=tuple(_line(name, found) for name, found in outcomes.items()), protocol=protocol)
    facts = {**asdict(summary), "outcomes": {name: list(map(asdict, found)) for name, found in outcomes.items()}}
    atomic_write(out / "report.json", json.dumps(facts, indent=2).encode())
    atomic_write(out / "report.md", summary.markdown().encode())
    columns = 2 + len(outcomes)
    atomic_write(out / "sheet.png", png_bytes(contact_sheet(cells, columns=columns, side=160)))
    return summary


def _filled(
    editor: ExampleEditor, place: SubjectPlace, references: Sequence[Reference], detail: float | None, seed: int
) -> Picture:
    settings = EditSettings(seed=seed)
    if detail is not None:
        settings = replace(settings, reference=ReferenceSettings(detail=detail))
    source = Image.fromarray(place.source)
    result = editor.edit(source, "", settings=settings, region=place.region, references=references)
    return np.array(result.image.convert("RGB"))


def _outcome(case: SubjectCase, place: SubjectPlace, output: Picture, encoder: Encoder) -> SubjectOutcome:
    left, top, right, bottom = region_square(place.object_mask)
    crop, views = Image.fromarray(output[top:bottom, left:right]), [view.squared() for view in case.held_out]
    seen = encoder.pictures([crop, *views])
    return SubjectOutcome(
        subject=case.name,
        image=float((seen[1:] @ seen[0]).mean()),
        patches=mean(patch_similarity(encoder, crop, view) for view in views),
        colour=float(reference_difference(output, place.object_mask, case.held_out)),
    )


def _line(name: str, found: Sequence[SubjectOutcome]) -> SubjectLine:
    return SubjectLine(
        contestant=name,
        count=len(found),
        image=mean(one.image for one in found),
        patches=mean(one.patches for one in found),
        colour=mean(one.colour for one in found),
    )


def _row(case: SubjectCase, made: dict[str, Picture]) -> list[Cell]:
    """A taught view, a held-out one, then everything that was made."""
    shown = [(case.taught[0].squared(), f"{case.name}: taught"), (case.held_out[0].squared(), "held out")]
    shown += [(Image.fromarray(pixels), name) for name, pixels in made.items()]
    return [Cell(images=(picture,), caption=caption) for picture, caption in shown]
