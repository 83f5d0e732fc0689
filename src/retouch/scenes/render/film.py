"""From noisy linear light to a picture: Open Image Denoise, a soft shoulder, sRGB."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch.core.errors import MissingExtraError

_SHOULDER = 0.72
"""Linear value above which highlights are bent towards white."""
_INPUT_SCALE = 1.0
"""Fixed, where the denoiser would otherwise look at the whole picture and couple distant pixels."""


@dataclass(frozen=True, kw_only=True)
class Traced:
    """What a tracer has seen, linear, (H, W, 3) float32 each but `coverage` (H, W) in [0, 1].

    `faces` (H, W) int64 is the triangle under each pixel's centre, -1 where nothing is.
    """

    radiance: NDArray[np.float32]
    albedo: NDArray[np.float32]
    normals: NDArray[np.float32]
    coverage: NDArray[np.float32]
    faces: NDArray[np.int64]


class Denoiser:
    """A denoising filter for square pictures of one size, whose buffers are reused."""

    def __init__(self, size: int, threads: int) -> None:
        import pyoidn

        self._device = pyoidn.Device()
        self._device.set_int("numThreads", threads)
        self._device.commit()
        shape = (size, size, 3)
        self._color, self._albedo, self._normal, self._output = (np.zeros(shape, np.float32) for _ in range(4))
        self._filter = pyoidn.Filter(self._device, pyoidn.OIDN_FILTER_TYPE_RT)
        for name, image in (
            (pyoidn.OIDN_IMAGE_COLOR, self._color),
            (pyoidn.OIDN_IMAGE_ALBEDO, self._albedo),
            (pyoidn.OIDN_IMAGE_NORMAL, self._normal),
            (pyoidn.OIDN_IMAGE_OUTPUT, self._output),
        ):
            self._filter.set_image(name, image, pyoidn.OIDN_FORMAT_FLOAT3)
        self._filter.set_bool("hdr", True)
        self._filter.set_float("inputScale", _INPUT_SCALE)
        self._filter.set_int("quality", pyoidn.OIDN_QUALITY_FAST)
        self._filter.commit()

    def __call__(
        self, radiance: NDArray[np.float32], albedo: NDArray[np.float32], normals: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the denoised linear picture, (H, W, 3)."""
        self._color[...], self._albedo[...], self._normal[...] = radiance, albedo, normals
        self._filter.execute()
        return self._output.copy()


@lru_cache(maxsize=4)
def denoiser(size: int, threads: int) -> Denoiser:
    """Return the denoiser for pictures of this side. Raises MissingExtraError without pyoidn."""
    try:
        return Denoiser(size, threads)
    except ImportError as error:
        raise MissingExtraError(
            "Rendering rooms needs pyoidn, which is not installed: run pip install 'retouch[scenes]'."
        ) from error


def develop(radiance: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return linear light as sRGB bytes; below the shoulder colours are reproduced exactly."""
    exposed = np.maximum(radiance, 0.0)
    room = 1.0 - _SHOULDER
    bent = _SHOULDER + room * (1.0 - np.exp(-(exposed - _SHOULDER) / room))
    linear = np.where(exposed > _SHOULDER, bent, exposed)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(np.clip(encoded, 0.0, 1.0) * 255.0).astype(np.uint8)
