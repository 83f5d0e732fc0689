"""Fingerprints: near for the same picture in other forms, far for others."""

import numpy as np
import skimage.data
from PIL import Image, ImageEnhance

from retouch.metrics.duplicates import hash_distances, perceptual_hash
from retouch.metrics.fidelity import mean_absolute_difference


def distance(one: Image.Image, other: Image.Image) -> int:
    return int(hash_distances(perceptual_hash(one), np.array([perceptual_hash(other)]))[0])


def test_size_light_and_grain_hardly_matter_and_another_picture_does() -> None:
    cat, cup = (Image.fromarray(picture) for picture in (skimage.data.chelsea(), skimage.data.coffee()))
    assert distance(cat, cat) == 0
    assert distance(cat, cat.resize((200, 150))) <= 3
    assert distance(cat, ImageEnhance.Brightness(cat).enhance(0.8)) <= 3
    grain = np.random.default_rng(0).integers(-9, 10, np.asarray(cat).shape)
    assert distance(cat, Image.fromarray(np.clip(np.asarray(cat) + grain, 0, 255).astype(np.uint8))) <= 3
    assert distance(cat, cup) > 16
    assert distance(cat, cat.rotate(180)) > 16


def test_the_mean_difference_is_a_part_of_the_range() -> None:
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    assert mean_absolute_difference(black, grey) == mean_absolute_difference(grey, black) == 0.2
