"""The predictor over a real U-Net: inputs joined channel by channel, all branches in one batch."""

from collections.abc import Mapping, Sequence

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from retouch.diffusion.predictor import Branch


class UNetPredictor:
    """Predicts the branches it was given in one call; names that share one `Branch` are computed once."""

    def __init__(self, unet: UNet2DConditionModel, branches: Mapping[str, Branch]) -> None:
        self._unet = unet
        self._branches = dict(branches)

    @torch.no_grad()
    def __call__(self, latents: Tensor, timestep: Tensor, branches: Sequence[str]) -> dict[str, Tensor]:
        """Predictions by name, each of the shape and type of `latents` (B, 4, h, w)."""
        distinct = {id(self._branches[name]): self._branches[name] for name in branches}
        inputs = torch.cat([_join(latents, branch) for branch in distinct.values()]).to(self._unet.dtype)
        context = torch.cat([branch.context for branch in distinct.values()]).to(self._unet.dtype)
        predicted = self._unet(inputs, timestep, encoder_hidden_states=context, return_dict=False)[0]
        parts = dict(zip(distinct, predicted.to(latents.dtype).chunk(len(distinct)), strict=True))
        return {name: parts[id(self._branches[name])] for name in branches}


def _join(latents: Tensor, branch: Branch) -> Tensor:
    """(B, 4 + C, h, w)."""
    return latents if branch.channels is None else torch.cat([latents, branch.channels], dim=1)
