"""`retouch edit` and `sweep` with a folder of FLUX.2 klein, tiny, through the same commands as any model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Command
from tests.editing.pipelines import tiny
from tests.evaluation.test_cocoee import write_benchmark, write_pictures
from tests.evaluation.test_insertion import write_examples

from retouch.core.provenance import read_provenance

QUICK = ("--steps", "1", "--size", "128", "--device", "cpu", "--precision", "float32")


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "klein"
    tiny.klein().save_pretrained(folder)
    return folder


@pytest.fixture
def in_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    triple = {"input": "a red sofa", "edit": "make it blue", "output": "a blue sofa"}
    Path("triples.jsonl").write_text(json.dumps(triple) + "\n")


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


def test_a_sweep_of_a_distilled_model_is_of_its_own_guidance_and_says_what_is_ignored(
    command: Command, tmp_path: Path, room: Path, klein: Path
) -> None:
    sheet = tmp_path / "sheet.png"
    asked = ["make it red", "--model", str(klein), *QUICK, "-o", str(sheet)]
    done = command("sweep", str(room), *asked)
    assert done.code == 0 and "Wrote 1 results" in done.out
    done = command("sweep", str(room), *asked, "--text-guidance", "1,4")
    assert "Wrote 2 results" in done.out and "distilled, so it ignores text_guidance, which is 4" in done.err


@pytest.mark.slow
def test_detail_is_measured_through_the_same_door(command: Command, tmp_path: Path, klein: Path) -> None:
    noise = np.random.default_rng(0).integers(90, 160, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "one.png")
    out = tmp_path / "out"
    ran = command("eval", "detail", "--pictures", tmp_path, "-m", klein, "--out", out, "--device", "cpu", "--json")
    assert ran.code == 0, ran.err
    (line,) = json.loads(ran.out)["lines"]
    assert (line["part"], line["pictures"]) == ("whole picture", 1)


@pytest.mark.slow
def test_regions_are_filled_by_example_through_the_same_door(command: Command, tmp_path: Path, klein: Path) -> None:
    root, real = write_benchmark(tmp_path / "bench", 2), write_pictures(tmp_path / "real", 20)
    wanted = ("eval", "cocoee", "--root", root, "--reference-set", real, "-m", klein, "--out", tmp_path / "out")
    ran = command(*wanted, "--device", "cpu", "--json")
    assert ran.code == 0, ran.err
    assert [line["pictures"] for line in json.loads(ran.out)["lines"]] == ["klein", "photographs"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["insertion", "inpainting"])
def test_objects_are_put_in_through_the_same_door(command: Command, tmp_path: Path, klein: Path, kind: str) -> None:
    data = write_examples(tmp_path / "data", ["add", "null"])
    places = ["--insert", str(klein), "--placement", "none"] if kind == "insertion" else []
    asked = ["--data", data, "-m", klein, "--exemplar", str(klein), *places, "--out", tmp_path / "out", "--limit", "1"]
    ran = command("eval", kind, *asked, "--device", "cpu")
    assert ran.code == 0, ran.err
    assert "words" in ran.out
    assert ("no sheet of both" in ran.err) == (kind == "inpainting")


NEEDS_THE_LOOP = {
    "generate": (["a red sofa", "-o", "out.png"], "Flux2KleinPipeline"),
    "region": (["room.png", "--lime", "make it red", "-o", "mask.png"], "attention is not looked into"),
    "eval": (["subject", "--out", "out"], "Flux2KleinPipeline"),
    "data": (
        ["pairs", "--engine", "prompt-to-prompt", "--triples", "triples.jsonl", "--out", "out"],
        "Flux2KleinPipeline",
    ),
}


@pytest.mark.parametrize("name", NEEDS_THE_LOOP)
def test_what_needs_the_loop_says_so(command: Command, room: Path, klein: Path, in_scratch: None, name: str) -> None:
    del in_scratch
    asked, message = NEEDS_THE_LOOP[name]
    words = [str(room) if word == "room.png" else word for word in asked]
    done = command(name, *words, "--model", str(klein))
    assert done.code != 0 and message in " ".join(done.err.split())
    assert "Traceback" not in done.err


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
