"""`retouch edit --region`: from texts and mask files to a result that keeps to them and can be repeated."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Command

from retouch.core.provenance import read_provenance, write_png
from retouch.core.region_request import PAINTED, region_from_box

GREEN = "make the sofa green"
BOX = "box:20,10,60,40"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def kept(result: Path, room: Path) -> bool:
    inside = np.zeros((60, 90), dtype=bool)
    inside[10:40, 20:60] = True
    one, other = pixels(result), pixels(room)
    return np.array_equal(one[~inside], other[~inside]) and not np.array_equal(one[inside], other[inside])


def test_a_box_keeps_the_rest_and_is_repeated(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    output, again = tmp_path / "green.png", tmp_path / "again.png"
    ran = command("edit", room, GREEN, "-o", output, "-m", tiny_folder, "--region", BOX, "--attend-inside",
                  "--blend", "0.5:0", "--feather", 3, "--show-region")  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    assert kept(output, room) and str(tmp_path / "green-region.png") in ran.out
    assert not np.array_equal(pixels(tmp_path / "green-region.png"), pixels(room))
    provenance = read_provenance(output)
    assert provenance.settings.region is not None
    assert (provenance.settings.region.blend, provenance.settings.region.attend) == ((0.5, 0.0), "avoid")
    (record,) = provenance.regions
    assert (record.asked, record.found) == (BOX, "box 20,10,60,40") and len(record.mask_sha256) == 64
    shown = command("show", output)
    assert BOX in shown.out and "attend" in shown.out
    assert json.loads(command("show", output, "--json").out)["regions"][0]["asked"] == BOX
    ran = command("edit", room, "--like", output, "-o", again, "-m", tiny_folder, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["regions"][0]["asked"] == BOX
    assert np.array_equal(pixels(output), pixels(again))
    assert read_provenance(again) == provenance


def test_a_mask_is_repeated_by_its_hash(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    mask, other, output = (tmp_path / name for name in ("mask.png", "other.png", "out.png"))
    region = region_from_box((20, 10, 60, 40), (90, 60))
    region.mask.save(mask)
    region_from_box((0, 0, 60, 40), (90, 60)).mask.save(other)
    assert command("edit", room, GREEN, "-o", output, "-m", tiny_folder, "--region", mask).code == 0
    assert kept(output, room)
    assert read_provenance(output).regions[0].asked == "mask.png"
    repeated = ("edit", room, "--like", output, "-o", tmp_path / "again.png", "-m", tiny_folder)
    ran = command(*repeated)
    assert ran.code == 3 and "give the path of the mask" in ran.err
    assert command(*repeated, "--region", mask).err == ""
    assert np.array_equal(pixels(output), pixels(tmp_path / "again.png"))
    assert "is not the one of the result that is repeated" in command(*repeated, "--region", other).err


def test_each_instruction_has_its_region(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    output = tmp_path / "out.png"
    ran = command("edit", room, GREEN, "remove the lamp", "-o", output, "-m", tiny_folder, "--region", BOX,
                  "--region", "box:40,20,60,40", "--grow", 2)  # fmt: skip
    assert ran.code == 0, ran.err
    assert [region.asked for region in read_provenance(output).regions] == [BOX, "box:40,20,60,40"]


def test_the_model_shows_a_region_itself(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    output = tmp_path / "out.png"
    asked = ("edit", room, "make the sofa green", "-o", output, "-m", tiny_folder, "--region", "lime")
    ran = command(*asked)
    assert ran.code == 9 and "Nothing stands out for 'make the sofa green'" in ran.err and not output.exists()
    ran = command(*asked, "--when-missing", "whole")
    assert ran.code == 0 and "The region is the whole picture." in ran.err
    (record,) = read_provenance(output).regions
    assert (record.asked, record.found) == ("lime", "the whole picture")
    mask = tmp_path / "mask.png"
    ran = command("region", room, "--lime", GREEN, "-o", mask, "-m", tiny_folder, "--when-missing", "whole", "--json")
    assert ran.code == 0 and json.loads(ran.out)["regions"][0]["missing"].startswith("nothing stands out")
    assert command("region", room, "the lamp", "-m", tiny_folder).code == 2


def test_a_sweep_keeps_to_a_region(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    sheet, plain = tmp_path / "sheet.png", tmp_path / "plain.png"
    asked = ("sweep", room, GREEN, "-m", tiny_folder, "--text-guidance", "2,3", "--image-guidance", 1, "--side", 90)
    for path, how in ((sheet, ("--region", BOX, "--feather", 0)), (plain, ())):
        ran = command(*asked, "-o", path, *how)
        assert ran.code == 0, ran.err
    for left in (8, 8 + 90 + 16):
        shown, free = (pixels(path)[8 : 8 + 60, left : left + 90] for path in (sheet, plain))
        inside = np.zeros((60, 90), dtype=bool)
        inside[10:40, 20:60] = True
        assert np.array_equal(shown[~inside], pixels(room)[~inside])
        assert not np.array_equal(shown[inside], pixels(room)[inside])
        assert not np.array_equal(free[~inside], pixels(room)[~inside])
    for how, code, said in ((("--region", "box:95,0,99,10"), 2, "holds no pixel"), (("--grow", 2), 2, "there is none")):
        ran = command("sweep", room, GREEN, "-o", sheet, "-m", "no-such-model", *how)
        assert ran.code == code and said in ran.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--region", "box:1,2,3"), (2, "box:x0,y0,x1,y1")),
        (("--region", "box:95,0,99,10"), (2, "holds no pixel")),
        (("--region", "no-such.png"), (3, "no file")),
        (("--region", "the lamp", "--segmenter", "no/such-model"), (4, "no/such-model")),
        (("--region", "the lamp", "--when-missing", "perhaps"), (2, "refuse or whole")),
        (("--region", "auto", "--reader", "tea-leaves"), (2, "There is no reader")),
        (("--region", BOX, "--region", BOX), (2, "2 regions for 1 instructions")),
        (("--region", BOX, "--blend", "1:100"), (2, "start >= end")),
        (("--region", BOX, "--blend", "often"), (2, "START:END")),
        (("--region", BOX, "--grow", "1", "--shrink", "1"), (2, "both grow and shrink")),
        (("--region", BOX, "--feather", "-1"), (2, "feather")),
        (("--attend-inside",), (2, "there is none")),
    ],
)
def test_bad_regions_are_one_sentence_before_any_model(
    command: Command, tmp_path: Path, room: Path, options: tuple[str, ...], expected: tuple[int, str]
) -> None:
    code, said = expected
    ran = command("edit", room, GREEN, "-o", tmp_path / "never.png", "-m", "no-such-model", *options)
    assert ran.code == code and said in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "never.png").exists()


def test_a_painted_mask_is_asked_for(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    """A picture taken from the page tells that its region was painted, and does not hold it."""
    mask, plain, taken = (tmp_path / name for name in ("mask.png", "plain.png", "taken.png"))
    region_from_box((20, 10, 60, 40), (90, 60)).mask.save(mask)
    assert command("edit", room, GREEN, "-o", plain, "-m", tiny_folder, "--region", mask).code == 0
    told = read_provenance(plain)
    for found in (PAINTED, f"all but {PAINTED}"):
        painted = replace(told.regions[0], asked="mask", found=found)
        with Image.open(plain) as image:
            write_png(taken, image, replace(told, regions=(painted,)))
        again = ("edit", room, "--like", taken, "-o", tmp_path / "again.png", "-m", tiny_folder)
        ran = command(*again)
        assert ran.code == 2 and "painted on the page" in ran.err and "--region" in ran.err
        assert command(*again, "--region", mask).err == ""
        assert np.array_equal(pixels(plain), pixels(tmp_path / "again.png"))
