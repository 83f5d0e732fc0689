"""Laws of shapes: what a mask cuts out, boxes, growth, and where things come to."""

import numpy as np
import pytest

from retouch.grounding.places import growth_of, where_it_comes
from retouch.grounding.shapes import Growth, Shape, box_of, cut_out, dilated, grown


def blob(size: tuple[int, int] = (40, 60), box: tuple[int, int, int, int] = (20, 15, 40, 25)) -> Shape:
    shape = np.zeros(size, dtype=bool)
    left, top, right, bottom = box
    shape[top:bottom, left:right] = True
    return shape


def test_a_soft_mask_is_cut_at_a_half_or_at_half_of_its_height() -> None:
    mask = np.array([[0.0, 0.2, 0.5, 1.0]], dtype=np.float32)
    assert cut_out(mask).tolist() == [[False, False, True, True]]
    assert cut_out(mask / np.float32(5)).tolist() == [[False, False, True, True]]
    assert not cut_out(np.zeros_like(mask)).any()


def test_boxes() -> None:
    assert box_of(blob()) == (20, 15, 40, 25)
    assert box_of(np.zeros((4, 5), dtype=bool)) is None


@pytest.mark.parametrize("growth", [Growth(), Growth(left=3), Growth(up=50, right=1), Growth(down=2, up=7, left=1)])
def test_growth_is_the_union_of_what_is_moved(growth: Growth) -> None:
    shape = blob() | blob(box=(2, 2, 3, 3))
    expected = np.zeros_like(shape)
    height, width = shape.shape
    for y, x in np.argwhere(shape):
        expected[
            max(0, y - growth.up) : min(height, y + growth.down + 1),
            max(0, x - growth.left) : min(width, x + growth.right + 1),
        ] = True
    assert np.array_equal(grown(shape, growth), expected)


def test_dilation_is_of_11_pixels_in_512() -> None:
    large = blob((512, 300), (100, 100, 120, 120))
    assert box_of(dilated(large)) == (95, 95, 125, 125)
    assert box_of(dilated(blob())) == (19, 14, 41, 26)
    assert not dilated(np.zeros((64, 64), dtype=bool)).any()


@pytest.mark.parametrize(
    ("text", "phrase", "growth"),
    [
        ("put a vase on the table", "the table", (5, 16, 5, 0)),
        ("Put a vase on top of  the Table, please", "the table", (5, 16, 5, 0)),
        ("hang a mirror above the table", "the table", (5, 38, 5, 0)),
        ("place a rug under the table", "table", (10, 0, 10, 8)),
        ("add a chair next to the table", "the table", (30, 12, 30, 14)),
        ("add a chair on the left of the table", "the table", (38, 12, 0, 10)),
        ("add a chair on the right side of the table", "the table", (0, 12, 38, 10)),
        ("add a chair on the left of the table", "the left of the table", (38, 12, 0, 10)),
        ("add a stool to the right of the stool", "stool", (0, 12, 38, 10)),
        ("put a bedside table by the bed", "bed", (30, 12, 30, 14)),
        ("add a bowl in the sink", "the sink", (0, 0, 0, 0)),
        ("add a chair in front of the table", "the table", (6, 0, 6, 15)),
        ("the table needs a vase", "the table", (10, 16, 10, 5)),
        ("somewhere else", "the table", (10, 16, 10, 5)),
    ],
)
def test_a_place_grows_to_where_the_new_thing_reaches(
    text: str, phrase: str, growth: tuple[int, int, int, int]
) -> None:
    shape = blob((50, 200), (90, 20, 110, 30))
    found = growth_of(text, phrase, shape)
    assert (found.left, found.up, found.right, found.down) == growth
    clear = any(word in text for word in ("above", "left", "right"))
    expected = grown(shape, found) & ~shape if clear else grown(shape, found)
    assert np.array_equal(where_it_comes(text, phrase, shape), expected)


def test_a_place_without_room_beyond_is_taken_itself() -> None:
    everywhere = np.ones((20, 30), dtype=bool)
    assert where_it_comes("hang it above the table", "the table", everywhere).all()


def test_a_place_that_is_not_there_does_not_grow() -> None:
    assert not where_it_comes("put it on the table", "the table", np.zeros((50, 50), dtype=bool)).any()
