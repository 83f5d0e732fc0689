"""Calibration of editors whose best setting is known, interrupted and taken up again, and of a real tiny one."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.editing.fake import FakeEditor
from retouch.editing.result import EditResult
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.calibration.cases import halves
from retouch.evaluation.calibration.objectives import objectives
from retouch.evaluation.calibration.run import Plan, Watch, calibrate
from retouch.evaluation.calibration.values import Grid
from retouch.metrics.clip import Encoder
from retouch.models.clip import load_clip
from retouch.records.lock import exclusive


def case(number: int, kind: str = "recolour") -> BenchCase:
    source = np.full((32, 32, 3), 90 + number, np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[8:24, 8:24] = True
    target = source.copy()
    target[mask] = (40, 150, 60)
    return BenchCase(
        id=f"case-{number}", kind=kind, instruction="make it green", source=source, target=target, mask=mask,
        object_mask=mask, source_caption="a grey square", target_caption="a green square",
    )  # fmt: skip


class Knows(FakeEditor):
    """Gives the true result where the text guidance is at least 3, and then the less of the rest, the more."""

    defaults = replace(FakeEditor.defaults, text_guidance=1.0, image_guidance=1.0)

    def __init__(self, cases: Sequence[BenchCase]) -> None:
        super().__init__()
        self._cases = {int(each.source[0, 0, 0]): each for each in cases}
        self.edits = 0

    def edit(self, images, instructions, *, settings=None, **rest: object) -> EditResult:
        self.edits += 1
        wanted = self._cases[np.asarray(images)[0, 0, 0]]
        assert wanted.target is not None and wanted.mask is not None
        guidance = (settings or EditSettings()).text_guidance or 0
        output = (wanted.target if guidance >= 3 else wanted.source).astype(np.int16)
        output[~wanted.mask] += int(guidance) if guidance > 3 else 2
        picture = Image.fromarray(output.clip(0, 255).astype(np.uint8))
        made = super().edit(images, instructions, settings=settings)
        return replace(made, images=((picture,),))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_clip("pocket/clip"))


Calibrate = Callable[..., object]


def run(editor, cases: Sequence[BenchCase], out: Path, encoder: Encoder, values=(1, 2, 3, 4, 5), **how):
    plan = Plan(model="known", cases="squares", grid=Grid(text_guidance=values))
    pair = objectives(cases, encoder, lambda picture: picture)
    return calibrate(editor, cases, out, plan=plan, follows=pair[0], keeps=pair[1], **how)


def test_the_setting_that_is_known_to_be_best_is_found(tmp_path: Path, encoder: Encoder) -> None:
    cases = [case(number) for number in range(16)]
    found = run(Knows(cases), cases, tmp_path, encoder)
    assert found.suggestion.text_guidance == 3
    assert found.verdict == "better"
    assert (found.test[0].default, found.test[0].suggestion, found.test[0].paired.difference.low) == (0, 1, 1)
    assert "--text-guidance 3 --image-guidance 1 --steps 4" in found.advice
    told = json.loads((tmp_path / "calibration.json").read_text())
    assert told["verdict"] == "better"
    assert told["flags"] == found.suggestion.flags
    assert "(suggestion)" in (tmp_path / "calibration.md").read_text()
    drawn = ElementTree.parse(tmp_path / "pareto.svg")
    assert len(drawn.findall(".//{http://www.w3.org/2000/svg}circle")) > 5


def test_the_defaults_stay_where_nothing_is_better(tmp_path: Path, encoder: Encoder) -> None:
    cases = [case(number) for number in range(8)]
    found = run(Knows(cases), cases, tmp_path, encoder, values=(1, 2))
    assert found.suggestion == found.default
    assert found.verdict == "keep the defaults"
    assert found.test == ()


def test_no_edit_is_made_twice_and_a_torn_journal_is_mended(tmp_path: Path, encoder: Encoder) -> None:
    cases = [case(number) for number in range(16)]
    editor, stops = Knows(cases), iter([False] * 7 + [True])
    with pytest.raises(Cancelled, match="Stopped after 7 of"):
        run(editor, cases, tmp_path, encoder, watch=Watch(cancelled=lambda: next(stops, True)))
    assert editor.edits == 7
    (journal,) = tmp_path.glob("edits-*.jsonl")
    journal.write_text(journal.read_text()[:-20])
    resumed = run(editor, cases, tmp_path, encoder)
    made = editor.edits
    assert made <= resumed.edits + 1
    assert run(editor, cases, tmp_path, encoder) == resumed
    assert editor.edits == made
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path, encoder: Encoder) -> None:
    cases = [case(number) for number in range(8)]
    with exclusive(tmp_path), pytest.raises(DataError, match="Another run"):
        run(Knows(cases), cases, tmp_path, encoder)


def test_halves_are_disjoint_whole_and_balanced() -> None:
    cases = [case(number, kind) for number, kind in enumerate(["add", "remove", "null"] * 5)]
    one, other = halves(cases, seed=1)
    assert {each.id for each in one} | {each.id for each in other} == {each.id for each in cases}
    assert len(one) + len(other) == 15 and abs(len(one) - len(other)) <= 1
    assert {each.kind for each in one[:3]} == {"add", "remove", "null"}
    assert [each.id for each in halves(cases[::-1], seed=1)[0]] == [each.id for each in one]
    assert [each.id for each in halves(cases, seed=2)[0]] != [each.id for each in one]


def test_what_cannot_be_scored_is_refused(encoder: Encoder) -> None:
    mute = [replace(case(0), target=None, source_caption="", target_caption="")]
    with pytest.raises(DataError, match="neither true results nor captions"):
        objectives(mute, encoder, lambda picture: picture)
    with pytest.raises(SettingsError, match='--follows is "luck"'):
        objectives([case(0)], encoder, lambda picture: picture, follows="luck")


@pytest.mark.parametrize(
    ("follows", "keeps", "said"),
    [
        ("psnr-outside", None, "'psnr-outside' does not read what was asked for"),
        (None, "psnr", "'psnr' does not compare the output with its source alone"),
        (None, "ssim-inside@pie-bench", "does not compare the output with its source alone"),
        (None, "success", '--keeps is "success"'),
    ],
)
def test_a_metric_of_the_other_kind_is_refused(encoder: Encoder, follows, keeps, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        objectives([case(0)], encoder, lambda picture: picture, follows=follows, keeps=keeps)


def test_an_objective_that_no_case_tells_is_refused(encoder: Encoder) -> None:
    with pytest.raises(DataError, match="No case tells what 'clip-region' needs"):
        objectives([case(0)], encoder, lambda picture: picture, follows="clip-region")


def test_any_metric_that_fits_is_an_objective_better_when_higher(tmp_path: Path, encoder: Encoder) -> None:
    cases = [case(number) for number in range(16)]
    pair = objectives(cases, encoder, lambda picture: picture, follows="colour-inside", keeps="perceptual-outside")
    assert [each.name for each in pair] == ["minus colour-inside", "minus perceptual-outside"]
    plan = Plan(model="known", cases="squares", grid=Grid(text_guidance=(1, 2, 3, 4, 5)))
    found = calibrate(Knows(cases), cases, tmp_path, plan=plan, follows=pair[0], keeps=pair[1])
    assert found.suggestion.text_guidance == 3
    assert (found.verdict, found.test[0].suggestion) == ("better", 0)


def test_a_null_edit_keeps_the_whole_and_equal_captions_ask_for_nothing(encoder: Encoder) -> None:
    null = replace(case(0, "null"), mask=None)
    _, keeps = objectives([case(1), null], encoder, lambda picture: picture)
    output = null.source.copy()
    output[:16] += 10
    assert keeps.score(null, output) == pytest.approx(20 * np.log10(255 / 10) + 10 * np.log10(2))
    follows, _ = objectives([case(1)], encoder, lambda picture: picture, follows="clip-directional")
    assert follows.score(replace(case(1), target_caption="a grey square"), output) is None


def test_a_journal_of_something_else_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    cases = [case(number) for number in range(8)]
    run(Knows(cases), cases, tmp_path, encoder, values=(1,))
    (journal,) = tmp_path.glob("edits-*.jsonl")
    journal.write_text('{"case": "a"}\n')
    with pytest.raises(DataError, match="no score of an edit"):
        run(Knows(cases), cases, tmp_path, encoder, values=(1,))


def test_cases_without_truth_or_region_are_scored_by_clip(encoder: Encoder) -> None:
    bare = replace(case(0), target=None, mask=None)
    follows, keeps = objectives([bare], encoder, lambda picture: picture)
    assert (follows.name, keeps.name) == ("clip-directional", "clip-image")
    assert keeps.score(bare, bare.source) == pytest.approx(1, abs=1e-4)
    assert follows.score(bare, bare.source) == 0
    assert follows.score(replace(bare, target_caption=bare.source_caption), bare.source) is None


def test_a_real_editor_is_calibrated(tmp_path: Path, encoder: Encoder, tiny_checkpoint) -> None:
    cases = [case(number) for number in range(8)]
    found = run(Editor(tiny_checkpoint), cases, tmp_path, encoder, values=(2,))
    assert found.points[0].cases == 4
    assert found.points[0].setting == found.default
