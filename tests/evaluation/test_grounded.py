"""Edits with and without regions by a tiny editor: what is exact is told from what is not, way by way."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import Cancelled, DataError
from retouch.core.images import png_bytes
from retouch.core.region_request import region_from_box
from retouch.editing.editor import Editor
from retouch.evaluation.grounded import evaluate_grounded, markdown
from retouch.metrics.clip import Encoder, load_encoder
from retouch.models.checkpoint import Checkpoint
from retouch.records.pair import JSON, PairRecord
from retouch.records.shards import open_writer

SIDE = 96
BOX = (8, 8, 40, 40)
TWO: list[JSON] = [{"kind": "chair", "colour": "red"}, {"kind": "chair", "colour": "blue"}]


def record(number: int, kind: str) -> PairRecord:
    source, target = Image.new("RGB", (SIDE, SIDE), (120, 110, 100)), Image.new("RGB", (SIDE, SIDE), (120, 110, 100))
    source.paste((190, 30, 35), BOX)
    target.paste((46, 140, 60), BOX)
    region = png_bytes(region_from_box(BOX, (SIDE, SIDE)).mask)
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


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    kinds = ("recolour", "null", "remove")
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
    lines = evaluate_grounded(
        Editor(tiny_checkpoint),
        pairs,
        tmp_path / "out",
        encoder=encoder,
        finder=lambda picture, _: region_from_box(BOX, picture.size),
        twins=1,
        on_progress=lambda *progress: heard.append(progress),
    )
    by_name = {line.way: line for line in lines}
    assert list(by_name) == ["plain", "blended", "attention", "by words"]
    assert all(line.edits == 2 and line.twins == 1 and line.seconds > 0 for line in lines)
    assert by_name["plain"].exact == 0
    assert all(by_name[way].exact == 1 for way in ("blended", "attention", "by words"))
    plain, blended = by_name["plain"].outside, by_name["blended"].outside
    assert plain is not None and blended is not None and blended > plain
    assert by_name["by words"].outside is None
    assert heard[-1] == (12, 12)
    assert len(list((tmp_path / "out" / "by-words").glob("*.png"))) == 3
    assert markdown(lines).count("\n") == 2 + len(lines)


def test_it_says_when_there_is_nothing_to_edit_and_stops_when_asked(
    pairs: Path, tmp_path: Path, encoder: Encoder, tiny_checkpoint: Checkpoint
) -> None:
    editor = Editor(tiny_checkpoint)
    with pytest.raises(Cancelled, match="1 of"):
        evaluate_grounded(editor, pairs, tmp_path / "out", encoder=encoder, cancelled=lambda: True)
    with open_writer(tmp_path / "none", engine="squares", settings={}) as writer:
        writer.write([record(0, "null")], first_unit=0, units=1)
    with pytest.raises(DataError, match="with a region"):
        evaluate_grounded(editor, tmp_path / "none", tmp_path / "out", encoder=encoder)
