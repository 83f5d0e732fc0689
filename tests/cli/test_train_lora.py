"""`retouch train lora`: from a folder of records and a base to updates that its pipeline edits with."""

from pathlib import Path
from typing import Any

from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline
from PIL import Image
from tests.cli.conftest import Command
from tests.training.conftest import write_squares
from tests.training.tiny_klein import save_klein


def test_updates_are_trained_resumed_and_edit(command: Command, tmp_path: Path) -> None:
    base, data = save_klein(tmp_path / "base"), write_squares(tmp_path / "pairs", "train", 5)
    words = (
        "train", "lora", "--base", base, "--data", data, "--out", tmp_path / "run", "--lora", 2, "--batch-size", 2,
        "--accumulate", 2, "--checkpointing", "--precision", "float32", "--size", 32, "--learning-rate", 0.01,
        "--device", "cpu",
    )  # fmt: skip
    for steps in (2, 3):
        ran = command(*words, "--steps", steps)
        assert ran.code == 0, ran.err
        assert ran.out.split()[:2] == ["steps", str(steps)]
    pipe: Any = Flux2KleinPipeline.from_pretrained(base)
    pipe.set_progress_bar_config(disable=True)
    pipe.load_lora_weights(tmp_path / "run" / "model")
    image = pipe(image=Image.new("RGB", (64, 64)), prompt="make it red", num_inference_steps=1).images[0]
    assert image.size == (64, 64)


def test_bases_and_options_that_do_not_fit_are_refused(command: Command, tmp_path: Path) -> None:
    data = write_squares(tmp_path / "pairs", "train", 2)
    words = ("train", "lora", "--data", data, "--out", tmp_path / "run")
    ran = command(*words)
    assert ran.code == 4 and "Flux2KleinPipeline" in ran.err and ran.err.count("\n") == 1
    ran = command(*words, "--no-cache")
    assert ran.code == 2 and "--no-cache" in ran.err
    ran = command(*words, "--lora", 0)
    assert ran.code == 2 and "rank is 0" in ran.err
    ran = command(*words, "--optimiser", "sgd")
    assert ran.code == 2 and "adamw8bit" in ran.err
