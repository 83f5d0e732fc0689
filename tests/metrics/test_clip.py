"""Figures in a dual encoder's space, on cases whose answer is known."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from retouch.core.errors import DataError
from retouch.metrics.clip import Encoder, directional_similarity
from retouch.metrics.retrieval import choice_protocol, ranked_first, sides_told_apart, top_one
from retouch.models.clip import TINY_CLIP, random_clip


@pytest.fixture(scope="module")
def encoder(tiny_tokenizer) -> Encoder:
    return Encoder(random_clip(TINY_CLIP, tiny_tokenizer))


def noise(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8))


def test_vectors_are_of_unit_length_and_those_of_the_model(encoder: Encoder) -> None:
    dual, pictures, texts = encoder.dual, [noise(1), noise(2)], ["make the sofa green", "remove the lamp"]
    seen, read = encoder.pictures(pictures), encoder.texts(texts)
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(2))
    pixels = dual.framing.normalised(torch.stack([dual.framing.framed(picture) for picture in pictures]))
    output = dual.model(input_ids=dual.tokens(texts), pixel_values=pixels)
    torch.testing.assert_close(seen, output.image_embeds)
    torch.testing.assert_close(read, output.text_embeds)


def test_patches_are_one_unit_vector_each(encoder: Encoder) -> None:
    patches = encoder.patches(noise(1))
    assert patches.shape == (16, 32)
    torch.testing.assert_close(patches.norm(dim=1), torch.ones(16))


def test_protocols_say_encoder_resize_and_range(encoder: Encoder, tiny_tokenizer) -> None:
    assert re.fullmatch(r"clip/random@[0-9a-f]{8}/bicubic-centre-32/rgb-0-1", encoder.protocol)
    assert encoder.patch_protocol != encoder.protocol
    other = Encoder(random_clip(TINY_CLIP, tiny_tokenizer, seed=1))
    assert other.protocol != encoder.protocol
    assert Encoder(random_clip(TINY_CLIP, tiny_tokenizer)).protocol == encoder.protocol


def test_top_one_counts_equal_captions_as_right() -> None:
    similarities = torch.tensor([[0.9, 0.1, 0.0], [0.8, 0.2, 0.9], [0.1, 0.95, 0.3]])
    assert top_one(similarities, ["a", "b", "c"]) == pytest.approx((1 / 3, 1 / 3))
    assert top_one(similarities, ["a", "b", "b"]) == pytest.approx((1.0, 1.0))


def test_sides_are_told_apart_only_where_both_fit_their_own() -> None:
    right, left = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    pictures = torch.stack([torch.stack([right, left])] * 3)
    texts = torch.stack([torch.stack([right, left]), torch.stack([left, right]), torch.stack([right, right])])
    assert sides_told_apart(pictures, texts).tolist() == [True, False, False]


def test_directional_similarity_of_known_moves() -> None:
    pictures = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]] * 3)
    texts = torch.tensor([[[0.0, 1.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]])
    torch.testing.assert_close(directional_similarity(pictures, texts), torch.tensor([1.0, 0.0, 0.0]))


def test_ones_own_caption_must_beat_different_others() -> None:
    names = [f"caption {number}" for number in range(12)]
    right = torch.eye(12)
    assert ranked_first(right, right, names).all()
    assert not ranked_first(right, right.roll(1, dims=0), names, choices=12).any()
    by_chance = ranked_first(torch.randn(400, 8), torch.randn(400, 8), [str(number) for number in range(400)])
    assert 0.03 < float(by_chance.float().mean()) < 0.2
    equal = ["same"] * 6 + names[:6]
    texts = torch.cat([right[:1].expand(6, -1), right[6:]])
    assert ranked_first(texts, texts, equal, choices=5).all()
    with pytest.raises(DataError, match="There are 7 different captions, too few to choose among 10"):
        ranked_first(texts, texts, equal)
    assert choice_protocol(10) != choice_protocol(5)
