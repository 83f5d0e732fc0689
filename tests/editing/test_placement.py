"""Regions proposed for an object: of the picture's size, the same for a seed, refused where nothing stands out."""

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import NotFoundError, SettingsError
from retouch.core.reference import Reference
from retouch.editing.placement import proposed_regions, region_by_placement
from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.image_encoder import load_image_encoder
from retouch.models.placement import PlacementModel, random_placement
from retouch.models.placement_network import TINY_PLACEMENT
from retouch.models.segmenter import random_segmenter
from retouch.models.segmenter_network import TINY_SEGMENTER

OBJECT = Reference(picture=Image.new("RGB", (20, 30), (200, 20, 20)), name="chair.png")


@pytest.fixture
def model(tiny_tokenizer, tmp_path) -> PlacementModel:
    clip = save_clip(random_clip(TINY_CLIP, tiny_tokenizer), tmp_path / "clip")
    eyes = random_segmenter(TINY_SEGMENTER, tiny_tokenizer)
    return random_placement(TINY_PLACEMENT, eyes, load_image_encoder(clip), seed=2)


@pytest.mark.parametrize("size", [(64, 64), (150, 90), (40, 200)])
def test_regions_are_of_the_picture_s_size_and_hold_something(model: PlacementModel, size: tuple[int, int]) -> None:
    picture = Image.effect_noise(size, 60).convert("RGB")
    found = proposed_regions(model, picture, [OBJECT], count=3)
    assert 1 <= len(found) <= 3
    for one in found:
        assert one.region.mask.size == size
        assert not one.region.is_empty
        assert set(np.unique(np.asarray(one.region.mask))) <= {0, 255}


def test_the_first_is_the_same_for_all_seeds_and_the_rest_for_one(model: PlacementModel) -> None:
    picture = Image.linear_gradient("L").resize((128, 128)).convert("RGB")
    drawn = {seed: proposed_regions(model, picture, [OBJECT], count=4, seed=seed) for seed in (0, 1, 2, 3)}
    again = proposed_regions(model, picture, [OBJECT], count=4, seed=1)
    assert [one.region.sha256 for one in again] == [one.region.sha256 for one in drawn[1]]
    assert len({found[0].region.sha256 for found in drawn.values()}) == 1
    assert len({tuple(one.region.sha256 for one in found) for found in drawn.values()}) > 1


def test_a_finder_takes_the_place_of_its_number(model: PlacementModel) -> None:
    picture = Image.linear_gradient("L").resize((128, 128)).convert("RGB")
    found = proposed_regions(model, picture, [OBJECT], count=2, seed=5)
    taken = [region_by_placement(model, [OBJECT], number=number, seed=5)(picture, "add it") for number in (0, 1)]
    assert [region.sha256 for region in taken if region] == [one.region.sha256 for one in found]
    assert found[0].region.origin.startswith("placement (random, 0.")


def test_nothing_that_stands_out_is_told(model: PlacementModel) -> None:
    model.network.get_buffer("least").fill_(0.99)
    with pytest.raises(NotFoundError, match=r"No place in the picture stands out for 'chair\.png'"):
        proposed_regions(model, Image.new("RGB", (128, 128)), [OBJECT])
    with pytest.raises(SettingsError, match="expected 1 to 32"):
        proposed_regions(model, Image.new("RGB", (128, 128)), [OBJECT], count=0)
