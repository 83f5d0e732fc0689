"""Drift and diversity of editors whose answers are known, and the courses they are measured on."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.core.settings import EditSettings
from retouch.editing.fake import FakeEditor
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.calibration.objectives import objectives
from retouch.evaluation.chart import Chart, Mark, Series
from retouch.evaluation.courses import Course, Step, courses, joined
from retouch.evaluation.diversity import DISTANCES, DiversityPlan, measure_diversity
from retouch.evaluation.drift import METRICS, DriftPlan, measure_drift
from retouch.evaluation.judges import judges
from retouch.evaluation.kept import Keep
from retouch.metrics.clip import Encoder
from retouch.metrics.registry import load_metrics
from retouch.models.clip import load_clip

COLOURS = ((200, 30, 30), (30, 160, 40), (40, 60, 200))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_clip("pocket/clip"))


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(80, 120, (48, 48, 3)).astype(np.uint8)


def stripe(number: int) -> np.ndarray:
    mask = np.zeros((48, 48), bool)
    mask[4 + 14 * number : 14 + 14 * number, 6:30] = True
    return mask


def course() -> Course:
    root = noise(0)
    truth, steps = root, []
    for number, colour in enumerate(COLOURS):
        truth = truth.copy()
        truth[stripe(number)] = colour
        regions = tuple(stripe(each) for each in range(number + 1))
        steps.append(Step(kind="recolour", instruction=f"Do {number}.", params={}, truth=truth, regions=regions))
    return Course(name="room-1", root=root, steps=tuple(steps))


class Draws(FakeEditor):
    """Does what "Do N" says, all of a joined instruction, and brightens everything by two levels at every edit."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []

    def edit(self, images, instructions, **rest: object):
        self.asked.append(tuple(instructions))
        made = super().edit(images, instructions)
        picture, after = np.asarray(images).copy(), []
        for text in instructions:
            picture = (picture.astype(np.int16) + 2).clip(0, 255).astype(np.uint8)
            for number, colour in enumerate(COLOURS):
                if str(number) in text:
                    picture[stripe(number)] = colour
            after.append(Image.fromarray(picture))
        return replace(made, images=((after[-1],),), intermediates=((tuple(after),),))


def plan(encoder: Encoder) -> DriftPlan:
    return DriftPlan(
        model="draws",
        settings=EditSettings(seed=0),
        table=judges(None),
        metrics=load_metrics(METRICS, encoder=encoder),
        cut=lambda text: "," in text,
    )


def test_a_chain_drifts_and_a_merged_edit_does_not(tmp_path: Path, encoder: Encoder) -> None:
    found = measure_drift(Draws(), [course()], tmp_path, plan=plan(encoder))
    lines = {(line.way, line.length): line for line in found.lines}
    assert len(lines) == 12
    for length in (1, 2, 3):
        shift = 20 * np.log10(255 / (2 * length))
        assert lines["chained", length].to_root[0] == pytest.approx(shift)
        assert lines["replayed", length].to_root[0] == pytest.approx(shift)
        assert lines["merged", length].to_root[0] == pytest.approx(20 * np.log10(255 / 2))
        assert lines["truth", length].to_root == lines["truth", length].to_truth == (100, 0)
        assert lines["chained", length].to_truth[0] == pytest.approx(shift)
        assert (lines["chained", length].to_truth[1] or 0) > 0
        assert all(lines[way, length].success == 1 for way in ("chained", "replayed", "merged", "truth"))
    assert [lines["merged", length].cut for length in (1, 2, 3)] == [0, 0, 1]
    assert "| chained | 3 |" in (tmp_path / "drift.md").read_text()
    assert len(json.loads((tmp_path / "drift.json").read_text())["lines"]) == 12
    ElementTree.parse(tmp_path / "drift-truth.svg")


def test_an_edit_that_is_lost_again_fails(tmp_path: Path, encoder: Encoder) -> None:
    class Forgets(Draws):
        def edit(self, images, instructions, **rest: object):
            made = super().edit(images, instructions)
            if any("2" in text for text in instructions):
                picture = np.array(made.image)
                picture[stripe(0)] = (255, 255, 255)
                shown = Image.fromarray(picture)
                after = (*made.intermediates[0][0][:-1], shown)
                made = replace(made, images=((shown,),), intermediates=((after,),))
            return made

    found = measure_drift(Forgets(), [course()], tmp_path, plan=plan(encoder))
    line = next(line for line in found.lines if (line.way, line.length) == ("chained", 3))
    assert line.success == pytest.approx(2 / 3)
    assert (line.first, line.latest) == (0, 1)


def test_an_interrupted_drift_makes_nothing_twice(tmp_path: Path, encoder: Encoder) -> None:
    editor, stops = Draws(), iter([False, False, True])
    with pytest.raises(Cancelled):
        measure_drift(editor, [course()], tmp_path, plan=plan(encoder), cancelled=lambda: next(stops))
    first = measure_drift(editor, [course()], tmp_path, plan=plan(encoder))
    assert len(editor.asked) == 3 + 1 + 3
    assert measure_drift(editor, [course()], tmp_path, plan=plan(encoder)) == first
    assert len(editor.asked) == 7


def test_instructions_are_joined_to_one() -> None:
    assert joined(["Make it red."]) == "Make it red"
    assert joined(["Make it red.", "Paint the walls"]) == "Make it red and paint the walls"
    assert joined(["One", "Two!", "Three."]) == "One, two and three"


