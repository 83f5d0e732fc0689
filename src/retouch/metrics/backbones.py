"""The convolutions of AlexNet, VGG-16 and SqueezeNet 1.1, under torchvision's names, as LPIPS reads them."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from retouch.metrics.weights import LpipsNetwork


@dataclass(frozen=True, kw_only=True)
class Taps:
    """After which layers LPIPS looks, and how many channels it sees there."""

    after: tuple[int, ...]
    widths: tuple[int, ...]


TAPS: Mapping[LpipsNetwork, Taps] = {
    "alex": Taps(after=(1, 4, 7, 9, 11), widths=(64, 192, 384, 256, 256)),
    "vgg": Taps(after=(3, 8, 15, 22, 29), widths=(64, 128, 256, 512, 512)),
    "squeeze": Taps(after=(1, 4, 7, 9, 10, 11, 12), widths=(64, 128, 256, 384, 384, 512, 512)),
}


class Backbone(nn.Module):
    """Layers in a row, `features.N`, and the maps after some of them."""

    def __init__(self, network: LpipsNetwork) -> None:
        super().__init__()
        self.features = {"alex": _alex, "vgg": _vgg, "squeeze": _squeeze}[network]()
        self._after = TAPS[network].after

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """The maps (B, C, h, w), the finest first, of normalised pixels (B, 3, H, W)."""
        maps: list[Tensor] = []
        for place, layer in enumerate(self.features):
            pixels = layer(pixels)
            if place in self._after:
                maps.append(pixels)
        return maps


def _alex() -> nn.Sequential:
    """AlexNet (Krizhevsky, arXiv 1404.5997)."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    )


def _vgg() -> nn.Sequential:
    """VGG-16 (Simonyan and Zisserman, arXiv 1409.1556)."""
    layers: list[nn.Module] = []
    before = 3
    for place, widths in enumerate(((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)):
        layers += [nn.MaxPool2d(2)] if place else []
        for width in widths:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
    return nn.Sequential(*layers)


class _Fire(nn.Module):
    def __init__(self, before: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(before, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1).relu()


def _squeeze() -> nn.Sequential:
    """SqueezeNet 1.1 (Iandola et al., arXiv 1602.07360)."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(_Fire(64, 16, 64), _Fire(128, 16, 64), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(_Fire(128, 32, 128), _Fire(256, 32, 128), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(_Fire(256, 48, 192), _Fire(384, 48, 192), _Fire(384, 64, 256), _Fire(512, 64, 256)),
    )
