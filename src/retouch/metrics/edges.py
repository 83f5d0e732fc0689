"""How well the edges of a picture keep to those it was held to."""

import numpy as np
from numpy.typing import NDArray

from retouch.core.edges import HIGH, LOW

TOLERANCE = 2
"""Pixels an edge may be off."""
EDGE_PROTOCOL = f"edges/f1/canny-{LOW}-{HIGH}/tolerance-{TOLERANCE}px"


def edge_f1(found: NDArray[np.bool_], wanted: NDArray[np.bool_], *, tolerance: int = TOLERANCE) -> float:
    """Return the harmonic mean of precision and recall of edges, (H, W) each, `tolerance` pixels apart at most.

    Precision is the share of found edge pixels that have a wanted one near by, recall the reverse. 1 where
    neither picture has edges, 0 where only one has.
    """
    if not found.any() or not wanted.any():
        return float(found.any() == wanted.any())
    precision = float(_near(wanted, tolerance)[found].mean())
    recall = float(_near(found, tolerance)[wanted].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _near(edges: NDArray[np.bool_], tolerance: int) -> NDArray[np.bool_]:
    """Where an edge lies at most `tolerance` pixels away, (H, W)."""
    height, width = edges.shape
    padded = np.pad(edges, tolerance)
    near = np.zeros_like(edges)
    steps = range(-tolerance, tolerance + 1)
    for down, right in ((y, x) for y in steps for x in steps if y * y + x * x <= tolerance * tolerance):
        top, left = tolerance + down, tolerance + right
        near |= padded[top : top + height, left : left + width]
    return near
