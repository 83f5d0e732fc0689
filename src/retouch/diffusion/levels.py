"""The noise levels of a sampler's own grid, in the space its latents are in."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retouch.diffusion.schedules import Scheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """How noisy latents are: x = signal · x₀ + noise · ε, as this sampler keeps them.

    Samplers over sigmas keep x₀ + σ·ε, the others √ᾱ·x₀ + √(1−ᾱ)·ε. `timestep` is the scheduler's own, scalar; None
    behind the last step, where latents are clean. `place` is where it lies in the noise schedule, 0…1.
    """

    timestep: Tensor | None
    place: float
    signal: float
    noise: float

    @property
    def scale(self) -> float:
        """What latents of unit variance are multiplied by to be this sampler's."""
        return (self.signal**2 + self.noise**2) ** 0.5

    def noised(self, source: Tensor, noise: Tensor) -> Tensor:
        """The source's clean latents brought to this level, shapes as they are."""
        return source if self.timestep is None else self.signal * source + self.noise * noise


def level_after(scheduler: Scheduler, index: int) -> Level:
    """The level of the latents behind step `index` of a scheduler whose timesteps are set: that of the next step."""
    if index + 1 >= len(scheduler.timesteps):
        return Level(timestep=None, place=0.0, signal=1.0, noise=0.0)
    return level_at(scheduler, scheduler.timesteps[index + 1])


def level_at(scheduler: Scheduler, timestep: Tensor) -> Level:
    """The level of the latents that are given to the step at `timestep`, which is one of the scheduler's own."""
    # What every scheduler knows of its own space it says by adding noise.
    known: Any = scheduler
    one, zero = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
    moment = timestep.reshape(1).cpu()
    place = float(timestep) / int(scheduler.config.num_train_timesteps)
    signal, noise = (float(known.add_noise(*pair, moment)) for pair in ((one, zero), (zero, one)))
    return Level(timestep=timestep, place=place, signal=signal, noise=noise)
