"""The whole way on the embedded model: a command line in, a picture of the input's own size out."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from retouch.cli.main import run
from retouch.core.provenance import read_provenance
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor

EXAMPLES = Path(__file__).parents[2] / "examples"
FEW = EditSettings(steps=4, seed=3)


@pytest.fixture(scope="module")
def editor() -> Editor:
    return Editor.load("pocket", device="cpu")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), dtype=np.float64)


def test_the_command_line_edits_a_room_and_says_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "green.png"
    arguments = ["edit", str(EXAMPLES / "living-room.png"), "make the sofa green", "-o", str(out), "--json"]
    assert run([*arguments, "--steps", "4"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert str(out) in json.dumps(report)
    result, source = Image.open(out), Image.open(EXAMPLES / "living-room.png")
    assert result.size == source.size
    assert np.abs(pixels(result) - pixels(source)).mean() > 1
    provenance = read_provenance(out)
    assert provenance.instructions == ("make the sofa green",)
    assert provenance.settings.steps == 4


def test_the_same_request_gives_the_same_picture_and_another_seed_another(editor: Editor) -> None:
    room = Image.open(EXAMPLES / "bedroom.png")
    first, again = (editor.edit(room, "make the bed blue", settings=FEW).image for _ in range(2))
    other = editor.edit(room, "make the bed blue", settings=EditSettings(steps=4, seed=4)).image
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_photograph_comes_back_at_its_own_size(editor: Editor) -> None:
    photograph = Image.fromarray(skimage.data.chelsea())
    result = editor.edit(photograph, "turn it into a black and white photo", settings=FEW).image
    assert result.size == photograph.size == (451, 300)


def test_the_instruction_matters(editor: Editor) -> None:
    room = Image.open(EXAMPLES / "living-room.png")
    green, night = (
        editor.edit(room, text, settings=EditSettings(seed=1)).image
        for text in ("make the sofa green", "make it evening")
    )
    assert np.abs(pixels(green) - pixels(night)).mean() > 1


def test_an_edit_keeps_the_room_recognisable(editor: Editor) -> None:
    room = Image.open(EXAMPLES / "living-room.png")
    result = editor.edit(room, "make the sofa green", settings=EditSettings(seed=1)).image
    correlation = np.corrcoef(pixels(room).ravel(), pixels(result).ravel())[0, 1]
    assert correlation > 0.8
