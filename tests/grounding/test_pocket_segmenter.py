"""The pocket segmenter behind the seam: pictures of any size, points in their pixels, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import SettingsError
from retouch.grounding.pocket_segmenter import PocketSegmenter
from retouch.models.segmenter import random_segmenter
from retouch.models.segmenter_network import TINY_SEGMENTER


@pytest.fixture(scope="module")
def segmenter(tiny_tokenizer) -> PocketSegmenter:
    return PocketSegmenter(random_segmenter(TINY_SEGMENTER, tiny_tokenizer, seed=2))


def picture(width: int, height: int) -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels)


@pytest.mark.parametrize("size", [(64, 64), (200, 90), (37, 50), (256, 192)])
def test_masks_have_the_picture_size(segmenter: PocketSegmenter, size: tuple[int, int]) -> None:
    for segment in (segmenter.segment(picture(*size), "the chair"), segmenter.segment_at(picture(*size), (3, 5))):
        assert segment.mask.shape == (size[1], size[0])
        assert segment.mask.dtype == np.float32
        assert 0 <= segment.mask.min() <= segment.mask.max() <= 1
        assert 0 <= segment.score <= 1


def test_what_is_kept_of_the_last_picture_changes_no_answer(segmenter: PocketSegmenter) -> None:
    one, other = picture(64, 64), picture(64, 64).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    first = segmenter.segment(one, "the chair")
    segmenter.segment(other, "the chair")
    again = segmenter.segment(one, "the chair")
    np.testing.assert_array_equal(first.mask, again.mask)


@pytest.mark.parametrize("point", [(-1, 3), (64, 3), (3, 64.0)])
def test_points_outside_are_refused(segmenter: PocketSegmenter, point: tuple[float, float]) -> None:
    with pytest.raises(SettingsError, match="outside the picture"):
        segmenter.segment_at(picture(64, 64), point)


def test_a_blank_phrase_is_refused(segmenter: PocketSegmenter) -> None:
    with pytest.raises(SettingsError, match="blank"):
        segmenter.segment(picture(64, 64), " ")
