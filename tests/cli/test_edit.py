"""`retouch edit`, `show` and `sweep` on a tiny model, from files to files."""

import json
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Command

from retouch.core.provenance import read_provenance

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

    from retouch.models.checkpoint import Checkpoint


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_result_has_the_pictures_size_and_tells_how_it_was_made(
    command: Command, tmp_path: Path, room: Path, tiny_folder: Path
) -> None:
    output = tmp_path / "new" / "green.png"
    ran = command("edit", room, "make the sofa green", "-o", output, "-m", tiny_folder, "--seed", 5)
    assert (ran.code, ran.err) == (0, "")
    assert str(output) in ran.out and "90 x 60" in ran.out and "seed 5" in ran.out
    assert pixels(output).shape == (60, 90, 3)
    provenance = read_provenance(output)
    assert provenance.model == "tiny"
    assert provenance.instructions == ("make the sofa green",)
    assert provenance.source_name == "room.png"
    assert (provenance.settings.seed, provenance.settings.steps) == (5, 3)
    shown = command("show", output)
    assert shown.code == 0 and "make the sofa green" in shown.out
    assert json.loads(command("show", output, "--json").out)["settings"]["seed"] == 5


def test_transparency_is_kept(command: Command, tmp_path: Path, tiny_folder: Path) -> None:
    picture = Image.new("RGBA", (64, 48), (200, 50, 50, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 20, 48))
    picture.save(tmp_path / "clear.png")
    output = tmp_path / "out.png"
    assert command("edit", tmp_path / "clear.png", "make it blue", "-o", output, "-m", tiny_folder).code == 0
    assert np.array_equal(pixels(output)[..., 3], np.asarray(picture)[..., 3])


def test_several_seeds_and_several_instructions(
    command: Command, tmp_path: Path, room: Path, tiny_folder: Path
) -> None:
    output = tmp_path / "many.png"
    texts = ("make the sofa green", "remove the lamp")
    ran = command("edit", room, *texts, "-o", output, "-m", tiny_folder, "--count", 2, "--seed", 3, "--json")
    report = json.loads(ran.out)
    paths = [tmp_path / "many-1.png", tmp_path / "many-2.png"]
    assert report["outputs"] == [{"path": str(path), "seed": seed} for path, seed in zip(paths, (3, 4), strict=True)]
    assert report["instructions"] == list(texts)
    assert not output.exists()
    assert not np.array_equal(pixels(paths[0]), pixels(paths[1]))


