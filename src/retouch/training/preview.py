"""A few edits with the networks as they are now, to measure and to look at while training."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from retouch.attention.image_tokens import ImageTokens
from retouch.conditioning.image import decode_latents
from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.ip_adapter import ip_adapter_branches
from retouch.conditioning.unet import unet_predictor
from retouch.diffusion.guidance import InstructGuidance
from retouch.diffusion.loop import denoise
from retouch.diffusion.schedules import make_scheduler
from retouch.models.checkpoint import Checkpoint
from retouch.models.ip_adapter import ImagePrompt
from retouch.training.pictures import strip


@torch.no_grad()
def sample_edits(
    checkpoint: Checkpoint,
    source: Tensor,
    instructions: Sequence[str],
    generator: torch.Generator,
    *,
    pictures: Sequence[ImagePrompt] = (),
) -> Tensor:
    """Edit source latents, (B, 4, h, w) as the U-Net reads them, with the checkpoint's own defaults.

    `pictures` are read beside the instructions by IP-Adapters. Returns scaled clean latents of the same shape.
    """
    spec = checkpoint.spec
    source = source.to(checkpoint.device)
    branches = ip_adapter_branches(instruct_branches(checkpoint, source, instructions), pictures)
    with ImageTokens(pictures).over(checkpoint.unet):
        return denoise(
            unet_predictor(checkpoint, branches),
            make_scheduler(spec.scheduler, checkpoint.scheduler_config),
            InstructGuidance(text=spec.text_guidance, image=spec.image_guidance),
            torch.randn(source.shape, generator=generator, device=generator.device).to(source.device),
            steps=spec.steps,
            generator=generator,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Preview:
    """Held-out edits, their sources and targets, scaled latents (B, 4, h, w), and the changed shares (B, h, w)."""

    sources: Tensor
    edits: Tensor
    targets: Tensor
    changed: Tensor

    def figures(self) -> dict[str, float]:
        """Return how the edits compare with the ground truth, inside the changed region and outside.

        The share of edits nearer to the target than to the source (and than the source is itself), of those
        that should change something; the root mean squared error outside, in standard deviations of latents.
        """
        to_target, to_source = self._inside(self.edits, self.targets), self._inside(self.edits, self.sources)
        asked = self._inside(self.sources, self.targets)
        nearer = (to_target < torch.minimum(to_source, asked))[asked > 0]
        outside = ((self.edits - self.targets).square().mean(dim=1) * (1 - self.changed)).mean().sqrt()
        figures = {"error outside": float(outside)}
        return {"nearer to the target": float(nearer.float().mean()), **figures} if len(nearer) else figures

    def picture(self, vae: AutoencoderKL, *, most: int = 8) -> Tensor:
        """Return the first few as one (3, H, W) uint8 picture: sources, edits and targets below one another."""
        rows = (self.sources, self.edits, self.targets)
        return strip([decode_latents(vae, latents[:most]).cpu() for latents in rows])

    def _inside(self, left: Tensor, right: Tensor) -> Tensor:
        return ((left - right).square().mean(dim=1) * self.changed).sum(dim=(1, 2))
