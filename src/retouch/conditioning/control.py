"""Control by a picture: a ControlNet's residuals for the U-Net's skips (arXiv 2302.05543)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from PIL import Image
from torch import Tensor

from retouch.core.edges import edges
from retouch.core.errors import ModelError, SettingsError
from retouch.models.checkpoint import Checkpoint

WIDTHS = ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim")
"""What a ControlNet and the U-Net that it was copied from have in common."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureControl:
    """A ControlNet, the picture each sample is held to, (B, 3, H, W) in 0…1, and how firmly; 0 not at all.

    `scale` is one number for all, or one for each sample.
    """

    network: ControlNetModel
    picture: Tensor
    scale: float | tuple[float, ...] = 1.0

    def residuals(self, inputs: Tensor, timestep: Tensor, context: Tensor) -> dict[str, Any]:
        """What the U-Net takes beside its inputs, (K·B, 4, h, w), for K branches of B samples; nothing at scale 0."""
        if self.scale == 0:
            return {}
        network: Any = self.network
        picture = self.picture.repeat(len(inputs) // len(self.picture), 1, 1, 1).to(inputs.device, inputs.dtype)
        down, middle = network(
            inputs,
            timestep,
            encoder_hidden_states=context,
            controlnet_cond=picture,
            conditioning_scale=self._scales(inputs),
            return_dict=False,
        )
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    def _scales(self, inputs: Tensor) -> float | Tensor:
        """One number, or one for each row, (K·B, 1, 1, 1)."""
        if not isinstance(self.scale, tuple):
            return self.scale
        return inputs.new_tensor(self.scale).repeat(len(inputs) // len(self.scale)).view(-1, 1, 1, 1)


def edge_picture(pictures: Sequence[Image.Image]) -> Tensor:
    """The edges of B pictures of one size as a ControlNet sees them, (B, 3, H, W) float32, 1 on an edge."""
    maps = np.stack([edges(np.asarray(picture.convert("RGB"))) for picture in pictures])
    return as_control(torch.from_numpy(maps))


def as_control(maps: Tensor) -> Tensor:
    """Edge maps, (B, H, W) bool, as three equal channels, (B, 3, H, W) float32."""
    return maps.float()[:, None].expand(-1, 3, -1, -1)


def check_control(network: ControlNetModel, checkpoint: Checkpoint, scale: float | tuple[float, ...]) -> None:
    """See that a ControlNet fits a checkpoint.

    Raises:
        ModelError: it was made for another U-Net.
        SettingsError: the scale is negative.
    """
    for one in _listed(scale):
        if not one >= 0:
            raise SettingsError(f"The control scale is {one}; give 0 or more, such as 1.")
    for name in WIDTHS:
        own, wanted = network.config[name], checkpoint.unet.config[name]
        if own != wanted and list(_listed(own)) != list(_listed(wanted)):
            raise ModelError(
                f"The ControlNet has {name} {own}, but the U-Net of '{checkpoint.source}' {wanted}; "
                "use one that was trained beside this model."
            )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)
