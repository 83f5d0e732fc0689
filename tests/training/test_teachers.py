"""The heads that teach a network where and what, and the segments they learn from."""

from dataclasses import replace

import pytest
import torch
from PIL import Image
from tests.training.conftest import squares
from tests.training.networks import tiny

from retouch.core.errors import DataError, SettingsError
from retouch.core.images import png_bytes
from retouch.models.clip import TINY_CLIP, random_clip
from retouch.training.cache import renumbered
from retouch.training.patch_lessons import PatchLessons
from retouch.training.pictures import Fitted, Sizes, fitted_numbers
from retouch.training.segments import segments_of
from retouch.training.teachers import PatchHead, RegionHead, SegmentHead


def bias_of(head: RegionHead | SegmentHead) -> torch.Tensor:
    assert head.convolution.bias is not None
    return head.convolution.bias


def run(unet) -> None:
    unet(torch.zeros(2, 8, 8, 8), torch.tensor(3), torch.zeros(2, 16, 16))


def test_small_regions_weigh_as_much_as_what_stays() -> None:
    unet = tiny().unet
    head = RegionHead(unet)
    torch.nn.init.zeros_(head.convolution.weight)
    torch.nn.init.constant_(bias_of(head), -4.0)  # "nothing changes", nearly sure
    changed = torch.zeros(2, 8, 8)
    changed[:, :2, :2] = 1
    run(unet)
    assert float(head(changed).detach()) == pytest.approx((4.018 * 4 / 5 + 0.018 * 60 / 61) / 2, abs=0.01)
    with pytest.raises(RuntimeError, match="before the U-Net ran"):
        head(changed)


def test_segments_that_are_not_known_are_not_asked_about() -> None:
    unet = tiny().unet
    head = SegmentHead(unet, torch.tensor([1.0, 3.0]))
    known = torch.zeros(2, 8, 8, dtype=torch.uint8)
    run(unet)
    assert float(head(known).detach()) == 0.0
    known[0, 0, :2] = torch.tensor([1, 2])
    torch.nn.init.zeros_(head.convolution.weight)
    bias_of(head).data = torch.tensor([0.0, 2.0])
    run(unet)
    first, second = torch.tensor([0.0, 2.0]).log_softmax(0).neg().tolist()
    assert float(head(known).detach()) == pytest.approx((first + 3 * second) / 4, rel=1e-4)


def test_numbers_follow_their_things_into_a_longer_list() -> None:
    segments = torch.tensor([[0, 1, 2]], dtype=torch.uint8)
    assert renumbered(segments, ("sofa", "lamp"), ("lamp", "rug", "sofa")).tolist() == [[0, 3, 1]]


def test_records_say_what_their_segments_are() -> None:
    (record,) = squares("train", 1)
    found = segments_of(record)
    assert found is not None and found.things == ({"kind": "square", "colour": "red"},)
    assert segments_of(replace(record, segments=None)) is None
    with pytest.raises(DataError, match="no kinds of them"):
        segments_of(replace(record, params={"kind": "recolour"}))


def test_patches_show_shares_of_labels(tiny_tokenizer) -> None:
    (record,) = squares("train", 1)  # A square over the left half of the middle rows
    found = segments_of(record)
    assert found is not None
    encoder = random_clip(TINY_CLIP, tiny_tokenizer, seed=0)
    lessons = PatchLessons.of({7: found}, encoder)
    assert lessons.labels == ("colour=red", "kind=square")
    known, numbers = lessons.of_pictures(torch.tensor([3, 7]))
    assert known.tolist() == [1]
    shares = lessons.shares(torch.tensor([7]), numbers[:, 0])
    assert shares.shape == (1, 16, 2)
    assert shares[0, :, 1].view(4, 4).tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    head = PatchHead(32, 2)
    assert float(head(torch.zeros(1, 16, 32), shares).detach()) > 0
    with pytest.raises(SettingsError, match="no segments to teach"):
        PatchLessons.of({}, encoder)


def test_numbers_are_never_mixed_where_pictures_are_scaled() -> None:
    image = Image.new("L", (96, 64))
    image.paste(7, (0, 0, 48, 64))
    fit = Sizes(native=64, multiple=16).fit(image.size)
    numbers = fitted_numbers(Fitted.of(png_bytes(image), fit))
    assert numbers.shape == fit.model_size[::-1]
    assert set(numbers.unique().tolist()) == {0, 7}
