"""The quality score: the likelihood of a mixture of normal distributions, scaled and cut off."""

import numpy as np
import pytest

from retouch.core.errors import DataError
from retouch.metrics.quality_score import COMPONENTS, SCALE, QualityModel, fit_quality


@pytest.fixture(scope="module")
def real() -> np.ndarray:
    """Narrow heaps, whose densities are high."""
    generator = np.random.default_rng(0)
    return np.repeat(generator.normal(size=(COMPONENTS, 60)), 8, axis=0) + 1e-3 * generator.normal(size=(160, 60))


@pytest.fixture(scope="module")
def model(real: np.ndarray) -> QualityModel:
    return fit_quality(real)


def test_scores_are_scaled_log_likelihoods(real: np.ndarray, model: QualityModel) -> None:
    mixture, point = model.mixture, real[:1] + 0.002
    assert len(mixture.weights_) == 20
    densities = [
        np.log(weight)
        - 0.5 * (60 * np.log(2 * np.pi) + np.linalg.slogdet(spread)[1])
        - 0.5 * ((point[0] - mean) @ np.linalg.solve(spread, point[0] - mean))
        for weight, mean, spread in zip(mixture.weights_, mixture.means_, mixture.covariances_, strict=True)
    ]
    wanted = np.logaddexp.reduce(densities) / SCALE
    assert 0 < wanted < 1
    assert model.scores(point)[0] == pytest.approx(wanted, rel=1e-6)


def test_real_pictures_score_and_strange_ones_do_not(real: np.ndarray, model: QualityModel) -> None:
    assert model.score(real[:7]) > 50
    assert model.score(real[:7] + 5) == 0.0
    assert 0 <= model.scores(real).min() <= model.scores(real).max() <= 1
    mixed = np.concatenate([real[:1], real[:1] + 5])
    assert model.score(mixed) == pytest.approx(model.score(real[:1]) / 2)


def test_the_same_seed_fits_the_same(real: np.ndarray, model: QualityModel) -> None:
    assert np.array_equal(fit_quality(real).scores(real), model.scores(real))


def test_too_few_pictures_are_told(real: np.ndarray) -> None:
    with pytest.raises(DataError, match="holds 19 pictures, too few for a mixture of 20; give at least 20"):
        fit_quality(real[:19])
