"""Regions as people write them: `auto`, `lime`, `whole`, a box, a point, a mask's file or a phrase."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL import Image

from retouch.core.errors import ImageError, SettingsError
from retouch.core.images import load_image
from retouch.core.region import Region

MASK_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_NEARLY = 8
"""Levels from black or white that a mask's compression may have left."""


PAINTED = "a painted mask"
"""How a region came about that was painted on the page and has no file."""


class RegionKind(StrEnum):
    """How a region is asked for."""

    AUTO = "auto"
    LIME = "lime"
    WHOLE = "whole"
    BOX = "box"
    POINT = "point"
    FILE = "file"
    PHRASE = "phrase"
    PROPOSED = "proposed"


@dataclass(frozen=True, kw_only=True)
class RegionRequest:
    """A region as it was asked for, before any picture is looked at.

    kind: `auto` where the instruction itself says it, `lime` where the model shows it, `whole` for the whole picture.
    numbers: of a box (left, top, right, bottom), of a point (x, y), in pixels of the upright picture; else ().
    text: a phrase, or a mask's path; else "".
    """

    kind: RegionKind
    numbers: tuple[float, ...] = ()
    text: str = ""

    @property
    def written(self) -> str:
        """What `parse_region` would read again; of a mask the file's name without its folder."""
        if self.kind in (RegionKind.BOX, RegionKind.POINT):
            return f"{self.kind}:" + ",".join(f"{number:g}" for number in self.numbers)
        if self.kind is RegionKind.FILE:
            return Path(self.text).name
        return self.text or str(self.kind)


PROPOSED = RegionRequest(kind=RegionKind.PROPOSED)
"""A region that was proposed for pictures of an object; it is not written by people."""


def parse_region(text: str) -> RegionRequest:
    """Read `auto`, `lime`, `whole`, `box:x0,y0,x1,y1`, `point:x,y`, the path of a mask, or a phrase.

    Raises:
        SettingsError: it is empty, or numbers are missing, no numbers or in no order.
        ImageError: it reads as a mask's path and there is no such file.
    """
    text = text.strip()
    if not text:
        raise SettingsError("The region is empty; give auto, lime, whole, a box, a point, a mask's file or a phrase.")
    if text in (RegionKind.AUTO, RegionKind.LIME, RegionKind.WHOLE):
        return RegionRequest(kind=RegionKind(text))
    kind, colon, rest = text.partition(":")
    if colon and kind == RegionKind.BOX:
        return _box_request(text, _numbers(text, rest, "box:x0,y0,x1,y1", 4))
    if colon and kind == RegionKind.POINT:
        return RegionRequest(kind=RegionKind.POINT, numbers=_numbers(text, rest, "point:x,y", 2))
    if _is_file(text):
        return RegionRequest(kind=RegionKind.FILE, text=text)
    if text.lower().endswith(MASK_SUFFIXES):
        raise ImageError(f'There is no file "{text}"; give the path of the mask.')
    return RegionRequest(kind=RegionKind.PHRASE, text=text)


def region_from_box(box: Sequence[float], size: tuple[int, int]) -> Region:
    """The pixels of a picture of `size` (width, height) from left and top up to right and bottom.

    What lies outside the picture is left out. Raises SettingsError where nothing of the box is in it.
    """
    left, top, right, bottom = box
    inside = (max(0, round(left)), max(0, round(top)), min(size[0], round(right)), min(size[1], round(bottom)))
    label = ",".join(f"{number:g}" for number in box)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise SettingsError(f"The box {label} holds no pixel of the picture, which is {size[0]} x {size[1]}.")
    mask = Image.new("L", size, 0)
    mask.paste(255, inside)
    return Region(mask=mask, origin=f"box {label}")


def region_from_file(source: str | Path | bytes | Image.Image, size: tuple[int, int]) -> Region:
    """The region that a mask says: white is edited; in a picture with transparent holes, the holes are.

    White paint on a transparent layer counts as white. The mask's own EXIF orientation is applied first; levels next
    to black or white, as compression leaves them, are taken for it. Raises ImageError for what is no picture, or not
    of the `size` (width, height) of the upright picture.
    """
    loaded = load_image(source, base_name="mask")
    region = Region(mask=_cleaned(_white(loaded.pixels, loaded.alpha)), origin=f"mask '{loaded.name}'")
    region.check_size(size)
    return region


def whole(size: tuple[int, int]) -> Region:
    """All of a picture of `size` (width, height)."""
    return Region(mask=Image.new("L", size, 255), origin="the whole picture")


def _white(pixels: Image.Image, alpha: Image.Image | None) -> Image.Image:
    grey = pixels.convert("L")
    if alpha is None:
        return grey
    shown = np.asarray(grey)[np.asarray(alpha) > 0]
    painted = len(shown) > 0 and int(shown.min()) >= 255 - _NEARLY
    return alpha if painted else alpha.point([255 - level for level in range(256)])


def _cleaned(mask: Image.Image) -> Image.Image:
    return mask.point([0 if level <= _NEARLY else 255 if level >= 255 - _NEARLY else level for level in range(256)])


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def _box_request(text: str, numbers: tuple[float, ...]) -> RegionRequest:
    left, top, right, bottom = numbers
    if left >= right or top >= bottom:
        raise SettingsError(f'The region is "{text}"; expected box:x0,y0,x1,y1 with x0 < x1 and y0 < y1.')
    return RegionRequest(kind=RegionKind.BOX, numbers=numbers)


def _numbers(text: str, rest: str, form: str, count: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in rest.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise SettingsError(f'The region is "{text}"; expected {form} in pixels of the picture.')
    return numbers
