"""What is kept of networks: found by content, made anew after a change, bounded."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from retouch.conditioning.image import decode_latents, encode_source, reconstruct
from retouch.conditioning.text import encode_text
from retouch.models.kept import Kept

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

Ask = Callable[[Tensor], Tensor]


@pytest.fixture
def network() -> nn.Linear:
    return nn.Linear(4, 4)


@pytest.fixture
def calls() -> list[int]:
    return []


def asker(kept: Kept, network: nn.Linear, calls: list[int], what: str = "answer") -> Ask:
    def ask(read: Tensor) -> Tensor:
        def make() -> Tensor:
            calls.append(len(calls))
            return network(read)

        return kept.get(network, what, read, make)

    return ask


def test_the_same_content_is_computed_once(network: nn.Linear, calls: list[int]) -> None:
    ask = asker(Kept(), network, calls)
    first = ask(torch.ones(1, 4))
    assert torch.equal(ask(torch.ones(1, 4)), first)
    assert calls == [0]
    assert not first.requires_grad


@pytest.mark.parametrize("other", [torch.zeros(1, 4), torch.ones(1, 1, 4), torch.ones(1, 4, dtype=torch.float64)])
def test_other_content_shapes_and_types_are_told_apart(network: nn.Linear, calls: list[int], other: Tensor) -> None:
    kept = Kept()
    asker(kept, network, calls)(torch.ones(1, 4))
    kept.get(network, "answer", other, lambda: calls.append(9) or other)
    assert calls == [0, 9]


def test_what_is_asked_and_of_whom_is_told_apart(network: nn.Linear, calls: list[int]) -> None:
    kept, read = Kept(), torch.ones(1, 4)
    answers = [
        asker(kept, network, calls)(read),
        asker(kept, network, calls, "another")(read),
        asker(kept, nn.Linear(4, 4), calls)(read),
    ]
    assert calls == [0, 1, 2]
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])


def test_a_changed_weight_makes_results_anew(network: nn.Linear, calls: list[int]) -> None:
    ask, read = asker(Kept(), network, calls), torch.ones(1, 4)
    before = ask(read)
    with torch.no_grad():
        network.weight.add_(1.0)
    changed = ask(read)
    network.weight = nn.Parameter(network.weight.detach() + 1.0)
    exchanged = ask(read)
    assert calls == [0, 1, 2]
    assert len({float(each.sum()) for each in (before, changed, exchanged)}) == 3


def test_the_least_recently_used_is_forgotten(network: nn.Linear, calls: list[int]) -> None:
    ask = asker(Kept(limit=2 * 16), network, calls)
    one, two, three = (torch.full((1, 4), value) for value in (1.0, 2.0, 3.0))
    for read in (one, two, one, three, one):
        ask(read)
    assert calls == [0, 1, 2]
    ask(two)
    assert calls == [0, 1, 2, 3]


def test_more_than_the_limit_is_not_kept(network: nn.Linear, calls: list[int]) -> None:
    ask = asker(Kept(limit=15), network, calls)
    assert ask(torch.ones(1, 4)).shape == (1, 4)
    ask(torch.ones(1, 4))
    assert calls == [0, 1]


def test_what_is_cleared_is_made_anew_and_leaves_its_room(network: nn.Linear, calls: list[int]) -> None:
    kept = Kept(limit=16)
    ask = asker(kept, network, calls)
    ask(torch.ones(1, 4))
    kept.clear()
    for _ in range(2):
        ask(torch.ones(1, 4))
    assert calls == [0, 1]


def test_more_than_the_limit_drives_nothing_else_out(network: nn.Linear, calls: list[int]) -> None:
    ask = asker(Kept(limit=16), network, calls)
    for rows in (1, 2, 1):
        ask(torch.ones(rows, 4))
    assert calls == [0, 1]


def test_a_change_that_torch_does_not_count_makes_results_anew(network: nn.Linear, calls: list[int]) -> None:
    ask, read = asker(Kept(), network, calls), torch.ones(1, 4)
    before = ask(read)
    network.weight.data.mul_(2)
    assert not torch.equal(ask(read), before) and calls == [0, 1]


def test_a_network_of_the_inference_mode_is_kept_too(calls: list[int]) -> None:
    with torch.inference_mode():
        network = nn.Linear(4, 4)
    ask = asker(Kept(), network, calls)
    assert torch.equal(ask(torch.ones(1, 4)), ask(torch.ones(1, 4))) and calls == [0]


def test_what_an_edit_encodes_is_kept_and_stays_right(make_tiny: Callable[..., "Checkpoint"]) -> None:
    checkpoint, fresh = make_tiny(), make_tiny()
    pixels = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for _ in range(2):
        assert torch.equal(encode_source(checkpoint, pixels), encode_source(fresh, pixels))
        assert torch.equal(reconstruct(checkpoint, pixels.flip(0)), reconstruct(fresh, pixels).flip(0))
        texts = ["make the sofa green", ""]
        assert torch.equal(encode_text(checkpoint, texts).features, encode_text(fresh, texts).features)
    with torch.no_grad():
        checkpoint.vae.encoder.conv_in.weight.mul_(0.5)
    assert not torch.equal(encode_source(checkpoint, pixels), encode_source(fresh, pixels))


def test_a_picture_is_the_same_in_any_company(tiny_checkpoint: "Checkpoint") -> None:
    latents = torch.randn(3, 4, 4, 6, generator=torch.Generator().manual_seed(0))
    together = decode_latents(tiny_checkpoint.vae, latents)
    alone = torch.cat([decode_latents(tiny_checkpoint.vae, each) for each in latents.split(1)])
    assert torch.equal(together, alone)
