"""Textile patterns as coverage maps that follow a garment's folds a little."""

from collections.abc import Callable

import numpy as np

from retouch.datagen.photos.opencv import cv2

FOLLOW_FOLDS = 0.5


def draw_pattern(name: str, lightness: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The pattern called `name` over a garment: (H, W) float32, 1 where the second colour goes.

    `lightness` (H, W), L in [0, 100], bends the pattern along the folds; the pattern's scale and origin come
    from the bounds of `mask` (H, W) bool, so that the same garment always gets the same pattern.
    """
    rows, columns = np.nonzero(mask)
    height, width = lightness.shape
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    relief = cv2.GaussianBlur(lightness.astype(np.float32), (0, 0), 4)
    bend_down, bend_across = np.gradient(relief)
    unit = float(np.clip(min(np.ptp(rows), np.ptp(columns)) / 12, 9, 18))
    x = (across - columns.mean() + FOLLOW_FOLDS * np.clip(bend_across, -6, 6)) / unit
    y = (down - rows.mean() + FOLLOW_FOLDS * np.clip(bend_down, -6, 6)) / unit
    coverage = PATTERNS[name](x, y, unit)
    return cv2.GaussianBlur(coverage.astype(np.float32), (0, 0), 0.5)


def _stripe(position: np.ndarray, unit: float, share: float = 0.5) -> np.ndarray:
    """Antialiased stripes, one every unit of `position`, covering `share` of it."""
    from_centre = np.abs(position - np.rint(position))
    return np.clip((share / 2 - from_centre) * unit + 0.5, 0, 1)


def _horizontal_stripes(_: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
    return _stripe(y / 1.2, unit * 1.2)


def _vertical_stripes(x: np.ndarray, _: np.ndarray, unit: float) -> np.ndarray:
    return _stripe(x / 1.1, unit * 1.1, 0.45)


def _diagonal_stripes(x: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
    return _stripe((x + y) / 1.7, unit * 1.2, 0.45)


def _polka_dots(x: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
    shifted = x + 0.5 * np.mod(np.rint(y), 2)
    distance = np.hypot(shifted - np.rint(shifted), y - np.rint(y))
    return np.clip((0.29 - distance) * unit + 0.5, 0, 1)


def _checks(x: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
    return 0.5 * _stripe(x / 1.3, unit * 1.3) + 0.5 * _stripe(y / 1.3, unit * 1.3)


def _plaid(x: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
    broad = 0.42 * _stripe(x / 2.4, unit * 2.4, 0.42) + 0.42 * _stripe(y / 2.4, unit * 2.4, 0.42)
    thin = np.maximum(_stripe(x / 2.4 + 0.5, unit * 2.4, 0.09), _stripe(y / 2.4 + 0.5, unit * 2.4, 0.09))
    return np.maximum(broad, 0.75 * thin)


PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "horizontal_stripes": _horizontal_stripes,
    "vertical_stripes": _vertical_stripes,
    "diagonal_stripes": _diagonal_stripes,
    "polka_dots": _polka_dots,
    "checks": _checks,
    "plaid": _plaid,
}
"""Every pattern by its name: coverage from coordinates in pattern units and the unit in pixels."""
