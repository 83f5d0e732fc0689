"""`retouch generate`: what it leaves, what it repeats, what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Command

from retouch.core.provenance import read_provenance
from retouch.models.control import control_of, save_control
from retouch.models.image_encoder import load_image_encoder
from retouch.models.ip_adapter import fresh_ip_adapter
from retouch.models.ip_adapter_load import save_ip_adapter
from retouch.models.save import save

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def models(make_tiny: Callable[..., "Checkpoint"], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text-to-image model and a ControlNet that is no longer what it started as."""
    folder = tmp_path_factory.mktemp("models")
    checkpoint = make_tiny(kind="generate", text_guidance=3.0)
    save(checkpoint, folder / "text")
    network = control_of(checkpoint, channels=(8, 16, 16, 16), seed=1)
    network.controlnet_mid_block.weight.data.fill_(0.05)
    save_control(network, folder / "control")
    adapter = fresh_ip_adapter(checkpoint.unet, load_image_encoder(), variant="base", seed=1)
    save_ip_adapter(adapter, folder / "adapter", base="text")
    return folder


def test_pictures_carry_how_they_were_made_and_come_again(command: Command, models: Path, tmp_path: Path) -> None:
    words = ("generate", "a red sofa", "-m", models / "text", "--count", 2, "--seed", 5, "--json")
    ran = command(*words, "-o", tmp_path / "sofa.png")
    assert ran.code == 0, ran.err
    outputs = json.loads(ran.out)["outputs"]
    assert [(Path(one["path"]).name, one["seed"], one["size"]) for one in outputs] == [
        ("sofa-1.png", 5, [64, 64]),
        ("sofa-2.png", 6, [64, 64]),
    ]
    told = read_provenance(tmp_path / "sofa-2.png")
    assert (told.model, told.instructions, told.settings.seed) == ("text", ("a red sofa",), 6)
    assert (told.settings.text_guidance, told.settings.image_guidance, told.source_name) == (3.0, None, "")
    assert "source" not in command("show", tmp_path / "sofa-2.png").out
    again = command("generate", "a red sofa", "-m", models / "text", "--seed", 6, "-o", tmp_path / "again.png")
    assert again.code == 0
    # Alone or among others a picture is the same but for how the processor sums, at most one level of 255.
    one, other = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("again.png", "sofa-2.png"))
    assert np.abs(one - other).max() <= 1
    assert command(*words, "-o", tmp_path / "twice.png").code == 0
    assert (tmp_path / "twice-2.png").read_bytes() == (tmp_path / "sofa-2.png").read_bytes()


def test_edges_of_a_picture_hold_the_result(command: Command, models: Path, room: Path, tmp_path: Path) -> None:
    words = ("generate", "a red sofa", "-m", models / "text", "--edges", room, "--control", models / "control")
    held = command(*words, "-o", tmp_path / "held.png")
    assert held.code == 0, held.err
    free = command(*words, "--control-scale", 0, "-o", tmp_path / "free.png")
    plain = command("generate", "a red sofa", "-m", models / "text", "-o", tmp_path / "plain.png")
    assert free.code == plain.code == 0
    pixels = {name: (tmp_path / f"{name}.png").read_bytes() for name in ("held", "free", "plain")}
    assert pixels["held"] != pixels["free"]
    assert read_provenance(tmp_path / "held.png").source_name == "room.png"


def test_pictures_of_objects_are_read_beside_text_and_edges(
    command: Command, models: Path, room: Path, tmp_path: Path
) -> None:
    for colour in ("red", "blue"):
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{colour}.png")
    words = (
        "generate",
        "a sofa",
        "-m",
        models / "text",
        "--edges",
        room,
        "--control",
        models / "control",
        "--steps",
        2,
    )

    def made(name: str, *references: str, scale: float = 1.0, edges: bool = True) -> np.ndarray:
        shown = [part for each in references for part in ("--reference", tmp_path / f"{each}.png")]
        read = ["--ip-adapter", f"{models / 'adapter'}:{scale}", "--background", "keep"] if references else []
        ran = command(*(words if edges else (*words[:4], *words[-2:])), *shown, *read, "-o", tmp_path / f"{name}.png")
        assert ran.code == 0, ran.err
        return np.asarray(Image.open(tmp_path / f"{name}.png"))

    plain, beside = made("plain"), made("beside", "red")
    assert np.array_equal(made("silent", "red", scale=0.0), plain)
    assert not np.array_equal(beside, plain)
    assert not np.array_equal(made("free", "red", edges=False), beside)
    assert np.array_equal(made("one", "red", "blue"), made("other", "blue", "red"))
    told = read_provenance(tmp_path / "beside.png")
    assert ([each.name for each in told.references], told.ip_adapter) == (["red.png"], "adapter:1")


def test_a_reference_is_read_where_it_is_said_to_be(command: Command, models: Path, room: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    adapter = ("--ip-adapter", models / "adapter", "--background", "keep", "--reference", tmp_path / "red.png")
    words = ("generate", "a sofa", "-m", models / "text", *adapter, "--steps", 1)
    made = {}
    for region in (None, "whole", "box:0,0,32,64", "box:32,0,64,64"):
        asked = () if region is None else ("--reference-region", region)
        ran = command(*words, *asked, "-o", tmp_path / "out.png")
        assert ran.code == 0, ran.err
        made[region] = np.asarray(Image.open(tmp_path / "out.png"))
    assert np.array_equal(made[None], made["whole"])
    assert len({picture.tobytes() for picture in made.values()}) == 3
    found = read_provenance(tmp_path / "out.png").references[0].region
    assert found == "box 32,0,64,64"
    edges = ("--edges", room, "--control", models / "control")
    held = command(*words, *edges, "--reference-region", "box:0,0,32,64", "-o", tmp_path / "held.png")
    assert held.code == 0, held.err
    for region, code, said in (("the sofa", 2, "no picture yet to look in"), ("box:900,0,950,9", 2, "holds no pixel")):
        ran = command(*words, "--reference-region", region, "-o", tmp_path / "no.png")
        assert (ran.code, said in ran.err) == (code, True), ran.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("  ",), 2, "text is empty"),
        (("a sofa", "--count", 0), 2, "count is 0"),
        (("a sofa", "--edges", "missing.png"), 3, "missing.png"),
        (("a sofa", "-m", "pocket"), 4, "instruct"),
        (("a sofa", "--reference", "chair.png"), 2, "say with --ip-adapter what reads the references"),
        (("a sofa", "--ip-adapter", "adapter"), 2, "There is no picture of an object"),
        (("a sofa", "-m", "pocket/none"), 4, "not in this installation"),
    ],
)
def test_what_cannot_be_made_is_said_in_a_sentence(
    command: Command, tmp_path: Path, words: tuple[object, ...], code: int, said: str
) -> None:
    ran = command("generate", *words, "-o", tmp_path / "out.png")
    assert ran.code == code, ran.err
    assert ran.err.splitlines()[-1].startswith("error: ")
    assert said in ran.err
    assert not (tmp_path / "out.png").exists()


def test_a_control_that_is_not_there_is_said(command: Command, models: Path, room: Path, tmp_path: Path) -> None:
    words = ("generate", "a sofa", "-m", models / "text", "--edges", room, "-o", tmp_path / "out.png")
    for control, said in (("pocket/none", "not in this installation"), (models / "text", "config.json")):
        ran = command(*words, "--control", control)
        assert ran.code == 4
        assert said in ran.err
    assert not (tmp_path / "out.png").exists()
