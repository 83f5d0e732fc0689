"""Deep features that are reused: whole calls are the network's own, the others go on from what was kept."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

from retouch.conditioning.image import encode_source
from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.reuse import DeepFeatures
from retouch.conditioning.unet import unet_predictor
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.models.architecture import TINY, random_checkpoint
from retouch.models.tokenizer import train_tokenizer

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def checkpoint() -> "Checkpoint":
    shape = replace(TINY, unet_widths=(16, 32, 32), attention=(True, True, False))
    torch.manual_seed(0)
    return random_checkpoint(shape, train_tokenizer(["a"], vocabulary=300, length=shape.text_length))


def predict(checkpoint: "Checkpoint", reuse: int) -> Callable[[float, tuple[str, ...]], torch.Tensor]:
    """Predictions for latents that are noise times a number."""
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    source = encode_source(checkpoint, pixels)
    noise = torch.randn(source.shape, generator=torch.Generator().manual_seed(1))
    predictor = unet_predictor(checkpoint, instruct_branches(checkpoint, source, ["a"]), reuse=reuse)
    return lambda size, names: predictor(size * noise, torch.tensor(500), names)[names[-1]]


BRANCHES = ("none", "image", "both")


def test_a_call_between_equals_the_whole_one_for_the_same_input(checkpoint: "Checkpoint") -> None:
    ask = predict(checkpoint, reuse=2)
    whole, between = ask(1.0, BRANCHES), ask(1.0, BRANCHES)
    assert torch.allclose(between, whole, atol=1e-5)
    assert torch.equal(whole, predict(checkpoint, reuse=1)(1.0, BRANCHES))


def test_every_so_many_calls_are_whole(checkpoint: "Checkpoint") -> None:
    ask, exact = predict(checkpoint, reuse=3), predict(checkpoint, reuse=1)
    sizes = (1.0, 0.8, 0.6, 0.4, 0.2)
    alike = [torch.equal(ask(size, BRANCHES), exact(size, BRANCHES)) for size in sizes]
    assert alike == [True, False, False, True, False]


def test_what_lies_between_reads_the_new_latents(checkpoint: "Checkpoint") -> None:
    ask = predict(checkpoint, reuse=9)
    ask(1.0, BRANCHES)
    assert not torch.allclose(ask(0.8, BRANCHES), ask(0.6, BRANCHES), atol=1e-4)


def test_other_branches_are_computed_whole(checkpoint: "Checkpoint") -> None:
    ask = predict(checkpoint, reuse=9)
    ask(1.0, BRANCHES)
    assert torch.equal(ask(0.5, ("both",)), predict(checkpoint, reuse=1)(0.5, ("both",)))


def test_the_network_is_left_as_it_was(checkpoint: "Checkpoint") -> None:
    unet = checkpoint.unet
    parts = {name: id(part) for name, part in unet.named_modules()}
    features = DeepFeatures(unet, 2)
    latents, context = torch.randn(1, 8, 8, 8), torch.randn(1, 16, 16)
    with torch.no_grad():
        for _ in range(2):
            features("rows", latents, torch.tensor(3), context, named={})
    assert {name: id(part) for name, part in unet.named_modules()} == parts
    assert not unet.up_blocks[-1]._forward_pre_hooks


def test_what_is_computed_elsewhere_is_computed_whole(
    checkpoint: "Checkpoint", monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def elsewhere(latents: torch.Tensor, *_: object, **__: object) -> tuple[torch.Tensor]:
        calls.append(1)
        return (latents[:, :4],)

    monkeypatch.setattr(checkpoint.unet, "forward", elsewhere)
    ask = predict(checkpoint, reuse=3)
    for _ in range(3):
        ask(1.0, BRANCHES)
    assert len(calls) == 3


def test_an_edit_takes_it_and_profiles_set_what_is_open(checkpoint: "Checkpoint") -> None:
    editor, small_image = Editor(checkpoint), Image.new("RGB", (64, 64), "teal")
    fast = editor.edit(small_image, "a", settings=EditSettings(profile="fast", steps=6))
    exact = editor.edit(small_image, "a", settings=EditSettings(steps=6))
    assert (fast.settings.steps, fast.settings.reuse, exact.settings.reuse) == (6, 3, 1)
    assert fast.image.tobytes() != exact.image.tobytes()
