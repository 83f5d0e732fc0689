"""Tuned networks as changes of a base."""

import pytest
import torch
from torch import nn

from retouch.core.errors import ModelError
from retouch.models.delta import apply_delta, delta_of


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(8, 16, 3), nn.GroupNorm(4, 16), nn.Flatten(), nn.Linear(16, 32))


def test_whole_changes_give_the_tuned_network_back() -> None:
    base, tuned = network(0), network(1)
    tuned[3].load_state_dict(base[3].state_dict())
    parts = delta_of(base.state_dict(), tuned.state_dict(), rank=None)
    assert parts.keys() == {"0.weight.whole", "0.bias.whole"}
    apply_delta(base, parts)
    assert all(torch.equal(base.state_dict()[name], weight) for name, weight in tuned.state_dict().items())


def test_a_change_of_low_rank_is_written_small_and_comes_back() -> None:
    base, tuned = network(0), network(0)
    with torch.no_grad():
        change = torch.randn(16, 2) @ torch.randn(2, 72)
        tuned[0].weight += change.view(16, 8, 3, 3)  # pyright: ignore[reportOperatorIssue, reportArgumentType]
    parts = delta_of(base.state_dict(), tuned.state_dict(), rank=2)
    assert {name: part.shape for name, part in parts.items()} == {"0.weight.up": (16, 2), "0.weight.down": (2, 72)}
    apply_delta(base, parts)
    torch.testing.assert_close(base.state_dict(), tuned.state_dict(), atol=1e-5, rtol=1e-5)


def test_changes_of_another_network_are_refused() -> None:
    base = network(0)
    parts = delta_of(base.state_dict(), network(1).state_dict(), rank=2)
    with pytest.raises(ModelError, match="has not; load them over the base"):
        apply_delta(nn.Sequential(nn.Flatten(), nn.Linear(3, 3)), parts)
    with pytest.raises(ModelError, match="the base has"):
        apply_delta(nn.Sequential(nn.Conv2d(4, 16, 3)), {"0.weight.whole": torch.zeros(16, 8, 3, 3)})


def test_weights_that_must_not_change_are_named() -> None:
    with pytest.raises(ModelError, match=r"'0\.weight' changed"):
        delta_of(network(0).state_dict(), network(1).state_dict(), rank=2, keep=lambda name: name.startswith("3"))
