"""Layers rewritten for what computes them answer as those they stand for."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention_processor import Attention, AttnProcessor, FusedAttnProcessor2_0
from diffusers.models.upsampling import Upsample2D
from peft import LoraConfig
from peft.tuners.lora import Linear as Adapted
from torch import Tensor, nn

from retouch.models.checkpoint import Checkpoint
from retouch.models.rewritten import rewrite_for_openvino, rewritten_for_gpu

Rewritten = Callable[[nn.Module], nn.Module]


@torch.no_grad()
def both(layer: nn.Module, given: Tensor, rewritten: Rewritten) -> tuple[Tensor, Tensor, nn.Module]:
    """The answers of a layer and of what stands for it, and that."""
    holder: Any = rewritten(nn.Sequential(layer))
    return layer(given), holder(given), holder[0]


def for_openvino(network: nn.Module) -> nn.Module:
    copied = deepcopy(network)
    rewrite_for_openvino(copied)
    return copied


either = pytest.mark.parametrize("rewritten", [for_openvino, rewritten_for_gpu])


@either
@pytest.mark.parametrize("sides", [(1, 1), (1, 5), (4, 3), (8, 8)])
@pytest.mark.parametrize(("channels", "bias"), [((3, 3), True), ((4, 6), False)])
def test_upsampling_is_the_same_in_smaller_convolutions(
    sides: tuple[int, int], channels: tuple[int, int], bias: bool, rewritten: Rewritten
) -> None:
    torch.manual_seed(0)
    layer = Upsample2D(channels[0], use_conv=True, out_channels=channels[1], bias=bias)
    wanted, found, instead = both(layer, torch.randn(2, channels[0], *sides), rewritten)
    assert not isinstance(instead, Upsample2D)
    assert found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_a_gated_layer_is_the_same_in_two_products(bias: bool) -> None:
    torch.manual_seed(0)
    wanted, found, instead = both(GEGLU(5, 7, bias=bias), torch.randn(2, 3, 5), for_openvino)
    assert not isinstance(instead, GEGLU)
    assert torch.allclose(found, wanted, atol=1e-6)


@either
@pytest.mark.parametrize(
    "layer",
    [
        Upsample2D(4),
        Upsample2D(4, use_conv_transpose=True),
        Upsample2D(4, use_conv=True, kernel_size=5, padding=2),
        Upsample2D(4, use_conv=True, norm_type="ln_norm", eps=1e-5, elementwise_affine=True),
        Upsample2D(4, use_conv=True, interpolate=False),
        Upsample2D(4, use_conv=True, name="other"),
    ],
)
def test_other_upsampling_stays(layer: Upsample2D, rewritten: Rewritten) -> None:
    wanted, found, instead = both(layer, torch.randn(1, 4, 4, 4), rewritten)
    assert isinstance(instead, Upsample2D) and torch.equal(found, wanted)


@either
def test_what_is_padded_otherwise_or_listened_to_stays(rewritten: Rewritten) -> None:
    circular: Any = Upsample2D(4, use_conv=True)
    heard: Any = Upsample2D(4, use_conv=True)
    circular.conv.padding_mode = "circular"
    circular.conv._reversed_padding_repeated_twice = [1, 1, 1, 1]
    heard.conv.register_forward_hook(lambda _layer, _given, answer: 2 * answer)
    for layer in (circular, heard):
        wanted, found, instead = both(layer, torch.randn(1, 4, 4, 4), rewritten)
        assert isinstance(instead, Upsample2D) and torch.equal(found, wanted)


def test_a_gated_layer_with_an_adapter_stays() -> None:
    layer: Any = GEGLU(5, 7)
    layer.proj = Adapted(nn.Linear(5, 14), "one", r=2, lora_alpha=2, init_lora_weights=False, config=LoraConfig())
    wanted, found, _ = both(layer, torch.randn(2, 3, 5), for_openvino)
    assert torch.equal(found, wanted)


@either
@torch.no_grad()
def test_a_whole_network_answers_alike_and_the_given_one_stays(
    tiny_checkpoint: Checkpoint, rewritten: Rewritten
) -> None:
    unet = tiny_checkpoint.unet
    copied = rewritten(unet)
    arguments = torch.randn(2, 8, 8, 8), torch.tensor(3), torch.randn(2, 5, 16)
    assert torch.allclose(copied(*arguments).sample, unet(*arguments).sample, atol=1e-5)
    assert any(isinstance(layer, Upsample2D) for layer in unet.modules())
    assert not any(isinstance(layer, Upsample2D) for layer in copied.modules())
    assert not any(isinstance(each, FusedAttnProcessor2_0) for each in unet.attn_processors.values())


def test_a_copy_for_a_gpu_shares_the_weights_of_all_other_layers(tiny_checkpoint: Checkpoint) -> None:
    unet = tiny_checkpoint.unet
    own = dict(rewritten_for_gpu(unet).named_parameters()).keys() - dict(unet.named_parameters()).keys()
    assert own and all("upsamplers" in name or "attn1.to_qkv" in name for name in own)
    shared = {id(weight) for weight in unet.parameters()}
    others = [each for name, each in rewritten_for_gpu(unet).named_parameters() if name not in own]
    assert all(id(weight) in shared for weight in others)


def test_projections_with_something_in_them_stay(tiny_checkpoint: Checkpoint) -> None:
    """Such as the layers of a LoRA, of which fused projections would see the weights below alone."""

    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    unet: Any = deepcopy(tiny_checkpoint.unet)
    attention: Any = next(
        layer for layer in unet.modules() if type(layer) is Attention and not layer.is_cross_attention
    )
    doubled = Doubled(attention.to_k.in_features, attention.to_k.out_features, bias=False)
    doubled.load_state_dict(attention.to_k.state_dict())
    attention.to_k = doubled
    arguments = torch.randn(2, 8, 8, 8), torch.tensor(3), torch.randn(2, 5, 16)
    with torch.no_grad():
        found, wanted = (each(*arguments).sample for each in (rewritten_for_gpu(unet), unet))
    assert torch.allclose(found, wanted, atol=1e-5)


def test_attention_by_others_rules_stays(tiny_checkpoint: Checkpoint) -> None:
    """Fused projections know nothing of what another processor does."""
    unet = deepcopy(tiny_checkpoint.unet)
    unet.set_attn_processor(AttnProcessor())
    copied: Any = rewritten_for_gpu(unet)
    assert all(type(each) is AttnProcessor for each in copied.attn_processors.values())
