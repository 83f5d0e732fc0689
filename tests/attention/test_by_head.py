"""Attention by products is the fused kernel's, in U-Nets and autoencoders, also under control."""

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch.nn import functional

from retouch.attention.by_head import AttendByProducts, attend_by_head, attended
from retouch.attention.control import biasing
from retouch.attention.layers import cross_layers


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
def test_products_are_attention(rows: int) -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 3, 64, 80, generator=generator)
    key, value = torch.randn(2, 2, 3, 77, 80, generator=generator)
    expected = functional.scaled_dot_product_attention(query, key, value)
    assert torch.allclose(attended(query, key, value, rows=rows), expected, atol=1e-5)


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=8,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(64, 128),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=16,
    ).eval()


@torch.no_grad()
def answer(unet: UNet2DConditionModel) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(2, 8, 16, 16, generator=generator)
    context = torch.randn(2, 7, 32, generator=generator)
    return unet(latents, torch.tensor(5), context, return_dict=False)[0]


def test_a_unet_answers_as_before_and_narrow_heads_are_left_alone(unet: UNet2DConditionModel) -> None:
    before = answer(unet)
    attend_by_head(unet)
    kinds = {type(layer.processor) for layer in cross_layers(unet).values()}
    assert kinds == {AttnProcessor2_0, AttendByProducts}
    assert torch.allclose(answer(unet), before, atol=1e-5)


def test_what_is_added_to_the_logits_still_counts(unet: UNet2DConditionModel) -> None:
    attend_by_head(unet)
    before = answer(unet)

    def last_only(layer: object, hidden: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        bias = torch.full((len(hidden), hidden.shape[1], read.shape[1]), -1e4)
        bias[..., -1] = 0.0
        return bias

    with biasing(cross_layers(unet), last_only):
        biased = answer(unet)
    assert not torch.allclose(biased, before, atol=1e-3)
    unet.set_attn_processor(AttnProcessor2_0())
    with biasing(cross_layers(unet), last_only):
        assert torch.allclose(answer(unet), biased, atol=1e-5)


@torch.no_grad()
def test_an_autoencoder_answers_as_before() -> None:
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=8,
    ).eval()
    pixels = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(2))

    def seen() -> torch.Tensor:
        return vae.decode(vae.encode(pixels, return_dict=False)[0].mode(), return_dict=False)[0]

    before = seen()
    attend_by_head(vae)
    assert torch.allclose(seen(), before, atol=1e-5)
