"""Detail that edits keep, measured by a tiny editor: of records in and outside the region, of pictures everywhere."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import Cancelled, DataError
from retouch.editing.editor import Editor
from retouch.evaluation.detail import INSIDE, OUTSIDE, WHOLE, DetailCase, evaluate_detail, picture_cases
from retouch.models.checkpoint import Checkpoint


def grain(side: int) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 12, (side, side, 1))
    return Image.fromarray((128 + noise).clip(60, 190).astype(np.uint8).repeat(3, axis=2))


def region(side: int) -> np.ndarray:
    inside = np.zeros((side, side), dtype=bool)
    inside[40:90, 40:90] = True
    return inside


def test_carried_detail_is_sharper_than_plain_enlargement(tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    cases = [
        DetailCase(name="room", source=grain(192), instruction="make the sofa green", region=region(192)),
        DetailCase(name="photo", source=grain(160), instruction="make it red"),
    ]
    report = evaluate_detail(Editor(tiny_checkpoint), cases, tmp_path)
    assert [(line.part, line.pictures) for line in report.lines] == [(OUTSIDE, 1), (INSIDE, 1), (WHOLE, 1)]
    assert all(line.plain < line.kept for line in report.lines)
    assert Image.open(tmp_path / "sheet.png").width > 3 * 192
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["photo.png", "room.png"]
    assert report.markdown().count("\n") == 5
    with pytest.raises(Cancelled, match="1 of 2"):
        evaluate_detail(Editor(tiny_checkpoint), cases, tmp_path, cancelled=lambda: True)


def test_only_pictures_larger_than_the_model_sees(tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    for name, side in (("b", 80), ("a", 100), ("small", 64)):
        grain(side).save(tmp_path / f"{name}.png")
    engine = Editor(tiny_checkpoint).engine
    found = picture_cases(tmp_path, "make it red", engine)
    assert [case.name for case in found] == ["a", "b"]
    assert [case.name for case in picture_cases(tmp_path, "make it red", engine, limit=1)] == ["a"]
    with pytest.raises(DataError, match="give larger ones"):
        evaluate_detail(Editor(tiny_checkpoint), [], tmp_path)
