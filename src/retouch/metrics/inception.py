"""FID's own Inception, `pt_inception-2015-12-05`: the features of its last pooling.

The layout is torchvision's `inception_v3` without its auxiliary head, with what TensorFlow's network of 2015 does
otherwise: averages do not count the padding, and the last block pools by the maximum. State dicts hold, for each
convolution, `conv.weight` and `bn.{weight, bias, running_mean, running_var}`; `fc` is not read.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from retouch.metrics.published_weights import filled, read_weights
from retouch.models.identity import identity

WIDTH = 2048
_SIDE = 299
_WHAT = "FID's Inception"


class _Convolution(nn.Module):
    def __init__(
        self,
        before: int,
        after: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


def _averaged(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _A(nn.Module):
    def __init__(self, before: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = _Convolution(before, 64, 1)
        self.branch5x5_1 = _Convolution(before, 48, 1)
        self.branch5x5_2 = _Convolution(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = _Convolution(before, 64, 1)
        self.branch3x3dbl_2 = _Convolution(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Convolution(96, 96, 3, padding=1)
        self.branch_pool = _Convolution(before, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(_averaged(x))], dim=1)


class _B(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branch3x3 = _Convolution(288, 384, 3, stride=2)
        self.branch3x3dbl_1 = _Convolution(288, 64, 1)
        self.branch3x3dbl_2 = _Convolution(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Convolution(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), twice, functional.max_pool2d(x, 3, stride=2)], dim=1)


class _C(nn.Module):
    def __init__(self, inner: int) -> None:
        super().__init__()
        self.branch1x1 = _Convolution(768, 192, 1)
        self.branch7x7_1 = _Convolution(768, inner, 1)
        self.branch7x7_2 = _Convolution(inner, inner, (1, 7), padding=(0, 3))
        self.branch7x7_3 = _Convolution(inner, 192, (7, 1), padding=(3, 0))
        self.branch7x7dbl_1 = _Convolution(768, inner, 1)
        self.branch7x7dbl_2 = _Convolution(inner, inner, (7, 1), padding=(3, 0))
        self.branch7x7dbl_3 = _Convolution(inner, inner, (1, 7), padding=(0, 3))
        self.branch7x7dbl_4 = _Convolution(inner, inner, (7, 1), padding=(3, 0))
        self.branch7x7dbl_5 = _Convolution(inner, 192, (1, 7), padding=(0, 3))
        self.branch_pool = _Convolution(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(_averaged(x))], dim=1)


class _D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1 = _Convolution(768, 192, 1)
        self.branch3x3_2 = _Convolution(192, 320, 3, stride=2)
        self.branch7x7x3_1 = _Convolution(768, 192, 1)
        self.branch7x7x3_2 = _Convolution(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = _Convolution(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = _Convolution(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, functional.max_pool2d(x, 3, stride=2)], dim=1)


class _E(nn.Module):
    def __init__(self, before: int, *, by_maximum: bool) -> None:
        super().__init__()
        self.branch1x1 = _Convolution(before, 320, 1)
        self.branch3x3_1 = _Convolution(before, 384, 1)
        self.branch3x3_2a = _Convolution(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = _Convolution(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = _Convolution(before, 448, 1)
        self.branch3x3dbl_2 = _Convolution(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _Convolution(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = _Convolution(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = _Convolution(before, 192, 1)
        self._by_maximum = by_maximum

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = functional.max_pool2d(x, 3, stride=1, padding=1) if self._by_maximum else _averaged(x)
        threes = [self.branch3x3_2a(three), self.branch3x3_2b(three)]
        twices = [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)]
        return torch.cat([self.branch1x1(x), *threes, *twices, self.branch_pool(pooled)], dim=1)


class Inception(nn.Module):
    """The features (B, 2048) of pictures (B, 3, H, W), uint8."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = _Convolution(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = _Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = _Convolution(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _A(192, 32), _A(256, 64), _A(288, 64)
        self.Mixed_6a = _B()
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = _C(128), _C(160), _C(160), _C(192)
        self.Mixed_7a = _D()
        self.Mixed_7b, self.Mixed_7c = _E(1280, by_maximum=False), _E(2048, by_maximum=True)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pictures are stretched to 299 x 299 (bilinear, without widening, as pytorch-fid does) and lie in −1…1."""
        x = functional.interpolate(pixels.float() / 255, size=(_SIDE, _SIDE), mode="bilinear", align_corners=False)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(2 * x - 1)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, stride=2)))
        x = functional.max_pool2d(x, 3, stride=2)
        for block in (self.Mixed_5b, self.Mixed_5c, self.Mixed_5d, self.Mixed_6a, self.Mixed_6b, self.Mixed_6c):
            x = block(x)
        for block in (self.Mixed_6d, self.Mixed_6e, self.Mixed_7a, self.Mixed_7b, self.Mixed_7c):
            x = block(x)
        return x.mean(dim=(2, 3))


def load_inception(path: Path, *, device: torch.device | str = "cpu") -> tuple[Inception, str]:
    """The network and what its protocols call it. Raises ModelError where the file is missing or another's."""
    network = Inception()
    filled(network, read_weights(path, _WHAT), _WHAT)
    first, last = network.Conv2d_1a_3x3.conv.weight, network.Mixed_7c.branch_pool.conv.weight
    return network.to(device), identity("inception-2015-12-05", (first, last))