def test_like_repeats_a_result(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first-2.png", "second.png", "third.png"))
    texts = ("make the sofa green", "remove the lamp")
    command(
        "edit", room, *texts, "-o", tmp_path / "first.png", "-m", tiny_folder, "--count", 2,
        "--scheduler", "euler-ancestral", "--steps", 4, "--text-guidance", 3, "--negative", "grain",
    )  # fmt: skip
    again = command("edit", room, "--like", first, "-o", second, "-m", tiny_folder)
    assert (again.code, again.err) == (0, "")
    # One of a batch and one alone may differ in the last bit of float32, and so by one level of 255.
    assert np.abs(pixels(first).astype(int) - pixels(second)).max() <= 1
    assert read_provenance(first) == read_provenance(second)
    command("edit", room, "--like", first, "-o", third, "-m", tiny_folder, "--seed", 9)
    assert read_provenance(third).settings.steps == 4
    assert not np.array_equal(pixels(first), pixels(third))


def test_like_on_another_picture_warns(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    command("edit", room, "make the sofa green", "-o", tmp_path / "first.png", "-m", tiny_folder)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "other.png")
    ran = command(
        "edit", tmp_path / "other.png", "--like", tmp_path / "first.png", "-o", tmp_path / "b.png", "-m", tiny_folder
    )
    assert ran.code == 0
    assert ran.err.startswith("warning: ") and "other.png" in ran.err


def test_a_single_file_edits_as_its_folder_does(
    command: Command, tmp_path: Path, room: Path, tiny_tokenizer: "CLIPTokenizer"
) -> None:
    from tests.models.original_layout import ORIGINAL_TINY, write_original

    from retouch.models.architecture import random_checkpoint

    checkpoint = random_checkpoint(ORIGINAL_TINY, tiny_tokenizer)
    file = write_original(checkpoint, tmp_path / "editor.safetensors", tokenizer=False)
    tiny_tokenizer.save_pretrained(tmp_path / "words")
    folder, one, other = (tmp_path / name for name in ("folder", "one.png", "other.png"))
    words = ("--tokenizer", tmp_path / "words")
    assert command("models", "convert", file, folder, *words).code == 0
    assert "instruct" in command("models", "show", file, *words).out
    assert "is sound" in command("models", "verify", file, *words).out
    rest = ("--steps", 1, "--text-guidance", 1, "--image-guidance", 1, "--precision", "float32")
    ran = command("edit", room, "make the sofa green", "-o", one, "-m", file, *words, *rest)
    assert (ran.code, ran.err) == (0, "")
    assert command("edit", room, "make the sofa green", "-o", other, "-m", folder, *rest).code == 0
    assert np.array_equal(pixels(one), pixels(other))
    assert read_provenance(one).model == "editor.safetensors"
    ran = command("edit", room, "make the sofa green", "-o", tmp_path / "never.png", "-m", file)
    assert ran.code == 4 and "--tokenizer FOLDER" in ran.err and ran.err.count("\n") == 1


def test_a_lora_changes_the_result_and_is_repeated(
    command: Command, tmp_path: Path, room: Path, tiny_folder: Path, tiny_checkpoint: "Checkpoint"
) -> None:
    import torch
    from safetensors.torch import save_file

    lora = tmp_path / "style.safetensors"
    name, weight = "conv_in", tiny_checkpoint.unet.conv_in.weight
    factors = {"lora_down": torch.randn(1, *weight.shape[1:]), "lora_up": torch.randn(weight.shape[0], 1, 1, 1)}
    save_file({f"lora_unet_{name}.{factor}.weight": value for factor, value in factors.items()}, lora)
    plain, styled, again, sheet = (tmp_path / f"{name}.png" for name in ("plain", "styled", "again", "sheet"))
    words = ("edit", room, "make the sofa green", "-m", tiny_folder, "-o")
    assert command(*words, plain).code == 0
    ran = command(*words, styled, "--lora", f"{lora}:0.5", "--json")
    assert json.loads(ran.out)["loras"] == ["style.safetensors:0.5"]
    assert not np.array_equal(pixels(plain), pixels(styled))
    assert "style.safetensors:0.5" in command("show", styled).out
    repeated = ("edit", room, "--like", styled, "-o", again, "-m", tiny_folder)
    ran = command(*repeated)
    assert ran.code == 4 and "There is no LoRA 'style.safetensors'" in ran.err and ran.err.count("\n") == 1
    assert command(*repeated, "--lora", f"{lora}:0.5").code == 0
    assert np.array_equal(pixels(styled), pixels(again))
    ran = command("sweep", *words[1:], sheet, "--lora", lora, "--text-guidance", 2, "--image-guidance", 1)
    assert ran.code == 0 and sheet.exists()
    ran = command(*words, tmp_path / "never.png", "--lora", f"{lora}:99")
    assert ran.code == 2 and "from -10 to 10" in ran.err


def test_show_counts_instructions_as_people_do(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    output = tmp_path / "a.png"
    assert command("edit", room, "make it red", "make it blue", "-o", output, "-m", tiny_folder, "--steps", 1).code == 0
    said = command("show", output).out.splitlines()
    assert [line.split("  ")[0] for line in said if line.endswith(("red", "blue"))] == ["instruction", "instruction 2"]


def test_show_refuses_strangers(command: Command, room: Path) -> None:
    ran = command("show", room)
    assert ran.code == 3 and "carries no settings" in ran.err


def test_interrupt_leaves_nothing(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    """A real Ctrl-C during a run of many steps."""
    output = tmp_path / "out" / "never.png"
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        ran = command("edit", room, "make the sofa green", "-o", output, "-m", tiny_folder, "--steps", 900)
    finally:
        timer.cancel()
    assert ran.code == 130
    assert "nothing half-written" in ran.err
    assert not output.parent.exists()


def test_sweep_draws_every_combination(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    sheet = tmp_path / "sheet.png"
    ran = command(
        "sweep", room, "make the sofa green", "-o", sheet, "-m", tiny_folder, "--side", 60, "--count", 2,
        "--text-guidance", "1.5,3,5", "--image-guidance", "1,1.5",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "12 results" in ran.out
    height, width, _ = pixels(sheet).shape
    assert width == 3 * (60 + 16) and height > 4 * 60


def test_a_sweep_varies_the_guidance_that_is_named(
    command: Command, tmp_path: Path, room: Path, tiny_folder: Path
) -> None:
    asked = ("sweep", room, "make it red", "-o", tmp_path / "sheet.png", "-m", tiny_folder, "--side", 60, "--steps", 1)
    named = {("--text-guidance", "1.5,3"): 2, ("--image-guidance", "1,1.2,1.4"): 3, (): 6}
    for options, results in named.items():
        assert f"Wrote {results} results" in command(*asked, *options).out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--text-guidance", "1,two"], "--text-guidance"),
        (["--image-guidance", "nan"], "image_guidance"),
        (["--text-guidance", "-1"], "text_guidance"),
        (["--count", "0"], "count"),
    ],
)
def test_sweep_refuses_bad_ranges(command: Command, tmp_path: Path, room: Path, options: list[str], said: str) -> None:
    ran = command("sweep", room, "make it red", "-o", tmp_path / "sheet.png", "-m", "no-such-model", *options)
    assert ran.code == 2 and said in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize("mode", ["full", "auto"])
def test_on_the_cpu_all_networks_are_there(
    command: Command, tmp_path: Path, room: Path, tiny_folder: Path, mode: str
) -> None:
    files = [tmp_path / "plain.png", tmp_path / "out.png"]
    for file, options in zip(files, ((), ("--memory", mode)), strict=True):
        edit = ("edit", room, "make the sofa green", "-o", file, "-m", tiny_folder, "--device", "cpu")
        assert command(*edit, *options).code == 0
    plain, found = map(Image.open, files)
    assert found.tobytes() == plain.tobytes()


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("offload", "moves weights to a GPU while they work; on the CPU choose auto."),
        ("sequential", "choose offload in the place of sequential."),
        ("little", "The memory mode is 'little'; expected one of"),
    ],
)
def test_memory_modes_that_cannot_be_had(command: Command, room: Path, tiny_folder: Path, mode: str, said: str) -> None:
    output = room.with_name("out.png")
    options = ("-m", tiny_folder, "--device", "cpu", "--memory", mode)
    ran = command("edit", room, "make the sofa green", "-o", output, *options)
    assert (ran.code, output.exists()) == (2, False)
    assert said in " ".join(ran.err.split())
