"""Denoising the change from the source: the same trajectory, seen from the source."""

from collections.abc import Callable
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
    schedule, time = ChangeSchedule(ZERO_TERMINAL_SCHEDULE), torch.tensor(timestep)
    seen = schedule.to_change(alpha * clean + sigma * noise, time, source)
    torch.testing.assert_close(seen, alpha * (clean - source) + sigma * noise)
    answer = alpha * noise - sigma * (clean - source)
    torch.testing.assert_close(schedule.from_change(answer, time, source), alpha * noise - sigma * clean)


def test_noise_is_the_same_for_both() -> None:
    _, source, noise = noisy(2)
    assert ChangeSchedule(SCHEDULE).from_change(noise, torch.tensor(400), source) is noise


def test_without_a_source_it_is_an_ordinary_model(make_tiny: Callable[..., "Checkpoint"]) -> None:
    checkpoint = make_tiny(condition_scaled=True, denoises="change")
    _, source, latents = noisy(3)
    branches = instruct_branches(checkpoint, source, ["make it green"] * 2)
    time = torch.tensor(700)
    around = unet_predictor(checkpoint, branches)(latents, time, (NONE, BOTH))
    plain = UNetPredictor(checkpoint.unet, branches)(latents, time, (NONE, BOTH))
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
    change = ChangeSchedule(ZERO_TERMINAL_SCHEDULE)
    predictor = UNetPredictor(_NothingChanges(), {BOTH: branch, NONE: branch}, change=change)  # type: ignore[arg-type]
    result = denoise(
        predictor,
        make_scheduler(scheduler, ZERO_TERMINAL_SCHEDULE),
        InstructGuidance(text=1.0, image=1.0),
        noise,
        steps=10,
        generator=Generator().manual_seed(0),
    )
    torch.testing.assert_close(result, source, atol=0.05, rtol=0)


def test_a_model_without_a_scaled_source_cannot_denoise_its_change() -> None:
    with pytest.raises(ModelError, match="whose condition is scaled"):
        ConditioningSpec(denoises="change")
