"""Layers rewritten for OpenVINO answer as those they stand for."""

from copy import deepcopy

import pytest
import torch
from diffusers.models.activations import GEGLU
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from retouch.models.checkpoint import Checkpoint
from retouch.models.openvino.rewritten import rewrite


@torch.no_grad()
def both(layer: nn.Module, given: Tensor) -> tuple[Tensor, Tensor, nn.Module]:
    """The answers of a layer and of what stands for it, and that."""
    holder = nn.Sequential(deepcopy(layer))
    rewrite(holder)
    return layer(given), holder(given), holder[0]


@pytest.mark.parametrize("sides", [(1, 1), (1, 5), (4, 3), (8, 8)])
@pytest.mark.parametrize(("channels", "bias"), [((3, 3), True), ((4, 6), False)])
def test_upsampling_is_the_same_in_four_smaller_convolutions(
    sides: tuple[int, int], channels: tuple[int, int], bias: bool
) -> None:
    torch.manual_seed(0)
    layer = Upsample2D(channels[0], use_conv=True, out_channels=channels[1], bias=bias)
    wanted, found, instead = both(layer, torch.randn(2, channels[0], *sides))
    assert not isinstance(instead, Upsample2D)
    assert found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_a_gated_layer_is_the_same_in_two_products(bias: bool) -> None:
    torch.manual_seed(0)
    wanted, found, instead = both(GEGLU(5, 7, bias=bias), torch.randn(2, 3, 5))
    assert not isinstance(instead, GEGLU)
    assert torch.allclose(found, wanted, atol=1e-6)


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
def test_other_upsampling_stays(layer: Upsample2D) -> None:
    wanted, found, instead = both(layer, torch.randn(1, 4, 4, 4))
    assert isinstance(instead, Upsample2D) and torch.equal(found, wanted)


@torch.no_grad()
def test_a_whole_network_answers_alike_and_the_given_one_stays(tiny_checkpoint: Checkpoint) -> None:
    unet = tiny_checkpoint.unet
    copied = deepcopy(unet)
    rewrite(copied)
    arguments = torch.randn(2, 8, 8, 8), torch.tensor(3), torch.randn(2, 5, 16)
    assert torch.allclose(copied(*arguments).sample, unet(*arguments).sample, atol=1e-5)
    kinds = (GEGLU, Upsample2D)
    assert any(isinstance(layer, kinds) for layer in unet.modules())
    assert not any(isinstance(layer, kinds) for layer in copied.modules())
