"""How a picture is brought to a model's size, and how the result comes back to the picture's own."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from retouch.core.errors import ImageError, SettingsError

MAXIMUM_ASPECT = 10.0


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The whole of a `source_size` picture inside `model_size` pixels, both (width, height).

    The picture is scaled evenly until it just fits and centred; what is left over at two sides is
    filled with its own reflection. `inner` is its box (left, top, width, height) in the model's
    pixels. Nothing is cut off, so an edit of the whole picture reaches its very borders.
    """

    source_size: tuple[int, int]
    model_size: tuple[int, int]
    inner: tuple[int, int, int, int]

    @classmethod
    def for_model(cls, size: tuple[int, int], *, native: int = 256, multiple: int = 64) -> "Fit":
        """The fit of a picture of `size` (width, height) for a model trained at `native` pixels.

        InstructPix2Pix's rule (edit_cli.py): f = native / max side, raised until the shorter side is
        a multiple of 64 (here: `multiple`), the longer side rounded down to one. That program then
        crops what is left over; a Fit reflects it, because what is cropped cannot come back.
        Raises ImageError beyond an aspect of 10 to 1 and SettingsError for impossible sizes.
        """
        width, height = size
        if min(size) < 1 or multiple < 1 or native < multiple:
            raise SettingsError(f"{width} x {height} cannot be fitted to {native} pixels in multiples of {multiple}.")
        _check_aspect(size)
        factor = native / max(size)
        factor = math.ceil(round(min(size) * factor / multiple, 9)) * multiple / min(size)
        model = (_round_down(width * factor, multiple), _round_down(height * factor, multiple))
        return cls(source_size=size, model_size=model, inner=_inner_box(size, model))

    @classmethod
    def into(cls, size: tuple[int, int], model: tuple[int, int]) -> "Fit":
        """The fit of a picture of `size` into a model's size that is given, both (width, height).

        Raises ImageError beyond an aspect of 10 to 1.
        """
        _check_aspect(size)
        return cls(source_size=size, model_size=model, inner=_inner_box(size, model))

    @classmethod
    def for_area(cls, size: tuple[int, int], *, side: int, multiple: int) -> "Fit":
        """The fit for a model trained at areas of `side` × `side` pixels, of any proportions in multiples.

        Both sides are rounded down, so that the area is never exceeded; raises ImageError beyond an aspect of 10 to 1.
        """
        factor = side / math.sqrt(size[0] * size[1])
        width, height = (max(multiple, _round_down(length * factor, multiple)) for length in size)
        return cls.into(size, (width, height))

    def apply(self, image: Image.Image, *, method: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
        """`image`, of the source's size, at the model's size; the mode is kept."""
        self._expect(image, self.source_size)
        left, top, width, height = self.inner
        scaled = _resize(image, (width, height), method)
        if (width, height) == self.model_size:
            return scaled
        right, bottom = self.model_size[0] - width - left, self.model_size[1] - height - top
        channels = [(0, 0)] * (len(scaled.getbands()) > 1)
        margins = [(top, bottom), (left, right), *channels]
        return Image.fromarray(np.pad(np.asarray(scaled), margins, mode="symmetric"))

    def invert(self, image: Image.Image) -> Image.Image:
        """`image`, of the model's size, without the reflected margins at the source's size."""
        self._expect(image, self.model_size)
        left, top, width, height = self.inner
        kept = image if (width, height) == image.size else image.crop((left, top, left + width, top + height))
        return _resize(kept, self.source_size, Image.Resampling.BICUBIC)

    @staticmethod
    def _expect(image: Image.Image, size: tuple[int, int]) -> None:
        if image.size != size:
            raise ImageError(f"This fit is for {size[0]} x {size[1]} pixels, not for {image.width} x {image.height}.")


def _check_aspect(size: tuple[int, int]) -> None:
    if max(size) > MAXIMUM_ASPECT * min(size):
        raise ImageError(
            f"The image is {size[0]} x {size[1]} pixels; crop it to at most {MAXIMUM_ASPECT:g} times "
            "as long as it is wide."
        )


def _round_down(length: float, multiple: int) -> int:
    # The rounding undoes noise such as 255.99999999999997, which would cost a whole multiple.
    return int(round(length, 6) // multiple) * multiple


def _inner_box(source: tuple[int, int], model: tuple[int, int]) -> tuple[int, int, int, int]:
    scale = min(model[0] / source[0], model[1] / source[1])
    width = min(model[0], max(1, round(source[0] * scale)))
    height = min(model[1], max(1, round(source[1] * scale)))
    return (model[0] - width) // 2, (model[1] - height) // 2, width, height


def _resize(image: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Image.Image:
    return image.copy() if image.size == size else image.resize(size, method)
