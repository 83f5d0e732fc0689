"""Pictures from text: what the branches read, and what is refused."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from retouch.conditioning.control import PictureControl, check_control, edge_picture
from retouch.conditioning.generate import text_branches
from retouch.conditioning.text import encode_null_text, encode_text
from retouch.core.edges import edges
from retouch.core.errors import ModelError, SettingsError
from retouch.core.settings import EditSettings
from retouch.diffusion.guidance import NONE, TEXT, SampleGuidance, TextGuidance
from retouch.editing.generate import generate
from retouch.models.control import control_of, load_control, save_control

if TYPE_CHECKING:
    from pathlib import Path

    from retouch.models.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def checkpoint(make_tiny) -> "Checkpoint":
    return make_tiny(kind="generate")


def test_what_each_branch_reads(checkpoint: "Checkpoint") -> None:
    branches = text_branches(checkpoint, ["make the sofa green", ""])
    null = encode_null_text(checkpoint)
    assert torch.equal(branches[NONE].context, null.expand(2, -1, -1))
    assert torch.equal(branches[TEXT].context[1:], null)
    assert torch.equal(branches[TEXT].context[:1], encode_text(checkpoint, ["make the sofa green"]).features)
    negative = text_branches(checkpoint, ["", ""], negative="remove the lamp")
    assert torch.equal(negative[NONE].context[:1], encode_text(checkpoint, ["remove the lamp"]).features)
    empty = text_branches(checkpoint, ["", ""])
    assert empty[NONE] is empty[TEXT]


def test_the_weights_sum_to_one_and_a_scale_of_one_leaves_no_text_out() -> None:
    assert TextGuidance(text=4.0).weights(0.5) == {NONE: -3.0, TEXT: 4.0}
    assert TextGuidance(text=1.0).weights(0.5)[NONE] == 0.0
    assert TextGuidance(text=4.0, interval=(0.2, 0.5)).weights(0.7) == {TEXT: 1.0}
    with pytest.raises(SettingsError, match="text guidance is nan"):
        TextGuidance(text=float("nan"))


def test_each_picture_may_have_its_own_guidance(checkpoint: "Checkpoint") -> None:
    texts = ["make the sofa green"] * 2
    both = generate(checkpoint, texts, seeds=[5, 6], scales=[2.0, 5.0])
    for place, scale in enumerate((2.0, 5.0)):
        (alone,) = generate(checkpoint, texts[:1], seeds=[5 + place], settings=EditSettings(text_guidance=scale))
        difference = np.asarray(both[place], dtype=np.int16) - np.asarray(alone, dtype=np.int16)
        assert int(np.abs(difference).max()) <= 1
    assert SampleGuidance(text=(2.0, 5.0), interval=(0.2, 0.5)).weights(0.7) == {TEXT: 1.0}
    with pytest.raises(SettingsError, match="text guidance is inf"):
        SampleGuidance(text=(2.0, float("inf")))


def test_an_editor_is_refused(tiny_checkpoint: "Checkpoint") -> None:
    with pytest.raises(ModelError, match="needs one of kind 'generate' with 4 channels"):
        generate(tiny_checkpoint, ["a sofa"], seeds=[0])


def test_the_same_seed_gives_the_same_picture(checkpoint: "Checkpoint") -> None:
    first, second = generate(checkpoint, ["make the sofa green"] * 2, seeds=[5, 5])
    assert first.size == (64, 64)
    assert np.array_equal(np.asarray(first), np.asarray(second))


def test_a_squares_edges_are_its_outline() -> None:
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    picture[16:48, 16:48] = 255
    found = edges(picture)
    assert found[30, 14:18].any()
    assert not found[24:40, 24:40].any()
    shown = edge_picture([Image.fromarray(picture)])
    assert shown.shape == (1, 3, 64, 64)
    assert torch.equal(shown[0, 1] > 0, torch.from_numpy(found))


def test_a_saved_control_is_the_same_and_a_foreign_one_refused(
    checkpoint: "Checkpoint", make_tiny, tmp_path: "Path"
) -> None:
    network = control_of(checkpoint, channels=(8, 16, 16, 16), seed=1)
    loaded = load_control(save_control(network, tmp_path / "control", storage="float32"))
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in network.state_dict().items())
    check_control(loaded, checkpoint, 1.0)
    with pytest.raises(ModelError, match="The ControlNet has in_channels 4, but the U-Net of 'random' 8"):
        check_control(loaded, make_tiny(), 1.0)
    with pytest.raises(SettingsError, match="control scale is -1"):
        check_control(loaded, checkpoint, -1)
    with pytest.raises(ModelError, match=r"no readable config\.json"):
        load_control(tmp_path)
    control = PictureControl(network=loaded, picture=torch.zeros(1, 3, 64, 64), scale=-1)
    with pytest.raises(SettingsError, match="control scale is -1"):
        generate(checkpoint, ["a sofa"], seeds=[0], control=control)
