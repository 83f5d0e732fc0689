"""LPIPS beside a plain functional form of the published program, and the pocket distance on what people would rank."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from safetensors.torch import save_file
from tests.metrics.edits import room
from torch import Tensor
from torch.nn import functional as F

from retouch.core.errors import ModelError
from retouch.metrics.lpips import Lpips, load_lpips
from retouch.metrics.perceptual import PocketPerceptual, load_pocket_perceptual
from retouch.metrics.weights import LpipsNetwork

NETWORKS: tuple[LpipsNetwork, ...] = ("alex", "vgg", "squeeze")
Weights = dict[str, Tensor]


def files(network: LpipsNetwork, folder: Path, *, pickled: bool) -> tuple[Path, Path]:
    """Random weights as they are published: torchvision's state dict with its classifier, and lin*.model.1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = Lpips(network)
    backbone = {**model.backbone.state_dict(), "classifier.1.weight": torch.zeros(2, 2)}
    linear = {f"lin{i}.model.1.weight": layer.abs() for i, layer in enumerate(model.linear.parameters())}
    ending = ".pth" if pickled else ".safetensors"
    paths = folder / f"{network}{ending}", folder / f"linear{ending}"
    for content, path in zip((backbone, linear), paths, strict=True):
        torch.save(content, path) if pickled else save_file(content, path)
    return paths


def stages(network: LpipsNetwork, w: Weights, x: Tensor) -> list[Tensor]:
    """The maps that the published program compares, from the papers' tables."""

    def conv(x: Tensor, name: int | str, stride: int = 1, padding: int = 0) -> Tensor:
        prefix = f"features.{name}"
        return F.relu(F.conv2d(x, w[f"{prefix}.weight"], w[f"{prefix}.bias"], stride=stride, padding=padding))

    def fire(x: Tensor, name: int) -> Tensor:
        x = conv(x, f"{name}.squeeze")
        return torch.cat([conv(x, f"{name}.expand1x1"), conv(x, f"{name}.expand3x3", padding=1)], 1)

    if network == "alex":
        found = [conv(x, 0, 4, 2)]
        found.append(conv(F.max_pool2d(found[-1], 3, 2), 3, padding=2))
        found.append(conv(F.max_pool2d(found[-1], 3, 2), 6, padding=1))
        found.append(conv(found[-1], 8, padding=1))
        return [*found, conv(found[-1], 10, padding=1)]
    if network == "vgg":
        found = []
        for block in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)):
            x = F.max_pool2d(x, 2, 2) if found else x
            for name in block:
                x = conv(x, name, padding=1)
            found.append(x)
        return found
    found = [conv(x, 0, 2)]
    for pooled, fires in ((True, (3, 4)), (True, (6, 7)), (True, (9,)), (False, (10,)), (False, (11,)), (False, (12,))):
        x = F.max_pool2d(found[-1], 3, 2, ceil_mode=True) if pooled else found[-1]
        for name in fires:
            x = fire(x, name)
        found.append(x)
    return found


def plainly(network: LpipsNetwork, backbone: Weights, linear: Weights, one: Tensor, other: Tensor) -> Tensor:
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    sides = [stages(network, backbone, (x - shift[:, None, None]) / scale[:, None, None]) for x in (one, other)]
    total = torch.zeros(len(one))
    for place, (a, b) in enumerate(zip(*sides, strict=True)):
        u, v = (m / (torch.sqrt(torch.sum(m**2, dim=1, keepdim=True)) + 1e-10) for m in (a, b))
        total += F.conv2d((u - v) ** 2, linear[f"lin{place}.model.1.weight"]).mean([2, 3]).flatten()
    return total


