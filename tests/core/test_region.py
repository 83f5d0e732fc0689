"""Regions: what a mask, a box or a text says, and the laws of changing a region's shape."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from retouch.core.errors import ImageError, SettingsError
from retouch.core.region import Region
from retouch.core.region_request import RegionKind, parse_region, region_from_box, region_from_file, whole
from retouch.core.region_shape import feather, grow, inverted, shrink

SIZE = (60, 40)
BOX = region_from_box((10, 8, 40, 30), SIZE)


def levels(region: Region) -> np.ndarray:
    return np.asarray(region.mask).astype(int)


def test_a_box_is_its_pixels_and_what_hangs_over_is_cut() -> None:
    assert np.argwhere(levels(BOX)).min(0).tolist() == [8, 10]
    assert np.argwhere(levels(BOX)).max(0).tolist() == [29, 39]
    assert levels(region_from_box((-5, 30, 99, 99), SIZE)).sum() == 255 * 60 * 10
    with pytest.raises(SettingsError, match="holds no pixel of the picture, which is 60 x 40"):
        region_from_box((70, 0, 80, 10), SIZE)


def test_distances_are_round() -> None:
    grown = levels(grow(region_from_box((30, 20, 31, 21), SIZE), 5)) > 0
    rows, columns = np.mgrid[0:40, 0:60]
    assert np.array_equal(grown, np.hypot(rows - 20, columns - 30) <= 5)


def test_shrinking_is_growing_the_rest() -> None:
    outside = levels(inverted(grow(inverted(BOX), 4)))
    assert np.array_equal(levels(shrink(BOX, 4)), outside)
    assert np.argwhere(levels(shrink(BOX, 4))).min(0).tolist() == [12, 14]
    assert shrink(BOX, 30).is_empty


@given(seed=st.integers(0, 999), pixels=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_a_feather_lies_inside(seed: int, pixels: int) -> None:
    noise = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (5, 8), dtype=np.uint8))
    region = Region(mask=noise.resize(SIZE).point([0] * 128 + [255] * 128), origin="noise")
    soft, hard = levels(feather(region, pixels)), levels(region)
    assert (soft <= hard).all()
    assert ((soft > 0) == (hard > 0)).all()


def test_a_feather_rises_from_the_edge_and_leaves_the_middle() -> None:
    row = levels(feather(BOX, 4))[20]
    assert row[8:16].tolist() == [0, 0, 51, 102, 153, 204, 255, 255]
    thin = levels(feather(region_from_box((20, 0, 23, 40), SIZE), 9))[20]
    assert thin[19:24].tolist() == [0, 128, 255, 128, 0]


def test_the_pictures_borders_are_no_edges() -> None:
    assert feather(whole(SIZE), 9).is_full and shrink(whole(SIZE), 9).is_full
    left = feather(region_from_box((0, 0, 30, 40), SIZE), 4)
    assert levels(left)[0, 0] == 255 and levels(left)[39, 29] == 51


def test_nothing_stays_nothing() -> None:
    nothing = Region(mask=Image.new("L", SIZE), origin="nothing")
    assert nothing.is_empty and not nothing.is_full
    for reshape in (grow, shrink, feather):
        assert reshape(nothing, 3).is_empty
    assert inverted(nothing).is_full


@pytest.mark.parametrize("pixels", [-1, 1001, 2.5, True])
def test_impossible_distances(pixels: int) -> None:
    for reshape in (grow, shrink, feather):
        with pytest.raises(SettingsError, match="expected a whole number of pixels from 0 to 1000"):
            reshape(BOX, pixels)


def test_its_digest_is_of_the_mask_and_its_size() -> None:
    assert BOX.sha256 == Region(mask=BOX.mask.copy(), origin="another").sha256
    assert BOX.sha256 != inverted(BOX).sha256
    assert whole((20, 30)).sha256 != whole((30, 20)).sha256


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "P", "RGBA"])
def test_white_is_edited_in_every_mode(mode: str) -> None:
    assert np.array_equal(levels(region_from_file(BOX.mask.convert(mode), SIZE)), levels(BOX))


def test_holes_of_the_picture_and_paint_on_a_clear_layer_are_edited() -> None:
    photo = Image.radial_gradient("L").resize(SIZE).convert("RGB")
    photo.putalpha(inverted(BOX).mask)
    paint = Image.new("RGB", SIZE, "white")
    paint.putalpha(BOX.mask)
    for source in (photo, paint):
        assert np.array_equal(levels(region_from_file(source, SIZE)), levels(BOX))


def test_the_masks_own_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    BOX.mask.rotate(90, expand=True).save(tmp_path / "mask.png", exif=exif)
    region = region_from_file(tmp_path / "mask.png", SIZE)
    assert np.array_equal(levels(region), levels(BOX))
    assert region.origin == "mask 'mask.png'"


def test_compression_leaves_no_traces() -> None:
    buffer = io.BytesIO()
    BOX.mask.save(buffer, format="JPEG", quality=95)
    mask = levels(region_from_file(buffer.getvalue(), SIZE))
    assert (mask[levels(grow(BOX, 3)) == 0] == 0).all() and (mask[levels(shrink(BOX, 3)) == 255] == 255).all()


def test_a_mask_of_another_size_names_both() -> None:
    with pytest.raises(ImageError, match=r"is 60 x 40 pixels, but the picture stands upright at 40 x 60"):
        region_from_file(BOX.mask, (40, 60))


def test_texts_are_read_and_written_again(tmp_path: Path) -> None:
    mask = tmp_path / "a mask.png"
    BOX.mask.save(mask)
    kinds = {
        "auto": RegionKind.AUTO,
        "lime": RegionKind.LIME,
        "whole": RegionKind.WHOLE,
        "box:10,8,40,30.5": RegionKind.BOX,
        "point:3,4": RegionKind.POINT,
        "the lamp: left": RegionKind.PHRASE,
        str(mask): RegionKind.FILE,
    }
    for text, kind in kinds.items():
        request = parse_region(f" {text} ")
        assert request.kind is kind
        if kind is not RegionKind.FILE:
            assert parse_region(request.written) == request
    assert parse_region(str(mask)).written == "a mask.png"


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", SettingsError, "is empty"),
        ("box:1,2,3", SettingsError, "box:x0,y0,x1,y1"),
        ("box:9,2,3,4", SettingsError, "x0 < x1"),
        ("box:a,b,c,d", SettingsError, "in pixels"),
        ("point:1,nan", SettingsError, "point:x,y"),
        ("missing.png", ImageError, 'no file "missing.png"'),
    ],
)
def test_bad_texts(text: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        parse_region(text)
    assert "\n" not in str(caught.value)
