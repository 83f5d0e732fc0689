"""The branches of editing by instruction, and the predictor over a real U-Net."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Generator

from retouch.conditioning.instruct import check_instruct, instruct_branches
from retouch.conditioning.text import encode_null_text, encode_text
from retouch.conditioning.unet import UNetPredictor
from retouch.core.errors import ModelError
from retouch.diffusion.guidance import BOTH, IMAGE, NONE

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

GREEN = "make the sofa green"
TIME = torch.tensor(500)


@pytest.fixture(scope="module")
def source() -> torch.Tensor:
    return torch.randn(2, 4, 8, 8, generator=Generator().manual_seed(1))


@pytest.fixture(scope="module")
def latents() -> torch.Tensor:
    return torch.randn(2, 4, 8, 8, generator=Generator().manual_seed(2))


def test_what_each_branch_sees(tiny_checkpoint: "Checkpoint", source: torch.Tensor) -> None:
    branches = instruct_branches(tiny_checkpoint, source, [GREEN, "remove the lamp"])
    null = encode_null_text(tiny_checkpoint).expand(2, -1, -1)
    nothing = branches[NONE].channels
    assert nothing is not None
    assert not nothing.any()
    assert torch.equal(branches[NONE].context, null)
    assert branches[IMAGE].channels is source
    assert torch.equal(branches[IMAGE].context, null)
    assert branches[BOTH].channels is source
    texts = encode_text(tiny_checkpoint, [GREEN, "remove the lamp"]).features
    assert torch.allclose(branches[BOTH].context, texts, atol=1e-5)


def test_an_empty_instruction_shares_the_image_branch_and_its_cost(
    tiny_checkpoint: "Checkpoint",
    source: torch.Tensor,
    latents: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    branches = instruct_branches(tiny_checkpoint, source, ["", ""])
    assert branches[BOTH] is branches[IMAGE]
    computed: list[int] = []
    forward = tiny_checkpoint.unet.forward

    def watched(sample: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        computed.append(len(sample))
        return forward(sample, *arguments, **options)

    monkeypatch.setattr(tiny_checkpoint.unet, "forward", watched)
    predictions = UNetPredictor(tiny_checkpoint.unet, branches)(latents, TIME, (NONE, IMAGE, BOTH))
    assert computed == [4]
    assert torch.equal(predictions[BOTH], predictions[IMAGE])
    assert not torch.equal(predictions[NONE], predictions[IMAGE])


def test_branches_together_equal_branches_alone(
    tiny_checkpoint: "Checkpoint", source: torch.Tensor, latents: torch.Tensor
) -> None:
    predictor = UNetPredictor(tiny_checkpoint.unet, instruct_branches(tiny_checkpoint, source, [GREEN] * 2))
    together = predictor(latents, TIME, (NONE, IMAGE, BOTH))
    for name in (NONE, IMAGE, BOTH):
        alone = predictor(latents, TIME, (name,))
        assert set(alone) == {name}
        assert torch.allclose(alone[name], together[name], atol=1e-5)


def test_a_channel_order_the_loop_does_not_know_is_refused(make_tiny: Callable[..., "Checkpoint"]) -> None:
    with pytest.raises(ModelError, match="in the order source, latents"):
        check_instruct(make_tiny(channel_order=("source", "latents")))
