"""Deep features that are reused: whole calls are the network's own, the others go on from what was kept."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image

from retouch.attention.control import adding
from retouch.attention.layers import cross_layers
from retouch.conditioning.image import encode_source
from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.reuse import DeepFeatures
from retouch.conditioning.unet import unet_predictor
from retouch.core.settings import ALL_FINE_LAYERS, EditSettings
from retouch.editing.editor import Editor
from retouch.models.architecture import TINY, random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.levels import TorchLevels, fine_layers
from retouch.models.openvino.attach import left_to_torch, use_openvino
from retouch.models.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def plain() -> Checkpoint:
    """A tiny editor of three levels."""
    shape = replace(TINY, unet_widths=(16, 32, 32), attention=(True, True, False))
    torch.manual_seed(0)
    return random_checkpoint(shape, train_tokenizer(["a"], vocabulary=300, length=shape.text_length))


@pytest.fixture(scope="module")
def fast(plain: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """The same, computed by OpenVINO."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETOUCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        checkpoint = replace(plain, unet=deepcopy(plain.unet), vae=deepcopy(plain.vae))
        use_openvino(checkpoint)
        yield checkpoint


@pytest.fixture(params=["torch", "openvino"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    """Either of them."""
    return request.getfixturevalue("plain" if request.param == "torch" else "fast")


def predict(checkpoint: Checkpoint, reuse: int, layers: int = 2) -> Callable[[float, tuple[str, ...]], torch.Tensor]:
    """Predictions for latents that are noise times a number."""
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    source = encode_source(checkpoint, pixels)
    noise = torch.randn(source.shape, generator=torch.Generator().manual_seed(1))
    branches = instruct_branches(checkpoint, source, ["a"])
    predictor = unet_predictor(checkpoint, branches, reuse=reuse, fine_layers=layers)
    return lambda size, names: predictor(size * noise, torch.tensor(500), names)[names[-1]]


BRANCHES = ("none", "image", "both")


@pytest.mark.parametrize("layers", [1, 2, 9])
def test_a_call_between_equals_the_whole_one_for_the_same_input(checkpoint: Checkpoint, layers: int) -> None:
    ask = predict(checkpoint, reuse=2, layers=layers)
    whole, between = ask(1.0, BRANCHES), ask(1.0, BRANCHES)
    assert torch.allclose(between, whole, atol=1e-5)
    assert torch.equal(whole, predict(checkpoint, reuse=1)(1.0, BRANCHES))


def test_every_so_many_calls_are_whole(checkpoint: Checkpoint) -> None:
    ask, exact = predict(checkpoint, reuse=3), predict(checkpoint, reuse=1)
    sizes = (1.0, 0.8, 0.6, 0.4, 0.2)
    alike = [torch.equal(ask(size, BRANCHES), exact(size, BRANCHES)) for size in sizes]
    assert alike == [True, False, False, True, False]


@pytest.mark.parametrize("layers", [1, 2])
def test_what_lies_between_reads_the_new_latents(checkpoint: Checkpoint, layers: int) -> None:
    ask = predict(checkpoint, reuse=9, layers=layers)
    ask(1.0, BRANCHES)
    assert not torch.allclose(ask(0.8, BRANCHES), ask(0.6, BRANCHES), atol=1e-4)


@pytest.mark.parametrize("shape", [("CrossAttn", 2), ("", 1), ("", 3)])
@torch.no_grad()
def test_each_number_of_layers_goes_on_from_what_those_before_gave(shape: tuple[str, int]) -> None:
    kind, each = shape
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(16, 32),
        down_block_types=(f"{kind}DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", f"{kind}UpBlock2D"),
        layers_per_block=each,
        cross_attention_dim=16,
        norm_num_groups=8,
        attention_head_dim=8,
    ).eval()
    latents, later, context = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.randn(1, 5, 16)
    time = torch.tensor(3)
    answer = unet(latents, time, encoder_hidden_states=context, return_dict=False)[0]
    right = unet(later, time, encoder_hidden_states=context, return_dict=False)[0]
    assert fine_layers(unet) == each + 1
    far = []
    for layers in range(1, each + 2):
        levels = TorchLevels(unet, layers)
        whole, given = levels.whole(latents, time, encoder_hidden_states=context)
        assert torch.equal(whole, answer)
        assert torch.equal(levels.short(given, latents, time, encoder_hidden_states=context), answer)
        # The fewer layers are computed anew, the less they know of what came since.
        far.append(apart(levels.short(given, later, time, encoder_hidden_states=context), right))
    assert len(set(far)) == len(far) and far[-1] < far[0]


@torch.no_grad()
def test_layers_that_do_not_follow_one_another_stay_together() -> None:
    unet = UNet2DConditionModel(
        block_out_channels=(16, 32),
        down_block_types=("ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D"),
        up_block_types=("ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        cross_attention_dim=16,
        norm_num_groups=8,
        attention_head_dim=8,
    ).eval()
    arguments, context = (torch.randn(1, 4, 8, 8), torch.tensor(3)), torch.randn(1, 5, 16)
    features = DeepFeatures(unet, 2, 2)
    whole, between = (features("rows", *arguments, encoder_hidden_states=context) for _ in range(2))
    assert fine_layers(unet) == 1
    assert torch.equal(whole, unet(*arguments, encoder_hidden_states=context, return_dict=False)[0])
    assert torch.equal(between, whole)


def test_other_branches_are_computed_whole(checkpoint: Checkpoint) -> None:
    ask = predict(checkpoint, reuse=9)
    ask(1.0, BRANCHES)
    assert torch.equal(ask(0.5, ("both",)), predict(checkpoint, reuse=1)(0.5, ("both",)))


def test_the_network_is_left_as_it_was(checkpoint: Checkpoint) -> None:
    unet = checkpoint.unet
    parts = {name: id(part) for name, part in unet.named_modules()}
    features = DeepFeatures(unet, 2)
    latents, context = torch.randn(1, 8, 8, 8), torch.randn(1, 16, 16)
    with torch.no_grad():
        for _ in range(2):
            features("rows", latents, torch.tensor(3), encoder_hidden_states=context)
    assert {name: id(part) for name, part in unet.named_modules()} == parts
    assert not unet.up_blocks[-1]._forward_pre_hooks


SIZES = (1.0, 0.9, 0.8, 0.7)


def apart(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max())


@pytest.mark.parametrize("layers", [1, 2])
def test_openvino_answers_as_torch_does_and_leaves_it_nothing(plain: Checkpoint, fast: Checkpoint, layers: int) -> None:
    before = left_to_torch(fast)
    ask, wanted = predict(fast, reuse=3, layers=layers), predict(plain, reuse=3, layers=layers)
    assert max(apart(ask(size, BRANCHES), wanted(size, BRANCHES)) for size in SIZES) < 1e-5
    assert left_to_torch(fast) == before


@pytest.mark.parametrize("held", [(0,), (1,), (0, 3), (1, 2)])
def test_calls_that_look_inside_are_torchs_and_go_on_from_openvinos(
    plain: Checkpoint, fast: Checkpoint, held: tuple[int, ...]
) -> None:
    def answers(checkpoint: Checkpoint) -> list[torch.Tensor]:
        ask, found = predict(checkpoint, reuse=3), []
        for number, size in enumerate(SIZES):
            layers = cross_layers(checkpoint.unet) if number in held else {}
            with adding(layers, lambda _: lambda _layer, hidden: hidden * 0.5):
                found.append(ask(size, BRANCHES))
        return found

    before = left_to_torch(fast)
    found, wanted = answers(fast), answers(plain)
    assert max(map(apart, found, wanted)) < 1e-5
    assert left_to_torch(fast) == before + len(held)
    assert max(map(apart, found, answers_without(fast))) > 1e-3


def answers_without(checkpoint: Checkpoint) -> list[torch.Tensor]:
    ask = predict(checkpoint, reuse=3)
    return [ask(size, BRANCHES) for size in SIZES]


def test_hooks_of_the_network_itself_hear_every_call(checkpoint: Checkpoint) -> None:
    heard: list[int] = []
    hook = checkpoint.unet.register_forward_hook(lambda *_: heard.append(1))
    try:
        answers_without(checkpoint)
    finally:
        hook.remove()
    assert len(heard) == len(SIZES)


def test_an_edit_takes_it_and_profiles_set_what_is_open(checkpoint: Checkpoint) -> None:
    editor, small_image = Editor(checkpoint), Image.new("RGB", (64, 64), "teal")
    fast = editor.edit(small_image, "a", settings=EditSettings(profile="fast", steps=6))
    exact = editor.edit(small_image, "a", settings=EditSettings(steps=6))
    assert (fast.settings.steps, fast.settings.reuse, exact.settings.reuse) == (6, 3, 1)
    assert (fast.settings.fine_layers, exact.settings.fine_layers) == (1, ALL_FINE_LAYERS)
    assert fast.image.tobytes() != exact.image.tobytes()
