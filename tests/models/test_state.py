"""Whether a network is as it was: every way in which people change one is seen."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.training_utils import EMAModel
from peft import LoraConfig
from tests.conftest import MakeCheckpoint
from torch import Tensor, nn

from retouch.models.state import SAMPLES, AsItWas, Samples

UNet = Any


def listening(_layer: nn.Module, _given: object, _answer: object) -> None:
    """A hook that changes nothing."""


@pytest.fixture
def unet(make_tiny: MakeCheckpoint) -> UNet:
    return make_tiny().unet


def average_of_zeros(unet: UNet) -> None:
    average = EMAModel(unet.parameters())
    for shadow in average.shadow_params:
        shadow.zero_()
    average.copy_to(unet.parameters())


@torch.no_grad()
def counted(unet: UNet) -> None:
    unet.conv_out.weight.mul_(2)


CHANGES: dict[str, Callable[[UNet], object]] = {
    "counted by torch": counted,
    "through data": lambda unet: unet.conv_out.weight.data.mul_(2),
    "by other data": lambda unet: setattr(unet.conv_in.bias, "data", torch.ones(16)),
    "an average copied": average_of_zeros,
    "another layer": lambda unet: setattr(unet, "conv_out", nn.Conv2d(16, 4, 3, padding=1)),
    "another weight": lambda unet: setattr(unet.conv_out, "bias", nn.Parameter(torch.zeros(4))),
    "a processor": lambda unet: (
        unet.set_attn_processor(dict(unet.attn_processors)) or unet.set_default_attn_processor()
    ),
    "FreeU": lambda unet: unet.enable_freeu(0.9, 0.2, 1.5, 1.6),
    "padding": lambda unet: setattr(unet.conv_in, "padding_mode", "circular"),
    "training": lambda unet: unet.mid_block.train(),
    "a hook inside": lambda unet: unet.mid_block.register_forward_hook(listening),
    "an adapter": lambda unet: unet.add_adapter(LoraConfig(r=2, target_modules=["to_q"])),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_seen(unet: UNet, change: Callable[[UNet], object]) -> None:
    state = AsItWas(unet)
    assert state.still_is()
    change(unet)
    assert not state.still_is()


def test_adapters_are_seen_to_be_put_off_scaled_and_fused(unet: UNet) -> None:
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False), adapter_name="one")
    layer = unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_q
    for change in (unet.disable_adapters, unet.enable_adapters, lambda: layer.set_scale("one", 0.5), unet.fuse_lora):
        state = AsItWas(unet)
        change()
        assert not state.still_is()


def test_one_hook_in_the_place_of_another_is_seen(unet: UNet) -> None:
    handle = unet.mid_block.register_forward_hook(listening)
    state = AsItWas(unet)
    assert not state.still_is()
    handle.remove()
    unet.mid_block.register_forward_hook(lambda *_: None)
    assert not state.still_is()


def test_calls_and_its_own_forward_and_hooks_change_nothing(unet: UNet) -> None:
    state = AsItWas(unet)
    unet.forward = unet.forward
    unet.register_forward_hook(listening)
    with torch.no_grad():
        unet(torch.zeros(1, 8, 8, 8), torch.tensor(1), encoder_hidden_states=torch.zeros(1, 4, 16))
    assert state.still_is()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int8, torch.bool])
@pytest.mark.parametrize("size", [1, SAMPLES, 5 * SAMPLES + 3])
def test_samples_are_read_as_they_are_now(dtype: torch.dtype, size: int) -> None:
    weight = torch.zeros(size).to(dtype)
    samples = Samples([weight])
    before = samples.read()
    weight.data.fill_(1)
    assert len(before) == min(SAMPLES, -(-size // -(-size // SAMPLES))) * weight.element_size()
    assert samples.read() != before


UNREADABLE: dict[str, Tensor] = {
    "empty": torch.empty(0),
    "expanded": torch.zeros(4, 1).expand(4, 3),
    "strided": torch.zeros(4, 4)[:, ::2],
    "sparse": torch.eye(2).to_sparse(),
    "complex": torch.zeros(2, dtype=torch.complex64),
}


@pytest.mark.parametrize("weight", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_sampled_is_left_out(weight: Tensor) -> None:
    assert Samples([weight, torch.zeros(1)]).read() == bytes(4)


def test_channels_last_and_weights_of_the_inference_mode_are_sampled() -> None:
    layer: Any = nn.Conv2d(4, 4, 3)
    layer.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        other = nn.Linear(4, 4)
    for network, weight in ((layer, layer.weight), (other, other.weight)):
        state = AsItWas(nn.Sequential(network))
        assert state.still_is()
        with torch.inference_mode():
            weight.data.mul_(2)
        assert not state.still_is()
