"""Where an edit is, in words."""

import pytest
import torch

from retouch.training.places import location_of, placed


def cells(top: int, bottom: int, left: int, right: int) -> torch.Tensor:
    changed = torch.zeros(12, 12, dtype=torch.uint8)
    changed[top:bottom, left:right] = 255
    return changed


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0, 3, 0, 3), "the top left"),
        ((5, 7, 0, 4), "the left"),
        ((5, 7, 5, 7), "the center"),
        ((9, 12, 4, 8), "the bottom"),
        ((10, 12, 10, 12), "the bottom right"),
    ],
)
def test_a_small_change_lies_in_a_ninth_of_the_picture(box: tuple[int, int, int, int], words: str) -> None:
    assert location_of(cells(*box)) == words


def test_nothing_and_nearly_everything_lie_nowhere_in_particular() -> None:
    assert location_of(cells(0, 0, 0, 0)) is None
    assert location_of(cells(0, 12, 0, 12)) is None


def test_the_place_comes_before_the_full_stop_and_only_where_none_is_named() -> None:
    corner = cells(0, 3, 0, 3)
    assert placed("Add a red vase.", corner) == "Add a red vase at the top left."
    assert placed("make the left chair red", corner) == "make the left chair red"
    assert placed("make it night", cells(0, 12, 0, 12)) == "make it night"
