"""Networks that denoise the change from the source instead of the picture: what goes in, what comes out.

With clean latents x₀, source s and x_t = α x₀ + σ ε the change c = x₀ − s has c_t = α c + σ ε = x_t − α s and
the velocity α ε − σ c = v + σ s. Where nothing is to change the network answers with the noise alone, so that
keeping the source needs no learning. A branch without the source has s = 0 and is an ordinary model.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from retouch.diffusion.schedules import signal_powers


class ChangeSchedule:
    """The noise schedule of such a network, from its saved scheduler configuration."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self._powers = signal_powers(config)
        self._velocity = config.get("prediction_type") == "v_prediction"

    def to_change(self, latents: Tensor, timestep: Tensor, source: Tensor) -> Tensor:
        """c_t of noisy latents x_t, all (B, 4, h, w), at one timestep on the scheduler's scale."""
        return latents - self._power(timestep, latents.device).sqrt() * source

    def from_change(self, prediction: Tensor, timestep: Tensor, source: Tensor) -> Tensor:
        """The prediction for x_t, ε or v, from the one for c_t; ε is the same for both."""
        if not self._velocity:
            return prediction
        return prediction - (1 - self._power(timestep, prediction.device)).sqrt() * source

    def _power(self, timestep: Tensor, device: torch.device) -> Tensor:
        """ᾱ, between whole timesteps by linear interpolation."""
        place = timestep.detach().float().cpu().clamp(0, len(self._powers) - 1)
        low = place.floor().long()
        high = (low + 1).clamp_max(len(self._powers) - 1)
        return torch.lerp(self._powers[low], self._powers[high], place - low).to(device)
