"""The edges in a picture, by Canny's detector, as the published ControlNets are conditioned on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch.core.errors import MissingExtraError

LOW, HIGH = 100, 200
"""The thresholds of the published ControlNet's edges, in 8-bit gradient."""


def edges(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where `picture`, (H, W, 3) sRGB, has an edge, (H, W).

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    return _opencv().Canny(np.ascontiguousarray(picture), LOW, HIGH) > 0


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError(
            "Edges need OpenCV, which is not installed; add it with `pip install 'retouch[photos]'`."
        ) from error
    return cv2
