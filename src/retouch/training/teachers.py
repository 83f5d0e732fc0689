"""What a U-Net's features are asked beside its answer, while it learns: heads that leave with the training."""

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
        self.convolution = _convolution(last.in_channels, 1)
        self._features = _Kept()
        last.register_forward_pre_hook(lambda _module, inputs: self._features.keep(inputs[0]))

    def forward(self, changed: Tensor) -> Tensor:
        """Return the mean cross-entropy with `changed`, (B, h, w) shares of cells, after the U-Net's own pass.

        Cells that change weigh as much together as those that stay, however small the edit.
        """
        logits = self.convolution(self._features.taken())[:, 0].float()
        sides = [(functional.softplus(-logits), changed), (functional.softplus(logits), 1 - changed)]
        means = [((loss * share).sum((1, 2)) / (share.sum((1, 2)) + 1)).mean() for loss, share in sides]
        return (means[0] + means[1]) / 2


class SegmentHead(nn.Module):
    """Reads the features before the U-Net's last level and says what the source shows in each cell.

    Words can be tied to things only where the things are told apart; that is learned from every cell of every
    picture, not from the one object that an edit is about.
    """

    def __init__(self, unet: UNet2DConditionModel, weights: Tensor) -> None:
        """`weights` (N,) are those of the N kinds of things in the loss."""
        super().__init__()
        blocks: Any = unet.up_blocks
        channels: Any = unet.config["block_out_channels"]
        self.convolution = _convolution(channels[1], len(weights))
        self.weights: Tensor
        self.register_buffer("weights", weights, persistent=False)
        self._features = _Kept()
        blocks[-2].register_forward_hook(lambda _module, _inputs, output: self._features.keep(output))

    def forward(self, segments: Tensor) -> Tensor:
        """Return the mean cross-entropy with `segments`, (B, h, w), after the U-Net's own pass: n is kind n − 1.

        Cells of 0 are not asked about.
        """
        logits = self.convolution(self._features.taken()).float()
        wanted = segments.long() - 1
        losses = functional.cross_entropy(logits, wanted, self.weights, ignore_index=-1, reduction="sum")
        return losses / self.weights[wanted.clamp_min(0)].mul(wanted >= 0).sum().clamp_min(1.0)


class PatchHead(nn.Module):
    """Says of each patch of a vision transformer what it shows: shares of labels, such as kinds and colours."""

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.linear = nn.Linear(width, labels)

    def forward(self, patches: Tensor, shares: Tensor) -> Tensor:
        """Return the cross-entropy of (B, P, D) features with (B, P, labels) shares, summed over the labels."""
        logits = self.linear(patches).float()
        return functional.binary_cross_entropy_with_logits(logits, shares, reduction="none").sum(-1).mean()


class _Kept:
    """The features of the last pass, taken once."""

    def __init__(self) -> None:
        self._features: Tensor | None = None

    def keep(self, features: Tensor) -> None:
        self._features = features if torch.is_grad_enabled() else features.detach()

    def taken(self) -> Tensor:
        features, self._features = self._features, None
        if features is None:
            raise RuntimeError("A teacher was asked before the U-Net ran.")
        return features


def _convolution(read: int, told: int) -> nn.Conv2d:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Conv2d(read, told, 3, padding=1)
