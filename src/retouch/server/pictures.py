"""Pictures as the server keeps them: PNG of nothing but pixels, upright, checked before they are decoded."""

import hashlib
import io
import struct
from dataclasses import dataclass

from PIL import Image

from retouch.core.errors import ImageError
from retouch.core.images import MAXIMUM_BYTES, PNG_OPENING, LoadedImage, load_image, png_bytes

_PLAIN_CHUNKS = (b"IHDR", b"IDAT", b"IEND")


@dataclass(frozen=True, kw_only=True)
class StoredPicture:
    """A picture to keep: its PNG, the hex digest of that, and its size in pixels."""

    data: bytes
    sha256: str
    width: int
    height: int


def picture_of(data: bytes, name: str) -> StoredPicture:
    """Read a PNG, JPEG or WEBP by its content and encode it anew: upright, sRGB, without EXIF and whatever came along.

    Transparency stays. Raises ImageError for what is no such picture, too large or too small.
    """
    if len(data) > MAXIMUM_BYTES:
        raise ImageError(f"The picture is larger than {MAXIMUM_BYTES // 2**20} MB; shrink it first.")
    return picture_from(layered(load_image(data, base_name=name)))


def picture_from(image: Image.Image) -> StoredPicture:
    """A picture that was made here."""
    data = png_bytes(image)
    return StoredPicture(data=data, sha256=hashlib.sha256(data).hexdigest(), width=image.size[0], height=image.size[1])


def kept_picture(data: bytes, name: str, *, grey: bool = False) -> StoredPicture:
    """A picture of an archive: as it is where it is a PNG of nothing but pixels, else encoded anew.

    grey: it is a region, of one channel. Raises ImageError as `picture_of` does.
    """
    loaded = load_image(data, base_name=name)
    if _is_plain(data, ("L",) if grey else ("RGB", "RGBA")):
        width, height = loaded.pixels.size
        return StoredPicture(data=data, sha256=hashlib.sha256(data).hexdigest(), width=width, height=height)
    return picture_from(loaded.pixels.convert("L") if grey else layered(loaded))


def layered(loaded: LoadedImage) -> Image.Image:
    """A loaded picture with its transparency, where it has any."""
    if loaded.alpha is None:
        return loaded.pixels
    pixels = loaded.pixels.copy()
    pixels.putalpha(loaded.alpha)
    return pixels


def _is_plain(data: bytes, modes: tuple[str, ...]) -> bool:
    """Whether a PNG holds its pixels in one of these modes, and nothing beside or behind them."""
    if not data.startswith(PNG_OPENING):
        return False
    place, kinds = 8, []
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kinds.append(data[place + 4 : place + 8])
        place += 12 + length
    if place != len(data) or kinds[-1:] != [b"IEND"] or not set(kinds) <= set(_PLAIN_CHUNKS):
        return False
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return image.mode in modes
