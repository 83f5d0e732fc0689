"""The swap by borrowed queries and keys is the published one that keeps all logits."""

import pytest
import torch
from tests.attention.plain import PlainControl, PlainSwap

from retouch.attention.control import Control
from retouch.attention.swap import AttentionSwap
from retouch.core.errors import SettingsError
from retouch.diffusion.loop import unit_noise
from retouch.editing.generate import generate_latents
from retouch.models.checkpoint import Checkpoint

TEXTS = ("make the sofa green", "turn it into a night shot")


def run(checkpoint: Checkpoint, control: Control, pairs: int, scales: tuple[float, ...] = (1.5, 3.0)) -> torch.Tensor:
    generators = [torch.Generator().manual_seed(seed) for seed in (*range(pairs), *range(pairs))]
    noise = unit_noise((4, 8, 8), generators, checkpoint.device)
    texts = [TEXTS[0]] * pairs + [TEXTS[1]] * pairs
    return generate_latents(checkpoint, texts, noise, generators, scales=scales * 2, attention=control)


@pytest.mark.parametrize("scheduler", ["euler-ancestral", "ddim"])
@pytest.mark.parametrize("shares", [(0.0, 0.3), (0.6, 0.34), (1.0, 1.0)])
def test_it_is_the_published_swap(make_tiny, scheduler: str, shares: tuple[float, ...]) -> None:
    checkpoint = make_tiny(kind="generate", steps=4, scheduler=scheduler)
    ours, theirs = run(checkpoint, AttentionSwap(shares), 2), run(checkpoint, PlainSwap(shares), 2)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    if max(shares) > 0:
        assert not torch.allclose(ours, run(checkpoint, PlainControl(), 2), atol=1e-3)


def test_a_pair_of_a_batch_is_the_pair_alone(make_tiny) -> None:
    checkpoint = make_tiny(kind="generate", steps=4)
    together = run(checkpoint, AttentionSwap([0.5, 0.9]), 2)
    alone = run(checkpoint, AttentionSwap([0.5]), 1, (1.5,))
    torch.testing.assert_close(together[[0, 2]], alone, rtol=1e-4, atol=1e-4)


def test_guidance_of_one_leaves_one_branch_and_one_step_is_swapped_whole(make_tiny) -> None:
    checkpoint = make_tiny(kind="generate", steps=2)
    ours, theirs = (run(checkpoint, control, 1, (1.0,)) for control in (AttentionSwap([0.9]), PlainSwap([0.9])))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    single = make_tiny(kind="generate", steps=1)
    first, whole = (run(single, AttentionSwap([share]), 1, (2.0,)) for share in (0.1, 1.0))
    assert torch.equal(first, whole)


@pytest.mark.parametrize("shares", [[], [-0.1], [float("nan")]])
def test_shares_must_be_numbers(shares: list[float]) -> None:
    with pytest.raises(SettingsError, match="shares of swapped steps"):
        AttentionSwap(shares)
