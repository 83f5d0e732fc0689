"""DDIM inversion: the latents from which a deterministic sampler would have made the source."""

import torch
from torch import Tensor

from retouch.core.errors import SettingsError
from retouch.diffusion.blending import SourceLatents
from retouch.diffusion.levels import Level, level_at
from retouch.diffusion.predictor import Predictor
from retouch.diffusion.schedules import Scheduler


@torch.no_grad()
def inverted(predictor: Predictor, scheduler: Scheduler, source: Tensor, *, branch: str) -> SourceLatents:
    """Invert a source on the sampler's own grid, up to the noisiest level that lies behind a step.

    The deterministic path is walked upward (DDIM, arXiv 2010.02502, section 4.3), taking the noise that the network
    sees at a level for that it would see a level below: x_t = signal_t · x₀ + noise_t · ε(x_s, t).

    Args:
        predictor: as for the loop.
        scheduler: with its timesteps set; its state is left alone.
        source: clean latents (B, C, h, w).
        branch: the one whose prediction is followed, at guidance 1.

    Returns:
        The stored latents by level, in the sampler's own space; clean ones are the source itself.
    """
    stored: dict[float, Tensor] = {}
    latents, signal, noise = source, 1.0, 0.0
    for timestep in reversed(_distinct(scheduler.timesteps[1:])):
        level = level_at(scheduler, timestep)
        predicted = _noise(predictor(latents, timestep, [branch])[branch], scheduler, level, latents)
        clean = (latents - noise * predicted) / signal
        signal, noise = level.signal / level.scale, level.noise / level.scale
        latents = signal * clean + noise * predicted
        stored[float(timestep)] = latents

    def at(level: Level) -> Tensor:
        if level.timestep is None:
            return source
        place = float(level.timestep)
        if place not in stored:
            raise SettingsError(f"The source was not inverted to timestep {place:g} of this sampler.")
        return stored[place] * level.scale

    return at


def _distinct(timesteps: Tensor) -> list[Tensor]:
    """The timesteps from the noisiest down; PNDM has one twice."""
    found: dict[float, Tensor] = {float(timestep): timestep for timestep in timesteps}
    return list(found.values())


def _noise(prediction: Tensor, scheduler: Scheduler, level: Level, latents: Tensor) -> Tensor:
    """ε out of a prediction at a level, whatever the scheduler asks networks for (arXiv 2202.00512, appendix D)."""
    signal, noise = level.signal / level.scale, level.noise / level.scale
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        return signal * prediction + noise * latents
    return (latents - signal * prediction) / noise if kind == "sample" else prediction
