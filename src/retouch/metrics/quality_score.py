"""The quality score (QS): how likely pictures are under a mixture of normal distributions fitted to real ones.

Giles et al.'s GIQA (arXiv 2003.08932) as Paint-by-Example measures it: on features of a CLIP model.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch.core.errors import DataError, MissingExtraError
from retouch.metrics.clip import Encoder
from retouch.metrics.clip_fid import SIDE, Features

COMPONENTS = 20
SCALE = 300.0
"""What a log-likelihood is divided by, so that features of CLIP's ViT-B/32 come to lie between 0 and 1."""


def quality_protocol(encoder: Encoder) -> str:
    """What scores depend on; the published ones are those of CLIP's ViT-B/32."""
    return f"quality-score/mixture-{COMPONENTS}/by-{SCALE:g}/bilinear-centre-{SIDE}/v1/{encoder.protocol}"


@dataclass(frozen=True, kw_only=True, eq=False)
class QualityModel:
    """A mixture fitted to the features of real pictures."""

    mixture: Any

    def likelihoods(self, features: Features) -> NDArray[np.float64]:
        """Of features (N, D) the log-likelihoods (N,), which tell models of another encoder apart that all score 0."""
        return self.mixture.score_samples(features)

    def scores(self, features: Features) -> NDArray[np.float64]:
        """Of features (N, D) the scores (N,) in 0…1: log-likelihoods by `SCALE`, cut off."""
        return np.clip(self.likelihoods(features) / SCALE, 0.0, 1.0)

    def score(self, features: Features) -> float:
        """The mean score times a hundred."""
        return float(100 * self.scores(features).mean())


def check_enough(count: int) -> None:
    """Raises DataError where so many real pictures are too few for a mixture."""
    if count < COMPONENTS:
        raise DataError(
            f"The reference set holds {count} pictures, too few for a mixture of {COMPONENTS}; give at least "
            f"{COMPONENTS}, better thousands."
        )


def fit_quality(features: Features, *, seed: int = 0) -> QualityModel:
    """Fit the mixture to features (N, D) of real pictures, the same for the same seed.

    Raises:
        DataError: there are fewer pictures than parts of the mixture.
        MissingExtraError: scikit-learn is not installed.
    """
    check_enough(len(features))
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise MissingExtraError(
            "The quality score needs scikit-learn, which is not installed: run pip install 'retouch[evaluate]'."
        ) from error
    with warnings.catch_warnings():
        # Few pictures make k-means find fewer different places than it was asked for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return QualityModel(mixture=GaussianMixture(COMPONENTS, random_state=seed).fit(features))
