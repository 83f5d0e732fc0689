"""Who takes part: what names mean, SDEdit's laws, and a plain pipeline beside our own loop."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retouch.core.errors import ModelError, SettingsError
from retouch.core.settings import EditSettings
from retouch.evaluation.bench import Field, contestants, round_trip_of
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.entries import distinct_names, entry_of, strength_of
from retouch.evaluation.sdedit import sdedit
from retouch.models.checkpoint import Checkpoint
from retouch.models.identity import fingerprint


@pytest.fixture
def case() -> BenchCase:
    source = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return BenchCase(id="a", kind="add", instruction="make it green", source=source, target_caption="a green room")


def test_names_say_what_they_mean(tmp_path: Path) -> None:
    assert entry_of("diffusers:a/b").source == "a/b"
    assert entry_of("baseline:round-trip:pocket").argument == "pocket"
    assert strength_of(entry_of("baseline:sdedit:0.4")) == 0.4
    for wrong in ("baseline:x", "baseline:source:1", "baseline:sdedit:2", "baseline:sdedit:much", "diffusers:", " "):
        with pytest.raises(SettingsError):
            entry_of(wrong)
    for name in ("a", "b"):
        (tmp_path / name / "model").mkdir(parents=True)
    folders = [str(tmp_path / name / "model") for name in ("a", "b")]
    assert distinct_names(folders) == ["a/model", "b/model"]
    assert distinct_names([folders[0], "pocket", "baseline:source"]) == ["model", "pocket", "source"]
    with pytest.raises(SettingsError, match="takes part twice"):
        distinct_names(["pocket", "pocket"])


def test_nobody_and_values_out_of_range_are_refused_ahead_of_all_work() -> None:
    with pytest.raises(SettingsError, match="Nobody"):
        contestants(Field(models=()))
    with pytest.raises(SettingsError, match="image_guidance"):
        contestants(Field(models=("pocket",), image_guidance=(1.0, -1.0)))
    with pytest.raises(ModelError, match="pictures of an object"):
        list(contestants(Field(models=("pocket/insert",), usual=False)))


def test_a_fingerprint_changes_with_any_weight_and_any_fact(make_tiny) -> None:
    one, same, other = make_tiny(seed=0), make_tiny(seed=0), make_tiny(seed=1)
    assert fingerprint(one.modules, {}) == fingerprint(same.modules, {})
    assert fingerprint(one.modules, {}) != fingerprint(other.modules, {})
    assert fingerprint(one.modules, {"steps": 1}) != fingerprint(one.modules, {"steps": 2})


def sdedited(checkpoint: Checkpoint, case: BenchCase, strength: float, scheduler: str = "ddim") -> np.ndarray:
    settings = EditSettings(steps=20, scheduler=scheduler).resolve(checkpoint.spec.defaults)
    return sdedit(checkpoint, case.source, case.target_caption, strength=strength, seed=0, settings=settings)


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "dpm++"])
def test_sdedit_changes_more_the_stronger_it_is(make_tiny, case: BenchCase, scheduler: str) -> None:
    checkpoint = make_tiny(kind="generate")
    kept = round_trip_of(checkpoint)(case.source).astype(float)
    apart = [np.abs(sdedited(checkpoint, case, strength, scheduler) - kept).mean() for strength in (0.05, 0.5, 1.0)]
    assert apart[0] < apart[1] < apart[2]
    np.testing.assert_array_equal(
        sdedited(checkpoint, case, 0.5, scheduler), sdedited(checkpoint, case, 0.5, scheduler)
    )


def test_sdedit_at_full_strength_knows_nothing_of_the_source(make_tiny, case: BenchCase) -> None:
    """Where the schedule's first level is pure noise, the source has no part in the result."""
    checkpoint = make_tiny(kind="generate")
    zero = {**checkpoint.scheduler_config, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing",
            "prediction_type": "v_prediction"}  # fmt: skip
    from dataclasses import replace

    pure = replace(checkpoint, scheduler_config=zero)
    other = replace(case, source=255 - case.source)
    np.testing.assert_array_equal(sdedited(pure, case, 1.0), sdedited(pure, other, 1.0))


def test_sdedit_refuses_what_it_cannot_do(make_tiny, case: BenchCase) -> None:
    with pytest.raises(SettingsError, match="strength"):
        sdedited(make_tiny(kind="generate"), case, 0.0)
    with pytest.raises(SettingsError, match="are none"):
        sdedited(make_tiny(kind="generate"), case, 0.01)
    with pytest.raises(ModelError, match="generate"):
        sdedited(make_tiny(), case, 0.5)


def test_a_plain_pipeline_is_called_as_it_would_be_alone(tiny_folder: Path, case: BenchCase) -> None:
    import torch
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_instruct_pix2pix import (
        StableDiffusionInstructPix2PixPipeline,
    )
    from PIL import Image

    settings = EditSettings(steps=2, image_guidance=1.2)
    field = Field(
        models=(f"diffusers:{tiny_folder}",), settings=settings, usual=False, device="cpu", precision="float32"
    )
    (plain,) = contestants(field)
    assert plain.name == "diffusers:tiny"
    assert not plain.baseline
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(tiny_folder)
    called: Any = pipeline(
        prompt=case.instruction,
        image=Image.fromarray(case.source),
        num_inference_steps=2,
        guidance_scale=7.5,
        image_guidance_scale=1.2,
        generator=torch.Generator().manual_seed(5),
    )
    np.testing.assert_array_equal(plain.answer(case, 5), np.array(called.images[0]))
