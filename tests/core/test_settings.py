"""Settings accept what makes sense and say in one sentence what does not."""

import math
from typing import Any

import pytest
from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.settings import ALL_FINE_LAYERS, EditRequest, EditSettings

PICTURE = Image.new("RGB", (32, 32))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"steps": -5},
        {"steps": 10**9},
        {"steps": 2.5},
        {"steps": True},
        {"seed": -1},
        {"seed": 2**63},
        {"text_guidance": math.nan},
        {"text_guidance": math.inf},
        {"image_guidance": -0.1},
        {"image_guidance": "1"},
        {"guidance_interval": (0.8, 0.2)},
        {"guidance_interval": (0.0, math.nan)},
        {"guidance_interval": (0.0, 1.5)},
        {"guidance_interval": (None, 1.0)},
        {"guidance_interval": 0.5},
        {"negative": 3},
        {"negative": "x" * 10_001},
    ],
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))) as caught:
        EditSettings(**wrong)
    assert "\n" not in str(caught.value)


def test_low_guidance_is_honoured() -> None:
    settings = EditSettings(text_guidance=0.0, image_guidance=0.5)
    assert (settings.text_guidance, settings.image_guidance) == (0.0, 0.5)


def test_resolve_keeps_what_was_said_then_the_models_then_the_general() -> None:
    model = EditSettings(steps=20, scheduler="euler", text_guidance=2.0, image_guidance=1.0, negative="grain")
    resolved = EditSettings(steps=5, negative="").resolve(model)
    assert resolved == EditSettings(
        steps=5,
        scheduler="euler",
        text_guidance=2.0,
        image_guidance=1.0,
        guidance_interval=(0.0, 1.0),
        negative="",
        negative_image="",
        seed=0,
        reuse=1,
        fine_layers=ALL_FINE_LAYERS,
    )
    assert resolved.resolve(model) == resolved


@pytest.mark.parametrize(
    "wrong",
    [
        {"images": ()},
        {"instructions": ()},
        {"instructions": "make it red"},
        {"instructions": (None,)},
        {"count": 0},
        {"count": 65},
        {"count": 2, "settings": EditSettings(seed=2**63 - 1)},
    ],
)
def test_wrong_requests_are_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"images": (PICTURE,), "instructions": ("make it red",)}
    assert EditRequest(**right).count == 1
    with pytest.raises(SettingsError):
        EditRequest(**{**right, **wrong})


@pytest.mark.parametrize(
    ("profile", "steps", "taken"),
    [
        ("exact", 20, 20),
        ("balanced", 20, 20),
        ("fast", 20, 7),
        ("fast", 100, 35),
        ("balanced", 4, 4),
        ("fast", 4, 2),
        ("fast", 1, 1),
    ],
)
def test_a_profile_takes_a_share_of_the_models_own_steps(profile: str, steps: int, taken: int) -> None:
    assert EditSettings(profile=profile).resolve(EditSettings(steps=steps)).steps == taken


def test_what_was_said_goes_before_the_profile() -> None:
    said = EditSettings(profile="fast", steps=7, reuse=1).resolve(EditSettings(steps=20))
    assert (said.steps, said.reuse) == (7, 1)


def test_settings_that_are_resolved_stay_as_they_are() -> None:
    model = EditSettings(steps=20, scheduler="euler", text_guidance=2.0, image_guidance=1.0)
    resolved = EditSettings(profile="fast").resolve(model)
    assert resolved.resolve(EditSettings(steps=50)) == resolved


def test_what_is_repeated_keeps_the_reuse_and_the_profile_of_before() -> None:
    earlier = EditSettings(profile="fast").resolve(EditSettings(steps=20, scheduler="euler"))
    assert EditSettings().resolve(earlier) == earlier
    assert EditSettings(seed=7).resolve(earlier).reuse == 3
    assert EditSettings(profile="balanced").resolve(earlier).fine_layers == ALL_FINE_LAYERS


@pytest.mark.parametrize(
    "settings",
    [{"profile": "swift"}, {"reuse": 0}, {"reuse": 11}, {"reuse": True}, {"fine_layers": 0}, {"fine_layers": "all"}],
)
def test_unknown_profiles_and_impossible_reuse_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(settings))):
        EditSettings(**settings)
