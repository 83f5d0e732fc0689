"""What every `Segmenter` promises, asked of networks of every published class, and of an external program.

The networks are random, so that only the program finds what it is asked for; what is there and what is not is asked
of it, and of the pocket segmenter.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.grounding.finder import COLOURS, COMMAND

from retouch.core.errors import ModelError, SettingsError
from retouch.grounding.pocket_segmenter import PocketSegmenter
from retouch.grounding.segmenter import Segmenter
from retouch.grounding.segmenters.load import load_segmenter
from retouch.models.segmenter import random_segmenter
from retouch.models.segmenter_network import TINY_SEGMENTER

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

PAIRS = ("grounding-dino+sam", "mm-grounding-dino+sam2", "grounding-dino+sam2-video", "grounding-dino+sam3-video")
ALONE = ("clipseg", "florence", "sam3", "sam3-video")
OF_POINTS = (*PAIRS, "sam3-video", "random-pocket", "pocket")
SIZES = [(75, 50), (48, 130), (64, 64), (301, 33)]


@pytest.fixture(scope="module", params=[*PAIRS, *ALONE, "external", "random-pocket", "pocket"])
def named(request: pytest.FixtureRequest, network_folder: Callable[[str], Path]) -> tuple[str, Segmenter]:
    name: str = request.param
    if name == "external":
        return name, load_segmenter(f"command:{COMMAND}")
    if name == "random-pocket":
        tokenizer: CLIPTokenizer = request.getfixturevalue("tiny_tokenizer")
        return name, PocketSegmenter(random_segmenter(TINY_SEGMENTER, tokenizer))
    if name == "pocket":
        try:
            return name, load_segmenter()
        except ModelError as problem:
            pytest.skip(str(problem))
    return name, quick(load_segmenter("+".join(str(network_folder(part)) for part in name.split("+"))))


@pytest.fixture(scope="module")
def segmenter(named: tuple[str, Segmenter]) -> Segmenter:
    return named[1]


def quick(segmenter: Segmenter) -> Segmenter:
    """A random Florence-2 never ends what it writes; let it write little."""
    if hasattr(segmenter, "_longest"):
        segmenter._longest = 12  # pyright: ignore[reportAttributeAccessIssue]
    return segmenter


def squares(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A red square on the left and on the right, and a green one in the middle, on grey."""
    picture = Image.new("RGB", size, (128, 128, 128))
    width, height = size
    for middle, colour in ((0.2, "red"), (0.5, "green"), (0.8, "red")):
        left = round(middle * width) - height // 8
        picture.paste(COLOURS[colour], (left, height // 3, left + height // 4, height // 3 + height // 4))
    return picture


def test_it_has_a_name_without_a_place_and_a_threshold(segmenter: Segmenter) -> None:
    assert segmenter.name
    assert "/tmp" not in segmenter.name
    assert 0 <= segmenter.threshold <= 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("phrase", ["the red square", "The red one, to the left of the green lamp"])
def test_the_mask_is_the_pictures(segmenter: Segmenter, size: tuple[int, int], phrase: str) -> None:
    found = segmenter.segment(squares(size), phrase)
    assert found.mask.shape == (size[1], size[0])
    assert found.mask.dtype == np.float32
    assert found.mask.min() >= 0 and found.mask.max() <= 1
    assert 0 <= found.score <= 1


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_any_mode_is_read_as_colours(segmenter: Segmenter, mode: str) -> None:
    plain = segmenter.segment(squares().convert(mode).convert("RGB"), "the red square")
    other = segmenter.segment(squares().convert(mode), "the red square")
    assert np.array_equal(plain.mask, other.mask)
    assert plain.score == other.score


def test_the_same_question_gets_the_same_answer(segmenter: Segmenter) -> None:
    one, other = (segmenter.segment(squares(), "the red square") for _ in range(2))
    assert np.array_equal(one.mask, other.mask)
    assert one.score == other.score


@pytest.mark.parametrize("phrase", ["", "  \n"])
def test_an_empty_phrase_is_refused(segmenter: Segmenter, phrase: str) -> None:
    with pytest.raises(SettingsError, match=r"phrase .*is (empty|blank)"):
        segmenter.segment(squares(), phrase)


def test_a_long_phrase_is_read_as_far_as_it_goes(segmenter: Segmenter) -> None:
    assert segmenter.segment(squares(), "the red square left of the green square " * 40).mask.shape == (64, 96)


@pytest.mark.parametrize("point", [(-1, 5), (5, -0.5), (96, 5), (5, 64)])
def test_a_point_outside_is_refused(segmenter: Segmenter, point: tuple[float, float]) -> None:
    with pytest.raises(SettingsError, match="outside the picture of 96 x 64"):
        segmenter.segment_at(squares(), point)


@pytest.mark.parametrize("size", SIZES)
def test_points_are_taken_or_refused(named: tuple[str, Segmenter], size: tuple[int, int]) -> None:
    name, segmenter = named
    if name not in OF_POINTS:
        with pytest.raises(SettingsError, match="phrases alone"):
            segmenter.segment_at(squares(size), (3, 4))
        return
    found = segmenter.segment_at(squares(size), (size[0] - 1, 0.0))
    assert found.mask.shape == (size[1], size[0])
    assert found.mask.dtype == np.float32
    assert found.mask.min() >= 0 and found.mask.max() <= 1 and 0 <= found.score <= 1


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [("the red squares", "both"), ("the red square on the left", "left"), ("the blue square", "none")],
)
def test_what_is_there_is_found_and_what_is_not_scores_low(phrase: str, expected: str) -> None:
    segmenter = load_segmenter(f"command:{COMMAND}")
    found = segmenter.segment(squares(), phrase)
    red = np.abs(np.asarray(squares()).astype(int) - COLOURS["red"]).max(axis=2) == 0
    sides = {"both": red, "left": red & (np.arange(96) < 48), "none": np.zeros_like(red)}
    assert np.array_equal(found.mask >= 0.5, sides[expected])
    assert (found.score >= segmenter.threshold) is (expected != "none")
