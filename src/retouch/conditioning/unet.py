"""The predictor over a real U-Net: inputs joined channel by channel, all branches in one batch."""

from collections.abc import Mapping, Sequence

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from retouch.conditioning.change import ChangeSchedule
from retouch.conditioning.control import PictureControl
from retouch.conditioning.reuse import DeepFeatures
from retouch.core.settings import ALL_FINE_LAYERS
from retouch.diffusion.predictor import Branch
from retouch.models.checkpoint import Checkpoint
from retouch.models.ip_adapter import IMAGE_TOKENS
from retouch.models.resident import dtype_of, ready


class UNetPredictor:
    """Predicts the branches it was given in one call; names that share one `Branch` are computed once.

    Their image tokens go to the adapters that are put into the U-Net (see `attention.image_tokens`); a ControlNet
    reads the text alone.
    With `change` the network answers with the change from what the first of each branch's channels hold. With
    `control` a ControlNet's residuals enter it. With a `reuse` of n above 1 all but its last `fine_layers` are
    computed every n-th time only (see `DeepFeatures`), but always under a ControlNet, whose residuals are for all
    levels.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        branches: Mapping[str, Branch],
        *,
        change: ChangeSchedule | None = None,
        control: PictureControl | None = None,
        reuse: int = 1,
        fine_layers: int = ALL_FINE_LAYERS,
    ) -> None:
        self._unet = unet
        self._dtype = dtype_of(unet)
        self._branches = dict(branches)
        self._change = change
        self._control = control
        self._deep = DeepFeatures(unet, reuse, fine_layers) if reuse > 1 and control is None else None

    @torch.no_grad()
    def __call__(self, latents: Tensor, timestep: Tensor, branches: Sequence[str]) -> dict[str, Tensor]:
        """Predictions by name, each of the shape and type of `latents` (B, 4, h, w)."""
        distinct = {id(self._branches[name]): self._branches[name] for name in branches}
        joined = [_join(self._noisy(latents, timestep, branch), branch) for branch in distinct.values()]
        inputs = torch.cat(joined).to(self._dtype)
        context = torch.cat([branch.context for branch in distinct.values()]).to(self._dtype)
        # Not waited for: what was asked of a GPU before goes on while the next step is prepared.
        time = timestep.to(inputs.device, non_blocking=True)
        extra = {} if self._control is None else self._control.residuals(inputs, time, context)
        tokens = tuple(branch.image_tokens for branch in distinct.values())
        if any(tokens):
            extra["added_cond_kwargs"] = {IMAGE_TOKENS: tokens}
        with ready(self._unet):
            if self._deep is not None:
                rows = (tuple(distinct), inputs.shape)
                predicted = self._deep(rows, inputs, time, encoder_hidden_states=context, **extra)
            else:
                predicted = self._unet(inputs, time, encoder_hidden_states=context, return_dict=False, **extra)[0]
        parts = dict(zip(distinct, predicted.to(latents.dtype).chunk(len(distinct)), strict=True))
        found = {key: self._prediction(part, latents, timestep, distinct[key]) for key, part in parts.items()}
        return {name: found[id(self._branches[name])] for name in branches}

    def _noisy(self, latents: Tensor, timestep: Tensor, branch: Branch) -> Tensor:
        if self._change is None or branch.channels is None:
            return latents
        return self._change.to_change(latents, timestep, branch.channels[:, : latents.shape[1]])

    def _prediction(self, answer: Tensor, latents: Tensor, timestep: Tensor, branch: Branch) -> Tensor:
        if self._change is None or branch.channels is None:
            return answer
        return self._change.to_prediction(answer, latents, timestep, branch.channels[:, : latents.shape[1]])


def _join(latents: Tensor, branch: Branch) -> Tensor:
    """(B, 4 + C, h, w)."""
    return latents if branch.channels is None else torch.cat([latents, branch.channels], dim=1)


def unet_predictor(
    checkpoint: Checkpoint,
    branches: Mapping[str, Branch],
    *,
    control: PictureControl | None = None,
    reuse: int | None = None,
    fine_layers: int | None = None,
) -> UNetPredictor:
    """The predictor of a checkpoint's U-Net, as its spec says."""
    change = ChangeSchedule.of(checkpoint.scheduler_config) if checkpoint.spec.denoises == "change" else None
    return UNetPredictor(
        checkpoint.unet,
        branches,
        change=change,
        control=control,
        reuse=reuse or 1,
        fine_layers=fine_layers or ALL_FINE_LAYERS,
    )
