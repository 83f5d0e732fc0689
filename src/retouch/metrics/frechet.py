"""The Fréchet distance of two sets of features, which are gathered batch by batch or read from a file."""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retouch.core.errors import DataError
from retouch.core.files import atomic_write

Features = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaussian:
    """The normal distribution that fits a set: its mean (D,), its scatter (D, D), a sum of squares, and its count."""

    mean: Features
    scatter: Features
    count: int

    @property
    def covariance(self) -> Features:
        """(D, D), by count − 1."""
        return self.scatter / (self.count - 1)


def empty_gaussian(width: int) -> Gaussian:
    """That of no features yet, of this width."""
    return Gaussian(mean=np.zeros(width), scatter=np.zeros((width, width)), count=0)


def gaussian_of(features: Features) -> Gaussian:
    """That of features (N, D).

    Raises:
        DataError: they are no such array, or hold what is no finite number.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or not len(features):
        raise DataError(f"Features of shape {features.shape} came, expected (pictures, width) with a picture at least.")
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wrong):
        raise DataError(
            f"The features of picture {wrong[0] + 1} of {len(features)} are not finite numbers; the encoder's weights "
            "may be broken, restore them."
        )
    mean = features.mean(axis=0)
    centred = features - mean
    return Gaussian(mean=mean, scatter=centred.T @ centred, count=len(features))


def merged(one: Gaussian, other: Gaussian) -> Gaussian:
    """That of both sets together (Chan, Golub and LeVeque, 1979), exact but for rounding.

    Raises:
        DataError: their features are not of one width.
    """
    if one.mean.shape != other.mean.shape:
        raise DataError(
            f"Features of {one.mean.size} and of {other.mean.size} numbers came, expected one width; use one encoder."
        )
    if not one.count or not other.count:
        return one if one.count else other
    count = one.count + other.count
    apart = other.mean - one.mean
    return Gaussian(
        mean=one.mean + apart * (other.count / count),
        scatter=one.scatter + other.scatter + np.outer(apart, apart) * (one.count * other.count / count),
        count=count,
    )


def gathered(batches: Iterable[Features]) -> Gaussian:
    """That of features in batches (B, D), of which one at a time is held.

    Raises:
        DataError: there are none, they are not of one width, or hold what is no finite number.
    """
    found: Gaussian | None = None
    for batch in batches:
        found = gaussian_of(batch) if found is None else merged(found, gaussian_of(batch))
    if found is None:
        raise DataError("There are no features; give at least 2 pictures.")
    return found


def distance(one: Gaussian, other: Gaussian) -> float:
    """The squared Fréchet distance |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½) (arXiv 1706.08500, equation 6).

    By the eigenvalues of symmetric matrices, which are real. With fewer samples than features the covariances are not
    whole, and figures of sets of different sizes are not to be compared.

    Raises:
        DataError: a set has fewer than two samples, or their features are not of one width.
    """
    for each in (one, other):
        if each.count < 2:
            raise DataError(f"A distance of sets of pictures needs at least 2 in each; one has {each.count}.")
    if one.mean.shape != other.mean.shape:
        raise DataError(
            f"The sets' features have {one.mean.size} and {other.mean.size} numbers, expected one width; use one "
            "encoder."
        )
    apart = one.mean - other.mean
    first, second = one.covariance, other.covariance
    root = _root(first)
    # (Σ₁ Σ₂)^½ has the trace of (Σ₁^½ Σ₂ Σ₁^½)^½, which is symmetric.
    mixed = np.linalg.eigvalsh(root @ second @ root).clip(min=0)
    found = apart @ apart + np.trace(first) + np.trace(second) - 2 * np.sqrt(mixed).sum()
    return max(0.0, float(found))


def frechet_distance(one: Features, other: Features) -> float:
    """The `distance` of two sets of features, (N, D) and (M, D), whose errors it raises."""
    for features in (one, other):
        if len(features) < 2:
            raise DataError(f"A distance of sets of pictures needs at least 2 in each; one has {len(features)}.")
    return distance(gaussian_of(one), gaussian_of(other))


def save_statistics(path: Path, gaussian: Gaussian, *, protocol: str) -> Path:
    """Write mean, covariance, count and protocol as `.npz`. Raises OutputError, and DataError for fewer than 2."""
    if gaussian.count < 2:
        raise DataError(f"Statistics need at least 2 pictures; {gaussian.count} came.")
    buffer = io.BytesIO()
    np.savez(
        buffer,
        mean=gaussian.mean,
        covariance=gaussian.covariance,
        count=np.int64(gaussian.count),
        protocol=np.str_(protocol),
    )
    return atomic_write(path, buffer.getvalue())


def load_statistics(path: Path, *, protocol: str) -> Gaussian:
    """Read what `save_statistics` wrote under the same protocol.

    Raises:
        DataError: the file is missing, broken, or of another protocol.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            mean, covariance = (np.asarray(content[key], dtype=np.float64) for key in ("mean", "covariance"))
            count, written = int(content["count"]), str(content["protocol"])
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"'{path}' holds no statistics of pictures ({error}); expected an .npz with mean, covariance, count and "
            "protocol, make it again."
        ) from error
    if written != protocol:
        raise DataError(
            f"The statistics in '{path}' are of the protocol '{written}', expected '{protocol}'; make them again with "
            "the same encoder."
        )
    whole = mean.ndim == 1 and covariance.shape == (mean.size, mean.size) and count > 1
    if not whole or not np.isfinite(mean).all() or not np.isfinite(covariance).all():
        raise DataError(
            f"The statistics in '{path}' do not fit each other: a mean {mean.shape}, a covariance {covariance.shape}, "
            f"{count} pictures, and all finite; make them again."
        )
    return Gaussian(mean=mean, scatter=covariance * (count - 1), count=count)


def _root(matrix: Features) -> Features:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
