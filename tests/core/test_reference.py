"""References as people have them: transparent, oblong, tiny, broken."""

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import ImageError, SettingsError
from retouch.core.reference import BACKGROUND, Reference, load_reference


def cut_out(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    picture = Image.new("RGBA", size, (255, 255, 255, 0))
    picture.paste((200, 30, 40, 255), box)
    return picture


def test_transparency_says_what_the_object_is_and_nothing_of_it_is_cut_off() -> None:
    square = load_reference(cut_out((300, 100), (20, 10, 220, 50))).squared()
    pixels = np.asarray(square)
    assert square.width == square.height == 216
    assert (pixels == (200, 30, 40)).all(axis=2).sum() == 200 * 40
    assert tuple(pixels[0, 0]) == BACKGROUND


def test_an_opaque_picture_is_padded_not_cropped() -> None:
    square = load_reference(Image.new("RGB", (40, 90), "blue")).squared()
    assert square.size == (90, 90)
    assert (np.asarray(square) == (0, 0, 255)).all(axis=2).sum() == 40 * 90


def test_a_picture_transparent_everywhere_is_refused() -> None:
    with pytest.raises(ImageError, match="is transparent everywhere; give a picture that shows an object"):
        load_reference(Image.new("RGBA", (64, 64), (10, 20, 30, 0)))


@pytest.mark.parametrize("weight", [-0.1, 2.5, float("nan"), True])
def test_weights_out_of_range_are_refused(weight: float) -> None:
    with pytest.raises(SettingsError, match="expected a number from 0 to 2"):
        load_reference(Image.new("RGB", (64, 64)), weight=weight)


def test_an_alpha_of_another_size_is_refused() -> None:
    with pytest.raises(ImageError, match="give both of one size"):
        Reference(picture=Image.new("RGB", (64, 64)), alpha=Image.new("L", (32, 64), 255))
