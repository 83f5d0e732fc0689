"""Networks that answer with the change from the source instead of noise: what goes in, what comes out.

With clean latents x₀, source s and x_t = α x₀ + σ ε such a network reads c_t = x_t − α s = α c + σ ε beside s and
answers with the clean change c = x₀ − s, so that an answer of zero keeps the source, whatever the noise: where
nothing is to change there is nothing to learn. The scheduler is told what it asks for, ε = (x_t − α x₀) / σ or the
velocity v = α ε − σ x₀ (arXiv 2202.00512, appendix D). A branch without the source has s = 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.diffusion.schedules import signal_powers


@dataclass(frozen=True, kw_only=True, eq=False)
class ChangeSchedule:
    """The noise schedule of such a network: ᾱ_t by timestep, (T,), and whether the scheduler asks for velocities."""

    powers: Tensor
    velocity: bool

    @classmethod
    def of(cls, scheduler_config: Mapping[str, object]) -> "ChangeSchedule":
        """Read a checkpoint's saved scheduler configuration."""
        velocity = scheduler_config.get("prediction_type") == "v_prediction"
        return cls(powers=signal_powers(scheduler_config), velocity=velocity)

    def to_change(self, latents: Tensor, timesteps: Tensor, source: Tensor) -> Tensor:
        """c_t of noisy latents x_t, all (B, 4, h, w), at one timestep or one for each, on the scheduler's scale."""
        return latents - self._levels(timesteps, latents)[0] * source

    def to_prediction(self, change: Tensor, latents: Tensor, timesteps: Tensor, source: Tensor) -> Tensor:
        """ε or velocity, (B, 4, h, w), from the answered change c, the noisy x_t and the source."""
        alpha, sigma = self._levels(timesteps, latents)
        clean = source + change
        return (alpha * latents - clean) / sigma if self.velocity else (latents - alpha * clean) / sigma

    def _levels(self, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ, between whole timesteps by linear interpolation of ᾱ."""
        place = timesteps.detach().float().cpu().clamp(0, len(self.powers) - 1)
        low = place.floor().long()
        high = (low + 1).clamp_max(len(self.powers) - 1)
        power = torch.lerp(self.powers[low], self.powers[high], place - low)
        if power.dim() == 0:
            # A number is taken along by the GPU's next kernel; a tensor would have to be waited for.
            return power.sqrt(), (1 - power).sqrt()
        power = power.to(like.device).reshape(-1, 1, 1, 1)
        return power.sqrt(), (1 - power).sqrt()
