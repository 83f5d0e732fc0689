"""How sharp a picture is: the variance of its Laplacian (Pech-Pacheco et al., 2000)."""

import numpy as np
from numpy.typing import NDArray

from retouch.core.errors import SettingsError

_LUMA = np.array([0.299, 0.587, 0.114])


def sharpness(picture: NDArray[np.uint8], where: NDArray[np.bool_] | None = None) -> float:
    """The variance of the 4-neighbour Laplacian of the luma, in squared levels of 0…255.

    Args:
        picture: (H, W, 3), at least 3 x 3.
        where: (H, W), the pixels that count, of which those at the picture's border do not; None all.

    Raises:
        SettingsError: no pixel counts.
    """
    luma = picture.astype(np.float64) @ _LUMA
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    laplacian = around - 4 * luma[1:-1, 1:-1]
    counted = laplacian if where is None else laplacian[where[1:-1, 1:-1]]
    if not counted.size:
        raise SettingsError("No pixel counts for the sharpness; give a part of the picture off its border.")
    return float(counted.var())
