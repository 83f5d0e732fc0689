"""Noise levels and targets of training, against the schedulers that undo them."""

import pytest
import torch

from retouch.diffusion.schedules import make_scheduler, signal_powers
from retouch.models.architecture import SCHEDULE, ZERO_TERMINAL_SCHEDULE
from retouch.training.noising import Noising


def made(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    clean, noise = torch.randn(2, 5, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
    return clean, noise


TIMES = torch.tensor([10, 200, 500, 900, 998])


@pytest.mark.parametrize("config", [SCHEDULE, ZERO_TERMINAL_SCHEDULE])
def test_it_is_what_the_scheduler_does(config: dict[str, object]) -> None:
    clean, noise = made(1)
    noising, scheduler = Noising.of(config), make_scheduler("ddim", config)
    noisy = noising.noisy(clean, noise, TIMES)
    torch.testing.assert_close(noisy, scheduler.add_noise(clean, noise, TIMES))  # pyright: ignore[reportAttributeAccessIssue]
    if noising.velocity:
        wanted = scheduler.get_velocity(clean, noise, TIMES)  # pyright: ignore[reportAttributeAccessIssue]
        torch.testing.assert_close(noising.wanted(clean, noise, TIMES), wanted)
    else:
        assert torch.equal(noising.wanted(clean, noise, TIMES), noise)


def test_a_bias_favours_noisy_timesteps() -> None:
    noising = Noising.of(SCHEDULE)
    drawn = [noising.timesteps(4000, torch.Generator().manual_seed(0), bias=bias) for bias in (0.0, 1.0)]
    means = [float(times.float().mean()) for times in drawn]
    assert means[0] == pytest.approx(500, abs=20)
    assert means[1] == pytest.approx(667, abs=20)


@pytest.mark.parametrize("config", [SCHEDULE, ZERO_TERMINAL_SCHEDULE])
def test_min_snr_weighs_the_error_of_the_clean_latents_alike_for_both_answers(config: dict[str, object]) -> None:
    noising, power = Noising.of(config), signal_powers(config)[TIMES]
    snr = power / (1 - power)
    # An error δ of the answer is one of σ δ (v) or σ/α δ (ε) of x₀.
    per_answer = (1 - power) if noising.velocity else (1 - power) / power
    weights = noising.weights(TIMES, gamma=5.0)
    torch.testing.assert_close(weights, snr.clamp_max(5.0) * per_answer, rtol=1e-4, atol=1e-6)
    assert torch.equal(noising.weights(TIMES, gamma=None), torch.ones(5))
