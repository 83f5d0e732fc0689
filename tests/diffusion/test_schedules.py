"""Schedulers by name keep the noise schedule of the model, or say that they cannot."""

from typing import Any

import pytest
import torch

from retouch.core.errors import SettingsError
from retouch.core.settings import SCHEDULERS
from retouch.diffusion.schedules import make_scheduler

BASE = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "clip_sample": True,
}
ZERO_SNR = BASE | {
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_name_makes_the_saved_schedule(name: str) -> None:
    scheduler = make_scheduler(name, BASE)
    assert scheduler.config["beta_end"] == 0.012
    assert not scheduler.config.get("clip_sample", False)
    scheduler.set_timesteps(4)
    assert len(scheduler.timesteps) in (4, 5)


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "pndm"])
def test_zero_terminal_snr_is_kept(name: str) -> None:
    scheduler = make_scheduler(name, ZERO_SNR)
    assert scheduler.config["prediction_type"] == "v_prediction"
    assert scheduler.config["timestep_spacing"] == "trailing"
    scheduler.set_timesteps(4)
    assert int(scheduler.timesteps[0]) == 999


def test_pndm_refuses_zero_terminal_snr() -> None:
    with pytest.raises(SettingsError, match=r"zero terminal SNR.*'pndm'"):
        make_scheduler("pndm", ZERO_SNR)


def test_zero_terminal_snr_refuses_noise_prediction() -> None:
    with pytest.raises(SettingsError, match="epsilon"):
        make_scheduler("ddim", ZERO_SNR | {"prediction_type": "epsilon"})


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"'heun'.*euler-ancestral.*lcm"):
        make_scheduler("heun", BASE)


def test_settings_the_saving_class_left_at_its_default_are_not_taken_over() -> None:
    from diffusers import DDIMScheduler, EulerDiscreteScheduler

    saved = dict(DDIMScheduler(beta_end=0.012).config)
    assert "timestep_spacing" in saved["_use_default_values"]
    ours = make_scheduler("euler", saved)
    theirs: Any = EulerDiscreteScheduler.from_config(saved)
    ours.set_timesteps(7)
    theirs.set_timesteps(7)
    assert torch.equal(ours.timesteps, theirs.timesteps)
