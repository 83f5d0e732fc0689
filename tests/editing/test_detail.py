"""The input's detail in a result: laws of the map that carries it, and what it does in a real edit."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from retouch.conditioning.image import to_images, to_pixels
from retouch.core.fit import Fit
from retouch.core.settings import EditSettings
from retouch.editing import detail
from retouch.editing.detail import carry_detail, colour_maps, keeps_detail
from retouch.editing.editor import Editor

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint


def scene(width: int = 192, height: int = 128) -> Image.Image:
    """A picture with soft shapes and fine grain, nowhere near black or white."""
    rows, columns = np.mgrid[0:height, 0:width]
    soft = np.stack([np.sin(rows / 17) + np.cos(columns / 23), np.sin(columns / 13), np.cos((rows + columns) / 19)])
    grain = np.random.default_rng(0).normal(0, 6, (3, height, width))
    return Image.fromarray((128 + 25 * soft + grain).clip(60, 190).astype(np.uint8).transpose(1, 2, 0))


def seen(picture: Image.Image, fit: Fit) -> torch.Tensor:
    return to_pixels([fit.apply(picture)])[0]


def levels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, dtype=np.float64)


SCENE = scene()
FIT = Fit.for_model(SCENE.size, native=64, multiple=16)


def test_where_nothing_changed_the_source_comes_back() -> None:
    before = seen(SCENE, FIT)
    result = carry_detail(SCENE, before, before, FIT)
    assert np.abs(levels(result) - levels(SCENE)).max() <= 1


def test_a_change_of_brightness_is_added_to_every_pixel() -> None:
    before = seen(SCENE, FIT)
    result = carry_detail(SCENE, before, before + 20 / 127.5, FIT)
    assert np.abs(levels(result) - levels(SCENE) - 20).max() <= 1


def test_a_linear_map_of_colours_is_found_and_done_to_the_grain_too() -> None:
    grey = torch.tensor([0.3, 0.6, 0.1]).expand(3, 3)
    before = seen(SCENE, FIT)
    result = carry_detail(SCENE, before, torch.einsum("ij,jhw->ihw", grey, before), FIT)
    wanted = levels(SCENE) @ grey[0].numpy()
    plain = FIT.invert(to_images(torch.einsum("ij,jhw->ihw", grey, before)[None])[0])
    ours, blurred = (np.abs(levels(picture) - wanted[:, :, None]).mean() for picture in (result, plain))
    assert ours < 0.5 * blurred


def test_what_is_new_takes_nothing_of_what_was_there() -> None:
    before = seen(SCENE, FIT)
    result = carry_detail(SCENE, before, torch.zeros_like(before), FIT)
    assert levels(result).std() < 0.35 * levels(SCENE).std()


def test_the_map_is_the_identity_where_the_picture_is_flat() -> None:
    flat = torch.full((3, 16, 16), 0.25)
    maps = colour_maps(flat, flat + 0.1)
    torch.testing.assert_close(maps, torch.eye(3)[:, :, None, None].expand(3, 3, 16, 16), rtol=0, atol=1e-4)


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    before = seen(SCENE, FIT)
    after = before.flip(0)
    whole = levels(carry_detail(SCENE, before, after, FIT))
    monkeypatch.setattr(detail, "_STRIP", 7 * SCENE.width)
    assert np.abs(levels(carry_detail(SCENE, before, after, FIT)) - whole).max() <= 1


@pytest.mark.parametrize(
    ("size", "wanted", "kept"),
    [((192, 128), None, True), ((64, 64), None, False), ((64, 64), True, True), ((192, 128), False, False)],
)
def test_it_is_kept_where_the_model_sees_less(size: tuple[int, int], wanted: bool | None, kept: bool) -> None:
    assert keeps_detail(Fit.for_model(size, native=64, multiple=16), wanted) is kept


def test_an_edit_of_a_large_picture_is_as_sharp_as_the_picture(tiny_checkpoint: "Checkpoint") -> None:
    editor = Editor(tiny_checkpoint)
    settings = EditSettings(steps=1, image_guidance=1.0, text_guidance=1.0)
    auto = editor.edit(SCENE, ["make it red", "make it blue"], settings=settings, count=2)
    plain = editor.edit(
        SCENE, "make it red", settings=EditSettings(steps=1, image_guidance=1.0, text_guidance=1.0, keep_detail=False)
    )
    assert auto.images[0][0].size == SCENE.size
    assert auto.settings.keep_detail is None
    first = auto.intermediates[0][0][0]
    assert not np.array_equal(levels(first), levels(plain.image))
    small = SCENE.resize((64, 64))
    kept, left = (
        editor.edit(small, "make it red", settings=EditSettings(steps=1, keep_detail=keep)).image
        for keep in (None, False)
    )
    assert np.array_equal(levels(kept), levels(left))


@pytest.mark.parametrize("sides", [(1, 1), (3, 8), (9, 10), (40, 25)])
def test_means_are_those_of_torchs_pooling(sides: tuple[int, int]) -> None:
    fields = torch.randn((4, *sides), generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.avg_pool2d(
        fields[None], detail.WINDOW, stride=1, padding=detail.WINDOW // 2, count_include_pad=False
    )
    assert torch.allclose(detail._means(fields), wanted[0], atol=1e-6)
