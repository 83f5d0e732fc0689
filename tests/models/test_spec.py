"""The spec beside the weights: round trip, defaults where it is absent, refusal of what it does not know."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from retouch.core.errors import ModelError
from retouch.core.settings import EditSettings
from retouch.models.spec import PUBLISHED, SPEC_FILE, ConditioningSpec, read_spec, write_spec

KEEP: tuple[Literal["where-smaller", "always", "never"], ...] = ("where-smaller", "always", "never")


def test_round_trip(tmp_path: Path) -> None:
    spec = ConditioningSpec(
        condition_scaled=True,
        condition_posterior="sample",
        null_text="zeros",
        steps=20,
        scheduler="ddim",
        text_guidance=2.0,
        image_guidance=1.0,
        native_size=256,
        size_multiple=32,
        keep_detail="always",
    )
    write_spec(spec, tmp_path)
    assert read_spec(tmp_path, "instruct") == spec


def test_absent_file_means_the_published_conventions(tmp_path: Path) -> None:
    spec = read_spec(tmp_path, "instruct")
    assert spec == PUBLISHED["instruct"]
    assert not spec.condition_scaled
    assert (spec.condition_posterior, spec.null_text) == ("mode", "encoded-empty")
    assert (spec.steps, spec.scheduler, spec.native_size) == (100, "euler-ancestral", 512)
    assert (spec.text_guidance, spec.image_guidance) == (7.5, 1.5)


def test_defaults_are_settings() -> None:
    defaults = replace(PUBLISHED["instruct"], steps=20, text_guidance=2.0).defaults
    assert (defaults.steps, defaults.scheduler, defaults.text_guidance) == (20, "euler-ancestral", 2.0)
    assert defaults.seed is None
    kept = [replace(PUBLISHED["instruct"], keep_detail=when).defaults.keep_detail for when in KEEP]
    assert kept == [None, True, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 1}, "unknown key 'temperature'"),
        ({"version": 2}, "version 2, expected 1"),
        ({"version": None}, "version None"),
        ({"steps": "20"}, "'20' for 'steps', expected a whole number"),
        ({"steps": True}, "expected a whole number"),
        ({"condition_scaled": 1}, "expected true or false"),
        ({"null_text": "empty"}, "expected 'encoded-empty' or 'zeros'"),
        ({"text_guidance": "high"}, "expected a number"),
        ({"channel_order": "latents"}, "expected a list of texts"),
        ({"channel_order": ["latents", "sauce"]}, "channel order"),
        ({"steps": 0}, "at least 1"),
        ({"kind": "inpaint", "channel_order": ["latents", "mask", "masked-image"]}, "do not belong together"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    write_spec(ConditioningSpec(), tmp_path)
    content = json.loads((tmp_path / SPEC_FILE).read_text())
    (tmp_path / SPEC_FILE).write_text(json.dumps({**content, **changes}))
    with pytest.raises(ModelError, match=message):
        read_spec(tmp_path, "instruct")


@pytest.mark.parametrize("text", ["{", "[1, 2]", '"a text"'])
def test_broken_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / SPEC_FILE).write_text(text)
    with pytest.raises(ModelError, match=SPEC_FILE):
        read_spec(tmp_path, "instruct")


def test_whole_numbers_stand_for_floats(tmp_path: Path) -> None:
    (tmp_path / SPEC_FILE).write_text('{"version": 1, "text_guidance": 2}')
    spec = read_spec(tmp_path, "instruct")
    assert isinstance(spec.text_guidance, float)
    assert spec.text_guidance == 2.0


def test_a_model_that_needs_no_guidance_for_speed_says_so() -> None:
    plain, unguided = ConditioningSpec(), ConditioningSpec(fast_unguided=True)
    fast = EditSettings(profile="fast")
    assert plain.asked(fast) == fast
    assert unguided.asked(fast).guidance_interval == (0.0, 0.0)
    assert unguided.asked(EditSettings(profile="balanced")).guidance_interval is None
    said = EditSettings(profile="fast", guidance_interval=(0.0, 1.0))
    assert unguided.asked(said) == said
