"""Objects put in by example: what is there is found, its colour and place measured; doing nothing gains nothing."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.core.images import png_bytes
from retouch.editing.fake import FakeEditor
from retouch.evaluation.example_contestants import (
    Collage,
    EditsByExample,
    EditsByWords,
    SourceRoundTrip,
    TrueRoundTrip,
    true_region,
)
from retouch.evaluation.examples import SAME_COLOUR, ExampleCase, ExampleJudge, example_cases
from retouch.evaluation.inpainting import guidance_sheet
from retouch.evaluation.insertion import evaluate_insertion
from retouch.grounding.segmenter import Segment
from retouch.metrics.clip import Encoder
from retouch.models.clip import TINY_CLIP, random_clip
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer

RED, GREEN = (200, 30, 30), (30, 150, 60)
BOX = (24, 20, 43, 47)


class RedThings:
    """Finds what is red, whatever it is called."""

    name = "red things"
    threshold = 0.5

    def segment(self, image: Image.Image, phrase: str) -> Segment:
        mask = (np.abs(np.asarray(image).astype(int) - RED).max(axis=2) < 40).astype(np.float32)
        return Segment(mask=mask, score=float(mask.any()))

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        raise AssertionError("nothing points here")


class FakeByExample:
    """The shipped fake, at the seam that takes references."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def edit(self, images, instructions, *, settings=None, region=None, references=()):
        self.seen.append((instructions, len(references)))
        return FakeEditor().edit(images, instructions or "by example", settings=settings, region=region)


def drawn(box: tuple[int, int, int, int] | None, colour=RED, size=(64, 64), ground=(120, 118, 110)) -> Image.Image:
    image = Image.new("RGB", size, ground)
    if box is not None:
        ImageDraw.Draw(image).rectangle(box, fill=colour)
    return image


def layer(value: int) -> bytes:
    image = Image.new("L", (64, 64))
    ImageDraw.Draw(image).rectangle(BOX, fill=value)
    return png_bytes(image)


def record(kind: str, number: int) -> PairRecord:
    view = Image.new("RGBA", (30, 40))
    ImageDraw.Draw(view).rectangle((5, 5, 24, 32), fill=(*RED, 255))
    without, shown = png_bytes(drawn(None)), png_bytes(drawn(BOX))
    return PairRecord(
        id=f"{kind}-{number}",
        source_image=shown if kind == "remove" else without,
        target_image=without if kind == "remove" else shown,
        edit_prompt="put a red chair there" if kind == "add" else "take it away",
        source_caption="a room",
        target_caption="a room",
        object_mask=layer(255),
        segments=layer(1) if kind == "remove" else None,
        reference_images=(png_bytes(view),),
        object="chair",
        engine="squares",
        seed=number,
        params={"kind": kind, "segments": [{"kind": "chair", "colour": "orange"}]},
        split="bench",
    )


def write_examples(folder: Path, kinds: Sequence[str]) -> Path:
    """Write a record of each kind and return the folder."""
    with open_writer(folder, engine="squares", settings={}) as writer:
        writer.write([record(kind, number) for number, kind in enumerate(kinds)], first_unit=0, units=len(kinds))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_examples(tmp_path / "bench", ["add", "remove", "walls"])


@pytest.fixture
def judge(tiny_tokenizer) -> ExampleJudge:
    return ExampleJudge(segmenter=RedThings(), encoder=Encoder(random_clip(TINY_CLIP, tiny_tokenizer)))


def test_removals_are_put_back_in_words_that_know_the_colour(folder: Path) -> None:
    cases = example_cases(folder)
    assert [case.instruction for case in cases] == ["put a red chair there", "add an orange chair"]
    for case in cases:
        assert np.array_equal(case.source, np.asarray(drawn(None)))
        assert np.array_equal(case.target, np.asarray(drawn(BOX)))
        assert (np.asarray(case.region.mask) > 0)[case.object_mask].all()
    assert len(example_cases(folder, limit=1)) == 1


def test_folders_without_such_records_are_refused(tmp_path: Path) -> None:
    with open_writer(tmp_path / "bench", engine="squares", settings={}) as writer:
        writer.write([record("walls", 2)], first_unit=0, units=1)
    with pytest.raises(DataError, match="adds or removes an object"):
        example_cases(tmp_path / "bench")


