"""A few edits with the networks as they are now, to look at while training."""

from collections.abc import Sequence

import torch
from torch import Tensor

from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.unet import unet_predictor
from retouch.diffusion.guidance import InstructGuidance
from retouch.diffusion.loop import denoise
from retouch.diffusion.schedules import make_scheduler
from retouch.models.checkpoint import Checkpoint


@torch.no_grad()
def sample_edits(
    checkpoint: Checkpoint, source: Tensor, instructions: Sequence[str], generator: torch.Generator
) -> Tensor:
    """Edit source latents, (B, 4, h, w) as the U-Net reads them, with the checkpoint's own defaults.

    Returns scaled clean latents of the same shape.
    """
    spec = checkpoint.spec
    source = source.to(checkpoint.device)
    return denoise(
        unet_predictor(checkpoint, instruct_branches(checkpoint, source, instructions)),
        make_scheduler(spec.scheduler, checkpoint.scheduler_config),
        InstructGuidance(text=spec.text_guidance, image=spec.image_guidance),
        torch.randn(source.shape, generator=generator, device=generator.device).to(source.device),
        steps=spec.steps,
        generator=generator,
    )
