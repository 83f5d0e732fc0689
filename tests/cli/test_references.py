"""Pictures of an object on the command line: what reads them, what is written, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from retouch.cli.main import app
from retouch.core.errors import ImageError, SettingsError
from retouch.core.provenance import read_provenance
from retouch.models.image_encoder import load_image_encoder
from retouch.models.ip_adapter import fresh_ip_adapter
from retouch.models.ip_adapter_load import save_ip_adapter
from retouch.models.save import save

RUNNER = CliRunner()


@pytest.fixture
def room(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(values).resize((192, 128)).save(tmp_path / "room.png")
    return tmp_path / "room.png"


@pytest.fixture
def chair(tmp_path: Path) -> Path:
    picture = Image.new("RGBA", (80, 60), (0, 0, 0, 0))
    picture.paste((180, 30, 40, 255), (20, 10, 60, 50))
    picture.save(tmp_path / "chair.png")
    return tmp_path / "chair.png"


def run(*arguments: object) -> str:
    result = RUNNER.invoke(app, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_a_reference_alone_goes_in_without_words_and_is_recorded(room: Path, chair: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    told = json.loads(run("edit", room, "--reference", f"{chair}:0.5", "-o", out, "--steps", 2, "--json"))
    written = read_provenance(out)
    assert written.model == "pocket/insert"
    assert [(each.name, each.weight) for each in written.references] == [("chair.png", 0.5)]
    assert told["references"][0]["sha256"] == written.references[0].sha256
    assert written.settings.reference is not None
    shown = json.loads(run("show", out, "--json"))
    assert shown["references"][0]["name"] == "chair.png"
    assert "chair.png:0.5" in run("show", out)
    assert not np.array_equal(np.asarray(Image.open(out)), np.asarray(Image.open(room)))


def test_with_a_region_nothing_outside_changes_and_it_repeats(room: Path, chair: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "out.png", tmp_path / "again.png"
    run("edit", room, "--reference", chair, "--region", "box:16,16,112,112", "-o", out, "--steps", 2)
    assert read_provenance(out).model == "pocket/exemplar"
    before, after = np.asarray(Image.open(room)), np.asarray(Image.open(out))
    changed = (before != after).any(axis=2)
    assert changed[16:112, 16:112].any()
    changed[16:112, 16:112] = False
    assert not changed.any()
    run("edit", room, "--reference", chair, "--like", out, "-o", again)
    assert np.array_equal(np.asarray(Image.open(again)), after)


def test_a_result_with_references_asks_for_them_again(room: Path, chair: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    run("edit", room, "--reference", chair, "-o", out, "--steps", 1)
    with pytest.raises(SettingsError, match=r'with the references "chair\.png"; give them again with --reference'):
        run("edit", room, "--like", out, "-o", tmp_path / "again.png")


@pytest.fixture(scope="module")
def adapted(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """The options of a small editor and of an adapter for it."""
    folder = tmp_path_factory.mktemp("adapted")
    checkpoint = make_tiny(kind="instruct")
    save(checkpoint, folder / "editor")
    adapter = fresh_ip_adapter(checkpoint.unet, load_image_encoder(), variant="base", seed=1)
    save_ip_adapter(adapter, folder / "adapter", base="tiny")
    return ("make it red", "-m", folder / "editor", "--ip-adapter", folder / "adapter", "--steps", 1)


def test_each_reference_is_read_in_its_own_region(
    room: Path, chair: Path, tmp_path: Path, adapted: tuple[object, ...]
) -> None:
    mask, lamp = tmp_path / "mask.png", tmp_path / "lamp.png"
    Image.new("L", (192, 128)).save(mask)
    with Image.open(mask) as marked:
        marked.paste(255, (96, 0, 192, 128))
        marked.save(mask)
    with Image.open(chair) as picture:
        picture.transpose(Image.Transpose.ROTATE_90).save(lamp)
    two = ("edit", room, *adapted, "--reference", chair, "--reference", lamp)
    places = ("--reference-region", "box:0,0,96,128", "--reference-region", mask)
    run(*two, "-o", tmp_path / "all.png")
    run(*two, *places, "-o", tmp_path / "own.png")
    swapped = ("edit", room, *adapted, "--reference", lamp, "--reference", chair)
    run(*swapped, *places[2:], *places[:2], "-o", tmp_path / "swapped.png")
    run(*two, "--reference-region", "whole", "--reference-region", "whole", "-o", tmp_path / "whole.png")
    made = {name: np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("all", "own", "swapped", "whole")}
    assert not np.array_equal(made["own"], made["all"])
    assert np.array_equal(made["own"], made["swapped"])
    assert np.array_equal(made["whole"], made["all"])
    told = [each.region for each in read_provenance(tmp_path / "own.png").references]
    assert told == ["box 0,0,96,128", "mask 'mask.png'"]
    assert "chair.png:1 in box 0,0,96,128" in run("show", tmp_path / "own.png")
    with pytest.raises(SettingsError, match="give them with --reference-region"):
        run(*two, "--like", tmp_path / "own.png", "-o", tmp_path / "again.png")


@pytest.mark.parametrize(
    "case",
    [
        ("auto", SettingsError, '--reference-region is "auto"; give a box, a point, a mask, a phrase or whole'),
        ("box:500,0,600,9", SettingsError, "holds no pixel of the picture, which is 192 x 128"),
        ("{small}", ImageError, "192 x 128"),
        ("{black}", SettingsError, "is empty; mark where the reference is to be read"),
        ("gone.png", ImageError, 'There is no file "gone.png"'),
    ],
)
def test_what_is_no_region_of_a_reference_is_said(
    room: Path, chair: Path, adapted: tuple[object, ...], case: tuple[str, type[Exception], str]
) -> None:
    tmp_path, (place, error, told) = room.parent, case
    small, black = tmp_path / "small.png", tmp_path / "black.png"
    Image.new("L", (32, 32), 255).save(small)
    Image.new("L", (192, 128)).save(black)
    words = ("edit", room, *adapted, "--reference", chair, "--reference-region", place.format(small=small, black=black))
    with pytest.raises(error, match=told):
        run(*words, "-o", tmp_path / "out.png")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--place", "auto"), "There is no picture of an object"),
        (("--reference", "{chair}", "--place", "left"), '--place is "left"; expected auto'),
        (("--reference", "{chair}", "--place", "auto", "--region", "box:0,0,9,9"), "leave --region or --place out"),
        (("--reference", "{chair}", "--detail", "2"), "detail is 2.0; expected a number from 0 to 1"),
        (("--reference", "{chair}:9"), "expected a number from 0 to 2"),
        (("--reference", "{chair}", "--background", "blur"), '--background is "blur"; expected auto, remove, keep'),
        (("--reference", "{chair}", "--region", "whole"), "fills a region; say which"),
        (("--reference", "{chair}", "-m", "pocket"), "reads words alone"),
        (("--reference", "{chair}", "-m", "pocket/generate"), "editing by instruction needs one of kind 'instruct'"),
        (("--reference", "{chair}:half"), "is no number; give a weight"),
        (("--reference", "{chair}", "--region", "box:0,0,999,999"), "The region is the whole picture"),
        (("--subject", "nobody", "--region", "box:0,0,9,9"), "There is no taught subject 'nobody'"),
        (("--reference", "{chair}", "--reference-region", "whole"), "which an IP-Adapter alone can heed"),
        (
            (
                "--reference",
                "{chair}",
                "--ip-adapter",
                "a",
                "--reference-region",
                "whole",
                "--reference-region",
                "whole",
            ),
            "There are 2 reference regions for 1 references",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    room: Path, chair: Path, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    arguments = [option.format(chair=chair) for option in options]
    result = RUNNER.invoke(app, ["edit", str(room), *arguments, "-o", str(tmp_path / "out.png"), "--steps", "1"])
    assert result.exit_code != 0
    assert told in str(result.exception)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("clear.png", "is transparent everywhere"),
        ("pixel.png", "is 1 x 1 pixels; both sides must have at least 16"),
        ("moving.gif", "is a GIF; give a PNG, JPEG or WEBP"),
        ("folder", "is a folder; give a PNG, JPEG or WEBP file"),
        ("words.png", "is not a picture that can be read"),
        ("empty.png", "is empty"),
        ("gone.png", "There is no file"),
    ],
)
def test_what_is_no_picture_of_an_object_is_said(room: Path, tmp_path: Path, name: str, told: str) -> None:
    Image.new("RGBA", (50, 50)).save(tmp_path / "clear.png")
    Image.new("RGBA", (1, 1), "red").save(tmp_path / "pixel.png")
    frames = [Image.new("P", (40, 40), shade) for shade in (1, 90, 200)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "folder").mkdir()
    (tmp_path / "words.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(ImageError, match=told):
        run("edit", room, "--reference", tmp_path / name, "-o", tmp_path / "out.png", "--steps", 1)
    assert not (tmp_path / "out.png").exists()


def test_a_huge_and_a_tiny_object_go_in(room: Path, tmp_path: Path) -> None:
    for name, side, box in (("huge.png", 8000, (1000, 1000, 7000, 7000)), ("speck.png", 60, (5, 5, 6, 6))):
        picture = Image.new("RGBA", (side, side))
        picture.paste((200, 30, 30, 255), box)
        picture.save(tmp_path / name, compress_level=1)
        run("edit", room, "--reference", tmp_path / name, "-o", tmp_path / "out.png", "--steps", 1)
        assert Image.open(tmp_path / "out.png").size == (192, 128)
