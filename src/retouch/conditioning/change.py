"""Networks that denoise the change from the source instead of the picture: what goes in, what comes out.

With clean latents x₀, source s and x_t = α x₀ + σ ε the change c = x₀ − s has c_t = α c + σ ε = x_t − α s, and the
velocity α ε − σ c = v + σ s. What is linear in c_t the network need not learn: were changes Gaussian of standard
deviation d, the best guess at ε would be σ c_t / D and at the velocity α σ (1 − d²) c_t / D, with D = α² d² + σ²
(the skip connection of Karras et al., arXiv 2206.00364, section 5, around the source instead of zero). It is added
to the network's answer. Where nothing is to change little is left to answer, so that keeping the source needs
little learning. A branch without the source has s = 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.diffusion.schedules import signal_powers


@dataclass(frozen=True, kw_only=True, eq=False)
class ChangeSchedule:
    """The noise schedule of such a network: ᾱ_t by timestep, (T,), what it answers with, and d."""

    powers: Tensor
    velocity: bool
    spread: float

    @classmethod
    def of(cls, scheduler_config: Mapping[str, object], spread: float) -> "ChangeSchedule":
        """Read a checkpoint's saved scheduler configuration."""
        velocity = scheduler_config.get("prediction_type") == "v_prediction"
        return cls(powers=signal_powers(scheduler_config), velocity=velocity, spread=spread)

    def to_change(self, latents: Tensor, timesteps: Tensor, source: Tensor) -> Tensor:
        """c_t of noisy latents x_t, all (B, 4, h, w), at one timestep or one for each, on the scheduler's scale."""
        return latents - self._levels(timesteps, latents)[0] * source

    def with_skip(self, answer: Tensor, timesteps: Tensor, change: Tensor) -> Tensor:
        """ε or velocity of the change from the network's answer and c_t, (B, 4, h, w)."""
        alpha, sigma = self._levels(timesteps, change)
        total = alpha**2 * self.spread**2 + sigma**2
        gain = alpha * (1 - self.spread**2) if self.velocity else 1.0
        return answer + gain * sigma / total * change

    def from_change(self, prediction: Tensor, timesteps: Tensor, source: Tensor) -> Tensor:
        """ε or v of x_t from that of c_t; ε is the same for both."""
        if not self.velocity:
            return prediction
        return prediction - self._levels(timesteps, prediction)[1] * source

    def _levels(self, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ, between whole timesteps by linear interpolation of ᾱ."""
        place = timesteps.detach().float().cpu().clamp(0, len(self.powers) - 1)
        low = place.floor().long()
        high = (low + 1).clamp_max(len(self.powers) - 1)
        power = torch.lerp(self.powers[low], self.powers[high], place - low).to(like.device)
        power = power.reshape(-1, 1, 1, 1)
        return power.sqrt(), (1 - power).sqrt()
