"""`retouch train distil`: from a folder of records and an editor to a student that edits in one pass a step."""

from dataclasses import replace
from pathlib import Path

from PIL import Image
from tests.cli.conftest import Command
from tests.training.conftest import squares, write_squares

from retouch.core.images import png_bytes
from retouch.records.shards import open_writer


def write_different(folder: Path, count: int) -> Path:
    """Records whose sources are all different, so that some can be held out."""
    records = [
        replace(record, source_image=png_bytes(Image.new("RGB", (64, 64), (8 * number, 90, 120))))
        for number, record in enumerate(squares("train", count))
    ]
    with open_writer(folder, engine="squares", settings={}) as writer:
        writer.write(records, first_unit=0, units=count)
    return folder


def test_a_student_is_trained_resumed_and_edits(command: Command, tiny_folder: Path, tmp_path: Path) -> None:
    data, run = write_different(tmp_path / "pairs", 20), tmp_path / "run"
    words = (
        "train", "distil", "--base", tiny_folder, "--data", data, "--out", run, "--lora", 2, "--batch-size", 2,
        "--student-steps", 2, "--text-guidance", 3, "--precision", "float32", "--device", "cpu",
    )  # fmt: skip
    for steps in (1, 2):
        ran = command(*words, "--steps", steps)
        assert ran.code == 0, ran.err
        assert ran.out.split()[:2] == ["steps", str(steps)] and "PSNR to the teacher" in ran.out
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "in.png")
    for way in (("--model", run / "model"), ("--model", run / "model" / "lora")):
        out = tmp_path / f"{way[1].name}.png"
        ran = command("edit", tmp_path / "in.png", "make it red", "-o", out, *way, "--device", "cpu")
        assert ran.code == 0, ran.err
        told = command("show", out)
        assert "steps" in told.out and out.is_file()
    ran = command("models", "verify", run / "model" / "lora")
    assert ran.code == 0 and "student" in ran.out, ran.err


def test_what_a_student_cannot_be_is_told(command: Command, tiny_folder: Path, tmp_path: Path) -> None:
    data = write_squares(tmp_path / "pairs", "train", 2)
    words = ("train", "distil", "--data", data, "--base", tiny_folder, "--out", tmp_path / "run")
    for further, code, told in (
        (("--objective", "magic"), 2, "choose guidance, consistency"),
        (("--student-steps", 0), 2, "0 steps of 1 of its teacher"),
        (("--lora", 0), 2, "rank is 0"),
    ):
        ran = command(*words, *further)
        assert ran.code == code and told in ran.err and ran.err.count("\n") == 1, ran.err
    ran = command("train", "instruct", "--data", data, "--student-steps", 2)
    assert ran.code == 2 and "has no teacher" in ran.err
