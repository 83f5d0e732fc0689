"""A fit follows InstructPix2Pix's size rule and brings every picture back to its own size."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from retouch.core.errors import ImageError, SettingsError
from retouch.core.fit import Fit


def published_size(width: int, height: int, resolution: int) -> tuple[int, int]:
    """edit_cli.py of timbrooks/instruct-pix2pix, verbatim."""
    factor = resolution / max(width, height)
    factor = math.ceil(min(width, height) * factor / 64) * 64 / min(width, height)
    return int((width * factor) // 64) * 64, int((height * factor) // 64) * 64


@pytest.mark.parametrize("size", [(512, 512), (1000, 700), (700, 1000), (1920, 1080), (640, 480), (333, 1000)])
@pytest.mark.parametrize("native", [256, 512])
def test_model_size_is_the_published_one(size: tuple[int, int], native: int) -> None:
    assert Fit.for_model(size, native=native).model_size == published_size(*size, native)


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(16, 900),
    height=st.integers(16, 900),
    native=st.sampled_from([128, 256]),
    multiple=st.sampled_from([8, 32, 64]),
)
def test_laws(width: int, height: int, native: int, multiple: int) -> None:
    if max(width, height) > 10 * min(width, height):
        return
    fit = Fit.for_model((width, height), native=native, multiple=multiple)
    left, top, inner_width, inner_height = fit.inner
    assert all(side % multiple == 0 and side > 0 for side in fit.model_size)
    assert left >= 0 and left + inner_width <= fit.model_size[0]
    assert top >= 0 and top + inner_height <= fit.model_size[1]
    assert inner_width == fit.model_size[0] or inner_height == fit.model_size[1]
    assert abs(inner_width * height - inner_height * width) <= max(width, height)
    image = Image.new("RGB", (width, height), (10, 200, 30))
    fitted = fit.apply(image)
    assert fitted.size == fit.model_size
    assert np.ptp(np.asarray(fitted), axis=(0, 1)).max() == 0
    assert fit.invert(fitted).size == image.size


def test_a_picture_of_the_models_size_passes_unchanged() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (256, 192, 3), dtype=np.uint8))
    fit = Fit.for_model(image.size)
    assert np.array_equal(np.asarray(fit.apply(image)), np.asarray(image))
    assert np.array_equal(np.asarray(fit.invert(image)), np.asarray(image))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_round_trip_keeps_a_smooth_picture_and_its_borders(mode: str) -> None:
    ramp = np.linspace(0, 255, 300)[None, :].repeat(200, axis=0).astype(np.uint8)
    image = Image.fromarray(ramp).convert(mode)
    fit = Fit.for_model(image.size)
    assert fit.inner[:2] != (0, 0)
    returned = fit.invert(fit.apply(image))
    assert returned.mode == mode
    difference = np.abs(np.asarray(returned, dtype=int) - np.asarray(image, dtype=int))
    assert difference.max() <= 3


def test_margins_are_the_pictures_reflection() -> None:
    fit = Fit.for_model((300, 200))
    rows = np.asarray(fit.apply(Image.radial_gradient("L").resize((300, 200))))
    _, top, _, height = fit.inner
    assert top > 0
    assert np.array_equal(rows[top - 1], rows[top])
    assert np.array_equal(rows[top + height], rows[top + height - 1])


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ImageError, match="2000 x 100"):
        Fit.for_model((2000, 100))
    with pytest.raises(SettingsError):
        Fit.for_model((0, 100))
    with pytest.raises(SettingsError):
        Fit.for_model((100, 100), native=32, multiple=64)
    fit = Fit.for_model((100, 100))
    with pytest.raises(ImageError, match="100 x 100"):
        fit.apply(Image.new("RGB", (99, 100)))
