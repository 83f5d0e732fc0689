"""`retouch region`: masks, overlays and figures, and one sentence for everything that is wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.chat.server import Say, serving
from tests.cli.conftest import Command
from tests.cli.test_bad_input import expect
from tests.contracts.test_segmenter import squares
from tests.grounding.finder import COLOURS, COMMAND

from retouch.core.region_request import region_from_file
from retouch.datagen.domains import load_domain

FINDER = f"command:{COMMAND}"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "squares.png"
    squares().save(path)
    return path


def test_a_phrase_becomes_a_mask_and_an_overlay(command: Command, picture: Path, tmp_path: Path) -> None:
    mask, overlay = tmp_path / "out" / "mask.png", tmp_path / "out" / "seen.png"
    ran = command(
        "region",
        picture,
        "the red square on the left",
        "-o",
        mask,
        "--overlay",
        overlay,
        "--segmenter",
        FINDER,
        "--exact",
    )
    assert ran.code == 0, ran.err
    assert f"{mask}  {overlay}  box:11,21,27,37, 4.2% of the picture, score 0.90, phrase 'the red" in ran.out
    red = np.abs(np.asarray(squares()).astype(int) - COLOURS["red"]).max(axis=2) == 0
    expected = np.uint8(255) * (red & (np.arange(96) < 48))
    assert np.array_equal(np.asarray(Image.open(mask)), expected)
    # An edit reads the mask as it was meant.
    assert np.array_equal(np.asarray(region_from_file(mask, (96, 64)).mask), expected)
    shown = Image.open(overlay)
    assert (shown.size, shown.mode) == ((96, 64), "RGB")
    changed = np.abs(np.asarray(shown).astype(int) - np.asarray(squares()).astype(int)).max(axis=2)
    assert changed[expected == 255].min() > 0


def test_the_figures_as_json(command: Command, picture: Path) -> None:
    ran = command("region", picture, "green", "--segmenter", FINDER, "--json", "--grow", 3, "--feather", 2)
    (found,) = json.loads(ran.out)["regions"]
    assert found["box"] == [36, 17, 60, 41]
    assert found["score"] == 0.9 and found["phrase"] == "green"
    assert 0.05 < found["share"] < 0.12
    assert "mask" not in found


def test_an_instruction_is_read_step_by_step(command: Command, picture: Path, tmp_path: Path) -> None:
    answer = {
        "steps": [
            {"text": "put a vase on the green square", "scope": "place", "phrases": ["the green square"]},
            {"text": "make the red ones blue", "scope": "object", "phrases": ["the red ones"]},
        ]
    }
    with serving(load_domain("interior"), [Say(text=json.dumps(answer))]) as server:
        ran = command(
            "region", picture, "--auto", "put a vase on the green square and make the red ones blue", "--json",
            "--segmenter", FINDER, "--reader", f"agent:small@{server.url}", "-o", tmp_path / "mask.png", "--exact",
        )  # fmt: skip
    assert ran.code == 0, ran.err
    place, red = json.loads(ran.out)["regions"]
    assert (place["scope"], place["step"]) == ("place", "put a vase on the green square")
    assert place["box"] == [36, 8, 60, 37]
    assert red["mask"] == str(tmp_path / "mask-2.png")
    assert sorted(path.name for path in tmp_path.glob("mask*")) == ["mask-1.png", "mask-2.png"]


def test_a_point(command: Command, picture: Path, tmp_path: Path, network_folder: Callable[[str], Path]) -> None:
    mask = tmp_path / "mask.png"
    ran = command("region", picture, "--point", "48,30", "-o", mask, "--segmenter", network_folder("sam"))
    assert ran.code == 0, ran.err
    assert "point 48,30 (sam)" in ran.out
    assert Image.open(mask).size == (96, 64)


def test_what_is_not_there(command: Command, picture: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    asked = ("region", picture, "the blue square", "-o", mask, "--segmenter", FINDER)
    expect(command(*asked), 9, "No 'blue square' found; surest place at 0.05", "--when-missing whole")
    assert not mask.exists()
    ran = command(*asked, "--when-missing", "whole")
    assert ran.code == 0
    assert "No 'blue square' found" in ran.err and ran.err.startswith("warning: ")
    assert Image.open(mask).getextrema() == (255, 255)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "Give one thing to find"),
        (["green", "--point", "1,2"], 2, "Give one thing to find"),
        (["green", "--auto", "make it green"], 2, "Give one thing to find"),
        (["  "], 2, "to be found is empty"),
        (["--point", "1"], 2, '--point is "1"'),
        (["--point", "a,b"], 2, "--point"),
        (["--point", "96,3"], 2, "outside the picture of 96 x 64"),
        (["--point", "5,3"], 2, "phrases alone"),
        (["green", "--reader", "pocket"], 2, "--reader reads an instruction"),
        (["green", "--when-missing", "maybe"], 2, "expected refuse or whole"),
        (["green", "--grow", "-1"], 2, "--grow is -1"),
        (["green", "--feather", "5000"], 2, "--feather is 5000"),
        (["green", "--device", "abacus"], 2, "abacus"),
        (["green", "-o", "mask.jpg"], 5, "must end in .png"),
        (["--auto", "make it green", "--reader", "oracle"], 2, "There is no reader 'oracle'"),
        (["green", "--segmenter", "nowhere"], 4, "There is no folder 'nowhere'"),
        (["green", "--segmenter", "clipseg"], 4, "HF_HUB_OFFLINE is set"),
        (["green", "--segmenter", "command:segment {image}"], 2, "has no {phrase} and no {mask}"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_sentence(command: Command, picture: Path, options: list[str], code: int, said: str) -> None:
    chosen = [] if "--segmenter" in options else ["--segmenter", FINDER]
    expect(command("region", picture, *options, *chosen), code, said)


def test_a_picture_that_is_none(command: Command, tmp_path: Path) -> None:
    expect(command("region", tmp_path / "none.png", "green", "--segmenter", FINDER), 3, "none.png")
