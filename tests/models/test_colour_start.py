"""The start from colours: an untrained autoencoder that already returns every colour."""

from dataclasses import replace

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from retouch.models.architecture import POCKET, TINY, random_vae
from retouch.models.colour_start import start_from_colours
from retouch.training.kinds.vae import as_input, psnr, round_trip

COLOURS = {
    "red": (0.8, -0.7, -0.7), "green": (-0.6, 0.4, -0.5), "blue": (-0.7, -0.4, 0.7), "purple": (0.2, -0.6, 0.5),
    "grey": (0.0, 0.0, 0.0), "white": (0.9, 0.9, 0.9), "black": (-0.9, -0.9, -0.9),
}  # fmt: skip


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = random_vae(POCKET)
    start_from_colours(vae)
    return vae.eval().requires_grad_(False)


def test_colours_beside_each_other_come_back(vae: AutoencoderKL) -> None:
    picture = torch.cat([torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 64, 32) for colour in COLOURS.values()], -1)
    output = round_trip(vae, picture)
    palette = torch.tensor(list(COLOURS.values()))
    for number, name in enumerate(COLOURS):
        middle = output[0, :, 24:40, 32 * number + 12 : 32 * number + 20].mean(dim=(1, 2))
        assert int((palette - middle).norm(dim=1).argmin()) == number, name


def test_latents_have_about_unit_variance_and_little_noise(vae: AutoencoderKL) -> None:
    colours = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    picture = torch.nn.functional.interpolate(colours, scale_factor=8)
    posterior = vae.encode(as_input(picture), return_dict=False)[0]
    assert all(0.3 < float(spread) < 4 for spread in posterior.mean[0, :3].flatten(1).std(dim=1))
    assert float(posterior.std.max()) < 0.2


def test_without_it_the_picture_is_lost() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = random_vae(POCKET)
    picture = torch.full((1, 3, 64, 64), 0.5)
    picture[..., 32:] = -0.5
    before = psnr(round_trip(vae, picture), picture)
    start_from_colours(vae)
    assert psnr(round_trip(vae, picture), picture) > before + 5


def test_groups_too_narrow_are_refused() -> None:
    with pytest.raises(ValueError, match="at least eight channels"):
        start_from_colours(random_vae(replace(TINY, vae_norm_groups=8)))
