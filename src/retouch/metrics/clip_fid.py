"""CLIP-FID: how far two sets of pictures lie apart as a CLIP model sees them. It is no Inception FID, nor near one."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.errors import DataError
from retouch.metrics.clip import Encoder

SIDE = 512
"""Pixels of the square in the middle of a picture that counts, its short side brought to that."""
_BATCH = 32

Features = NDArray[np.float64]


def clip_fid_protocol(encoder: Encoder) -> str:
    """What figures depend on; the published ones are those of CLIP's ViT-B/32."""
    return f"clip-fid/unscaled-features/bilinear-centre-{SIDE}/v1/{encoder.protocol}"


def clip_features(encoder: Encoder, pictures: Iterable[Image.Image]) -> Features:
    """The vectors of pictures, (N, D), not of unit length; read one batch at a time."""
    remaining: Iterator[Image.Image] = iter(pictures)
    parts: list[Features] = []
    while batch := [centred(picture) for picture in islice(remaining, _BATCH)]:
        parts.append(encoder.unscaled(batch).double().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 0))


def centred(picture: Image.Image) -> Image.Image:
    """The square in the middle of a picture, `SIDE` pixels wide."""
    width, height = picture.size
    short = min(width, height)
    size = (int(SIDE * width / short), int(SIDE * height / short))
    resized = picture.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    left, top = (round((length - SIDE) / 2) for length in size)
    return resized.crop((left, top, left + SIDE, top + SIDE))


def frechet_distance(one: Features, other: Features) -> float:
    """The squared Fréchet distance of the normal distributions that fit two sets of features, (N, D) and (M, D).

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½) (arXiv 1706.08500, equation 6). With fewer samples than features the
    covariances are not whole, and figures of sets of different sizes are not to be compared.

    Raises:
        DataError: a set has fewer than two samples.
    """
    for features in (one, other):
        if len(features) < 2:
            raise DataError(f"A distance of sets of pictures needs at least 2 in each; one has {len(features)}.")
    apart = one.mean(axis=0) - other.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (one, other))
    root = _root(first)
    # (Σ₁ Σ₂)^½ has the trace of (Σ₁^½ Σ₂ Σ₁^½)^½, which is symmetric.
    mixed = np.linalg.eigvalsh(root @ second @ root).clip(min=0)
    return float(apart @ apart + np.trace(first) + np.trace(second) - 2 * np.sqrt(mixed).sum())


def _root(matrix: Features) -> Features:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
