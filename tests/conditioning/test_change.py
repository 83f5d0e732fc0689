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
def test_the_velocity_of_the_change_gives_the_velocity_of_the_picture(timestep: int) -> None:
    clean, source, noise = noisy(1)
    power = signal_powers(ZERO_TERMINAL_SCHEDULE)[timestep]
    alpha, sigma = power.sqrt(), (1 - power).sqrt()
    schedule, time = ChangeSchedule.of(ZERO_TERMINAL_SCHEDULE, 0.35), torch.tensor(timestep)
    seen = schedule.to_change(alpha * clean + sigma * noise, time, source)
    torch.testing.assert_close(seen, alpha * (clean - source) + sigma * noise)
    answer = alpha * noise - sigma * (clean - source)
    torch.testing.assert_close(schedule.from_change(answer, time, source), alpha * noise - sigma * clean)


def test_noise_is_the_same_for_both() -> None:
    _, source, noise = noisy(2)
    assert ChangeSchedule.of(SCHEDULE, 0.35).from_change(noise, torch.tensor(400), source) is noise


@pytest.mark.parametrize("timestep", [100, 500, 900, 999])
@pytest.mark.parametrize("config", [SCHEDULE, ZERO_TERMINAL_SCHEDULE])
def test_the_skip_is_the_best_linear_guess(config: dict[str, object], timestep: int) -> None:
    generator = Generator().manual_seed(5)
    change, noise = torch.randn(2, 64, 4, 32, 32, generator=generator)
    change, power = 0.35 * change, signal_powers(config)[timestep]
    alpha, sigma = power.sqrt(), (1 - power).sqrt()
    velocity = config is ZERO_TERMINAL_SCHEDULE
    wanted = alpha * noise - sigma * change if velocity else noise
    seen = alpha * change + sigma * noise
    guess = ChangeSchedule.of(config, 0.35).with_skip(torch.zeros_like(seen), torch.tensor(timestep), seen)
    best = (wanted * seen).sum() / (seen * seen).sum() * seen
    torch.testing.assert_close(guess, best, atol=0.02, rtol=0)


def test_with_a_spread_of_one_and_no_source_it_is_an_ordinary_model(make_tiny: Callable[..., "Checkpoint"]) -> None:
    checkpoint = make_tiny(condition_scaled=True, denoises="change", change_spread=1.0)
    config = {**checkpoint.scheduler_config, **ZERO_TERMINAL_SCHEDULE}
    _, source, latents = noisy(3)
    branches = instruct_branches(checkpoint, source, ["make it green"] * 2)
    time, names = torch.tensor(700), (NONE, BOTH)
    around = unet_predictor(replace(checkpoint, scheduler_config=config), branches)(latents, time, names)
    plain = UNetPredictor(checkpoint.unet, branches)(latents, time, names)
    torch.testing.assert_close(around[NONE], plain[NONE])
    assert not torch.allclose(around[BOTH], plain[BOTH])


class _NothingChanges(torch.nn.Module):
    """Answers as a network that has learned that the change is zero: its velocity is the noise it sees."""

    dtype = torch.float32

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, **_: object) -> tuple[torch.Tensor]:
        power = signal_powers(ZERO_TERMINAL_SCHEDULE)[int(timestep)]
        return (sample[:, :4] * power.sqrt() / (1 - power).sqrt().clamp_min(1e-6),)


@pytest.mark.parametrize("scheduler", ["ddim", "euler"])
def test_where_nothing_changes_the_loop_returns_the_source(scheduler: str) -> None:
    _, source, noise = noisy(4)
    branch = Branch(channels=source, context=torch.zeros(2, 1, 16))
    change = ChangeSchedule.of(ZERO_TERMINAL_SCHEDULE, 1.0)
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


def test_a_spread_out_of_range_is_refused() -> None:
    with pytest.raises(ModelError, match="change_spread is 0"):
        ConditioningSpec(condition_scaled=True, denoises="change", change_spread=0.0)


def test_a_model_without_a_scaled_source_cannot_denoise_its_change() -> None:
    with pytest.raises(ModelError, match="whose condition is scaled"):
        ConditioningSpec(denoises="change")
