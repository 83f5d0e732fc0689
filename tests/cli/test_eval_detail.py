"""`retouch eval detail` on a tiny model, from a folder of pictures to a report."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from tests.cli.conftest import Command


def test_the_command(command: Command, tiny_folder: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(90, 160, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "one.png")
    out = tmp_path / "out"
    ran = command("eval", "detail", "--pictures", tmp_path, "-m", tiny_folder, "--out", out, "--json")
    assert ran.code == 0, ran.err
    (line,) = json.loads(ran.out)["lines"]
    assert (line["part"], line["pictures"]) == ("whole picture", 1)
    assert json.loads((out / "report.json").read_text()) == json.loads(ran.out)
    ran = command("eval", "detail", "--out", out)
    assert ran.code == 2 and "nothing to edit" in ran.err
