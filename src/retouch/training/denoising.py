"""What a frozen or trained editor takes the clean latents for, whatever it answers with, and DDIM's steps between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.diffusion.guidance import BOTH, IMAGE, NONE, InstructGuidance
from retouch.diffusion.schedules import make_scheduler, signal_powers
from retouch.models.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What an editor reads beside B noisy latents.

    `source` (B, 4, h, w), as it reads it; `text` and `null` (B, L, D) are the instructions, and "no text".
    """

    source: Tensor
    text: Tensor
    null: Tensor

    def repeated(self, times: int) -> "Given":
        """The same for `times` batches behind one another."""
        return Given(
            source=self.source.repeat(times, 1, 1, 1),
            text=self.text.repeat(times, 1, 1),
            null=self.null.repeat(times, 1, 1),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Denoising:
    """A noise schedule, ᾱ_t by timestep (T,), and what the network answers with: ε, v, or the clean change.

    All latents are (B, 4, h, w), all times (B,) timesteps.
    """

    powers: Tensor
    velocity: bool
    change: bool

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Denoising":
        """Read a checkpoint's saved scheduler configuration and its spec."""
        config = checkpoint.scheduler_config
        return cls(
            powers=signal_powers(config),
            velocity=config.get("prediction_type") == "v_prediction",
            change=checkpoint.spec.denoises == "change",
        )

    def levels(self, times: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ of the times, (B, 1, 1, 1)."""
        power = self.powers[times.cpu()].to(like.device).reshape(-1, 1, 1, 1)
        return power.sqrt(), (1 - power).sqrt()

    def clean(self, unet: torch.nn.Module, latents: Tensor, times: Tensor, source: Tensor, context: Tensor) -> Tensor:
        """The clean latents that the network's answer to noisy ones means, float32 (arXiv 2202.00512, appendix D)."""
        alpha, sigma = self.levels(times, latents)
        noisy = latents - alpha * source if self.change else latents
        inputs = torch.cat([noisy, source], dim=1)
        answer = unet(inputs, times.to(latents.device), context, return_dict=False)[0].float()
        if self.change:
            return source + answer
        return alpha * latents - sigma * answer if self.velocity else (latents - sigma * answer) / alpha

    @torch.no_grad()
    def guided(
        self, unet: torch.nn.Module, latents: Tensor, times: Tensor, given: Given, guidance: InstructGuidance
    ) -> Tensor:
        """The clean latents of a guided editor: its branches added up, those of weight zero left out."""
        nothing = torch.zeros_like(given.source)
        reads = {NONE: (nothing, given.null), IMAGE: (given.source, given.null), BOTH: (given.source, given.text)}
        weights = {name: weight for name, weight in guidance.weights(0.0).items() if weight}
        sources, contexts = zip(*(reads[name] for name in weights), strict=True)
        found = self.clean(
            unet,
            latents.repeat(len(weights), 1, 1, 1),
            times.repeat(len(weights)),
            torch.cat(sources),
            torch.cat(contexts),
        )
        parts = zip(weights.values(), found.chunk(len(weights)), strict=True)
        return torch.stack([weight * part for weight, part in parts]).sum(dim=0)

    def stepped(self, latents: Tensor, clean: Tensor, times: Tensor, until: Tensor) -> Tensor:
        """One step of DDIM without noise of its own (arXiv 2010.02502, equation 12) from `times` to `until`."""
        alpha, sigma = self.levels(times, latents)
        later_alpha, later_sigma = self.levels(until, latents)
        return later_alpha * clean + later_sigma * (latents - alpha * clean) / sigma

    def implied(self, latents: Tensor, later: Tensor, times: Tensor, until: Tensor) -> Tensor:
        """The clean latents with which one step of DDIM leads to `later` (arXiv 2202.00512, appendix G)."""
        alpha, sigma = self.levels(times, latents)
        later_alpha, later_sigma = self.levels(until, latents)
        ratio = later_sigma / sigma
        return (later - ratio * latents) / (later_alpha - ratio * alpha)


def parted_steps(scheduler_config: Mapping[str, object], *, steps: int, parts: int) -> list[list[int]]:
    """The timesteps of DDIM in `steps` steps, each parted into `parts` of a teacher.

    Every entry falls from the beginning of a step to its end, in at most `parts` + 1 timesteps. Without a step that
    leads nowhere, which an even schedule that begins at 0 has last.
    """
    scheduler = make_scheduler("ddim", scheduler_config)
    scheduler.set_timesteps(steps)
    length = int(scheduler.config.num_train_timesteps) // steps
    found: list[list[int]] = []
    for start in map(int, scheduler.timesteps):
        whole = start - max(0, start - length)
        found.append(list(dict.fromkeys(start - whole * part // parts for part in range(parts + 1))))
    return [step for step in found if len(step) > 1]


def times_of(timestep: int, count: int) -> Tensor:
    """The same timestep for `count` samples, (B,)."""
    return torch.full((count,), timestep, dtype=torch.long)


def several(timesteps: Sequence[int], count: int) -> Tensor:
    """Each timestep for `count` samples, one batch behind the other."""
    return torch.tensor(timesteps, dtype=torch.long).repeat_interleave(count)
