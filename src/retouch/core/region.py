"""Where an edit may change a picture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops

from retouch.core.errors import ImageError, SettingsError


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """The part of a picture that an edit may change.

    mask: mode L, of the picture's size: 255 where it may, 0 where every pixel stays as it is, between where edges
        are soft.
    origin: how it came about, in words, for the record: "box 10,20,90,80", "phrase 'the lamp'".
    """

    mask: Image.Image
    origin: str

    def __post_init__(self) -> None:
        if self.mask.mode != "L":
            raise SettingsError(f"A region's mask is of mode {self.mask.mode}; expected one grey channel (mode L).")

    @property
    def is_empty(self) -> bool:
        """Whether nothing may change."""
        return self.mask.getbbox() is None

    @property
    def is_full(self) -> bool:
        """Whether everything may change."""
        return self.mask.getextrema() == (255, 255)

    @property
    def sha256(self) -> str:
        """The hex digest of the mask's size and levels, however its file is written."""
        width, height = self.mask.size
        return hashlib.sha256(f"{width}x{height}:".encode() + self.mask.tobytes()).hexdigest()

    def check_size(self, size: tuple[int, int]) -> None:
        """See that the mask is of a picture's size (width, height); raises ImageError naming both."""
        if self.mask.size != size:
            raise ImageError(
                f"The region ({self.origin}) is {self.mask.width} x {self.mask.height} pixels, but the picture stands "
                f"upright at {size[0]} x {size[1]}; give a mask of that size."
            )


def joined(regions: Sequence[Region]) -> Region:
    """Everything that any of some regions of one picture holds; raises SettingsError of none."""
    if not regions:
        raise SettingsError("There are no regions to join; give at least one.")
    mask = regions[0].mask
    for region in regions[1:]:
        region.check_size(mask.size)
        mask = ImageChops.lighter(mask, region.mask)
    return Region(mask=mask, origin="; ".join(dict.fromkeys(region.origin for region in regions)))
