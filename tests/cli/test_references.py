"""Pictures of an object on the command line: what reads them, what is written, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from retouch.cli.main import app
from retouch.core.errors import SettingsError
from retouch.core.provenance import read_provenance

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
