"""`retouch edit` and `sweep` with a folder of FLUX.2 klein, tiny, through the same commands as any model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Command
from tests.editing.pipelines import tiny

from retouch.core.provenance import read_provenance

QUICK = ("--steps", "1", "--size", "128", "--device", "cpu", "--precision", "float32")


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "klein"
    tiny.klein().save_pretrained(folder)
    return folder


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_several_edits_in_a_row_in_a_region_with_provenance(
    command: Command, tmp_path: Path, room: Path, klein: Path
) -> None:
    out = tmp_path / "out.png"
    asked = ["make it red", "make it blue", "--model", str(klein), *QUICK, "--region", "box:8,8,40,40", "--seed", "5"]
    done = command("edit", str(room), *asked, "-o", str(out), "--count", "2", "--json")
    assert done.code == 0, done.err
    first, second = tmp_path / "out-1.png", tmp_path / "out-2.png"
    assert [output["seed"] for output in json.loads(done.out)["outputs"]] == [5, 6]
    source = pixels(room)[..., :3]
    for path in (first, second):
        assert np.array_equal(pixels(path)[40:, 40:], source[40:, 40:])
    assert not np.array_equal(pixels(first), pixels(second))
    provenance = read_provenance(second)
    assert (provenance.model, provenance.instructions) == ("klein", ("make it red", "make it blue"))
    assert (provenance.settings.seed, provenance.settings.scheduler, provenance.settings.image_guidance) == (
        6,
        None,
        None,
    )
    again = tmp_path / "again.png"
    like = ["--like", str(second), "--model", str(klein), "--size", "128", "--device", "cpu", "--precision", "float32"]
    assert command("edit", str(room), *like, "-o", str(again)).code == 0
    assert np.array_equal(pixels(again), pixels(second))


def test_a_sweep_over_a_model_without_image_guidance(command: Command, tmp_path: Path, room: Path, klein: Path) -> None:
    sheet = tmp_path / "sheet.png"
    asked = ["make it red", "--model", str(klein), *QUICK, "--text-guidance", "1,2"]
    assert command("sweep", str(room), *asked, "-o", str(sheet)).code == 0
    assert sheet.is_file()
    refused = command("sweep", str(room), *asked, "-o", str(sheet), "--image-guidance", "1.5")
    assert refused.code == 2 and "no image_guidance" in refused.err


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (["--negative", "fog"], (2, "no negative")),
        (["--region", "lime"], (4, "attention is not looked into")),
        (["--memory", "offload"], (2, "on the CPU choose auto")),
        (["--tokenizer", "there"], (2, "takes no tokenizer")),
    ],
)
def test_what_it_cannot_do_is_said(
    command: Command, room: Path, klein: Path, asked: list[str], answer: tuple[int, str]
) -> None:
    out = klein.parent / "out.png"
    done = command("edit", str(room), "make it red", "--model", str(klein), *QUICK, "-o", str(out), *asked)
    assert (done.code, out.exists()) == (answer[0], False)
    assert answer[1] in " ".join(done.err.split())


def test_an_unknown_class_lists_the_known(command: Command, tmp_path: Path, room: Path, klein: Path) -> None:
    model = Path(shutil.copytree(klein, tmp_path / "model"))
    index = model / "model_index.json"
    index.write_text(index.read_text().replace("Flux2KleinPipeline", "DreamPipeline"))
    done = command("edit", str(room), "make it red", "--model", str(model), "-o", str(tmp_path / "out.png"))
    assert done.code == 4 and "known are Flux2KleinPipeline" in " ".join(done.err.split())


def test_families_are_listed_with_licence_and_memory(command: Command) -> None:
    entries = {entry["source"]: entry for entry in json.loads(command("models", "list", "--json").out)}
    entry = entries["black-forest-labs/FLUX.1-Kontext-dev"]
    assert (
        entry["kind"] == "FLUX.1 Kontext"
        and "non-commercial, gated; GB full/offload/sequential: 34/24/1" in entry["note"]
    )
