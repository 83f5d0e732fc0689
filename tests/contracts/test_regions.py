"""What every `InstructionEditor` promises of regions, asked of the same editors."""

import io

import numpy as np
import pytest
from PIL import Image
from tests.contracts.test_instruction_editor import NIGHT, QUICK, RED, editor, picture, same

from retouch.core.errors import ImageError, SettingsError
from retouch.core.images import load_image
from retouch.core.region import Region
from retouch.core.region_request import region_from_box, region_from_file, whole
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.editing.protocol import InstructionEditor
from retouch.editing.result import EditProgress

__all__ = ["editor"]

SIZE = (75, 50)
BOX = region_from_box((20, 10, 60, 40), SIZE)
NOTHING = Region(mask=Image.new("L", SIZE), origin="nothing")


def quick(keep_detail: bool | None = None, **region: object) -> EditSettings:
    return EditSettings(steps=2, seed=3, keep_detail=keep_detail, region=RegionSettings(**region))  # type: ignore[arg-type]


def outside(image: Image.Image, region: Region) -> np.ndarray:
    return np.asarray(image)[np.asarray(region.mask) == 0]


@pytest.mark.parametrize("keep_detail", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_outside_the_region_every_bit_is_the_inputs(editor: InstructionEditor, keep_detail: bool, mode: str) -> None:
    source = picture(mode=mode)
    if mode == "RGBA":
        # What no one sees, under full transparency, is white in every result.
        source.putalpha(source.getchannel("A").point([1, *range(1, 256)]))
    result = editor.edit(source, RED, settings=quick(keep_detail), region=BOX).image
    assert result.mode == mode and not same(result, source)
    assert np.array_equal(outside(result, BOX), outside(source, BOX))


@pytest.mark.parametrize("keep_detail", [True, False])
def test_a_turned_photograph_and_its_turned_mask_fit(editor: InstructionEditor, keep_detail: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [io.BytesIO(), io.BytesIO()]
    picture().rotate(90, expand=True).save(files[0], format="JPEG", exif=exif)
    BOX.mask.rotate(90, expand=True).save(files[1], format="PNG", exif=exif)
    upright = load_image(files[0].getvalue()).pixels
    region = region_from_file(files[1].getvalue(), upright.size)
    assert upright.size == SIZE and np.array_equal(np.asarray(region.mask), np.asarray(BOX.mask))
    result = editor.edit(files[0].getvalue(), RED, settings=quick(keep_detail), region=region).image
    assert np.array_equal(outside(result, region), outside(upright, region)) and not same(result, upright)


def test_an_empty_region_returns_the_source_and_computes_nothing(editor: InstructionEditor) -> None:
    reports: list[EditProgress] = []
    result = editor.edit(picture(), RED, settings=QUICK, region=NOTHING, on_progress=reports.append)
    assert same(result.image, picture()) and reports == []


@pytest.mark.parametrize("keep_detail", [True, False])
def test_a_full_region_is_the_plain_edit(editor: InstructionEditor, keep_detail: bool) -> None:
    plain = editor.edit(picture(), RED, settings=EditSettings(steps=2, seed=3, keep_detail=keep_detail)).image
    assert same(editor.edit(picture(), RED, settings=quick(keep_detail), region=whole(SIZE)).image, plain)


def test_one_region_for_all_or_one_for_each_instruction(editor: InstructionEditor) -> None:
    other = region_from_box((0, 0, 12, 50), SIZE)
    both = editor.edit(picture(), [RED, NIGHT], settings=quick(), region=BOX)
    assert [region.origin for region in both.regions[0][0] if region] == [BOX.origin] * 2
    each = editor.edit(picture(), [RED, "", NIGHT], settings=quick(), region=[BOX, None, other])
    first, idle, last = each.intermediates[0][0]
    assert same(first, editor.edit(picture(), RED, settings=quick(), region=BOX).image) and same(first, idle)
    assert np.array_equal(outside(last, other), outside(first, other)) and not same(first, last)
    assert [region and region.origin for region in each.regions[0][0]] == [BOX.origin, None, other.origin]
    assert editor.edit(picture(), RED, settings=QUICK).regions == ()


def test_a_region_may_be_looked_for_in_the_picture_at_hand(editor: InstructionEditor) -> None:
    asked: list[tuple[Image.Image, str]] = []

    def find(shown: Image.Image, instruction: str) -> Region | None:
        asked.append((shown, instruction))
        return None if instruction == NIGHT else BOX

    result = editor.edit(picture(), [RED, NIGHT], settings=quick(), region=find)
    assert [text for _, text in asked] == [RED, NIGHT]
    assert same(asked[0][0], picture()) and same(asked[1][0], result.intermediates[0][0][0])


def test_a_region_grows_and_shrinks_first(editor: InstructionEditor) -> None:
    for pixels, box in ((6, (14, 4, 66, 46)), (-6, (26, 16, 54, 34))):
        result = editor.edit(picture(), RED, settings=quick(grow=pixels), region=BOX)
        (region,) = result.regions[0][0]
        assert region is not None and region.mask.getbbox() == box
        assert np.array_equal(outside(result.image, region), outside(picture(), region))


def test_seeds_and_pictures_have_their_own_results(editor: InstructionEditor) -> None:
    pictures = [picture(), Image.fromarray(np.asarray(picture())[::-1].copy())]
    together = editor.edit(pictures, RED, settings=quick(), region=BOX, count=2)
    for source, row in zip(pictures, together.images, strict=True):
        assert not same(*row)
        for result in row:
            assert np.array_equal(outside(result, BOX), outside(source, BOX))
        alone = editor.edit(source, RED, settings=quick(), region=BOX).image
        assert np.abs(np.asarray(alone, np.int16) - np.asarray(row[0], np.int16)).max() <= 1


def test_progress_ends_with_all_steps_done(editor: InstructionEditor) -> None:
    reports: list[EditProgress] = []
    editor.edit(picture(), [RED, NIGHT], settings=quick(), region=BOX, on_progress=reports.append)
    assert [report.done for report in reports] == list(range(1, reports[-1].total + 1))


def test_settings_come_back_with_the_regions_resolved(editor: InstructionEditor) -> None:
    settings = editor.edit(picture(), RED, settings=quick(grow=3), region=BOX).settings
    assert settings.region == RegionSettings(grow=3).resolve()
    assert editor.edit(picture(), RED, settings=QUICK).settings.region is None


def test_bad_regions_are_refused(editor: InstructionEditor) -> None:
    with pytest.raises(ImageError, match="is 75 x 50 pixels, but the picture stands upright at 50 x 75"):
        editor.edit(picture(50, 75), RED, region=BOX)
    with pytest.raises(SettingsError, match="3 regions for 1 instructions"):
        editor.edit(picture(), RED, region=[BOX] * 3)
