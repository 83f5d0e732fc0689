"""Attention by plain products is the fused kernel's, forwards and backwards."""

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from retouch.training.attending import AttendByLength


@pytest.mark.parametrize("tokens", [16, 300])
@pytest.mark.parametrize("crossed", [False, True])
def test_it_attends_as_the_fused_kernel_does(tokens: int, crossed: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(query_dim=32, cross_attention_dim=24 if crossed else None, heads=4, dim_head=8)
    context = torch.randn(2, 10, 24) if crossed else None
    hidden = torch.randn(2, tokens, 32, requires_grad=True)
    answers = []
    for processor in (AttendByLength(few=64), AttnProcessor2_0()):
        answer = processor(attention, hidden, context)
        (gradient,) = torch.autograd.grad(answer.square().sum(), hidden)
        answers.append((answer, gradient))
    for ours, fused in zip(*answers, strict=True):
        torch.testing.assert_close(ours, fused, rtol=1e-4, atol=1e-5)


def test_it_attends_over_pictures_as_well() -> None:
    torch.manual_seed(0)
    attention = Attention(query_dim=32, heads=4, dim_head=8)
    picture = torch.randn(2, 32, 4, 4)
    torch.testing.assert_close(
        AttendByLength()(attention, picture), AttnProcessor2_0()(attention, picture), rtol=1e-4, atol=1e-5
    )
