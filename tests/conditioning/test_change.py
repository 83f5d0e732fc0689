"""Denoising the change from the source: the same trajectory, seen from the source."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Generator

from retouch.conditioning.change import ChangeSchedule
from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.unet import UNetPredictor, unet_predictor
from retouch.core.errors import ModelError
from retouch.diffusion.guidance import BOTH, NONE, InstructGuidance
from retouch.diffusion.loop import denoise
from retouch.diffusion.predictor import Branch
from retouch.diffusion.schedules import make_scheduler, signal_powers
from retouch.models.architecture import SCHEDULE, ZERO_TERMINAL_SCHEDULE
from retouch.models.spec import ConditioningSpec

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint


def noisy(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = Generator().manual_seed(seed)
    clean, source, noise = torch.randn(3, 2, 4, 8, 8, generator=generator)
    return clean, source, noise


@pytest.mark.parametrize("timestep", [0, 300, 998, 999])
@pytest.mark.parametrize("config", [SCHEDULE, ZERO_TERMINAL_SCHEDULE])
def test_the_true_change_gives_the_prediction_the_scheduler_asks_for(config: dict[str, object], timestep: int) -> None:
    clean, source, noise = noisy(1)
    power = signal_powers(config)[timestep]
    alpha, sigma = power.sqrt(), (1 - power).sqrt()
    latents = alpha * clean + sigma * noise
    schedule, time = ChangeSchedule.of(config), torch.tensor(timestep)
    seen = schedule.to_change(latents, time, source)
    torch.testing.assert_close(seen, alpha * (clean - source) + sigma * noise)
    wanted = alpha * noise - sigma * clean if config is ZERO_TERMINAL_SCHEDULE else noise
    found = schedule.to_prediction(clean - source, latents, time, source)
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)


class _NothingChanges(torch.nn.Module):
    """Answers as a network that has learned that the change is zero."""

    dtype = torch.float32

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, **_: object) -> tuple[torch.Tensor]:
        return (torch.zeros_like(sample[:, :4]),)


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "euler-ancestral", "dpm++", "unipc", "lcm"])
def test_where_nothing_changes_the_loop_returns_the_source(scheduler: str) -> None:
    _, source, noise = noisy(4)
    branch = Branch(channels=source, context=torch.zeros(2, 1, 16))
    change = ChangeSchedule.of(ZERO_TERMINAL_SCHEDULE)
    predictor = UNetPredictor(_NothingChanges(), {BOTH: branch, NONE: branch}, change=change)  # type: ignore[arg-type]
    result = denoise(
        predictor,
        make_scheduler(scheduler, ZERO_TERMINAL_SCHEDULE),
        InstructGuidance(text=1.0, image=1.0),
        noise,
        steps=10,
        generator=Generator().manual_seed(0),
    )
    torch.testing.assert_close(result, source, atol=0.15, rtol=0)  # the last step leaves σ = 0.03


def test_a_fresh_network_changes_nothing(make_tiny: Callable[..., "Checkpoint"]) -> None:
    checkpoint = make_tiny(condition_scaled=True, denoises="change")
    config = {**checkpoint.scheduler_config, **ZERO_TERMINAL_SCHEDULE}
    _, source, latents = noisy(3)
    branches = instruct_branches(checkpoint, source, ["make it green"] * 2)
    predictor = unet_predictor(replace(checkpoint, scheduler_config=config), branches)
    answer = predictor(latents, torch.tensor(999), (BOTH,))[BOTH]
    torch.testing.assert_close(answer, -source, atol=1e-3, rtol=1e-3)


def test_a_model_without_a_scaled_source_cannot_denoise_its_change() -> None:
    with pytest.raises(ModelError, match="stands scaled behind its latents"):
        ConditioningSpec(denoises="change")
