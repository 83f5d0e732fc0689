"""Where pictures are kept: a folder, or what else fsspec knows."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from retouch.core.errors import ImageError, ServerError
from retouch.core.images import png_bytes
from retouch.server.blobs import Blobs, open_blobs
from retouch.server.pictures import kept_picture, picture_from, picture_of
from retouch.server.pixels import pixel_difference


@pytest.fixture(params=["folder", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return open_blobs(str(tmp_path / "p") if request.param == "folder" else f"memory://{tmp_path.name}")


def noise(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    bands = len(mode)
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], bands), dtype=np.uint8)
    return Image.fromarray(values.squeeze(), mode)


def test_kept_read_copied_and_removed(blobs: Blobs) -> None:
    picture = picture_from(noise((640, 400)))
    assert not blobs.has(picture.sha256)
    with pytest.raises(ServerError):
        blobs.read(picture.sha256)
    blobs.put(picture)
    blobs.put(picture)
    assert blobs.has(picture.sha256) and blobs.read(picture.sha256) == picture.data
    small = blobs.smaller(picture.sha256, "thumbnail")
    assert Image.open(io.BytesIO(small)).size == (320, 200)
    assert blobs.smaller(picture.sha256, "thumbnail") == small
    assert Image.open(io.BytesIO(blobs.smaller(picture.sha256, "screen"))).size == (640, 400)
    names = [path for path in blobs.files.find(blobs.root) if "unfinished" not in path]
    assert len(names) == 3 and not any(path.endswith(".tmp") for path in names)
    blobs.remove(picture.sha256)
    blobs.remove(picture.sha256)
    assert not blobs.files.find(blobs.root)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_names_that_are_no_digests(blobs: Blobs, name: str) -> None:
    for use in (blobs.read, blobs.has, blobs.remove, lambda digest: blobs.smaller(digest, "screen")):
        with pytest.raises(ServerError, match="no digest"):
            use(name)


def test_a_place_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="no place"):
        open_blobs("nowhere://at/all")


def test_transparency_stays_and_all_else_goes() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "secret")
    layered = noise((40, 30), "RGBA")
    picture = picture_of(png_bytes(layered, text=text), "a")
    assert b"secret" not in picture.data
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.data)))[..., 3], np.asarray(layered)[..., 3])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_what_is_plain_is_kept_to_the_byte(mode: str) -> None:
    data = png_bytes(noise((40, 30), mode))
    assert kept_picture(data, "a", grey=mode == "L").data == data
    assert kept_picture(data, "a", grey=mode != "L").data != data
    behind = kept_picture(data + b"<script>", "a", grey=mode == "L").data
    assert b"script" not in behind
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "secret")
    assert b"secret" not in kept_picture(png_bytes(noise((40, 30), mode), text=text), "a").data


def test_pictures_that_are_damaged() -> None:
    data = png_bytes(noise((40, 30)))
    for bad in (b"", data[:40], data[:-40], data.replace(b"IDAT", b"IDOT")):
        for read in (picture_of, kept_picture):
            with pytest.raises(ImageError):
                read(bad, "a")


def test_pixel_difference_against_a_plain_form() -> None:
    one, two = noise((50, 600)), noise((50, 600)).point([min(level + 3, 255) for level in range(256)] * 3)
    told = pixel_difference(png_bytes(one), png_bytes(two))
    gap = np.asarray(one, dtype=float) - np.asarray(two, dtype=float)
    assert told is not None and told.psnr == pytest.approx(10 * np.log10(255**2 / np.mean(gap**2)))
    assert told.differing == pytest.approx(np.mean(np.abs(gap).max(axis=2) > 2))
    assert pixel_difference(png_bytes(one), png_bytes(one.crop((0, 0, 40, 40)))) is None
    faded = one.copy()
    faded.putalpha(250)
    through = pixel_difference(png_bytes(one), png_bytes(faded))
    assert through is not None and through.differing == 1