def test_the_table_tells_the_truth_from_nothing(folder: Path, judge: ExampleJudge, tmp_path: Path) -> None:
    def plain(picture: np.ndarray) -> np.ndarray:
        return picture

    def in_words(picture: Image.Image, instruction: str, seed: int, region: object) -> Image.Image:
        del instruction, seed, region
        return drawn((2, 50, 20, 62), GREEN) if picture else picture

    contestants = [SourceRoundTrip(plain), EditsByWords("words", in_words), Collage(), TrueRoundTrip(plain)]
    summary = evaluate_insertion(
        contestants, example_cases(folder), tmp_path / "out", judge=judge, round_trip=plain, seed=3
    )
    lines = {line.contestant: line for line in summary.lines}
    assert [lines[name].present for name in ("source", "words", "collage", "ground truth")] == [0, 0, 1, 1]
    assert [lines[name].right_colour for name in ("source", "words", "collage", "ground truth")] == [0, 0, 1, 1]
    assert [lines[name].as_true for name in ("source", "words", "collage", "ground truth")] == [0, 0, 1, 1]
    assert summary.ceiling == 1.0
    assert lines["source"].colour is None
    assert (lines["words"].colour or 0) > 30
    assert [lines[name].exact for name in ("source", "words", "collage")] == [1, 0, 1]
    assert lines["collage"].elsewhere == 99.0
    assert json.loads((tmp_path / "out" / "report.json").read_text())["outcomes"]["collage"][0]["present"] is True
    assert "| collage | 2 | 100% |" in (tmp_path / "out" / "report.md").read_text()
    assert Image.open(tmp_path / "out" / "sheet.png").width > 7 * 160
    assert (tmp_path / "out" / "pictures" / "ground-truth" / "add-0.png").is_file()


def test_noise_of_the_autoencoder_is_no_object(folder: Path, judge: ExampleJudge) -> None:
    (case, _) = example_cases(folder)
    grain = np.random.default_rng(0).integers(-6, 7, case.source.shape)
    trip = (case.source + grain).clip(0, 255).astype(np.uint8)
    assert not judge.judge(case, trip, trip).present
    assert not judge.judge(case, case.source, trip).present


def test_an_object_in_its_own_light_is_told_from_one_in_the_references_light(folder: Path, judge: ExampleJudge) -> None:
    case = example_cases(folder)[0]
    shade = np.where(case.object_mask[..., None], case.target // 3, case.target).astype(np.uint8)
    lit = judge.judge(replace(case, target=shade), shade, case.source)
    assert (lit.lit or 0) < 0.01 < SAME_COLOUR < (lit.colour or 0)
    unlit = judge.judge(replace(case, target=shade), case.target, case.source)
    assert (unlit.lit or 0) > SAME_COLOUR > (unlit.colour or 0)


def test_an_editor_is_shown_the_references_and_told_only_what_it_may_know(folder: Path) -> None:
    case, editor = example_cases(folder)[0], FakeByExample()
    silent, told = EditsByExample("a", editor), EditsByExample("b", editor, words=True, region=true_region)
    first, second = silent.answer(case, 1), told.answer(case, 1)
    assert editor.seen == [("", 1), ("put a red chair there", 1)]
    outside = np.asarray(case.region.mask) == 0
    assert (first != case.source)[outside].any()
    assert np.array_equal(second[outside], case.source[outside])
    assert not np.array_equal(silent.answer(case, 2), first)


def test_a_sheet_has_a_row_for_each_s_and_a_column_for_each_m(folder: Path) -> None:
    asked: list[tuple[float, float]] = []

    def answer(case: ExampleCase, detail: float, guidance: float, seed: int) -> np.ndarray:
        asked.append((detail, guidance))
        return case.source

    one = guidance_sheet(answer, example_cases(folder)[:1], details=(0.0, 1.0), guidances=(1.0, 7.0))
    assert asked == [(0.0, 1.0), (1.0, 1.0), (0.0, 7.0), (1.0, 7.0)]
    two = guidance_sheet(answer, example_cases(folder)[:1], details=(0.0, 0.5, 1.0), guidances=(1.0,))
    assert two.width * 3 == one.width * 4
    assert one.height == 2 * two.height
    with pytest.raises(SettingsError, match="at least one case"):
        guidance_sheet(answer, [])
    with pytest.raises(Cancelled):
        guidance_sheet(answer, example_cases(folder), cancelled=lambda: True)
