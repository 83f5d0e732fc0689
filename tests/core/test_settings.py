"""Settings accept what makes sense and say in one sentence what does not."""

import math
from typing import Any

import pytest
from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.settings import EditRequest, EditSettings

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
