"""Colour metrics against published CIEDE2000 values and simple laws."""

import numpy as np
import pytest

from retouch.metrics.colour import mean_colour_difference, mean_lab, pixel_difference
from retouch.metrics.fidelity import nearer_to, psnr


def plain(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((8, 8, 3), colour, dtype=np.uint8)


EVERYWHERE = np.ones((8, 8), dtype=bool)


def test_lab_of_pure_red_is_the_published_one() -> None:
    # CIE Lab of sRGB (255, 0, 0) under D65: Lindbloom's calculator.
    assert mean_lab(plain((255, 0, 0)), EVERYWHERE) == pytest.approx((53.24, 80.09, 67.20), abs=0.05)


def test_black_and_white_are_a_hundred_apart() -> None:
    assert mean_colour_difference(plain((0, 0, 0)), plain((255, 255, 255)), EVERYWHERE) == pytest.approx(100, abs=0.1)


def test_only_the_mask_counts() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[:4] = True
    output = plain((10, 200, 30))
    output[4:] = 255
    assert mean_colour_difference(output, plain((10, 200, 30)), mask) == 0
    assert pixel_difference(output, plain((10, 200, 30)), mask) == 0
    assert pixel_difference(output, plain((10, 200, 30))) > 5


def test_an_empty_mask_has_no_colour() -> None:
    with pytest.raises(ValueError, match="empty"):
        mean_lab(plain((1, 2, 3)), ~EVERYWHERE)


def test_psnr_of_a_known_error() -> None:
    assert psnr(plain((100, 100, 100)), plain((105, 105, 105))) == pytest.approx(10 * np.log10(255**2 / 25))
    assert psnr(plain((9, 9, 9)), plain((9, 9, 9))) == np.inf


def test_nearer_to() -> None:
    assert nearer_to(plain((90, 0, 0)), plain((100, 0, 0)), plain((0, 0, 0)), EVERYWHERE)
    assert not nearer_to(plain((10, 0, 0)), plain((100, 0, 0)), plain((0, 0, 0)), EVERYWHERE)
    assert not nearer_to(plain((255, 255, 255)), plain((100, 0, 0)), plain((0, 0, 0)), EVERYWHERE)
