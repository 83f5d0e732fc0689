"""Calibration: known values give known shares, and wrong pairs are of the three sorts."""

from pathlib import Path

import numpy as np
import pytest
from tests.datagen.fake_engine import FakeEngine

from retouch.core.errors import DataError
from retouch.datagen.calibrate import Measured, measure
from retouch.datagen.run import make_pairs
from retouch.datagen.thresholds import Thresholds
from retouch.metrics.clip import Encoder
from retouch.models.clip import load_clip


def test_shares_are_counted_by_kind_and_the_best_thresholds_part_right_from_wrong() -> None:
    right = [[0.9, 0.5, 0.5, 0.4], [0.8, 0.5, 0.4, 0.3], [0.3, 0.5, 0.5, 0.4]]
    wrong = [[0.95, 0.5, 0.5, 0.0], [0.2, 0.5, 0.1, 0.4]]
    measured = Measured(
        values=np.array([*right, *wrong]),
        kinds=("recolour", "recolour", "remove", "recolour", "remove"),
        faults=("", "", "", "unchanged", "another picture"),
    )
    rows = {row.kind: row for row in measured.rows(Thresholds(image_image=0.5, caption_image=0.2, directional=-1))}
    assert (rows["all"].right, rows["all"].wrong) == (3, 2)
    assert (rows["recolour"].recall, rows["recolour"].passed, rows["recolour"].precision) == (1.0, 1.0, 0.5)
    assert (rows["remove"].recall, rows["remove"].passed) == (0.0, 0.0)
    assert rows["remove"].precision != rows["remove"].precision
    best = {row.kind: row for row in measured.rows(measured.best())}
    assert (best["all"].recall, best["all"].passed) == (1.0, 0.0)


def test_right_and_wrong_pairs_are_measured(tmp_path: Path) -> None:
    make_pairs(FakeEngine(), count=8, out=tmp_path / "pairs", workers=0)
    measured = measure(tmp_path / "pairs", Encoder(load_clip("pocket/clip")), limit=6)
    assert measured.faults.count("") == 6
    assert measured.faults.count("unchanged") == measured.faults.count("another picture") == 6
    unchanged = np.array([fault == "unchanged" for fault in measured.faults])
    assert np.allclose(measured.values[unchanged, 0], 1, atol=1e-4)
    assert np.allclose(measured.values[unchanged, 3], 0, atol=1e-4)
    with pytest.raises(DataError, match="holds 1 pairs"):
        measure(tmp_path / "pairs", Encoder(load_clip("pocket/clip")), limit=1)
