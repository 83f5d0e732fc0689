"""What every kind that trains a denoiser shares: noise levels, what the network sees, what it should answer."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.diffusion.schedules import signal_powers


@dataclass(frozen=True, kw_only=True, eq=False)
class Noising:
    """A noise schedule in training: ᾱ_t by timestep, (T,), and whether the network answers with v or ε."""

    signal: Tensor
    velocity: bool

    @classmethod
    def of(cls, scheduler_config: Mapping[str, object]) -> "Noising":
        """Read a checkpoint's saved scheduler configuration."""
        velocity = scheduler_config.get("prediction_type") == "v_prediction"
        return cls(signal=signal_powers(scheduler_config), velocity=velocity)

    def timesteps(self, count: int, generator: torch.Generator, *, bias: float = 0.0) -> Tensor:
        """Draw (count,) timesteps; a bias > 0 favours noisy ones, t = T·r^(1/(1+bias)) with r uniform."""
        trained = len(self.signal)
        draw = torch.rand(count, generator=generator) ** (1 / (1 + bias))
        return (draw * trained).long().clamp_max(trained - 1)

    def noisy(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """x_t = α x₀ + σ ε, (B, C, h, w)."""
        alpha, sigma = self._levels(times)
        return alpha * clean + sigma * noise

    def wanted(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """ε, or v = α ε − σ x₀ (Salimans and Ho, arXiv 2202.00512, appendix D), (B, C, h, w)."""
        alpha, sigma = self._levels(times)
        return alpha * noise - sigma * clean if self.velocity else noise

    def weights(self, times: Tensor, *, gamma: float | None) -> Tensor:
        """Weights of the squared error by sample, (B,): 1, or min-SNR-γ (Hang et al., arXiv 2303.09556)."""
        if gamma is None:
            return torch.ones(len(times))
        power = self.signal[times].double()
        snr = power / (1 - power).clamp_min(1e-12)
        # Of x₀'s error the weight is min(SNR, γ); ε's error is SNR times that of x₀, v's SNR + 1 times.
        scale = snr + 1 if self.velocity else snr.clamp_min(1e-12)
        return (snr.clamp_max(gamma) / scale).float()

    def _levels(self, times: Tensor) -> tuple[Tensor, Tensor]:
        power = self.signal[times][:, None, None, None]
        return power.sqrt(), (1 - power).sqrt()
