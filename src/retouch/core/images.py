"""Pictures from paths, bytes, addresses or PIL, decoded safely into upright 8-bit sRGB."""

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, PngImagePlugin

from retouch.core.errors import ImageError

FORMATS = ("PNG", "JPEG", "WEBP")
MAXIMUM_PIXELS = 80_000_000
MAXIMUM_BYTES = 256 * 2**20
MINIMUM_SIDE = 16
PNG_OPENING = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"

# Openings of common files that are no picture we read, and what to call them.
_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop document"),
    (b"PK\x03\x04", "a zip archive"),
)


@dataclass(frozen=True, kw_only=True)
class LoadedImage:
    """A decoded picture: upright sRGB `pixels` (mode RGB), `alpha` (mode L, or None when opaque).

    `name` is the file's name without its folder, `file_sha256` the hex digest of the bytes as they came, None for a PIL
    image.
    """

    pixels: Image.Image
    alpha: Image.Image | None
    name: str
    file_sha256: str | None = None

    @cached_property
    def sha256(self) -> str:
        """The hex digest of the bytes as they came, of the PNG encoding for a PIL image."""
        if self.file_sha256 is not None:
            return self.file_sha256
        return hashlib.sha256(png_bytes(_with_alpha(self.pixels, self.alpha))).hexdigest()


def load_image(
    source: str | Path | bytes | Image.Image, *, allow_private: bool = False, base_name: str = "image"
) -> LoadedImage:
    """Read a PNG, JPEG or WEBP, recognised by its content, not by its name.

    `source` is a path, an http or https address, the bytes of a file, or a PIL image; `base_name`
    names bytes and PIL images. The EXIF orientation is applied first; palettes, greyscale, 16 bits,
    CMYK and embedded colour profiles become 8-bit sRGB. Private network addresses are refused unless
    `allow_private`. Raises ImageError for everything that is no such picture, is broken, has more
    than 80 megapixels or a side under 16 pixels.
    """
    if isinstance(source, Image.Image):
        return _from_pil(source, base_name)
    if isinstance(source, bytes):
        return _decode(source, base_name)
    if isinstance(source, str) and "://" in source:
        # HTTP is for addresses alone, and takes long to import.
        from retouch.core.fetch import fetch

        return _decode(fetch(source, allow_private=allow_private), _name_in_url(source))
    if not str(source):
        raise ImageError("The image's path is empty; give a PNG, JPEG or WEBP file.")
    path = Path(source)
    return _decode(_read_file(path), path.name)


def png_bytes(image: Image.Image, *, text: PngImagePlugin.PngInfo | None = None) -> bytes:
    """The PNG encoding of `image`, with optional text chunks; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=text, compress_level=6)
    return buffer.getvalue()


def _from_pil(image: Image.Image, name: str) -> LoadedImage:
    _check_size(image.size, name)
    pixels, alpha = _normalise(image, name)
    return LoadedImage(pixels=pixels, alpha=alpha, name=name)


def _with_alpha(pixels: Image.Image, alpha: Image.Image | None) -> Image.Image:
    if alpha is None:
        return pixels
    combined = pixels.copy()
    combined.putalpha(alpha)
    return combined


def _name_in_url(url: str) -> str:
    return url.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2] or "image"


def _read_file(path: Path) -> bytes:
    if path.is_dir():
        raise ImageError(f'"{path}" is a folder; give a PNG, JPEG or WEBP file.')
    try:
        with path.open("rb") as stream:
            data = stream.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError as problem:
        raise ImageError(f'There is no file "{path}"; check the path.') from problem
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise ImageError(f'"{path}" cannot be read ({reason}); check the file.') from problem
    if len(data) > MAXIMUM_BYTES:
        raise ImageError(f'"{path}" is larger than {MAXIMUM_BYTES // 2**20} MB; shrink it first.')
    return data


def _decode(data: bytes, name: str) -> LoadedImage:
    _check_announced_size(data, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
            raise _too_large(name) from problem
        except Exception as problem:
            raise ImageError(f'"{name}" {_what_it_is(data)}; give a PNG, JPEG or WEBP picture.') from problem
        _check_size(image.size, name)
        _load(image, name)
    pixels, alpha = _normalise(image, name)
    return LoadedImage(pixels=pixels, alpha=alpha, name=name, file_sha256=hashlib.sha256(data).hexdigest())


def _check_announced_size(data: bytes, name: str) -> None:
    # Pillow reads a PNG's chunks up to the pixels before it tells the size; the size comes first.
    if data.startswith(PNG_OPENING) and len(data) >= len(PNG_OPENING) + 8:
        width, height = struct.unpack_from(">II", data, len(PNG_OPENING))
        _check_size((width, height), name)


def _load(image: Image.Image, name: str) -> None:
    # Pillow fills up a truncated picture when this global says so; here it must not.
    tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise _too_large(name) from problem
    except MemoryError as problem:
        raise ImageError(f'"{name}" does not fit into memory; shrink it first.') from problem
    except Exception as problem:
        raise ImageError(f'"{name}" is damaged or cut short; get an intact copy of the picture.') from problem
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


def _what_it_is(data: bytes) -> str:
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data:
        return "is empty"
    if b"<svg" in data[:4096].lower():
        return "is an SVG drawing, not a picture made of pixels"
    if head.startswith((b"<!doctype html", b"<html")):
        return "is a web page, not a picture"
    if data[4:8] == b"ftyp":
        return "is a HEIC, AVIF or video file"
    for opening, what in _STRANGERS:
        if data.startswith(opening):
            return f"is {what}"
    return "is not a picture that can be read"


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAXIMUM_PIXELS:
        raise _too_large(name, size)
    if min(size) < MINIMUM_SIDE:
        raise ImageError(f'"{name}" is {width} x {height} pixels; both sides must have at least {MINIMUM_SIDE}.')


def _too_large(name: str, size: tuple[int, int] | None = None) -> ImageError:
    found = f"is {size[0]} x {size[1]} pixels" if size else "is far too large"
    return ImageError(
        f'"{name}" {found}; at most {MAXIMUM_PIXELS // 10**6} megapixels are accepted, so shrink it first.'
    )


def _normalise(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    profile = image.info.get("icc_profile")
    try:
        upright = _eight_bits(ImageOps.exif_transpose(image))
        if not upright.has_transparency_data:
            return _to_srgb(upright, profile), None
        layered = upright.convert("RGBA")
        alpha = layered.getchannel("A")
        return _fill_holes(_to_srgb(layered.convert("RGB"), profile), alpha), _unless_opaque(alpha)
    except Exception as problem:
        raise ImageError(f'"{name}" cannot be decoded ({problem}); save it again as PNG.') from problem


def _eight_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I") and image.mode != "F":
        return image
    values = np.asarray(image).astype(np.float64)
    if image.mode != "F":
        values = values / 257.0
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8), mode="L")


def _fill_holes(pixels: Image.Image, alpha: Image.Image) -> Image.Image:
    # What lies under fully transparent pixels is often junk that a model would take for content.
    white = Image.new("RGB", pixels.size, "white")
    return Image.composite(pixels, white, alpha.point([0] + [255] * 255))


def _unless_opaque(alpha: Image.Image) -> Image.Image | None:
    lowest, _ = cast(tuple[int, int], alpha.getextrema())
    return None if lowest == 255 else alpha


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode in ("RGB", "CMYK"):
        converted = _through_profile(image, profile)
        if converted is not None:
            return converted
    return image.convert("RGB")


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(embedded):
            return None
        standard = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, embedded, standard, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
