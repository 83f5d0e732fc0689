"""Edits with and without regions by a tiny editor: what is exact is told from what is not, way by way."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import Cancelled, DataError
from retouch.core.images import png_bytes
from retouch.core.region_request import region_from_box
from retouch.editing.editor import Editor
from retouch.evaluation.compounds import Sought
from retouch.evaluation.grounded import GroundedPlan, evaluate_grounded
from retouch.grounding.locate import Finder
from retouch.grounding.phrases import ParsedStep, Scope
from retouch.grounding.segmenter import Segment
from retouch.metrics.clip import Encoder, load_encoder
from retouch.models.checkpoint import Checkpoint
from retouch.records.pair import JSON, PairRecord
from retouch.records.shards import open_writer

SIDE = 96
BOX = (8, 8, 40, 40)
TWO: list[JSON] = [{"kind": "chair", "colour": "red"}, {"kind": "chair", "colour": "blue"}]


def record(number: int, kind: str, box: tuple[int, int, int, int] = BOX) -> PairRecord:
    source, target = Image.new("RGB", (SIDE, SIDE), (120, 110, 100)), Image.new("RGB", (SIDE, SIDE), (120, 110, 100))
    source.paste((190, 30, 35), box)
    target.paste((46, 140, 60), box)
    region = png_bytes(region_from_box(box, (SIDE, SIDE)).mask)
    numbers = np.zeros((SIDE, SIDE), dtype=np.uint8)
    numbers[8:40, 8:40], numbers[8:40, 60:90] = 1, 2
    return PairRecord(
        id=f"case-{number}",
        source_image=png_bytes(source),
        target_image=png_bytes(target),
        edit_prompt="make the square green",
        source_caption="a red square",
        target_caption="a green square",
        mask=None if kind == "null" else region,
        object_mask=None if kind == "null" else region,
        segments=png_bytes(Image.fromarray(numbers)),
        engine="squares",
        seed=number,
        params={"kind": kind, "segments": TWO},
        split="bench",
    )


class Known:
    """Finds the square whatever is asked for."""

    name, threshold = "known", 0.5

    def segment(self, image: Image.Image, phrase: str) -> Segment:
        del phrase
        found = (np.asarray(region_from_box(BOX, image.size).mask) > 0).astype(np.float32)
        return Segment(mask=found, score=0.9)

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        del point
        return self.segment(image, "")


class TwoSteps:
    """Reads the same step twice."""

    name = "two-steps"

    def read(self, instruction: str) -> tuple[ParsedStep, ...]:
        return (ParsedStep(text=instruction, scope=Scope.OBJECT, phrases=("the square",)),) * 2


def words() -> Sought:
    return Sought(reader=TwoSteps(), finder=Finder(segmenter=Known(), margin=False))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    kinds = ("recolour", "null", "remove", "compound")
    with open_writer(tmp_path / "pairs", engine="squares", settings={}) as writer:
        writer.write([record(number, kind) for number, kind in enumerate(kinds)], first_unit=0, units=len(kinds))
    return tmp_path / "pairs"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("pocket/clip")


def test_only_what_keeps_to_a_region_is_exact_outside(
    pairs: Path, tmp_path: Path, encoder: Encoder, tiny_checkpoint: Checkpoint
) -> None:
    heard: list[tuple[int, int]] = []
    report = evaluate_grounded(
        Editor(tiny_checkpoint),
        pairs,
        tmp_path / "out",
        encoder=encoder,
        words=words(),
        plan=GroundedPlan(twins=1),
        on_progress=lambda *progress: heard.append(progress),
    )
    lines = report.ways
    by_name = {line.way: line for line in lines}
    assert list(by_name) == ["plain", "attention alone", "blended", "blended and attention", "by lime", "by words"]
    assert all(line.edits == 3 and line.twins == 1 and line.seconds > 0 for line in lines)
    assert by_name["plain"].exact == by_name["attention alone"].exact == 0
    kept = ("blended", "blended and attention", "by lime", "by words")
    assert all(by_name[way].exact == 1 for way in kept)
    plain, alone, blended = (by_name[way].outside for way in ("plain", "attention alone", "blended"))
    assert plain is not None and alone is not None and blended is not None
    assert blended > max(plain, alone) and plain != alone
    assert by_name["by words"].outside is None and by_name["blended"].iou is None
    assert by_name["by words"].iou == 1
    assert len(list((tmp_path / "out" / "by-words").glob("*.png"))) == 4
    compounds = {line.way: line for line in report.compounds}
    assert list(compounds) == ["at once, plain", "split, plain", "at once, by words", "split, by words"]
    assert [line.steps for line in report.compounds] == [1, 2, 1, 2] and {line.edits for line in lines} == {3}
    assert compounds["split, by words"].outside == compounds["at once, by words"].outside == 99
    assert compounds["split, plain"].outside < 99
    assert len(list((tmp_path / "out" / "split-by-words").glob("*.png"))) == 1
    assert heard[-1] == (28, 28)
    assert report.markdown().count("\n") == 2 + len(lines) + 1 + 2 + 4


def test_small_regions_are_edited_with_and_without_an_enlarged_crop(
    tmp_path: Path, encoder: Encoder, make_tiny
) -> None:
    editor = Editor(make_tiny(native_size=32))
    with open_writer(tmp_path / "pairs", engine="squares", settings={}) as writer:
        writer.write([record(0, "recolour", (8, 8, 24, 24))], first_unit=0, units=1)
    plan = GroundedPlan(twins=1, smaller_than=0.2)
    report = evaluate_grounded(editor, tmp_path / "pairs", tmp_path / "out", encoder=encoder, plan=plan)
    by_name = {line.way: line for line in report.ways}
    assert list(by_name)[-1] == "blended, not enlarged" and not report.compounds
    assert by_name["blended"].exact == by_name["blended, not enlarged"].exact == 1
    pictures = [tmp_path / "out" / way / "case-0.png" for way in ("blended", "blended-not-enlarged")]
    assert pictures[0].read_bytes() != pictures[1].read_bytes()
    with pytest.raises(DataError, match="with such a region"):
        evaluate_grounded(
            editor, tmp_path / "pairs", tmp_path / "out", encoder=encoder, plan=GroundedPlan(smaller_than=0.02)
        )


def test_it_says_when_there_is_nothing_to_edit_and_stops_when_asked(
    pairs: Path, tmp_path: Path, encoder: Encoder, tiny_checkpoint: Checkpoint
) -> None:
    editor = Editor(tiny_checkpoint)
    with pytest.raises(Cancelled, match="1 of"):
        evaluate_grounded(editor, pairs, tmp_path / "out", encoder=encoder, cancelled=lambda: True)
    with open_writer(tmp_path / "none", engine="squares", settings={}) as writer:
        writer.write([record(0, "null")], first_unit=0, units=1)
    with pytest.raises(DataError, match="with such a region"):
        evaluate_grounded(editor, tmp_path / "none", tmp_path / "out", encoder=encoder)
