"""Pictures of an object to put in, as people have them: with transparency or without, of any shape and size."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from PIL import Image

from retouch.core.errors import ImageError, SettingsError
from retouch.core.images import LoadedImage, load_image
from retouch.core.region import Region

BACKGROUND = (128, 128, 128)
"""What stands about an object that was cut out: the middle of what an image encoder reads."""
MAXIMUM_WEIGHT = 2.0
MAXIMUM_REFERENCES = 16
_MARGIN = 0.04
"""Of the object's longer side: what stays about it."""
_SEEN = 128
"""From this alpha on a pixel belongs to the object."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """A picture of an object.

    picture: RGB, upright.
    alpha: mode L, of the picture's size, 255 where the object is; None where all of the picture is shown.
    weight: how much it counts beside others, in 0…2.
    region: the part of the edited picture it is for; None is all of it.
    sha256, name: of the file it came from, for the record.

    Raises ImageError where the alpha is of another size or shows nothing, SettingsError for a weight out of range.
    """

    picture: Image.Image
    alpha: Image.Image | None = None
    weight: float = 1.0
    region: Region | None = None
    sha256: str = ""
    name: str = "reference"

    def __post_init__(self) -> None:
        if isinstance(self.weight, bool) or not 0 <= self.weight <= MAXIMUM_WEIGHT:
            raise SettingsError(
                f"The weight of '{self.name}' is {self.weight!r}; expected a number from 0 to {MAXIMUM_WEIGHT:g}."
            )
        if self.alpha is None:
            return
        if self.alpha.size != self.picture.size:
            raise ImageError(
                f"The alpha of '{self.name}' is {self.alpha.width} x {self.alpha.height} pixels, its picture "
                f"{self.picture.width} x {self.picture.height}; give both of one size."
            )
        if self._box() is None:
            raise ImageError(f"'{self.name}' is transparent everywhere; give a picture that shows an object.")

    def squared(self, background: tuple[int, int, int] = BACKGROUND) -> Image.Image:
        """The object on a plain background in the middle of a square, none of it cut off; RGB."""
        box = cast(tuple[int, int, int, int], self._box())
        shown = self.picture.crop(box)
        margin = 0 if self.alpha is None else round(_MARGIN * max(shown.size))
        side = max(shown.size) + 2 * margin
        square = Image.new("RGB", (side, side), background)
        place = ((side - shown.width) // 2, (side - shown.height) // 2)
        square.paste(shown, place, None if self.alpha is None else self.alpha.crop(box))
        return square

    def cropped(self, box: tuple[int, int, int, int]) -> "Reference":
        """The same for a box of the edited picture, in whose pixels its region then is."""
        if self.region is None:
            return self
        return replace(self, region=replace(self.region, mask=self.region.mask.crop(box)))

    def _box(self) -> tuple[int, int, int, int] | None:
        if self.alpha is None:
            return (0, 0, *self.picture.size)
        return self.alpha.point([255 * (level >= _SEEN) for level in range(256)]).getbbox()


def load_reference(
    source: str | Path | bytes | Image.Image | LoadedImage,
    *,
    weight: float = 1.0,
    region: Region | None = None,
    allow_private: bool = False,
) -> Reference:
    """Read a picture of an object; its transparency says what of it is the object.

    Raises:
        ImageError: it is no picture that can be read, or transparent everywhere.
        SettingsError: the weight is out of range.
    """
    loaded = (
        source
        if isinstance(source, LoadedImage)
        else load_image(source, allow_private=allow_private, base_name="reference")
    )
    return Reference(
        picture=loaded.pixels,
        alpha=loaded.alpha,
        weight=weight,
        region=region,
        sha256=loaded.sha256,
        name=loaded.name,
    )
