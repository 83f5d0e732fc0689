"""The Fréchet distance beside scipy and torchmetrics, its statistics in parts, in files, and with Inception."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.linalg import sqrtm
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.image.fid import FrechetInceptionDistance

from retouch.core.errors import DataError, ModelError
from retouch.metrics.frechet import (
    Gaussian,
    distance,
    frechet_distance,
    gathered,
    gaussian_of,
    load_statistics,
    merged,
    save_statistics,
)
from retouch.metrics.inception import WIDTH, Inception, load_inception


def features(seed: int, count: int = 200, width: int = 12) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, width)) @ generator.normal(size=(width, width)) + generator.normal(size=width)


def test_parts_merge_into_the_whole() -> None:
    whole = features(0, count=1000) + 1e3
    parts = [whole[:1], whole[1:3], whole[3:500], whole[500:]]
    for found in (gathered(parts), merged(gathered(parts[2:]), gathered(parts[:2]))):
        assert found.count == 1000
        np.testing.assert_allclose(found.mean, whole.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.covariance, np.cov(whole, rowvar=False), rtol=1e-10, atol=1e-10)


def test_it_is_scipys() -> None:
    one, other = features(1), features(2)
    spreads = [np.cov(each, rowvar=False) for each in (one, other)]
    root = np.real(np.asarray(sqrtm(spreads[0] @ spreads[1])))
    wanted = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum() + np.trace(spreads[0] + spreads[1] - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-8)
    assert frechet_distance(other, one) == pytest.approx(frechet_distance(one, other), rel=1e-10)


class Shrunk(nn.Module):
    """A module that torchmetrics takes for Inception."""

    num_features = 12

    def forward(self, pictures: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(pictures.double(), 2).flatten(1)


def test_it_is_torchmetrics() -> None:
    theirs = FrechetInceptionDistance(feature=Shrunk(), normalize=False).set_dtype(torch.float64)
    sets = [
        torch.randint(low, 256, (50, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(low))
        for low in (0, 60)
    ]
    for place, pictures in enumerate(sets):
        theirs.update(pictures, real=bool(place))
    ours = distance(*(gathered([Shrunk()(part).numpy() for part in pictures.split(8)]) for pictures in sets))
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-6)


def test_statistics_come_back_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "real.npz"
    one = gaussian_of(features(1))
    save_statistics(path, one, protocol="a")
    again = load_statistics(path, protocol="a")
    assert again.count == one.count
    assert distance(again, one) == pytest.approx(0, abs=1e-9)
    with pytest.raises(DataError, match="of the protocol 'a', expected 'b'"):
        load_statistics(path, protocol="b")
    with pytest.raises(DataError, match="holds no statistics"):
        load_statistics(tmp_path / "none.npz", protocol="a")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match="holds no statistics"):
        load_statistics(path, protocol="a")
    np.savez(path, mean=np.zeros(3), covariance=np.zeros((2, 2)), count=5, protocol="a")
    with pytest.raises(DataError, match="do not fit each other"):
        load_statistics(path, protocol="a")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match="holds no statistics"):
        load_statistics(tmp_path / "one.npy", protocol="a")
    with pytest.raises(DataError, match="at least 2 pictures; 1 came"):
        save_statistics(path, gaussian_of(features(1)[:1]), protocol="a")


def test_what_cannot_be_measured_is_told() -> None:
    one = features(1)
    with pytest.raises(DataError, match="at least 2 in each; one has 1"):
        distance(gaussian_of(one), gaussian_of(one[:1]))
    with pytest.raises(DataError, match="12 and 11 numbers"):
        distance(gaussian_of(one), gaussian_of(one[:, :11]))
    with pytest.raises(DataError, match="of 12 and of 11 numbers"):
        gathered([one, one[:, :11]])
    with pytest.raises(DataError, match="no features"):
        gathered([])
    broken = one.copy()
    broken[3, 2] = np.nan
    with pytest.raises(DataError, match="picture 4 of 200 are not finite"):
        gaussian_of(broken)
    flat = Gaussian(mean=np.zeros(3), scatter=np.zeros((3, 3)), count=4)
    assert distance(flat, flat) == 0


def lively() -> Inception:
    """Random weights under which pictures keep their differences."""
    generator = torch.Generator().manual_seed(0)
    network = Inception()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * (2 / fan) ** 0.5
        elif isinstance(module, nn.BatchNorm2d):
            for values in (module.running_var, module.weight.data):
                torch.as_tensor(values).uniform_(0.8, 1.2, generator=generator)
            for values in (module.running_mean, module.bias.data):
                torch.as_tensor(values).uniform_(-0.1, 0.1, generator=generator)
    return network.eval()


def plainly(w: dict[str, Tensor], pixels: Tensor) -> Tensor:
    """The network of pytorch-fid written out, from its published tables."""

    def conv(x: Tensor, name: str, stride: int = 1, padding: int | tuple[int, int] = 0) -> Tensor:
        x = F.conv2d(x, w[f"{name}.conv.weight"], stride=stride, padding=padding)
        mean, spread = w[f"{name}.bn.running_mean"], w[f"{name}.bn.running_var"]
        return F.relu(F.batch_norm(x, mean, spread, w[f"{name}.bn.weight"], w[f"{name}.bn.bias"], eps=0.001))

    def chain(x: Tensor, name: str, *steps: tuple[str, int, int | tuple[int, int]]) -> Tensor:
        for step, stride, padding in steps:
            x = conv(x, f"{name}.{step}", stride, padding)
        return x

    def average(x: Tensor) -> Tensor:
        counted = F.avg_pool2d(torch.ones_like(x), 3, 1, 1)
        return F.avg_pool2d(x, 3, 1, 1) / counted

    x = F.interpolate(pixels.float() / 255, size=(299, 299), mode="bilinear", align_corners=False) * 2 - 1
    x = conv(conv(conv(x, "Conv2d_1a_3x3", 2), "Conv2d_2a_3x3"), "Conv2d_2b_3x3", padding=1)
    x = conv(conv(F.max_pool2d(x, 3, 2), "Conv2d_3b_1x1"), "Conv2d_4a_3x3")
    x = F.max_pool2d(x, 3, 2)
    double = (("branch3x3dbl_1", 1, 0), ("branch3x3dbl_2", 1, 1))
    for n in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        five = chain(x, n, ("branch5x5_1", 1, 0), ("branch5x5_2", 1, 2))
        three = chain(x, n, *double, ("branch3x3dbl_3", 1, 1))
        x = torch.cat([conv(x, f"{n}.branch1x1"), five, three, conv(average(x), f"{n}.branch_pool")], 1)
    three = chain(x, "Mixed_6a", *double, ("branch3x3dbl_3", 2, 0))
    x = torch.cat([conv(x, "Mixed_6a.branch3x3", 2), three, F.max_pool2d(x, 3, 2)], 1)
    for n in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        once = chain(x, n, ("branch7x7_1", 1, 0), ("branch7x7_2", 1, (0, 3)), ("branch7x7_3", 1, (3, 0)))
        steps = [(f"branch7x7dbl_{i}", 1, (3, 0) if i % 2 == 0 else (0, 3)) for i in range(2, 6)]
        twice = chain(x, n, ("branch7x7dbl_1", 1, 0), *steps)
        x = torch.cat([conv(x, f"{n}.branch1x1"), once, twice, conv(average(x), f"{n}.branch_pool")], 1)
    n = "Mixed_7a"
    three = chain(x, n, ("branch3x3_1", 1, 0), ("branch3x3_2", 2, 0))
    seven = chain(x, n, *((f"branch7x7x3_{i + 1}", s, p) for i, (s, p) in enumerate(SEVEN)))
    x = torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)
    for n in ("Mixed_7b", "Mixed_7c"):
        one, two = conv(x, f"{n}.branch3x3_1"), chain(x, n, *double)
        parts = [conv(one, f"{n}.branch3x3_2a", 1, (0, 1)), conv(one, f"{n}.branch3x3_2b", 1, (1, 0))]
        parts += [conv(two, f"{n}.branch3x3dbl_3a", 1, (0, 1)), conv(two, f"{n}.branch3x3dbl_3b", 1, (1, 0))]
        pooled = average(x) if n == "Mixed_7b" else F.max_pool2d(x, 3, 1, 1)
        x = torch.cat([conv(x, f"{n}.branch1x1"), *parts, conv(pooled, f"{n}.branch_pool")], 1)
    return x.mean((2, 3))


SEVEN: tuple[tuple[int, int | tuple[int, int]], ...] = ((1, 0), (1, (0, 3)), (1, (3, 0)), (2, 0))


@torch.no_grad()
def test_inception_is_fids(tmp_path: Path) -> None:
    network = lively()
    weights = network.state_dict()
    # torchvision's names, of which FID's file has the 94 convolutions and the last layer.
    assert sum(name.endswith("conv.weight") for name in weights) == 94
    assert weights["Mixed_7c.branch3x3dbl_3b.conv.weight"].shape == (384, 384, 3, 1)
    path = tmp_path / "inception.safetensors"
    counters = {name for name in weights if name.endswith("num_batches_tracked")}
    published = {name: value for name, value in weights.items() if name not in counters}
    save_file({**published, "fc.weight": torch.zeros(2, 2)}, path)
    loaded, called = load_inception(path)
    assert called.startswith("inception-2015-12-05@")
    pixels = torch.randint(0, 256, (1, 3, 64, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    found = loaded(pixels)
    assert found.shape == (1, WIDTH)
    wanted = plainly(weights, pixels)
    assert wanted.std() > 1e-3
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
    save_file({"fc.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ModelError, match="lack 'Conv2d_1a_3x3"):
        load_inception(path)
