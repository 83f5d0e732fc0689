"""F1 of edges on lines whose distance is known."""

import numpy as np
import pytest

from retouch.metrics.edges import edge_f1


def line(row: int, *, length: int = 32) -> np.ndarray:
    edges = np.zeros((32, 32), dtype=bool)
    edges[row, :length] = True
    return edges


@pytest.mark.parametrize(("away", "expected"), [(0, 1.0), (2, 1.0), (3, 0.0)])
def test_lines_count_up_to_two_pixels_away(away: int, expected: float) -> None:
    assert edge_f1(line(10), line(10 + away)) == expected


def test_missing_and_superfluous_edges_cost_recall_and_precision() -> None:
    assert edge_f1(line(10, length=16), line(10), tolerance=0) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert edge_f1(line(10), line(10, length=16), tolerance=0) == pytest.approx(2 * 1 * 0.5 / 1.5)


def test_the_near_is_a_disc_not_a_square() -> None:
    dot, diagonal = np.zeros((9, 9), dtype=bool), np.zeros((9, 9), dtype=bool)
    dot[4, 4], diagonal[6, 6] = True, True
    assert edge_f1(dot, diagonal) == 0.0


def test_pictures_without_edges_agree_only_with_each_other() -> None:
    empty = np.zeros((32, 32), dtype=bool)
    assert edge_f1(empty, empty) == 1.0
    assert edge_f1(empty, line(3)) == 0.0
