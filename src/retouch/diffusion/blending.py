"""Latent blending: outside a mask the loop goes on with the source's latents, at the very level it stands at."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor
from torch.nn import functional

from retouch.core.errors import SettingsError
from retouch.diffusion.levels import Level, level_after
from retouch.diffusion.loop import Step
from retouch.diffusion.schedules import Scheduler

SourceLatents = Callable[[Level], Tensor]
"""The source's latents, (B, C, h, w), at a level."""


@dataclass(frozen=True, kw_only=True)
class BlendRange:
    """From which noise down to which the source is blended in, `start` >= `end` as fractions of the schedule.

    A level in the range is blended, and of a step that leaps over the whole range the level it lands on. Clean latents,
    behind the last step, count as in the range where `end` is at most the first train timestep.
    Raises SettingsError where it is not 1 >= start >= end >= 0.
    """

    start: float = 0.1
    end: float = 0.001

    def __post_init__(self) -> None:
        if not 1 >= self.start >= self.end >= 0:
            raise SettingsError(
                f"The blend range is {self.start} to {self.end}; give fractions of the noise schedule with "
                "1 >= start >= end >= 0."
            )

    def holds(self, before: float, after: float, first: float) -> bool:
        """Whether a step from place `before` to place `after` is blended; `first` is the first timestep's place."""
        end = 0.0 if self.end <= first else self.end
        return end <= after <= self.start or after < end <= self.start < before


def renoised(source: Tensor, noise: Tensor) -> SourceLatents:
    """The source with the same noise at every level, both (B, C, h, w)."""
    return lambda level: level.noised(source, noise)


class LatentBlend:
    """x ← m·x + (1 − m)·x_source behind every step of the range (Blended Latent Diffusion, arXiv 2206.02779, eq. 5).

    scheduler: the one that the loop steps.
    source: gives the source's latents at the levels of that scheduler's grid.
    mask: (B, 1, h, w) from 0, the source, to 1; see `latent_mask`.
    span: where blending acts.
    widenings: how many times the mask is widened while blending begins, the widest first, so that thin regions are
        seen at all (the same paper, section 4.3); the last levels have the mask itself.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        source: SourceLatents,
        mask: Tensor,
        *,
        span: BlendRange | None = None,
        widenings: int = 0,
    ) -> None:
        self._scheduler, self._source = scheduler, source
        self._span = span or BlendRange()
        self._masks = [mask, *(_widened(mask, 3 + 2 * number) for number in range(widenings))]

    def after(self, step: Step, latents: Tensor) -> Tensor:
        """Mend the latents behind a step, a hook of the loop; (B, C, h, w) in and out."""
        held = self._held()
        if step.index not in held:
            return latents
        shares = len(self._masks)
        left = (len(held) - 1 - held.index(step.index)) * shares // len(held)
        mask = self._masks[left].to(latents)
        source = self._source(level_after(self._scheduler, step.index)).to(latents)
        return mask * latents + (1 - mask) * source

    def _held(self) -> list[int]:
        """The steps behind which there is blending."""
        timesteps, trained = self._scheduler.timesteps, int(self._scheduler.config.num_train_timesteps)
        places = [float(timestep) / trained for timestep in timesteps] + [0.0]
        return [
            index
            for index, (before, after) in enumerate(pairwise(places))
            if self._span.holds(before, after, 1 / trained)
        ]


def latent_mask(mask: Tensor, factor: int) -> Tensor:
    """Masks (B, 1, H, W) at the size of latents, 1 / factor of it: of every cell the share that counts."""
    return functional.avg_pool2d(mask, factor)


def _widened(mask: Tensor, side: int) -> Tensor:
    return functional.max_pool2d(mask, side, stride=1, padding=side // 2)
