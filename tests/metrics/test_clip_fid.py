"""CLIP-FID: the distance in closed form and as scipy has it, and which pixels and vectors count."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.linalg import sqrtm

from retouch.core.errors import DataError
from retouch.metrics.clip import Encoder
from retouch.metrics.clip_fid import SIDE, centred, clip_features, clip_fid_protocol
from retouch.metrics.frechet import frechet_distance
from retouch.models.clip import TINY_CLIP, random_clip


@pytest.fixture(scope="module")
def encoder(tiny_tokenizer) -> Encoder:
    return Encoder(random_clip(TINY_CLIP, tiny_tokenizer))


def samples(seed: int, count: int = 40, width: int = 6) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, width)) @ generator.normal(size=(width, width)) + generator.normal(size=width)


def test_the_distance_is_that_of_two_normal_distributions() -> None:
    one, other = samples(1), samples(2)
    means, spreads = ([kind(each, axis=0) for each in (one, other)] for kind in (np.mean, lambda a, axis: np.cov(a.T)))
    mixed = np.real(np.asarray(sqrtm(spreads[0] @ spreads[1])))
    wanted = ((means[0] - means[1]) ** 2).sum() + np.trace(spreads[0] + spreads[1] - 2 * mixed)
    assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-8)
    assert frechet_distance(other, one) == pytest.approx(wanted, rel=1e-8)


def test_known_distances() -> None:
    one = samples(1)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, one + 2.0) == pytest.approx(6 * 4.0)
    centre = one.mean(axis=0)
    spread = np.trace(np.cov(one, rowvar=False))
    assert frechet_distance(one, 3 * (one - centre) + centre) == pytest.approx(4 * spread)
    # Fewer samples than features, whose covariance has no rank to spare.
    assert frechet_distance(one[:3], one[:3] + 1.0) == pytest.approx(6.0)
    with pytest.raises(DataError, match="at least 2 in each; one has 1"):
        frechet_distance(one, one[:1])


def test_features_are_the_models_own_not_of_unit_length(encoder: Encoder) -> None:
    generator = np.random.default_rng(0)
    pictures = [Image.fromarray(generator.integers(0, 256, (40, 60, 3), dtype=np.uint8)) for _ in range(35)]
    features = clip_features(encoder, iter(pictures))
    assert features.shape == (35, 16)
    framed = torch.stack([encoder.dual.framing.framed(centred(picture)) for picture in pictures])
    model: Any = encoder.dual.model
    wanted = model.get_image_features(encoder.dual.framing.normalised(framed)).pooler_output
    np.testing.assert_allclose(features, wanted.numpy(), atol=1e-5)
    assert not np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-2)
    unit = encoder.pictures([centred(picture) for picture in pictures]).numpy()
    np.testing.assert_allclose(features / np.linalg.norm(features, axis=1, keepdims=True), unit, atol=1e-5)


def test_the_middle_square_counts() -> None:
    picture = Image.new("RGB", (3 * SIDE, SIDE), "red")
    picture.paste("blue", (SIDE, 0, 2 * SIDE, SIDE))
    assert centred(picture).getcolors() == [(SIDE * SIDE, (0, 0, 255))]
    square = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    assert np.array_equal(np.asarray(centred(square)), np.asarray(square))


def test_the_protocol_names_the_encoder_and_no_inception(encoder: Encoder) -> None:
    protocol = clip_fid_protocol(encoder)
    assert protocol.startswith("clip-fid/")
    assert encoder.name in protocol
