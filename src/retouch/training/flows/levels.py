"""How noisy the pictures of a flow are: levels σ drawn for training, and the same few for every measurement."""

from typing import Any

import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor


def drawn_levels(
    count: int, generator: torch.Generator, *, scheduler: FlowMatchEulerDiscreteScheduler, shift: float
) -> Tensor:
    """Draw (count,) levels in 0…1, logit-normal (Esser et al., arXiv 2403.03206, equation 19), then shifted."""
    return shifted(scheduler, torch.randn(count, generator=generator).sigmoid(), shift=shift)


def fixed_levels(count: int, *, scheduler: FlowMatchEulerDiscreteScheduler, shift: float) -> Tensor:
    """The middles of `count` equally likely parts of what `drawn_levels` draws from, (count,)."""
    places = (torch.arange(count) + 0.5) / count
    return shifted(scheduler, torch.special.ndtri(places).sigmoid(), shift=shift)


def shifted(scheduler: FlowMatchEulerDiscreteScheduler, levels: Tensor, *, shift: float) -> Tensor:
    """Move levels towards noise as the scheduler moves its steps' own: by `shift` (μ), or by a factor it has itself."""
    settings: Any = scheduler.config
    if settings.use_dynamic_shifting:
        return scheduler.time_shift(shift, 1.0, levels)
    return settings.shift * levels / (1 + (settings.shift - 1) * levels)
