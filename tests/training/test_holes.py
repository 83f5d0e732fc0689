"""Holes about objects."""

import numpy as np
import pytest

from retouch.training.holes import hole


def object_mask() -> np.ndarray:
    mask = np.zeros((64, 96), np.uint8)
    mask[20:30, 40:60] = 1
    return mask


@pytest.mark.parametrize("seed", range(8))
def test_boxes_hold_the_object_and_reach_two_fifths_into_the_room(seed: int) -> None:
    made = hole(object_mask(), np.random.default_rng(seed), odd=0.0)
    assert set(np.unique(made)) == {0, 255}
    assert (made[object_mask() > 0] == 255).all()
    rows, columns = np.flatnonzero(made.any(axis=1)), np.flatnonzero(made.any(axis=0))
    assert len(rows) * len(columns) == (made > 0).sum()
    assert rows[0] >= 20 - 8 and rows[-1] < 30 + 14 and columns[0] >= 40 - 16 and columns[-1] < 60 + 15


def test_odd_shapes_are_no_boxes_and_hold_most_of_the_object() -> None:
    for seed in range(8):
        made = hole(object_mask(), np.random.default_rng(seed), odd=1.0) > 0
        rows, columns = np.flatnonzero(made.any(axis=1)), np.flatnonzero(made.any(axis=0))
        assert made.sum() < len(rows) * len(columns)
        assert made[object_mask() > 0].mean() > 0.8


def test_a_seed_gives_the_same_hole() -> None:
    one, other = (hole(object_mask(), np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one, other)


def test_an_object_at_the_border_keeps_its_hole_inside() -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[:4, 28:] = 1
    assert hole(mask, np.random.default_rng(1)).shape == (32, 32)
