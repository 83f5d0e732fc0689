"""A segmenter that is a program: what it is given, and what becomes of every way in which it may fail."""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import ModelError, SettingsError
from retouch.grounding.segmenters.external import ExternalSegmenter

PICTURE = Image.radial_gradient("L").resize((60, 40)).convert("RGB")
READ = "import sys, json, time, os, subprocess; from PIL import Image; image, phrase, mask = sys.argv[1:4]\n"


def program(folder: Path, text: str, *, seconds: float = 60.0) -> ExternalSegmenter:
    path = folder / "program.py"
    path.write_text(READ + text)
    return ExternalSegmenter(f"{sys.executable} {path} {{image}} {{phrase}} {{mask}}", seconds=seconds)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, to see that none is left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_it_reads_the_picture_and_writes_a_mask(tmp_path: Path, place: Path) -> None:
    found = program(tmp_path, "Image.open(image).convert('L').save(mask)").segment(PICTURE, "the  lamp")
    assert np.allclose(found.mask, np.asarray(PICTURE.convert("L")) / 255, atol=1e-6)
    assert found.score == 1.0
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    "phrase", ["$(touch hacked); `ls`", "a; rm -rf /", "--help", "{mask} {image}", "say “hi” 'now'"]
)
def test_the_phrase_stays_one_argument(phrase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check = f"assert phrase == {phrase!r}, phrase; assert len(sys.argv) == 4; Image.open(image).convert('L').save(mask)"
    assert program(tmp_path, check).segment(PICTURE, phrase).score == 1.0
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("says", "black", "score"),
    [
        ("", True, 0.0),
        ("", False, 1.0),
        ('{"score": 0.25}', False, 0.25),
        ('loading\\n{"score": 1}', True, 1.0),
        ("done", False, 1.0),
        ('{"score": "high"}', False, 1.0),
        ('{"score": true}', True, 0.0),
        ("[1]", False, 1.0),
    ],
)
def test_scores(tmp_path: Path, says: str, black: bool, score: float) -> None:
    level = 0 if black else 255
    segmenter = program(tmp_path, f"Image.new('L', (60, 40), {level}).save(mask); print('{says}')")
    assert segmenter.segment(PICTURE, "lamp").score == score
    assert segmenter.name == f"command:{Path(sys.executable).name}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sys.exit('out of memory')", r"failed with status 1 \(out of memory\)"),
        ("sys.exit(7)", r"failed with status 7 \(it said nothing\)"),
        ("os.kill(os.getpid(), 9)", "failed with status -9"),
        ("pass", "wrote no mask"),
        ("open(mask, 'w').write('words')", "wrote a bad mask"),
        ("Image.new('L', (40, 60)).save(mask)", "a mask of 40 x 60 pixels for a picture of 60 x 40"),
        ("Image.new('L', (60, 40)).save(mask); print('{\"score\": 7}')", "a score of 7"),
    ],
)
def test_failures_are_one_sentence_and_leave_nothing(tmp_path: Path, place: Path, text: str, said: str) -> None:
    segmenter = program(tmp_path, text)
    with pytest.raises(ModelError, match=said) as raised:
        segmenter.segment(PICTURE, "lamp")
    assert str(raised.value).count("\n") == 0
    assert list(place.iterdir()) == []


def test_one_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path, place: Path) -> None:
    seen = tmp_path / "child"
    tell = f"child = subprocess.Popen(['sleep', '600']); open({str(seen)!r}, 'w').write(str(child.pid))"
    segmenter = program(tmp_path, f"{tell}; time.sleep(600)", seconds=5)
    with pytest.raises(ModelError, match="gave no mask within 5 s"):
        segmenter.segment(PICTURE, "lamp")
    assert list(place.iterdir()) == []
    assert ended(int(seen.read_text()))


def ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    # Nobody may have asked yet how it ended.
    return " Z " in Path(f"/proc/{process}/stat").read_text()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "has no {image} and no {phrase} and no {mask}"),
        ("segment {image} {phrase}", "has no {mask}"),
        ("{image} {phrase} {mask}", "has no {image}"),
        ("segment 'open {image} {phrase} {mask}", "check its quotes"),
    ],
)
def test_templates_are_checked(command: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        ExternalSegmenter(command)
    with pytest.raises(SettingsError, match="give more than 0"):
        ExternalSegmenter("a {image} {phrase} {mask}", seconds=0)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(ModelError, match="'no-such-program' cannot be started"):
        ExternalSegmenter("no-such-program {image} {phrase} {mask}").segment(PICTURE, "lamp")
