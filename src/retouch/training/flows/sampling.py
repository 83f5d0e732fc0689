"""Edits by a flow as it is now, to be measured and looked at while a LoRA is trained."""

from typing import Any

import torch
from torch import Tensor, nn

from retouch.training.flows.family import FlowFamily


@torch.no_grad()
def flow_edits(
    family: FlowFamily,
    transformer: nn.Module,
    *,
    noise: Tensor,
    source: Tensor,
    prompts: Tensor,
    empty: Tensor,
    steps: int,
) -> Tensor:
    """Edit source latents in `steps` steps from `noise`, (B, C, h, w) each, as the family's pipeline does.

    `prompts` are (B, L, D); away from `empty`, (1, L, D), edits are guided where the model is. Returns latents.
    """
    scheduler: Any = family.scheduler()
    levels = torch.linspace(1.0, 1 / steps, steps).tolist()
    scheduler.set_timesteps(sigmas=levels, mu=family.shift(noise[0, 0].numel(), steps), device=noise.device)
    empty, latents = empty.expand_as(prompts), noise
    for time in scheduler.timesteps:
        told = {"noisy": latents, "source": source, "levels": (time / 1000).expand(len(latents))}
        answer = family.velocity(transformer, prompts=prompts, **told)
        if family.guidance > 1:
            plain = family.velocity(transformer, prompts=empty, **told)
            answer = plain + family.guidance * (answer - plain)
        latents = scheduler.step(answer, time, latents, return_dict=False)[0]
    return latents
