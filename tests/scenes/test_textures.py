"""Textures: the finish's colour on average, seamless, in range, and different from one another."""

import numpy as np
import pytest

from retouch.scenes.palette import COLOURS, MATERIALS
from retouch.scenes.parts import Finish
from retouch.scenes.textures import linear, period, texture

FINISHES = (*MATERIALS, "paint", "brick", "wall tile", "floor tile", "planks", "carpet", "wallpaper damask")


@pytest.mark.parametrize("material", FINISHES)
def test_mean_albedo_is_the_colour(material: str) -> None:
    for name, colour in COLOURS.items():
        albedo = texture(Finish(material=material, colour=colour)).albedo
        # White keeps its pattern instead: joints and veins must darken something.
        np.testing.assert_allclose(albedo.mean((0, 1)), linear(colour), atol=0.15 if name == "white" else 0.02)
        assert albedo.min() >= 0 and albedo.max() <= 0.95


@pytest.mark.parametrize("material", [name for name in FINISHES if name != "glass"])
def test_tiles_repeat_without_a_seam(material: str) -> None:
    albedo = texture(Finish(material=material, colour=COLOURS["grey"])).albedo.mean(-1)
    for axis in (0, 1):
        steps = np.abs(np.diff(albedo, axis=axis, append=np.take(albedo, [0], axis=axis))).mean(1 - axis)
        assert steps[-1] <= 1.5 * steps.max(initial=1e-6, where=np.arange(len(steps)) < len(steps) - 1)


def test_patterned_materials_can_be_told_apart() -> None:
    tones = {name: texture(Finish(material=name, colour=COLOURS["grey"])).albedo for name in FINISHES}
    spread = {name: float(albedo.std((0, 1)).max() / albedo.mean()) for name, albedo in tones.items()}
    assert spread["glass"] < 1e-4
    assert all(spread[name] > 0.06 for name in ("wood", "marble", "fabric", "leather", "metal", "brick", "planks"))


def test_wood_runs_along_the_grain() -> None:
    wood = texture(Finish(material="wood", colour=COLOURS["brown"])).albedo[..., 0]
    assert np.abs(np.diff(wood, axis=0)).mean() > 2 * np.abs(np.diff(wood, axis=1)).mean()


def test_unknown_materials_are_plain() -> None:
    plain = texture(Finish(material="paper", colour=(200, 100, 50)))
    np.testing.assert_allclose(plain.albedo, np.broadcast_to(linear((200, 100, 50)), plain.albedo.shape), rtol=1e-5)
    assert period("paper") == plain.period == 1.0
