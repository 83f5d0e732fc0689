"""L1, L2, PSNR and SSIM beside scikit-image, and what PIE-Bench's way of averaging does."""

from dataclasses import replace

import numpy as np
import pytest
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from tests.metrics.edits import edit

from retouch.core.errors import DataError
from retouch.metrics import fidelity
from retouch.metrics.pixel_metrics import CEILING, pixel_metric

EDITS = [edit(0), edit(1), edit(2, height=60, width=50)]


def test_whole_pictures_as_scikit_image_has_them() -> None:
    pairs = [(sample.output / 255, np.asarray(sample.target) / 255) for sample in EDITS]
    wanted = {
        "l1": [np.abs(one - other).mean() for one, other in pairs],
        "l2": [mean_squared_error(one, other) for one, other in pairs],
        "psnr": [peak_signal_noise_ratio(other, one, data_range=1) for one, other in pairs],
        "ssim": [ssim(one, other) for one, other in pairs],
    }
    for kind in ("l1", "l2", "psnr", "ssim"):
        np.testing.assert_allclose(pixel_metric(kind).measure(EDITS), wanted[kind], rtol=1e-4)


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    found = structural_similarity(
        one, other, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=-1
    )
    return float(np.asarray(found))


def test_distances_are_symmetric() -> None:
    turned = [replace(sample, output=np.asarray(sample.target), target=sample.output) for sample in EDITS]
    for kind in ("l1", "l2", "psnr", "ssim"):
        metric = pixel_metric(kind)
        np.testing.assert_allclose(metric.measure(turned), metric.measure(EDITS), rtol=1e-5)


def test_outside_the_mask_it_is_the_mean_of_what_counts() -> None:
    found = pixel_metric("psnr", against="source", where="outside").measure(EDITS)
    pairs = [(sample.output, np.asarray(sample.source), ~np.asarray(sample.mask)) for sample in EDITS]
    np.testing.assert_allclose(found, [fidelity.psnr(*pair) for pair in pairs])


def test_pie_bench_counts_the_black_pixels_in() -> None:
    kept = [(~np.asarray(sample.mask))[..., None] for sample in EDITS]
    pairs = [(each.output / 255 * kept[i], np.asarray(each.source) / 255 * kept[i]) for i, each in enumerate(EDITS)]
    errors = pixel_metric("l2", against="source", where="outside", diluted=True).measure(EDITS)
    np.testing.assert_allclose(errors, [mean_squared_error(*pair) for pair in pairs])
    alike = pixel_metric("ssim", against="source", where="outside", diluted=True).measure(EDITS)
    np.testing.assert_allclose(alike, [ssim(*pair) for pair in pairs], rtol=1e-4)
    share = [each.mean() for each in kept]
    np.testing.assert_allclose(errors, pixel_metric("l2", against="source", where="outside").measure(EDITS) * share)


def test_known_values() -> None:
    dark, light = (np.full((20, 30, 3), level, dtype=np.uint8) for level in (0, 51))
    sample = replace(EDITS[0], output=light, target=dark)
    assert pixel_metric("l1").measure([sample]) == pytest.approx(0.2)
    assert pixel_metric("l2").measure([sample]) == pytest.approx(0.04)
    assert pixel_metric("psnr").measure([sample]) == pytest.approx(10 * np.log10(25))
    assert pixel_metric("psnr").measure([replace(sample, output=dark)]) == CEILING


def test_ssim_needs_room_for_its_window() -> None:
    small = np.zeros((10, 40, 3), dtype=np.uint8)
    with pytest.raises(DataError, match="of 40 x 10 pixels, expected 11 or more a side"):
        pixel_metric("ssim").measure([replace(EDITS[0], output=small, target=small)])


def test_ssim_of_the_margin_alone_is_that_of_the_windows_that_reach_it() -> None:
    sample = edit(0)
    outside = np.zeros((72, 96), dtype=bool)
    outside[0, :] = True
    assert np.isfinite(
        pixel_metric("ssim", against="source", where="outside").measure([replace(sample, mask=~outside)])
    )
