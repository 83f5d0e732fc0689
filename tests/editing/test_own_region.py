"""Regions that a model shows itself: of any picture, the same each time, and refused where nothing stands out."""

import numpy as np
import pytest
from PIL import Image

from retouch.attention.roi import RoiSettings
from retouch.core.errors import NotFoundError
from retouch.editing.editor import Editor
from retouch.editing.own_region import OwnFinder, region_of_model
from retouch.models.checkpoint import Checkpoint

ANY = RoiSettings(clusters=4, layers=(0.1, 1.1), blocks=0.1, least=1e-9)
GREEN = "make the sofa green"


def noise(size: tuple[int, int]) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize("size", [(64, 64), (90, 60), (33, 80)])
def test_it_is_of_the_picture_and_the_same_each_time(tiny_checkpoint: Checkpoint, size: tuple[int, int]) -> None:
    finder = OwnFinder(checkpoint=tiny_checkpoint, settings=ANY)
    found, again = (finder.find(noise(size), GREEN) for _ in range(2))
    assert found.region.mask.size == size and found.missing is None
    assert found.region.sha256 == again.region.sha256 and 0 < found.score <= 1
    assert found.region.origin == f"lime ({found.score:.2f})"
    bare = OwnFinder(checkpoint=tiny_checkpoint, settings=ANY, margin=False).find(noise(size), GREEN)
    inside, grown = (np.asarray(each.region.mask) > 0 for each in (bare, found))
    assert not inside.all() and (grown | ~inside).all() and grown.sum() > inside.sum()


def test_an_edit_keeps_to_it(tiny_checkpoint: Checkpoint) -> None:
    picture = noise((64, 64))
    finder = OwnFinder(checkpoint=tiny_checkpoint, settings=ANY, margin=False)
    result = Editor(tiny_checkpoint).edit(picture, GREEN, region=region_of_model(finder))
    region = result.regions[0][0][0]
    assert region is not None and region.sha256 == finder.find(picture, GREEN).region.sha256
    outside = np.asarray(region.mask) == 0
    assert (np.asarray(result.image) == np.asarray(picture))[outside].all()
    assert (np.asarray(result.image) != np.asarray(picture))[~outside].any()


def test_nothing_stands_out(tiny_checkpoint: Checkpoint) -> None:
    strict = RoiSettings(clusters=4, layers=(0.1, 1.1), blocks=0.1, least=1.0)
    picture, told = noise((64, 48)), []
    finder = OwnFinder(checkpoint=tiny_checkpoint, settings=strict)
    with pytest.raises(NotFoundError, match=r"Nothing stands out for 'make the sofa green'; contrast 0\.\d\d"):
        region_of_model(finder)(picture, GREEN)
    gone = region_of_model(finder, tell=told.append)(picture, "remove the lamp")
    assert gone is not None and gone.is_empty
    assert told == [f"{told[0].partition('. ')[0]}. There is nothing to remove, so the picture stays as it is."]
    everything = region_of_model(
        OwnFinder(checkpoint=tiny_checkpoint, settings=strict, when_missing="whole"), tell=told.append
    )(picture, GREEN)
    assert everything is not None and everything.is_full and told[1].endswith("The region is the whole picture.")


def test_the_checkpoint_is_left_as_it_was(tiny_checkpoint: Checkpoint) -> None:
    before = dict(tiny_checkpoint.unet.attn_processors)
    OwnFinder(checkpoint=tiny_checkpoint, settings=ANY).find(noise((64, 64)), GREEN)
    assert all(tiny_checkpoint.unet.attn_processors[name] is own for name, own in before.items())
