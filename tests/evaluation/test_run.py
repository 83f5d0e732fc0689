"""An evaluation with contestants whose verdicts are known beforehand, and one with a real tiny editor."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import Cancelled, DataError
from retouch.core.images import png_bytes
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.evaluation.bench import evaluate_editor
from retouch.evaluation.contestants import Edits, ReturnsSource, RoundTrip
from retouch.evaluation.run import evaluate
from retouch.metrics.clip import Encoder
from retouch.models.clip import load_clip
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer

GREY, GREEN, RED = (120, 110, 100), (46, 140, 60), (190, 30, 35)


def picture(colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (64, 64), GREY)
    image.paste(colour, (16, 16, 48, 48))
    return image


def region() -> bytes:
    image = Image.new("L", (64, 64))
    image.paste(255, (16, 16, 48, 48))
    return png_bytes(image)


def record(number: int, kind: str) -> PairRecord:
    target = picture(RED) if kind == "null" else picture(GREY if kind == "remove" else GREEN)
    return PairRecord(
        id=f"case-{number}",
        source_image=png_bytes(picture(RED)),
        target_image=png_bytes(target),
        edit_prompt="make the square green",
        source_caption="a red square",
        target_caption="a green square",
        mask=None if kind == "null" else region(),
        object_mask=None if kind == "null" else region(),
        engine="squares",
        seed=number,
        params={"kind": kind},
        split="bench",
    )


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    kinds = ("recolour", "remove", "null", "light", "unheard-of")
    with open_writer(tmp_path / "pairs", engine="squares", settings={}) as writer:
        writer.write([record(number, kind) for number, kind in enumerate(kinds)], first_unit=0, units=len(kinds))
    return tmp_path / "pairs"


def answer_green(image: Image.Image, instruction: str, seed: int) -> Image.Image:
    return picture(GREEN)


def test_perfect_idle_and_wrong_answers_are_told_apart(pairs: Path, tmp_path: Path) -> None:
    contestants = [ReturnsSource(), RoundTrip(lambda target: target), Edits("green", answer_green)]
    summary = evaluate(contestants, pairs, tmp_path / "out", round_trip=lambda source: source, materials=None)
    shares = {score.contestant: {line.kind: line.success for line in score.lines} for score in summary.scores}
    assert shares["round-trip"] == {"recolour": 1, "remove": 1, "light": 1, "null": 1}
    assert shares["source"] == {"recolour": 0, "remove": 0, "light": 0, "null": 1}
    assert shares["green"] == {"recolour": 1, "remove": 1, "light": 1, "null": 0}
    assert summary.scores[0].psnr_outside == 99.0
    table = (tmp_path / "out" / "report.md").read_text()
    assert "| recolour |" in table
    assert "100.0% of 1" in table


def test_an_interrupted_evaluation_goes_on_where_it_stopped(pairs: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def edit(image: Image.Image, instruction: str, seed: int) -> Image.Image:
        asked.append(instruction)
        return picture(GREEN)

    stops = iter([False, False, True])
    run = {"round_trip": lambda source: source, "materials": None}
    with pytest.raises(Cancelled, match="after 2 of 4"):
        evaluate([Edits("green", edit)], pairs, tmp_path / "out", cancelled=lambda: next(stops), **run)
    evaluate([Edits("green", edit)], pairs, tmp_path / "out", **run)
    assert len(asked) == 4


def test_a_contestants_limit_is_kept(pairs: Path, tmp_path: Path) -> None:
    limited = Edits("few", answer_green, limit=1)
    summary = evaluate([limited], pairs, tmp_path / "out", round_trip=lambda source: source, materials=None)
    assert [line.count for line in summary.scores[0].lines] == [1]


def test_a_folder_of_another_split_is_refused(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no record of the split 'validation'"):
        evaluate([], pairs, tmp_path / "out", round_trip=lambda s: s, materials=None, split="validation")


def test_a_real_editor_is_set_beside_its_baselines(pairs: Path, tmp_path: Path, tiny_checkpoint) -> None:
    summary = evaluate_editor(Editor(tiny_checkpoint), pairs, tmp_path / "out", settings=EditSettings(steps=1))
    assert [score.contestant for score in summary.scores] == ["source", "round-trip", "untrained", "model"]
    output = np.array(Image.open(tmp_path / "out" / "pictures" / "model" / "case-0.png"))
    assert output.shape == (64, 64, 3)


def test_additions_are_judged_by_what_clip_sees_and_by_what_changed(tmp_path: Path) -> None:
    with open_writer(tmp_path / "pairs", engine="squares", settings={}) as writer:
        writer.write([record(0, "add")], first_unit=0, units=1)
    slightly = np.asarray(picture(RED)) + np.array([0, 6, 0])
    answers = {
        "added": picture(GREEN),
        "touched": Image.fromarray(slightly.astype(np.uint8)),
        "noise": Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)),
    }
    contestants = [Edits(name, lambda *_, picture=picture: picture) for name, picture in answers.items()]
    summary = evaluate(
        contestants,
        tmp_path / "pairs",
        tmp_path / "out",
        round_trip=lambda source: source,
        materials=None,
        encoder=Encoder(load_clip("pocket/clip")),
    )
    assert {score.contestant: score.lines[0].success for score in summary.scores} == {
        "added": 1,
        "touched": 0,
        "noise": 0,
    }
    assert "by CLIP" in (tmp_path / "out" / "report.md").read_text()


def test_the_report_tells_how_alike_outputs_sources_and_captions_are(pairs: Path, tmp_path: Path) -> None:
    contestants = [ReturnsSource(), RoundTrip(lambda target: target)]
    encoder = Encoder(load_clip("pocket/clip"))
    run = {"round_trip": lambda source: source, "materials": None, "encoder": encoder}
    source, ideal = evaluate(contestants, pairs, tmp_path / "out", **run).likenesses
    assert (source.contestant, source.count, ideal.count) == ("source", 4, 4)
    assert source.image == pytest.approx(1, abs=1e-4)
    assert source.patches == pytest.approx(1, abs=1e-4)
    assert source.directional == 0
    assert ideal.image < 0.999
    assert ideal.directional != 0
    report = (tmp_path / "out" / "report.md").read_text()
    assert "| source | 4 | 100.00 | 0.000 |" in report
    assert encoder.patch_protocol in report
