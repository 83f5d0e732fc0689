"""Changes of low rank: nothing at first, gone when left, and the same as when they are added up."""

import copy

import pytest
import torch

from retouch.core.errors import ModelError
from retouch.models.delta import apply_delta
from retouch.models.low_rank import ATTENTION, LowRank


def answer(unet) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    context = torch.randn(2, 3, int(unet.config["cross_attention_dim"]), generator=generator)
    with torch.no_grad():
        return unet(torch.randn(2, 9, 8, 8, generator=generator), torch.tensor(9), context, return_dict=False)[0]


@pytest.fixture
def unet(make_tiny):
    return make_tiny(kind="inpaint").unet


def trained(unet, *ends: str) -> LowRank:
    changes = LowRank.fresh(unet, rank=2, seed=0, ends=ends or ATTENTION)
    with torch.no_grad():
        for number, up in enumerate(changes.up.values()):
            up.normal_(generator=torch.Generator().manual_seed(number))
    return changes


def test_fresh_changes_change_nothing(unet) -> None:
    before, changes = answer(unet), LowRank.fresh(unet, rank=2, seed=0)
    assert changes.rank == 2 and len(changes.up) > 4
    with changes.within(unet):
        assert torch.equal(answer(unet), before)


@pytest.mark.parametrize("ends", [ATTENTION, ("conv1", "conv", "proj_in")], ids=["attention", "convolutions"])
def test_they_are_what_is_added_up_and_leave_no_trace(unet, ends) -> None:
    before, changes = answer(unet), trained(unet, *ends)
    with changes.within(unet):
        within = answer(unet)
    assert torch.equal(answer(unet), before)
    assert not torch.allclose(within, before, atol=1e-2)
    added = copy.deepcopy(unet)
    apply_delta(added, changes.parts())
    torch.testing.assert_close(within, answer(added), atol=1e-4, rtol=1e-4)


def test_they_leave_after_an_error_too(unet) -> None:
    before = answer(unet)
    with pytest.raises(ZeroDivisionError), trained(unet).within(unet):
        raise ZeroDivisionError
    assert torch.equal(answer(unet), before)


def test_parts_make_the_same_changes(unet) -> None:
    changes = trained(unet)
    again = LowRank(changes.parts())
    assert again.parts().keys() == changes.parts().keys()
    with changes.within(unet):
        one = answer(unet)
    with again.within(unet):
        assert torch.equal(answer(unet), one)


def test_what_does_not_fit_is_told(unet, make_tiny) -> None:
    parts = trained(unet).parts()
    with pytest.raises(ModelError, match="both its halves"):
        LowRank(dict(list(parts.items())[:1]))
    with pytest.raises(ModelError, match="not one of low rank"):
        LowRank({"conv_in.weight.whole": torch.zeros(1)})
    name = next(iter(parts)).removesuffix(".up")
    with pytest.raises(ModelError, match="another shape"):
        LowRank({f"{name}.up": torch.zeros(3, 1), f"{name}.down": torch.zeros(1, 5)}).check(unet)
    with pytest.raises(ModelError, match="does not have"):
        LowRank({"nowhere.weight.up": torch.zeros(3, 1), "nowhere.weight.down": torch.zeros(1, 5)}).check(unet)
    LowRank(parts).check(unet)
