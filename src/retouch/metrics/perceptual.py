"""A perceptual distance in LPIPS's form on the pocket autoencoder, for where LPIPS's own weights are not."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from retouch.metrics.lpips import squared_difference
from retouch.models.identity import identity
from retouch.models.load import load_vae
from retouch.models.pocket import POCKET, find_pocket


class PocketPerceptual(nn.Module):
    """The mean over the encoder's scales of the squared distance of unit vectors; none of it was fitted to people."""

    def __init__(self, encoder: nn.Module, multiple: int) -> None:
        super().__init__()
        self.encoder = encoder
        self._multiple = multiple

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Distances (B,) of pictures (B, 3, H, W) in −1…1, between 0 and 4."""
        pairs = zip(self.maps(one), self.maps(other), strict=True)
        return torch.stack([squared_difference(*pair).sum(dim=1).mean(dim=(1, 2)) for pair in pairs]).mean(dim=0)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """The encoder's features at each of its scales, the finest first, (B, C, h, w)."""
        encoder: Any = self.encoder
        down, right = (-side % self._multiple for side in pixels.shape[-2:])
        features = encoder.conv_in(functional.pad(pixels, (0, right, 0, down), mode="replicate"))
        found: list[Tensor] = []
        for block in encoder.down_blocks:
            features = block(features)
            found.append(features)
        return found


def load_pocket_perceptual(device: torch.device | str = "cpu") -> tuple[PocketPerceptual, str]:
    """The distance on the autoencoder of the pocket editor, and what its protocols call it. Raises ModelError."""
    encoder: Any = load_vae(find_pocket(), POCKET).encoder
    encoder = encoder.float().eval().requires_grad_(False)
    called = identity("pocket-vae", (encoder.conv_in.weight, encoder.conv_out.weight))
    return PocketPerceptual(encoder, 2 ** (len(encoder.down_blocks) - 1)).eval().to(device), called
