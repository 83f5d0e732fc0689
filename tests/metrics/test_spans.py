"""Scores of parts and steps: exact spans count, and a text is split rightly where its parts fall into their steps."""

from dataclasses import replace

import pytest

from retouch.metrics.spans import span_scores
from retouch.records.marked import MarkedText

TRUE = MarkedText(
    text="make the sofa red and remove the lamp",
    parts=((5, 13, "TARGET"), (14, 17, "ATTRIBUTE"), (29, 37, "TARGET")),
    steps=((0, 17), (22, 37)),
)


def test_what_is_right_scores_one() -> None:
    scores = span_scores([(TRUE, TRUE)])
    assert (scores.f1, scores.split, scores.compound) == (1.0, 1.0, 1)


def test_a_wrong_edge_and_a_missed_step_cost() -> None:
    found = replace(TRUE, parts=((5, 13, "TARGET"), (14, 17, "ATTRIBUTE"), (22, 37, "TARGET")), steps=((0, 37),))
    scores = span_scores([(found, TRUE)])
    assert scores.f1 == pytest.approx(2 / 3)
    assert scores.roles == {"TARGET": 0.5, "ATTRIBUTE": 1.0}
    assert scores.split == 0.0