@pytest.mark.parametrize("network", NETWORKS)
def test_it_is_the_published_program(network: LpipsNetwork, tmp_path: Path) -> None:
    backbone, linear = files(network, tmp_path, pickled=network == "alex")
    model, called = load_lpips(network, backbone=backbone, linear=linear)
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.rand(2, 3, 35, 43, generator=generator) * 2 - 1 for _ in range(2))
    weights = model.backbone.state_dict()
    layers = {f"lin{i}.model.1.weight": layer.data for i, layer in enumerate(model.linear.parameters())}
    wanted = plainly(network, weights, layers, one, other)
    assert (wanted > 1e-4).all()
    torch.testing.assert_close(model(one, other), wanted, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(model(other, one), wanted, rtol=1e-4, atol=1e-7)
    assert model(one, one).abs().max() == 0
    assert called.startswith(f"lpips-{network}@")


def test_weights_that_are_not_there_or_anothers_are_refused(tmp_path: Path) -> None:
    backbone, linear = files("alex", tmp_path, pickled=True)
    with pytest.raises(ModelError, match="measure 'perceptual'"):
        load_lpips("alex", backbone=None, linear=linear)
    with pytest.raises(ModelError, match="missing at"):
        load_lpips("alex", backbone=tmp_path / "no.pth", linear=linear)
    with pytest.raises(ModelError, match=r"of shape|lack"):
        load_lpips("vgg", backbone=backbone, linear=linear)
    with pytest.raises(ModelError, match="lack 'features"):
        load_lpips("alex", backbone=linear, linear=backbone)
    backbone.write_bytes(backbone.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be read"):
        load_lpips("alex", backbone=backbone, linear=linear)
    torch.save({"run": print}, backbone)
    with pytest.raises(ModelError, match="cannot be read"):
        load_lpips("alex", backbone=backbone, linear=linear)
    torch.save({"features.0.weight": torch.full((64, 3, 11, 11), float("nan"))}, backbone)
    with pytest.raises(ModelError, match="lack 'features"):
        load_lpips("alex", backbone=backbone, linear=linear)


@pytest.fixture(scope="module")
def pocket() -> PocketPerceptual:
    return load_pocket_perceptual()[0]


def tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float()[None] / 127.5 - 1


def noisy(picture: Image.Image, deviation: float) -> Image.Image:
    pixels = np.array(picture) + np.random.default_rng(0).normal(0, deviation, (*picture.size[::-1], 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def shifted(picture: Image.Image, pixels: int) -> Image.Image:
    return Image.fromarray(np.roll(np.array(picture), pixels, axis=1))


@pytest.mark.parametrize("seed", range(2))
def test_the_pocket_distance_grows_with_blur_noise_and_shift(pocket: PocketPerceptual, seed: int) -> None:
    picture = Image.fromarray(room(seed, height=64, width=64))
    same = tensor(picture)
    assert pocket(same, same) == 0
    for worse in (
        [picture.filter(ImageFilter.GaussianBlur(radius)) for radius in (0.5, 2, 4)],
        [noisy(picture, deviation) for deviation in (4, 20, 60)],
        [shifted(picture, pixels) for pixels in (1, 3, 9)],
    ):
        found = [float(pocket(tensor(each), same)) for each in worse]
        assert found == sorted(found)
        assert found[0] > 0
        assert float(pocket(same, tensor(worse[-1]))) == pytest.approx(found[-1], rel=1e-4)


@pytest.mark.parametrize("seed", range(2))
def test_it_minds_another_room_more_than_the_same_one_brighter(pocket: PocketPerceptual, seed: int) -> None:
    """Where squared error thinks otherwise, as people do not."""
    picture, other = (Image.fromarray(room(each, height=64, width=64)) for each in (seed, seed + 20))
    brighter = Image.fromarray((np.array(picture).astype(int) + 12).clip(0, 255).astype(np.uint8))
    same = tensor(picture)
    assert pocket(tensor(brighter), same) < pocket(tensor(other), same)
    coarse = picture.filter(ImageFilter.GaussianBlur(5))
    assert pocket(tensor(brighter), same) < pocket(tensor(coarse), same)


def test_any_size_is_read(pocket: PocketPerceptual) -> None:
    picture = tensor(Image.fromarray(room(0, height=37, width=53)))
    assert pocket(picture, -picture) > 0
    assert [each.shape[-2:] for each in pocket.maps(picture)][-1] == (5, 7)
