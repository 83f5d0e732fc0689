"""How near one picture is to another, over all pixels or some."""

import math

import numpy as np
from numpy.typing import NDArray

CHANGE_PROTOCOL = "pair/change/mean-absolute-srgb-0-1"


def mean_squared_error(
    output: NDArray[np.uint8], target: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None
) -> float:
    """Return the mean squared error of (H, W, 3) pictures in 8-bit levels, inside `mask` where given."""
    error = (output.astype(np.float64) - target.astype(np.float64)) ** 2
    return float(error.mean() if mask is None else error[mask].mean())


def mean_absolute_difference(output: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """Return the mean absolute difference of (H, W, 3) pictures in 8-bit levels, as a part of the whole range."""
    return float(np.abs(output.astype(np.int16) - target).mean() / 255)


def psnr(output: NDArray[np.uint8], target: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite for equal pictures."""
    error = mean_squared_error(output, target, mask)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def nearer_to(
    output: NDArray[np.uint8],
    target: NDArray[np.uint8],
    source: NDArray[np.uint8],
    mask: NDArray[np.bool_],
) -> bool:
    """Say whether `output` is nearer to `target` than to `source` in squared error inside `mask`.

    It must also be nearer to `target` than `source` is, so that noise, far from both, never passes.
    """
    left = mean_squared_error(output, target, mask)
    return left < min(mean_squared_error(output, source, mask), mean_squared_error(source, target, mask))
