"""Attention by products is the fused kernel's, in U-Nets and autoencoders, also under control."""

from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch.nn import functional

from retouch.attention.by_head import AttendByProducts, attend_by_head, attended
from retouch.attention.control import biasing
from retouch.attention.layers import cross_layers
from retouch.conditioning.image import reconstruct
from retouch.models.architecture import TINY, random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.kept import Kept
from retouch.models.tokenizer import train_tokenizer


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
def test_products_are_attention(rows: int) -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 3, 64, 80, generator=generator)
    key, value = torch.randn(2, 2, 3, 77, 80, generator=generator)
    expected = functional.scaled_dot_product_attention(query, key, value)
    assert torch.allclose(attended(query, key, value, rows=rows), expected, atol=1e-5)


SHAPE = replace(
    TINY,
    unet_widths=(64, 128),
    attention=(True, True),
    vae_widths=(8, 8, 8, 64),
    heads=2,
    text_width=32,
    norm_groups=16,
)
"""Heads of 32 and of 64, and an autoencoder with one of 64."""


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    return random_checkpoint(SHAPE, train_tokenizer(["a"], vocabulary=300, length=SHAPE.text_length))


@pytest.fixture
def unet(checkpoint: Checkpoint) -> UNet2DConditionModel:
    return checkpoint.unet


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


def test_an_autoencoder_answers_as_before(checkpoint: Checkpoint) -> None:
    pixels = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(2)) * 2 - 1
    before = reconstruct(checkpoint, pixels)
    attend_by_head(checkpoint.vae)
    assert not torch.equal(reconstruct(replace(checkpoint, kept=Kept()), pixels), before)
    assert torch.allclose(reconstruct(replace(checkpoint, kept=Kept()), pixels), before, atol=1e-5)
