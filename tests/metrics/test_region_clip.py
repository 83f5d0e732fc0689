"""A region as CLIP sees it: the square it is cut by, and known likenesses."""

import numpy as np
import pytest
from PIL import Image

from retouch.metrics.clip import Encoder
from retouch.metrics.region_clip import exemplar_likeness, region_likeness, region_square
from retouch.models.clip import load_clip


def masked(height: int, width: int, box: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize(
    ("box", "square"),
    [
        ((100, 100, 140, 120), (95, 85, 145, 135)),
        ((0, 0, 40, 40), (0, 0, 50, 50)),
        ((250, 250, 256, 256), (224, 224, 256, 256)),
        ((0, 0, 256, 256), (0, 0, 256, 256)),
        ((5, 5, 5, 5), (0, 0, 256, 256)),
    ],
)
def test_the_square_holds_the_mask_and_lies_in_the_picture(
    box: tuple[int, int, int, int], square: tuple[int, int, int, int]
) -> None:
    assert region_square(masked(256, 256, box)) == square


def test_what_happens_outside_the_region_is_not_seen() -> None:
    encoder = Encoder(load_clip("pocket/clip"))
    generator = np.random.default_rng(0)
    source, target = generator.integers(0, 256, (2, 128, 128, 3)).astype(np.uint8)
    mask = masked(128, 128, (40, 40, 70, 70))
    left, top, right, bottom = region_square(mask)
    output = source.copy()
    output[top:bottom, left:right] = target[top:bottom, left:right]
    wanted, given, between = region_likeness(output, target, source, mask, encoder)
    assert wanted == pytest.approx(1, abs=1e-5)
    assert given == pytest.approx(between, abs=1e-5)
    assert given < 0.999


def test_a_reference_in_the_box_of_the_mask_is_itself() -> None:
    """Whatever the shapes: both are stretched to the encoder's square."""
    encoder = Encoder(load_clip("pocket/clip"))
    generator = np.random.default_rng(0)
    side = encoder.dual.framing.side
    references = [
        Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=np.uint8)),
        Image.new("RGB", (64, 24), "teal"),
    ]
    output = Image.new("RGB", (400, 300), "red")
    output.paste(references[0], (31, 50))
    flat = Image.new("RGB", (128, 128), "red")
    flat.paste("teal", (40, 30, 70, 90))
    around = masked(300, 400, (31, 50, 31 + side, 50 + side))
    around[60:100, 40:150] = False
    masks = [around, masked(128, 128, (40, 30, 70, 90))]
    own = exemplar_likeness([output, flat], masks, references, encoder)
    np.testing.assert_allclose(own, [1, 1], atol=1e-5)
    crossed = exemplar_likeness([output, flat], masks, references[::-1], encoder)
    assert (crossed < 0.99).all()
    nudged = masked(300, 400, (30, 50, 31 + side, 50 + side))
    assert exemplar_likeness([output], [nudged], references[:1], encoder)[0] < 1 - 1e-5
