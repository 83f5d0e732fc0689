"""Placement networks: what is drawn lies in its box, places that differ are found, models come back as saved."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from retouch.core.errors import ModelError, SettingsError
from retouch.core.reference import Reference
from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.image_encoder import load_image_encoder
from retouch.models.placement import PlacementModel, load_placement, random_placement, save_placement
from retouch.models.placement_network import POCKET_PLACEMENT, TINY_PLACEMENT, PlacementNetwork, Places, drawn
from retouch.models.proposals import likelihoods, proposals
from retouch.models.segmenter import load_segmenter, random_segmenter, save_segmenter
from retouch.models.segmenter_network import TINY_SEGMENTER

OBJECT = Reference(picture=Image.new("RGB", (20, 30), (200, 20, 20)))
PICTURE = Image.linear_gradient("L").resize((96, 64)).convert("RGB")


@pytest.fixture(scope="module")
def model(tiny_tokenizer, tmp_path_factory: pytest.TempPathFactory) -> PlacementModel:
    folder = tmp_path_factory.mktemp("parts")
    segmenter = save_segmenter(random_segmenter(TINY_SEGMENTER, tiny_tokenizer), folder / "segmenter")
    clip = save_clip(random_clip(TINY_CLIP, tiny_tokenizer), folder / "clip")
    return random_placement(TINY_PLACEMENT, load_segmenter(segmenter), load_image_encoder(clip), seed=2)


def two_places() -> Places:
    """Two likely cells far apart, the right one likelier, each with a square object of a quarter's side."""
    likely = torch.full((1, 4, 8), -9.0)
    likely[0, 1, 6], likely[0, 2, 1] = 5.0, 4.5
    across, down = (torch.arange(8) + 0.5) / 8, (torch.arange(4) + 0.5) / 4
    boxes = torch.stack([across.expand(4, 8), down[:, None].expand(4, 8), *torch.full((2, 4, 8), 0.25)])[None]
    return Places(likely=likely, boxes=boxes, outlines=torch.full((1, 6, 6, 4, 8), 9.0))


def test_what_is_drawn_fills_its_box_and_nothing_else() -> None:
    boxes = torch.tensor([[0.5, 0.25, 0.5, 0.5], [0.25, 0.75, 0.25, 0.125]])
    found = drawn(boxes, torch.full((2, 8, 8), 12.0), (32, 64)) > 0.5
    for mask, (left, top, right, bottom) in zip(found, [(16, 0, 48, 16), (8, 22, 24, 26)], strict=True):
        assert mask.any(dim=0).nonzero()[:, 0].tolist() == list(range(left, right))
        assert mask.any(dim=1).nonzero()[:, 0].tolist() == list(range(top, bottom))
        # Between an outline's points and what is outside it corners are round.
        assert int(mask.sum()) >= (right - left) * (bottom - top) - 4


def test_a_box_learns_from_what_is_drawn() -> None:
    box = torch.tensor([[0.5, 0.5, 0.2, 0.2]], requires_grad=True)
    drawn(box, torch.full((1, 8, 8), 4.0), (32, 32)).sum().backward()
    assert box.grad is not None
    assert (box.grad[0, 2:] > 0).all()


def test_the_likeliest_comes_first_and_others_elsewhere() -> None:
    found = proposals(two_places(), (32, 64), count=2, generator=torch.Generator().manual_seed(0))
    middles = [one.mask.sum(dim=0).argmax().item() for one in found]
    assert [middle > 32 for middle in middles] == [True, False]
    assert found[0].likelihood == pytest.approx(0.62, abs=0.01)
    assert not ((found[0].mask > 0.5) & (found[1].mask > 0.5)).any()


def test_cells_outside_the_picture_hold_no_place() -> None:
    inner = torch.ones(4, 8, dtype=torch.bool)
    inner[:, 5:] = False
    places = two_places()
    assert (likelihoods(places, inner)[0][~inner] == 0).all()
    (first,) = proposals(places, (32, 64), count=1, generator=torch.Generator(), inner=inner)
    assert int(first.mask.sum(dim=0).argmax()) < 32


def test_places_are_one_for_every_cell(model: PlacementModel) -> None:
    places = model.places(PICTURE, [OBJECT, OBJECT])
    assert places.likely.shape == (1, 4, 6)
    assert places.boxes.shape == (1, 4, 4, 6)
    assert places.outlines.shape == (1, 8, 8, 4, 6)
    assert (places.boxes[:, 2:] > 0.005).all()
    assert (places.boxes[:, 2:] < 1.0).all()


def test_the_same_view_twice_says_no_more_than_once(model: PlacementModel) -> None:
    once, twice = (model.places(PICTURE, [OBJECT] * count).likely for count in (1, 2))
    torch.testing.assert_close(once, twice, atol=1e-5, rtol=1e-4)


def test_a_saved_model_says_the_same(model: PlacementModel, tmp_path: Path) -> None:
    model.network.get_buffer("least").fill_(0.125)
    loaded = load_placement(save_placement(model, tmp_path / "saved"))
    assert loaded.least == 0.125
    torch.testing.assert_close(
        loaded.places(PICTURE, [OBJECT]).likely, model.places(PICTURE, [OBJECT]).likely, atol=1e-2, rtol=1e-2
    )


def test_parts_that_do_not_go_together_are_refused(model: PlacementModel) -> None:
    with pytest.raises(ModelError, match="reads cells of 96 channels"):
        random_placement(POCKET_PLACEMENT, model.eyes, model.encoder)
    with pytest.raises(SettingsError, match="No reference has any weight"):
        model.places(PICTURE, [Reference(picture=OBJECT.picture, weight=0.0)])


def test_the_pocket_network_is_small() -> None:
    assert sum(parameter.numel() for parameter in PlacementNetwork(POCKET_PLACEMENT).parameters()) < 1.2e6
