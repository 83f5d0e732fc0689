"""Sharpness: zero of what is flat or a slope, as a convolution says, less of what is blurred, and of a part alone."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from retouch.core.errors import SettingsError
from retouch.metrics.sharpness import sharpness

NOISE = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)


def test_flat_pictures_and_slopes_have_none() -> None:
    assert sharpness(np.full((9, 9, 3), 77, dtype=np.uint8)) == 0
    slope = np.repeat(np.arange(0, 90, 3, dtype=np.uint8)[None, :, None], 20, axis=0).repeat(3, axis=2)
    assert sharpness(slope) == pytest.approx(0, abs=1e-18)


def test_it_is_the_variance_of_the_laplacian() -> None:
    grey = NOISE.copy()
    grey[:] = NOISE[..., :1]
    values = grey[..., 0].astype(float)
    found = [
        values[y - 1, x] + values[y + 1, x] + values[y, x - 1] + values[y, x + 1] - 4 * values[y, x]
        for y in range(1, 23)
        for x in range(1, 29)
    ]
    assert sharpness(grey) == pytest.approx(float(np.var(found)))


def test_blur_takes_it_where_it_is() -> None:
    blurred = np.asarray(Image.fromarray(NOISE).filter(ImageFilter.GaussianBlur(2)))
    assert sharpness(blurred) < 0.05 * sharpness(NOISE)
    half = NOISE.copy()
    half[:, 15:] = blurred[:, 15:]
    left = np.zeros((24, 30), dtype=bool)
    left[:, :14] = True
    assert sharpness(half, left) == sharpness(NOISE, left)
    assert sharpness(half, ~left) < sharpness(NOISE, ~left)


def test_a_part_without_pixels_is_refused() -> None:
    border = np.zeros((24, 30), dtype=bool)
    border[0] = True
    with pytest.raises(SettingsError, match="No pixel counts"):
        sharpness(NOISE, border)
