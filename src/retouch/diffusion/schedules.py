"""Schedulers by name, built from the configuration a checkpoint was saved with."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, device

from retouch.core.errors import SettingsError
from retouch.core.settings import SCHEDULERS, check_scheduler


class Scheduler(Protocol):
    """What the loop asks of a diffusers scheduler."""

    timesteps: Tensor
    config: Any

    @property
    def init_noise_sigma(self) -> float | Tensor: ...
    def set_timesteps(self, num_inference_steps: int, device: device | str | None = None) -> None: ...
    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor: ...
    def step(self, *args: Any, **kwargs: Any) -> Any: ...


_CLASSES: dict[str, tuple[str, str]] = {
    "euler-ancestral": ("scheduling_euler_ancestral_discrete", "EulerAncestralDiscreteScheduler"),
    "euler": ("scheduling_euler_discrete", "EulerDiscreteScheduler"),
    "ddim": ("scheduling_ddim", "DDIMScheduler"),
    "dpm++": ("scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler"),
    "unipc": ("scheduling_unipc_multistep", "UniPCMultistepScheduler"),
    "pndm": ("scheduling_pndm", "PNDMScheduler"),
    "lcm": ("scheduling_lcm", "LCMScheduler"),
}

_OVERRIDES: dict[str, dict[str, object]] = {
    # The class default clamps latents to ±1, which no latent diffusion model was trained for.
    "ddim": {"clip_sample": False},
    "lcm": {"clip_sample": False},
    "dpm++": {"algorithm_type": "dpmsolver++", "solver_order": 2},
    # The Runge-Kutta warm-up costs nine more evaluations; PLMS starts without it.
    "pndm": {"skip_prk_steps": True},
}


def make_scheduler(name: str, config: Mapping[str, object]) -> Scheduler:
    """A fresh diffusers scheduler called `name` on the noise schedule of a saved scheduler `config`.

    The prediction type, zero terminal SNR and timestep spacing of `config` are kept; settings that the
    chosen class does not have are left out, unless leaving them out would change the noise schedule.

    Raises:
        SettingsError: the name is unknown, or the scheduler cannot represent the model's noise schedule.
    """
    check_scheduler(name)
    module, class_name = _CLASSES[name]
    scheduler_class = getattr(importlib.import_module(f"diffusers.schedulers.{module}"), class_name)
    accepted = inspect.signature(scheduler_class).parameters
    _check_zero_terminal_snr(name, config, accepted)
    defaulted = config.get("_use_default_values", ())
    unset = set(defaulted) if isinstance(defaulted, (list, tuple)) else set()
    kept = {key: value for key, value in config.items() if key in accepted and key not in unset}
    return scheduler_class(**(kept | _OVERRIDES.get(name, {})))


def signal_powers(config: Mapping[str, object]) -> Tensor:
    """ᾱ_t of a saved noise schedule at every training timestep, (T,) float32: the signal's share of the variance."""
    scheduler: Any = make_scheduler("ddim", config)
    return scheduler.alphas_cumprod.float()


def _check_zero_terminal_snr(name: str, config: Mapping[str, object], accepted: Mapping[str, object]) -> None:
    if not config.get("rescale_betas_zero_snr"):
        return
    if "rescale_betas_zero_snr" not in accepted:
        others = ", ".join(other for other in SCHEDULERS if other != name)
        raise SettingsError(
            f"The model was trained with zero terminal SNR, which the scheduler '{name}' cannot do; "
            f"choose one of {others}."
        )
    if config.get("prediction_type", "epsilon") == "epsilon":
        raise SettingsError(
            "The model's scheduler combines zero terminal SNR with epsilon prediction, which has no "
            "solution; save the model with prediction type 'v_prediction', or without zero terminal SNR."
        )
