"""A U-Net as the start of another: room for more beside its latents."""

import copy
from dataclasses import replace

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from retouch.core.errors import ModelError
from retouch.models.checkpoint import Checkpoint
from retouch.models.spec import CHANNELS, ConditioningSpec


def as_editor(checkpoint: Checkpoint, spec: ConditioningSpec) -> Checkpoint:
    """Return an 8-channel checkpoint of `spec` that begins by predicting what the 4-channel one does.

    The first convolution's weights for the latents and its bias are copied, those for the source are
    zero (arXiv 2211.09800, section 3.2); a checkpoint that edits already is returned with the spec alone.

    Raises:
        ModelError: the checkpoint takes other channels, or `spec` is of another kind.
    """
    if spec.kind != "instruct":
        raise ModelError(f"The spec is of kind '{spec.kind}'; an editor's is 'instruct'.")
    if checkpoint.kind == "instruct":
        return replace(checkpoint, spec=spec)
    if checkpoint.kind != "generate":
        raise ModelError(
            f"'{checkpoint.source}' takes {CHANNELS[checkpoint.kind]} channels, which is a model of kind "
            f"'{checkpoint.kind}'; an editor starts from 4 channels ('generate') or 8 ('instruct')."
        )
    return replace(checkpoint, unet=widened(checkpoint.unet, CHANNELS["instruct"]), spec=spec)


@torch.no_grad()
def widened(unet: UNet2DConditionModel, channels: int) -> UNet2DConditionModel:
    """A copy of a U-Net that takes `channels`, those it did not take before with weights of zero."""
    wide = copy.deepcopy(unet)
    old = wide.conv_in
    new = nn.Conv2d(channels, old.out_channels, old.kernel_size, padding=old.padding)  # pyright: ignore[reportArgumentType]
    new.weight.zero_()
    new.weight[:, : old.in_channels] = old.weight
    if old.bias is not None and new.bias is not None:
        new.bias.copy_(old.bias)
    wide.conv_in = new.to(old.weight)
    wide.register_to_config(in_channels=channels)
    return wide
