"""Edits in regions on a tiny checkpoint: what the latents, the seam, attention and the crop do."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from tests.editing.test_editor import GREEN, NIGHT, difference, picture

from retouch.conditioning.image import clean_latents, decode_latents, to_pixels
from retouch.core.region import Region
from retouch.core.region_request import region_from_box
from retouch.core.region_settings import RegionSettings, parse_blend
from retouch.core.region_window import window
from retouch.core.settings import SCHEDULERS, EditSettings
from retouch.editing.chain import edit_once
from retouch.editing.composite import composite, without_shift
from retouch.editing.editor import Editor
from retouch.editing.follow import Follower
from retouch.editing.inside import Inside
from retouch.editing.instructing import Instructing
from retouch.editing.technique import Pass

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

BOX = region_from_box((16, 16, 48, 48), (64, 64))


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: "Checkpoint") -> Editor:
    return Editor(tiny_checkpoint)


def how(scheduler: str | None = None, steps: int = 3, **region: object) -> EditSettings:
    return EditSettings(steps=steps, scheduler=scheduler, keep_detail=False, region=RegionSettings(**region))  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["renoise", "invert"])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_with_every_scheduler_an_empty_mask_leaves_the_sources_round_trip(
    tiny_checkpoint: "Checkpoint", scheduler: str, source: str
) -> None:
    pixels = to_pixels([picture()])
    settings = how(scheduler, source=source, blend=(1.0, 0.0)).resolve(tiny_checkpoint.spec.defaults)
    assert settings.region is not None
    decoded = edit_once(
        Instructing(tiny_checkpoint),
        pixels,
        Pass(instruction=GREEN, number=0, seeds=[3], alike=[0]),
        settings,
        Follower(on_progress=None, cancelled=None),
        inside=Inside(masks=torch.zeros(1, 1, 64, 64), settings=settings.region.resolve()),
    )
    expected = decode_latents(tiny_checkpoint.vae, clean_latents(tiny_checkpoint, pixels)).clamp(-1, 1)
    assert torch.equal(decoded, expected)


def test_regions_compose_with_attention(editor: Editor, tiny_checkpoint: "Checkpoint") -> None:
    before = dict(tiny_checkpoint.unet.attn_processors)
    plain = editor.edit(picture(), GREEN, settings=how(), region=BOX).image
    results = [
        editor.edit(picture(), GREEN, settings=how(attend=attend, attend_weight=weight), region=BOX).image
        for attend, weight in (("avoid", None), ("avoid", 1.0), ("favour", 2.0))
    ]
    assert all(difference(result, plain) > 0 for result in results)
    assert all(tiny_checkpoint.unet.attn_processors[name] is processor for name, processor in before.items())
    assert difference(plain, editor.edit(picture(), GREEN, settings=how(), region=BOX).image) == 0


def test_the_blend_range_matters_and_so_does_where_the_latents_come_from(editor: Editor) -> None:
    first = editor.edit(picture(), GREEN, settings=how(), region=BOX).image
    for other in (how(blend=(1.0, 0.0)), how(blend=(1.0, 0.0), source="invert")):
        assert difference(first, editor.edit(picture(), GREEN, settings=other, region=BOX).image) > 0


def test_a_batch_with_and_without_regions_equals_single_edits(editor: Editor) -> None:
    pictures = [picture(seed=seed) for seed in range(3)]

    def find(shown: Image.Image, _instruction: str) -> Region | None:
        level = shown.getpixel((0, 0))
        return None if level == pictures[1].getpixel((0, 0)) else BOX

    together = editor.edit(pictures, [GREEN, NIGHT], settings=how(), region=find, count=2)
    for source, row in zip(pictures, together.images, strict=True):
        alone = editor.edit(source, [GREEN, NIGHT], settings=how(), region=find, count=2)
        assert all(difference(one, other) <= 1 for one, other in zip(row, alone.images[0], strict=True))
    assert [chains[0][0] is None for chains in together.regions] == [False, True, False]


def test_a_small_region_is_edited_in_an_enlarged_crop(
    editor: Editor, tiny_checkpoint: "Checkpoint", monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    region = region_from_box((300, 20, 340, 50), source.size)
    assert window(region, native=64) == (280, 0, 360, 80)
    assert window(region_from_box((300, 20, 390, 290), source.size), native=64) == (0, 0, 400, 300)
    near, far = (editor.edit(source, GREEN, settings=how(zoom=zoom), region=region).image for zoom in ("auto", "off"))
    outside = np.asarray(region.mask) == 0
    for result in (near, far):
        assert np.array_equal(np.asarray(result)[outside], np.asarray(source)[outside])
    assert difference(near, far) > 0


def test_a_shift_of_colours_is_taken_away_from_the_edge_inward() -> None:
    source = to_pixels([picture()])[0] * 0.5
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:48, 16:48] = 1
    shift = torch.tensor([0.05, -0.02, 0.1])[:, None, None]
    edited = source + shift + 0.3 * mask
    torch.testing.assert_close(without_shift(edited, source, mask), source + 0.3 * mask, rtol=0, atol=1e-4)
    assert torch.equal(without_shift(edited, source, torch.ones_like(mask)), edited)


def test_the_seam_is_soft_inside_and_exact_outside() -> None:
    black, white = (Image.new("RGB", (64, 64), colour) for colour in ("black", "white"))
    row = np.asarray(composite(black, white, BOX, softness=4))[32, :, 0].tolist()
    assert row[14:22] == [0, 0, 51, 102, 153, 204, 255, 255]


def test_the_models_latents_return_by_the_same_scale(tiny_checkpoint: "Checkpoint") -> None:
    pixels = to_pixels([picture()])
    latents = clean_latents(tiny_checkpoint, pixels)
    assert latents.shape == (1, 4, 64 // tiny_checkpoint.vae_factor, 64 // tiny_checkpoint.vae_factor)
    assert decode_latents(tiny_checkpoint.vae, latents).shape == pixels.shape


def test_ranges_are_timesteps_or_fractions() -> None:
    assert RegionSettings(blend=parse_blend("100:1")).blend_fractions == (0.1, 0.001)
    assert RegionSettings(blend=parse_blend("0.1:0")).blend_fractions == (0.1, 0.0)
    assert RegionSettings(blend=parse_blend("1:0")).blend_fractions == (1.0, 0.0)
    assert RegionSettings().resolve().blends_to_the_end
    assert not RegionSettings(blend=(300, 200)).blends_to_the_end
