"""Pictures and latents: exact round trips, and the condition in every form a spec can ask for."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator

from retouch.conditioning.image import (
    clean_latents,
    decode_latents,
    encode_source,
    scaling_factor,
    to_images,
    to_pixels,
)
from retouch.core.errors import ModelError
from retouch.models.load import load

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.rand(2, 3, 32, 48, generator=Generator().manual_seed(0)) * 2 - 1


def test_every_level_survives_the_way_there_and_back() -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(3).reshape(16, 16, 3))
    (back,) = to_images(to_pixels([ramp]))
    assert np.array_equal(np.asarray(back), np.asarray(ramp))
    values = to_pixels([ramp])
    assert (float(values.min()), float(values.max())) == (-1.0, 1.0)


def test_values_out_of_range_are_clipped() -> None:
    (image,) = to_images(torch.tensor([-3.0, 0.0, 3.0]).view(1, 3, 1, 1))
    assert image.getpixel((0, 0)) == (0, 128, 255)


def test_the_published_condition_is_the_unscaled_mode(tiny_checkpoint: "Checkpoint", pixels: torch.Tensor) -> None:
    latents = encode_source(tiny_checkpoint, pixels)
    assert latents.shape == (2, 4, 4, 6)
    with torch.no_grad():
        # A picture at a time, as every picture's latents are the same in any company.
        posteriors = [tiny_checkpoint.vae.encode(each, return_dict=False)[0] for each in pixels.split(1)]
    assert torch.equal(latents, torch.cat([posterior.mode() for posterior in posteriors]))


def test_a_scaled_condition(make_tiny: Callable[..., "Checkpoint"], pixels: torch.Tensor) -> None:
    scaled = make_tiny(condition_scaled=True)
    expected = encode_source(make_tiny(), pixels) * scaling_factor(scaled.vae)
    assert torch.allclose(encode_source(scaled, pixels), expected)


def test_a_sampled_condition_takes_its_noise_from_the_generators(
    make_tiny: Callable[..., "Checkpoint"], pixels: torch.Tensor
) -> None:
    checkpoint = make_tiny(condition_posterior="sample")

    def sample(*seeds: int) -> torch.Tensor:
        return encode_source(checkpoint, pixels, [Generator().manual_seed(seed) for seed in seeds])

    assert torch.equal(sample(1, 2), sample(1, 2))
    assert torch.equal(sample(1, 2)[0], sample(1, 3)[0])
    assert not torch.equal(sample(1, 2)[1], sample(1, 3)[1])
    with pytest.raises(ModelError, match="sample of the VAE's posterior"):
        encode_source(checkpoint, pixels)


def test_decoding_takes_scaled_latents(tiny_checkpoint: "Checkpoint") -> None:
    latents = torch.randn(1, 4, 4, 6, generator=Generator().manual_seed(0))
    decoded = decode_latents(tiny_checkpoint.vae, latents * scaling_factor(tiny_checkpoint.vae))
    assert decoded.shape == (1, 3, 32, 48)
    with torch.no_grad():
        expected = tiny_checkpoint.vae.decode(latents, return_dict=False)[0]  # pyright: ignore[reportArgumentType]
    assert torch.allclose(decoded, expected, atol=1e-5)


@pytest.mark.parametrize("room", ["living-room", "bathroom"])
def test_a_picture_in_bfloat16_is_the_one_in_float32_to_the_eye(room: str) -> None:
    """The root mean square of what the autoencoder's type changes; 50 dB are 0.8 levels, rounding alone is 0.4."""
    checkpoint = load("pocket/instruct")
    picture = Image.open(EXAMPLES / f"{room}.png").convert("RGB").resize((256, 256))
    latents = clean_latents(checkpoint, to_pixels([picture]))
    whole = decode_latents(checkpoint.vae, latents)
    vae: Any = checkpoint.vae
    half = decode_latents(vae.to(torch.bfloat16), latents)
    one, other = (np.asarray(to_images(each)[0], dtype=float) for each in (whole, half))
    assert 10 * np.log10(255**2 / np.square(one - other).mean()) > 50
