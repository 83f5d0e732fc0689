"""Every kind of picture comes in upright, 8-bit and sRGB; everything else is one sentence."""

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from retouch.core.errors import ImageError
from retouch.core.images import load_image, png_bytes


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def header_only(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def corner(image: Image.Image) -> tuple[int, ...]:
    pixel = image.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return tuple(int(value) for value in pixel)


@pytest.mark.parametrize(("form", "tolerance"), [("PNG", 0), ("JPEG", 3), ("WEBP", 3)])
def test_formats_by_content_whatever_the_name(tmp_path: Path, form: str, tolerance: int) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(encoded(Image.new("RGB", (40, 30), (200, 100, 50)), form))
    loaded = load_image(path)
    assert loaded.pixels.mode == "RGB" and loaded.pixels.size == (40, 30) and loaded.alpha is None
    assert np.abs(np.subtract(corner(loaded.pixels), (200, 100, 50))).max() <= tolerance
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.name == "picture.txt"
    assert load_image(str(path)).sha256 == load_image(path.read_bytes()).sha256 == loaded.sha256


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    upright = Image.new("RGB", (40, 24), "black")
    upright.paste((255, 0, 0), (0, 0, 20, 12))
    inverse = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = upright if inverse is None else upright.transpose(Image.Transpose(inverse))
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = load_image(encoded(stored, "PNG", exif=exif))
    assert loaded.pixels.size == (40, 24)
    assert np.array_equal(np.asarray(loaded.pixels), np.asarray(upright))


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    loaded = load_image(encoded(Image.fromarray(values)))
    assert np.array_equal(np.asarray(loaded.pixels)[..., 0], np.rint(values / 257).astype(np.uint8))


def test_grey_palette_and_alpha() -> None:
    grey = Image.linear_gradient("L")
    assert np.array_equal(np.asarray(load_image(encoded(grey)).pixels)[..., 1], np.asarray(grey))
    palette = Image.new("RGB", (32, 32), (10, 20, 30)).quantize(4)
    assert corner(load_image(encoded(palette)).pixels) == (10, 20, 30)
    clear = Image.new("RGBA", (32, 32), (9, 9, 9, 0))
    clear.paste((1, 2, 3, 128), (16, 0, 32, 32))
    for loaded in (load_image(encoded(clear)), load_image(encoded(clear, "WEBP", lossless=True, exact=True))):
        assert loaded.alpha is not None
        assert np.array_equal(np.asarray(loaded.alpha), np.asarray(clear.getchannel("A")))
        assert corner(loaded.pixels) == (255, 255, 255)
        assert loaded.pixels.getpixel((20, 5)) == (1, 2, 3)
    assert load_image(encoded(Image.new("RGBA", (32, 32), (1, 2, 3, 255)))).alpha is None
    assert load_image(encoded(Image.new("LA", (32, 32), (50, 100)))).alpha is not None


def test_transparent_palette() -> None:
    palette = Image.new("P", (32, 32), 1)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    palette.paste(0, (0, 0, 16, 32))
    loaded = load_image(encoded(palette, transparency=0))
    assert loaded.alpha is not None
    assert loaded.alpha.getpixel((0, 0)) == 0
    assert loaded.pixels.getpixel((31, 0)) == (200, 0, 0)


def test_cmyk_has_the_right_sign() -> None:
    """Pillow writes CMYK JPEGs the way Adobe does, inverted."""
    white = load_image(encoded(Image.new("CMYK", (32, 32), (0, 0, 0, 0)), "JPEG"))
    red = load_image(encoded(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG"))
    assert min(corner(white.pixels)) > 245
    assert corner(red.pixels)[0] > 200 and max(corner(red.pixels)[1:]) < 60


def test_an_embedded_profile_is_converted_to_srgb() -> None:
    # LAB and XYZ profiles aside, Pillow can only build sRGB itself, so the gamut is changed by hand.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    description = profile.find("sRGB".encode("utf-16-be"))
    profile[description : description + 8] = "test".encode("utf-16-be")
    count = struct.unpack(">I", profile[128:132])[0]
    tags = {bytes(profile[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}  # swap red and blue
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    picture = encoded(Image.new("RGB", (32, 32), (250, 10, 20)), icc_profile=bytes(profile))
    assert corner(load_image(picture).pixels)[2] > 200


def test_pil_images_are_normalised_too() -> None:
    loaded = load_image(Image.new("LA", (20, 20), (7, 100)))
    assert loaded.pixels.mode == "RGB" and loaded.alpha is not None and len(loaded.sha256) == 64
    with pytest.raises(ImageError, match="3 x 3"):
        load_image(Image.new("RGB", (3, 3)))


def test_png_bytes_are_deterministic() -> None:
    image = Image.effect_noise((40, 40), 20)
    assert png_bytes(image) == png_bytes(image.copy())


GOOD_JPEG = encoded(Image.effect_noise((200, 200), 60).convert("RGB"), "JPEG")
GOOD_PNG = encoded(Image.effect_noise((200, 200), 60).convert("RGB"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"these are only words", "not a picture"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (encoded(Image.new("RGB", (32, 32)), "GIF"), "a GIF"),
        (encoded(Image.new("RGB", (32, 32)), "TIFF"), "a TIFF"),
        (b"\x00\x00\x00\x18ftypheic", "HEIC"),
        (GOOD_JPEG[: len(GOOD_JPEG) // 2], "cut short"),
        (GOOD_PNG[: len(GOOD_PNG) // 2], "cut short"),
        (GOOD_PNG[:30], "picture"),
        (header_only(30_000, 30_000), "80 megapixels"),
        (header_only(9_500, 9_500), "80 megapixels"),
        (header_only(9_400, 9_000), "9400 x 9000"),
        (header_only(64, 64), "damaged"),
        (encoded(Image.new("RGB", (3, 3))), "3 x 3"),
        (encoded(Image.new("RGB", (3, 500))), "3 x 500"),
    ],
)
def test_what_is_no_usable_picture_is_one_sentence(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    for source in (path, data):
        with pytest.raises(ImageError, match=said) as caught:
            load_image(source)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_missing_files_folders_and_strange_addresses(tmp_path: Path) -> None:
    for source, said in [
        (tmp_path / "none.png", "no file"),
        (tmp_path, "folder"),
        ("", "empty"),
        ("nul\0byte", "cannot be read"),
        ("ftp://example.com/a.png", "http"),
        ("file:///etc/passwd", "http"),
    ]:
        with pytest.raises(ImageError, match=said):
            load_image(source)


def test_mutated_pictures_load_or_say_so() -> None:
    """No mutation of a valid file gets past as anything but a picture or an ImageError."""
    random = np.random.default_rng(0)
    for good in (GOOD_JPEG, GOOD_PNG, encoded(Image.linear_gradient("L").resize((64, 64)), "WEBP")):
        for _ in range(40):
            data = bytearray(good)
            for position in random.integers(0, len(data), size=int(random.integers(1, 12))):
                data[position] = int(random.integers(0, 256))
            try:
                assert load_image(bytes(data)).pixels.mode == "RGB"
            except ImageError as error:
                assert "\n" not in str(error)
