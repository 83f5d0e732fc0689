"""The quality score (QS): how likely pictures are under a mixture of normal distributions fitted to real ones.

Giles et al.'s GIQA (arXiv 2003.08932) as Paint-by-Example measures it: on features of a CLIP model.
"""

import io
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch.core.errors import DataError, MissingExtraError
from retouch.core.files import atomic_write
from retouch.metrics.clip import Encoder
from retouch.metrics.clip_fid import SIDE
from retouch.metrics.frechet import Features
from retouch.metrics.protocol import protocol_id

COMPONENTS = 20
SCALE = 300.0
"""What a log-likelihood is divided by, so that features of CLIP's ViT-B/32 come to lie between 0 and 1."""
_PARTS = ("weights", "means", "covariances", "precisions_cholesky")


def quality_protocol(encoder: Encoder) -> str:
    """What scores depend on; the published ones are those of CLIP's ViT-B/32."""
    return protocol_id(
        "quality-score",
        encoder=encoder.name,
        resize=f"bilinear-centre-{SIDE}-then-{encoder.manner}",
        pixels="rgb-0-1",
        scaling=f"unscaled-features-mixture-{COMPONENTS}-by-{SCALE:g}",
    )


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
    mixture = _mixture(seed)
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Few pictures make k-means find fewer different places than it was asked for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return QualityModel(mixture=mixture.fit(features))


def save_quality(path: Path, model: QualityModel, *, protocol: str) -> Path:
    """Write a fitted mixture and its protocol as `.npz`. Raises OutputError."""
    buffer = io.BytesIO()
    parts = {name: getattr(model.mixture, f"{name}_") for name in _PARTS}
    np.savez(buffer, protocol=np.str_(protocol), **parts)
    return atomic_write(path, buffer.getvalue())


def load_quality(path: Path, *, protocol: str) -> QualityModel:
    """Read what `save_quality` wrote under the same protocol.

    Raises:
        DataError: the file is missing, broken or of another protocol.
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            parts = {name: np.asarray(content[name], dtype=np.float64) for name in _PARTS}
            written = str(content["protocol"])
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"'{path}' holds no fitted mixture ({error}); fit it again.") from error
    if written != protocol:
        raise DataError(
            f"The mixture in '{path}' is of the protocol '{written}', expected '{protocol}'; fit it again with the "
            "same encoder."
        )
    count, width = parts["means"].shape if parts["means"].ndim == 2 else (0, 0)
    shapes = {"weights": (count,), "means": (count, width)}
    whole = all(parts[name].shape == shapes.get(name, (count, width, width)) for name in _PARTS)
    if not count or not whole or not all(np.isfinite(part).all() for part in parts.values()):
        raise DataError(f"The parts of the mixture in '{path}' do not fit each other; fit it again.")
    mixture = _mixture(0)
    for name, part in parts.items():
        setattr(mixture, f"{name}_", part)
    return QualityModel(mixture=mixture)


def _mixture(seed: int) -> Any:
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise MissingExtraError(
            "The quality score needs scikit-learn, which is not installed: run pip install 'retouch[evaluate]'."
        ) from error
    return GaussianMixture(COMPONENTS, random_state=seed)