def test_courses_are_of_different_things_in_plain_words() -> None:
    pytest.importorskip("mitsuba", reason="Mitsuba is not installed: pip install 'retouch[scenes]'.")
    (found,) = courses(1, length=4, size=64)
    assert [step.kind for step in found.steps] == ["recolour", "walls", "recolour", "floor"]
    assert len(set(found.instructions)) == 4
    for number, step in enumerate(found.steps):
        assert len(step.regions) == number + 1
        assert step.truth.shape == found.root.shape
        inside = np.abs(step.truth.astype(int) - found.root)[step.regions[number]].mean()
        outside = np.abs(step.truth.astype(int) - found.root)[~np.logical_or.reduce(step.regions)].mean()
        assert inside > 2 * outside
    (again,) = courses(1, length=2, size=64)
    assert again.instructions == found.instructions[:2]


@pytest.mark.parametrize(("count", "length"), [(0, 2), (1, 0), (1, 13)])
def test_courses_out_of_range_are_refused(count: int, length: int) -> None:
    with pytest.raises(SettingsError, match="expected at least 1"):
        next(courses(count, length=length))


class Varies(FakeEditor):
    """Paints the region in a colour that depends on the seed, the more so the lower the text guidance."""

    def __init__(self, mask: np.ndarray) -> None:
        super().__init__()
        self._mask, self.edits = mask, 0

    def edit(self, images, instructions, *, settings=None, count=1, **rest: object):
        self.edits += 1
        made = super().edit(images, instructions, settings=settings, count=count)
        pictures: list[Image.Image] = []
        for seed in made.seeds:
            picture = np.asarray(images).copy()
            picture[self._mask] = (40, 150 - int(20 * seed / ((settings or EditSettings()).text_guidance or 1)), 60)
            pictures.append(Image.fromarray(picture))
        return replace(made, images=(tuple(pictures),))


def cases() -> Sequence[BenchCase]:
    source, target = noise(3), noise(3)
    target[stripe(1)] = (40, 150, 60)
    regional = BenchCase(
        id="one", kind="recolour", instruction="green", source=source, target=target, mask=stripe(1),
        object_mask=stripe(1),
    )  # fmt: skip
    return [regional, replace(regional, id="two", kind="null", mask=None)]


def test_less_guidance_varies_more_and_cases_without_region_are_passed_over(tmp_path: Path, encoder: Encoder) -> None:
    editor = Varies(stripe(1))
    wanted = DiversityPlan(model="varies", text_guidance=(1, 4))
    pair = objectives(cases(), encoder, lambda picture: picture)
    apart = load_metrics(DISTANCES, encoder=encoder)
    low, high = measure_diversity(editor, cases(), tmp_path, plan=wanted, objectives=pair, distances=apart).lines
    for nearer, farther in zip(high.distances, low.distances, strict=True):
        assert farther.count == 1
        assert farther.value > nearer.value > 0
    assert high.follows.value >= low.follows.value
    assert high.keeps is not None and high.keeps.value == 100
    measure_diversity(editor, cases(), tmp_path, plan=wanted, objectives=pair, distances=apart)
    assert editor.edits == 2
    assert "| 4 | 1 |" in (tmp_path / "diversity.md").read_text()


def test_too_few_seeds_or_no_region_are_refused(tmp_path: Path, encoder: Encoder) -> None:
    with pytest.raises(SettingsError, match="seeds is 3"):
        DiversityPlan(model="m", text_guidance=(1,), seeds=3)
    pair = objectives(cases(), encoder, lambda picture: picture)
    wanted = DiversityPlan(model="m", text_guidance=(1,))
    with pytest.raises(DataError, match="No case has a region"):
        measure_diversity(FakeEditor(), cases()[1:], tmp_path, plan=wanted, objectives=pair, distances=())
    similar = load_metrics(["psnr"])
    with pytest.raises(DataError, match="'psnr' is no distance"):
        measure_diversity(FakeEditor(), cases(), tmp_path, plan=wanted, objectives=pair, distances=similar)


def test_drift_is_measured_to_the_source_alone(encoder: Encoder) -> None:
    for name in ("psnr", "ssim-inside@pie-bench", "clip-directional"):
        with pytest.raises(DataError, match=f"'{name}' does not compare"):
            replace(plan(encoder), metrics=load_metrics([name], encoder=encoder))
    with pytest.raises(DataError, match="no metric"):
        replace(plan(encoder), metrics=())


def test_broken_pictures_are_made_again(tmp_path: Path) -> None:
    keep = Keep(tmp_path, "facts")
    keep.get(["a"], lambda: [Image.new("RGB", (4, 4), "red")])
    (keep.folder / "a.png").write_bytes(b"broken")
    (found,) = keep.get(["a"], lambda: [Image.new("RGB", (4, 4), "blue")])
    assert tuple(found[0, 0]) == (0, 0, 255)
    assert Keep(tmp_path, "others").folder != keep.folder


def test_a_chart_holds_its_points_and_no_markup_of_others() -> None:
    marks = (Mark(x=1, y=2, title="<b>"), Mark(x=2, y=float("nan")), Mark(x=3, y=2, label="a & b"))
    drawn = Chart(title="<t>", x="x", y="y", series=(Series(name="s", marks=marks),)).svg()
    tree = ElementTree.fromstring(drawn)
    circles = tree.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 1 + 2
    assert "<t>" not in drawn and "<b>" not in drawn
    ElementTree.fromstring(Chart(title="", x="", y="", series=()).svg())
