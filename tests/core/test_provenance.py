"""A result's settings survive in its PNG and nothing else passes for them."""

import json
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from retouch.core.errors import ImageError
from retouch.core.provenance import Provenance, read_provenance, write_png
from retouch.core.settings import EditSettings

SETTINGS = EditSettings(
    steps=20,
    scheduler="euler",
    text_guidance=2.0,
    image_guidance=1.0,
    guidance_interval=(0.1, 0.9),
    negative="grain — ß",
    negative_image="",
    seed=7,
)
WRITTEN = Provenance(
    model="pocket",
    instructions=("make the sofa green", "add a plant, “please”\nnow"),
    settings=SETTINGS,
    source_sha256="ab" * 32,
    source_name="living-room.png",
    loras=("style.safetensors:0.8",),
)


def test_round_trip(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", Image.new("RGB", (20, 30), "red"), WRITTEN)
    assert read_provenance(tmp_path / "a.png") == WRITTEN
    with Image.open(tmp_path / "a.png") as image:
        assert image.getpixel((0, 0)) == (255, 0, 0)


def test_other_tools_find_their_line(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", Image.new("RGB", (20, 30)), WRITTEN)
    with Image.open(tmp_path / "a.png") as image:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        lines = str(image.text["parameters"]).splitlines()
    assert lines[0].startswith("make the sofa green; ")
    assert "Negative prompt: grain — ß" in lines
    assert lines[-1].startswith("Steps: 20, Sampler: euler, CFG scale: 2.0, Image CFG scale: 1.0, Seed: 7, Size: 20x30")


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "not json",
        "[]",
        "{}",
        json.dumps({"format": 99}),
        json.dumps({"format": 1, "settings": {}, "instructions": []}),
        json.dumps({"format": 1, "settings": {"stepz": 1}, "instructions": ["a"], "model": "pocket",
                    "source_sha256": "", "source_name": "", "version": "0"}),
        json.dumps({"format": 1, "settings": {"steps": -1}, "instructions": ["a"], "model": "pocket",
                    "source_sha256": "", "source_name": "", "version": "0"}),
    ],
)  # fmt: skip
def test_foreign_and_broken_files_are_refused(tmp_path: Path, stored: str | None) -> None:
    text = PngImagePlugin.PngInfo()
    if stored is not None:
        text.add_text("retouch", stored)
    path = tmp_path / "foreign.png"
    Image.new("RGB", (20, 20)).save(path, pnginfo=text)
    with pytest.raises(ImageError, match=r"foreign\.png") as caught:
        read_provenance(path)
    assert "\n" not in str(caught.value)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("words")
    for name in ("none.png", "text.png", "."):
        with pytest.raises(ImageError):
            read_provenance(tmp_path / name)
