"""Where an edit will change the picture, told from a U-Net's last features: a teacher that leaves with the training."""

from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional


class RegionHead(nn.Module):
    """Reads what the U-Net's last convolution reads and says how likely each cell changes.

    Which object an instruction means is hard to learn from noisy pictures and easy from masks; the U-Net's
    features learn it from both. The U-Net itself is left as it is.
    """

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        last: Any = unet.conv_out
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.convolution = nn.Conv2d(last.in_channels, 1, 3, padding=1)
        self._features: Tensor | None = None
        last.register_forward_pre_hook(self._keep)

    def forward(self, changed: Tensor) -> Tensor:
        """Return the mean cross-entropy with `changed`, (B, h, w) shares of cells, after the U-Net's own pass."""
        if self._features is None:
            raise RuntimeError("The region head was asked before the U-Net ran.")
        logits = self.convolution(self._features)[:, 0].float()
        self._features = None
        return functional.binary_cross_entropy_with_logits(logits, changed)

    def _keep(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._features = inputs[0] if torch.is_grad_enabled() else inputs[0].detach()
