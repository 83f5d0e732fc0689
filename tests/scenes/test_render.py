"""Rendered rooms: the same bytes everywhere, exact ids, edits that stay where they are, light as named."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retouch.core.errors import MissingExtraError
from retouch.scenes.palette import COLOURS
from retouch.scenes.render import ReferenceView, available_variant, render, render_reference, variant
from retouch.scenes.room import LIGHTS, Camera, Placed, Room, Surface
from retouch.scenes.textures import linear

SOFA = Placed(
    id=1, kind="sofa", colour="red", material="fabric", position=(2.0, 3.4, 0.0), size=(1.9, 0.9, 0.85), variant=3
)
TABLE = Placed(
    id=2, kind="coffee table", colour="brown", material="wood", position=(2.2, 2.3, 0.0), size=(1.0, 0.6, 0.42)
)
VASE = Placed(
    id=3, kind="vase", colour="blue", material="glass", position=(2.2, 2.3, 0.42), size=(0.2, 0.2, 0.36), on=2
)
MIRROR = Placed(
    id=4, kind="mirror", colour="white", material="wood", position=(3.1, 4.0, 1.2), size=(0.7, 0.04, 0.9), wall="back"
)
LAMP = Placed(
    id=5, kind="floor lamp", colour="beige", material="fabric", position=(0.6, 3.5, 0.0), size=(0.4, 0.4, 1.6)
)
ROOM = Room(
    type="living room",
    width=4.2,
    depth=4.0,
    height=2.6,
    walls=Surface(finish="paint", colour="beige"),
    floor=Surface(finish="planks", colour="brown"),
    light="daylight",
    camera=Camera(eye=(2.1, -0.2, 1.5), target=(2.1, 3.5, 0.9), field_of_view=64),
    objects=(SOFA, TABLE, VASE, MIRROR, LAMP),
    seed=12,
)

_CHILD = """
import sys, numpy
sys.path.insert(0, {here!r})
from test_render import ROOM
from retouch.scenes.render import available_variant, render, use_threads
use_threads(1)
done = render(ROOM, size={size}, samples={samples})
numpy.savez({out!r}, image=done.image, ids=done.ids, variant=available_variant())
"""


def _in_another_process(
    folder: Path, *, size: int, samples: int, environment: dict[str, str] | None = None
) -> dict[str, np.ndarray]:
    out = folder / "picture.npz"
    code = _CHILD.format(here=str(Path(__file__).parent), size=size, samples=samples, out=str(out))
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **(environment or {})})
    with np.load(out) as kept:
        return dict(kept)


def _error(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.square(first.astype(float) - second.astype(float)).mean(-1)


def test_same_room_gives_same_bytes_in_another_process_with_other_threads(tmp_path: Path) -> None:
    here = render(ROOM, size=64, samples=3)
    there = _in_another_process(tmp_path, size=64, samples=3)
    assert here.image.dtype == np.uint8 and here.image.shape == (64, 64, 3)
    np.testing.assert_array_equal(here.image, there["image"])
    np.testing.assert_array_equal(here.ids, there["ids"])


def test_another_seed_gives_other_noise_and_the_same_ids() -> None:
    first, second = render(ROOM, size=48, samples=2), render(ROOM, size=48, samples=2, seed=1)
    assert (first.image != second.image).any()
    np.testing.assert_array_equal(first.ids, second.ids)


def test_ids_name_every_object_and_surface() -> None:
    ids = render(ROOM, size=96, samples=1).ids
    assert ids.dtype == np.int32
    assert set(np.unique(ids)) == {1, 2, 3, 4, 5, -1, -2, -3}
    assert (ids[-6:] == -2).all() and (ids[0] == -3).mean() > 0.5


def test_removed_object_leaves_the_other_ids_alone() -> None:
    before, after = render(ROOM, size=64, samples=1).ids, render(ROOM.without(2), size=64, samples=1).ids
    changed = before != after
    assert set(np.unique(before[changed])) <= {2, 3}
    assert not np.isin(after, (2, 3)).any()


def test_recolouring_changes_the_object_and_hardly_anything_else() -> None:
    before = render(ROOM, size=96, samples=6)
    after = render(ROOM.with_object(replace(SOFA, colour="green")), size=96, samples=6)
    error = _error(before.image, after.image)
    inside = before.ids == SOFA.id
    # A rim of two pixels belongs to both, since pictures are anti-aliased and ids are not.
    grown = np.any([np.roll(inside, (y, x), (0, 1)) for y in range(-2, 3) for x in range(-2, 3)], axis=0)
    outside_psnr = 10 * np.log10(255**2 / error[~grown].mean())
    assert outside_psnr > 32
    assert error[inside].mean() > 50 * error[~grown].mean()


def test_lights_have_their_order_of_brightness_and_warmth() -> None:
    pictures = [render(replace(ROOM, light=light), size=48, samples=2).image.astype(float) for light in LIGHTS]
    means = [picture.mean() for picture in pictures]
    assert means[0] > 1.2 * means[1] > 1.3 * means[2]
    warmth = [picture[..., 0].mean() / picture[..., 2].mean() for picture in pictures]
    assert warmth[2] > warmth[1] > warmth[0]


def test_lamps_glow_only_when_lit() -> None:
    def brightest(light: str) -> float:
        room = replace(ROOM, light=light)
        done = render(room, size=96, samples=3)
        shade = (done.ids == LAMP.id) & (np.arange(96)[:, None] < 40)
        return float(np.median(done.image[shade]) / np.median(done.image[done.ids == -1]))

    assert brightest("lamp light") > 1.35 * brightest("daylight")


@pytest.mark.parametrize("colour", ["red", "blue", "green", "yellow", "grey"])
def test_daylight_keeps_the_hue_of_the_palette(colour: str) -> None:
    done = render(ROOM.with_object(replace(SOFA, colour=colour)), size=64, samples=4)
    shown = np.mean([linear(tuple(pixel)) for pixel in done.image[done.ids == SOFA.id].tolist()], axis=0)
    meant = linear(COLOURS[colour])
    alike = shown @ meant / np.linalg.norm(shown) / np.linalg.norm(meant)
    assert alike > 0.97
    assert 0.35 < np.linalg.norm(shown) / np.linalg.norm(meant) < 1.4


def test_references_show_the_object_alone_from_where_asked() -> None:
    front = render_reference(SOFA, view=ReferenceView(azimuth=0.0, elevation=0.3), size=64, samples=3)
    side = render_reference(SOFA, view=ReferenceView(azimuth=1.3, elevation=0.3), size=64, samples=3)
    assert front.shape == (64, 64, 4) and front.dtype == np.uint8
    assert front[32, 32, 3] == 255 and front[0, :, 3].max() == 0
    widths = [np.ptp(np.flatnonzero(view[..., 3].any(0))) for view in (front, side)]
    heights = [np.ptp(np.flatnonzero(view[..., 3].any(1))) for view in (front, side)]
    assert widths[0] >= 56
    assert widths[1] / heights[1] < 0.8 * widths[0] / heights[0]
    colour = front[front[..., 3] == 255][:, :3].mean(0)
    assert colour[0] > 2.5 * colour[1:].max()


def test_references_do_not_depend_on_the_place_in_the_room() -> None:
    moved = replace(SOFA, position=(0.5, 1.0, 0.0), yaw=1.0)
    view = ReferenceView(azimuth=0.4, light="evening")
    np.testing.assert_array_equal(
        render_reference(SOFA, view=view, size=32, samples=1), render_reference(moved, view=view, size=32, samples=1)
    )


def test_scalar_variant_takes_over_where_llvm_does_not_load(tmp_path: Path) -> None:
    broken = {"DRJIT_LIBLLVM_PATH": str(tmp_path / "libLLVM.so"), "RETOUCH_CACHE": str(tmp_path)}
    scalar = _in_another_process(tmp_path, size=48, samples=2, environment=broken)
    assert str(scalar["variant"]) == "scalar_rgb"
    fast = render(ROOM, size=48, samples=2)
    assert (scalar["ids"] == fast.ids).mean() > 0.995
    assert 0.6 < scalar["image"].mean() / fast.image.mean() < 1.4


def test_probe_is_asked_once_and_its_answer_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def works(library: str) -> bool:
        asked.append(library)
        return library == "second"

    monkeypatch.setenv("RETOUCH_CACHE", str(tmp_path))
    monkeypatch.setattr(variant, "_candidates", lambda: iter(("first", "second", "third")))
    monkeypatch.setattr(variant, "_works", works)
    assert variant.find_library.__wrapped__() == "second"
    assert variant.find_library.__wrapped__() == "second"
    assert asked == ["first", "second"]


@pytest.mark.parametrize("package", ["mitsuba", "pyoidn"])
def test_missing_packages_are_named_with_the_command_that_adds_them(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == package else found(name))
    available_variant.cache_clear()
    with pytest.raises(MissingExtraError, match=rf"{package}.*pip install 'retouch\[scenes\]'"):
        render(ROOM, size=16, samples=1)
