"""How noisy the pictures of a flow are: levels σ drawn for training, and the same few for every measurement."""

from typing import Any

import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor


def drawn_levels(
    count: int, generator: torch.Generator, *, scheduler: FlowMatchEulerDiscreteScheduler, cells: int
) -> Tensor:
    """Draw (count,) levels in 0…1 for pictures of `cells` tokens.

    Logit-normal (Esser et al., arXiv 2403.03206, equation 19), then moved towards noise as `shifted` does.
    """
    return shifted(torch.randn(count, generator=generator).sigmoid(), scheduler=scheduler, cells=cells)


def fixed_levels(count: int, *, scheduler: FlowMatchEulerDiscreteScheduler, cells: int) -> Tensor:
    """The middles of `count` equally likely parts of what `drawn_levels` draws from, (count,)."""
    places = (torch.arange(count) + 0.5) / count
    return shifted(torch.special.ndtri(places).sigmoid(), scheduler=scheduler, cells=cells)


def shifted(levels: Tensor, *, scheduler: FlowMatchEulerDiscreteScheduler, cells: int) -> Tensor:
    """Move levels towards noise as far as the scheduler's settings say, the farther the more tokens there are.

    Its μ is linear between those for the smallest and the largest pictures (section 5.3.2 of that paper, as
    FLUX.1 and 2 were trained); a scheduler that does not shift by size has one factor for all.
    """
    settings: Any = scheduler.config
    if not settings.use_dynamic_shifting:
        return settings.shift * levels / (1 + (settings.shift - 1) * levels)
    slope = (settings.max_shift - settings.base_shift) / (settings.max_image_seq_len - settings.base_image_seq_len)
    shift = settings.base_shift + slope * (cells - settings.base_image_seq_len)
    return scheduler.time_shift(shift, 1.0, levels)
