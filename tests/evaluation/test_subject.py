"""Subjects before and after teaching: cases that show them, figures that follow likeness, a report of it all."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from retouch.core.errors import Cancelled, SettingsError
from retouch.core.reference import Reference, load_reference
from retouch.core.region import Region
from retouch.evaluation.subject import evaluate_subjects
from retouch.evaluation.subject_cases import AZIMUTHS, HELD_OUT, SubjectCase, SubjectPlace, subject_cases
from retouch.metrics.clip import Encoder, load_encoder

RED, BLUE = (200, 30, 30), (30, 60, 200)
BOX = (20, 20, 43, 47)


class Result:
    def __init__(self, image: Image.Image) -> None:
        self.image = image


class Painter:
    """Paints what a subject's place is to hold, and notes how it was asked."""

    def __init__(self, colour: tuple[int, int, int]) -> None:
        self.colour = colour
        self.asked: list[tuple[int, float | None]] = []

    def edit(self, images, instructions, *, settings=None, region=None, references: Sequence[Reference] = ()):
        assert instructions == "" and settings is not None and region is not None
        self.asked.append((len(references), settings.reference and settings.reference.detail))
        return Result(painted(images, self.colour))


def painted(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).rectangle(BOX, fill=colour)
    return image


@pytest.fixture
def case() -> SubjectCase:
    empty = Image.new("RGB", (64, 64), (120, 118, 110))
    area = np.zeros((64, 64), dtype=bool)
    area[BOX[1] : BOX[3] + 1, BOX[0] : BOX[2] + 1] = True
    place = SubjectPlace(
        source=np.asarray(empty),
        target=np.asarray(painted(empty, RED)),
        object_mask=area,
        region=Region(mask=Image.fromarray(np.uint8(255) * area), origin="test"),
    )
    views = []
    for side in (20, 24, 28):
        view = Image.new("RGBA", (40, 40))
        ImageDraw.Draw(view).rectangle((4, 4, 4 + side, 36), fill=(*RED, 255))
        views.append(load_reference(view))
    return SubjectCase(name="red-box", kind="box", taught=tuple(views[:2]), held_out=(views[2],), places=(place, place))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("pocket/clip")


def test_what_is_more_alike_measures_so(case: SubjectCase, encoder: Encoder, tmp_path: Path) -> None:
    base: Any = Painter(BLUE)
    taught: Any = Painter(RED)
    summary = evaluate_subjects([case], tmp_path, base=base, teach=lambda _case: taught, encoder=encoder)
    lines = {line.contestant: line for line in summary.lines}
    assert list(lines) == ["empty", "before", "taught, m 0.8", "taught, m 1", "ground truth"]
    before, after, truth = lines["before"], lines["taught, m 0.8"], lines["ground truth"]
    assert after.colour < 5 < before.colour
    assert after.image > before.image and after.patches > before.patches
    assert (after.image, after.patches, after.colour) == (truth.image, truth.patches, truth.colour)
    # The base is shown the taught views; the subject has its own.
    assert base.asked == [(2, None)] * 2 and taught.asked == [(0, 0.8), (0, 1.0)] * 2
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(report["outcomes"]["before"]) == 2 and encoder.patch_protocol in report["protocol"]
    assert "| before | 2 |" in (tmp_path / "report.md").read_text()
    assert Image.open(tmp_path / "sheet.png").width > 7 * 160


def test_interrupted_it_leaves_no_report(case: SubjectCase, encoder: Encoder, tmp_path: Path) -> None:
    painter: Any = Painter(RED)
    with pytest.raises(Cancelled, match="red-box"):
        evaluate_subjects(
            [replace(case)], tmp_path, base=painter, teach=lambda _case: painter, encoder=encoder,
            cancelled=lambda: True,
        )  # fmt: skip
    assert not (tmp_path / "report.json").exists()


def test_a_case_shows_its_subject_from_other_sides_and_leaves_it_out_of_its_places() -> None:
    pytest.importorskip("mitsuba")
    (case,) = subject_cases(1, size=64, samples=1)
    assert len(case.taught) == len(AZIMUTHS) - len(HELD_OUT) and len(case.held_out) == len(HELD_OUT)
    assert len(case.places) == 3
    for place in case.places:
        assert place.source.shape == place.target.shape == (64, 64, 3)
        differs = np.abs(place.source.astype(int) - place.target).max(axis=2) > 12
        assert differs[place.object_mask].mean() > 0.3
        assert (np.asarray(place.region.mask) > 0)[place.object_mask].all()
    views = [np.asarray(view.squared().resize((32, 32))) for view in (*case.taught, *case.held_out)]
    assert len({view.tobytes() for view in views}) == len(AZIMUTHS)
    with pytest.raises(SettingsError, match="expected at least 1"):
        list(subject_cases(0))
