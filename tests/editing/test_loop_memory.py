"""Memory modes of the loop: the same edits to the bit, one network there at a time, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.ip_adapters import tiny_adapter, tiny_encoder
from tests.models.turns import PlayedDevice

from retouch.core.errors import SettingsError
from retouch.core.reference import Reference
from retouch.core.region_request import region_from_box
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.editing.adapting import Adapting
from retouch.editing.editor import Editor
from retouch.editing.filling import Filling
from retouch.editing.inserting import Inserting
from retouch.editing.instructing import Instructing
from retouch.editing.load import load_editor, sparing_mode
from retouch.editing.loop_memory import loading_device, loop_mode, settle, working_bytes
from retouch.editing.own_region import OwnFinder
from retouch.editing.result import EditProgress
from retouch.editing.subject import FillingSubject
from retouch.editing.technique import Technique
from retouch.models.exemplar import fresh_exemplar
from retouch.models.insert import fresh_insert
from retouch.models.resident import CPU, Turns, take_turns, takes_turns
from retouch.models.spec import PUBLISHED
from retouch.models.subject import fresh_subject

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

    from retouch.models.checkpoint import Checkpoint

GREEN = "make the sofa green"
CUDA = torch.device("cuda")
FILLS = replace(
    PUBLISHED["inpaint"],
    channel_order=("latents", "masked-image", "mask"),
    null_text="zeros",
    native_size=64,
    size_multiple=16,
    scheduler="ddim",
)
MakeTechnique = Callable[[str], Technique]


@pytest.fixture
def technique(make_tiny: Callable[..., "Checkpoint"], tiny_tokenizer: "CLIPTokenizer") -> MakeTechnique:
    """A technique by its name, with networks of its own that are the same at each call."""

    def make(name: str) -> Technique:
        checkpoint, encoder = make_tiny(seed=4), tiny_encoder(tiny_tokenizer)
        if name == "instruct":
            return Instructing(checkpoint)
        if name == "adapter":
            return Adapting(Instructing(checkpoint), tiny_adapter(checkpoint.unet, encoder))
        if name == "insert":
            return Inserting(fresh_insert(checkpoint, encoder, queries=16))
        exemplar = fresh_exemplar(checkpoint, encoder, FILLS, detail_grid=1)
        if name == "exemplar":
            return Filling(exemplar)
        return FillingSubject(fresh_subject(exemplar, name="chair", references=[thing()], rank=2))

    return make


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 64, 3), dtype=np.uint8))


def thing() -> Reference:
    return Reference(picture=Image.new("RGB", (40, 40), "red"))


def looked_at(event: EditProgress) -> None:
    event.preview()


def edited(technique: Technique, name: str, **changes: Any) -> list[np.ndarray]:
    """Two seeds of one edit, with previews on the way."""
    fills, words = name in ("exemplar", "subject"), name in ("instruct", "adapter")
    result = Editor(technique).edit(
        picture(),
        GREEN if words else "",
        settings=EditSettings(steps=2, seed=5, **changes),
        region=region_from_box((10, 10, 50, 60), picture().size) if fills or "region" in changes else None,
        references=() if name == "instruct" else [thing()],
        count=2,
        on_progress=looked_at,
    )
    return [np.asarray(image) for image in result.images[0]]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("instruct", {}),
        ("instruct", {"reuse": 2}),
        ("instruct", {"region": RegionSettings(source="invert", attend="avoid", zoom="off")}),
        ("adapter", {}),
        ("insert", {}),
        ("exemplar", {}),
        ("subject", {}),
    ],
)
def test_an_edit_is_the_same_with_one_network_there_at_a_time(
    technique: MakeTechnique, name: str, changes: dict[str, Any]
) -> None:
    plain, sharing, device = technique(name), technique(name), PlayedDevice()
    networks = sharing.checkpoint.modules.values()
    sizes = [sum(each.nbytes for each in (*part.parameters(), *part.buffers())) for part in networks]
    device.spoil(networks)
    take_turns(networks, Turns(CPU, device))
    wanted, found = edited(plain, name, **changes), edited(sharing, name, **changes)
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))
    assert device.most == max(sizes) < sum(sizes)
    # All of them were asked for.
    assert device.brought >= sum(len([*part.parameters(), *part.buffers()]) for part in networks)


def test_what_was_encoded_is_kept_over_turns(technique: MakeTechnique) -> None:
    sharing, device = technique("instruct"), PlayedDevice()
    take_turns(sharing.checkpoint.modules.values(), Turns(CPU, device))
    counts: list[int] = []
    for _ in range(3):
        edited(sharing, "instruct")
        counts.append(device.brought)
    words = len([*sharing.checkpoint.text_encoder.parameters(), *sharing.checkpoint.text_encoder.buffers()])
    first, *later = np.diff([0, *counts])
    # The second time neither words nor picture are read, and the first network asked for is the U-Net.
    assert later[0] == later[1] <= first - words


def test_a_region_is_found_with_one_network_there_at_a_time(technique: MakeTechnique) -> None:
    plain, sharing, device = technique("instruct"), technique("instruct"), PlayedDevice()
    device.spoil(sharing.checkpoint.modules.values())
    take_turns(sharing.checkpoint.modules.values(), Turns(CPU, device))
    one, other = (
        OwnFinder(checkpoint=each.checkpoint, when_missing="whole").find(picture(), GREEN) for each in (plain, sharing)
    )
    assert one.score == other.score and one.region.mask.tobytes() == other.region.mask.tobytes()
    assert device.brought


@pytest.mark.parametrize("name", ["instruct", "adapter", "insert", "exemplar", "subject"])
@pytest.mark.parametrize("mode", ["full", "offload"])
def test_settling_changes_no_edit(technique: MakeTechnique, name: str, mode: Any) -> None:
    plain, settled = technique(name), technique(name)
    assert settle(settled, mode, CPU) == mode
    assert {takes_turns(network) for network in settled.checkpoint.modules.values()} == {mode == "offload"}
    assert not any(takes_turns(network) for network in settled.readers)
    assert all(map(np.array_equal, edited(settled, name), edited(plain, name)))


@pytest.mark.parametrize(("name", "count"), [("instruct", 0), ("adapter", 4), ("insert", 3), ("exemplar", 4)])
def test_what_reads_references_is_named(technique: MakeTechnique, name: str, count: int) -> None:
    made = technique(name)
    assert len(made.readers) == count
    assert not set(made.readers) & set(made.checkpoint.modules.values())


def test_auto_is_full_where_weights_and_work_fit(technique: MakeTechnique) -> None:
    made = technique("insert")
    networks = (*made.checkpoint.modules.values(), *made.readers)
    weights = sum(each.nbytes for part in networks for each in (*part.parameters(), *part.buffers()))
    enough = 1 + int(1.2 * weights) + working_bytes(made.checkpoint)
    assert [loop_mode(made, "auto", CUDA, free) for free in (None, enough, enough - 2, 0)] == [
        "full", "full", "offload", "offload",
    ]  # fmt: skip
    assert [loop_mode(made, mode, CUDA, 0) for mode in ("full", "offload")] == ["full", "offload"]


def test_networks_are_loaded_where_they_surely_fit() -> None:
    assert [str(loading_device(mode, CUDA)) for mode in ("auto", "full", "offload")] == ["cpu", "cuda", "cpu"]
    assert str(loading_device("auto", torch.device("mps"))) == "mps"


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("sequential", "for which the memory mode offload takes the least; choose offload"),
        ("offload", "moves weights to a GPU while they work; on the CPU choose auto"),
        ("half", "The memory mode is 'half'; expected one of auto, full, offload"),
    ],
)
def test_what_cannot_be_had_is_said(tiny_folder: Path, mode: str, said: str) -> None:
    for load in (load_editor, Editor.load):
        with pytest.raises(SettingsError, match=said):
            load(tiny_folder, device="cpu", memory=mode)


@pytest.mark.parametrize("mode", ["auto", "full"])
def test_on_the_cpu_all_networks_are_there(tiny_folder: Path, mode: str) -> None:
    loaded = load_editor(tiny_folder, device="cpu", memory=mode)
    assert isinstance(loaded, Editor)
    assert not any(takes_turns(network) for network in loaded.checkpoint.modules.values())


def test_on_the_cpu_there_is_nothing_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sparing_mode("cpu") == "auto"
    monkeypatch.setattr("retouch.editing.load.choose_device", torch.device)
    assert [sparing_mode(device) for device in ("cuda:1", "mps")] == ["offload", "offload"]
