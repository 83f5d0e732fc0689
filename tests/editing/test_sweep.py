"""Sweeps: every combination once, in order, each cell the edit it says it is."""

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.settings import EditSettings
from retouch.editing.fake import FakeEditor
from retouch.editing.sweep import sweep

SOURCE = Image.new("RGB", (32, 24), (90, 120, 150))


def test_rows_are_combinations_and_cells_are_seeds() -> None:
    done: list[tuple[int, int]] = []
    rows = sweep(
        FakeEditor(),
        SOURCE,
        "make it red",
        text_guidance=[3.0, 7.5],
        image_guidance=[1.0, 1.5],
        seeds=2,
        settings=EditSettings(seed=4, steps=2),
        on_progress=lambda number, total: done.append((number, total)),
    )
    assert [row[0].label for row in rows] == [
        "text 3, image 1, seed 4",
        "text 7.5, image 1, seed 4",
        "text 3, image 1.5, seed 4",
        "text 7.5, image 1.5, seed 4",
    ]
    assert [cell.settings.seed for cell in rows[0]] == [4, 5]
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for cell in rows[2]:
        again = FakeEditor().edit(SOURCE, "make it red", settings=cell.settings).image
        assert np.array_equal(np.asarray(again), np.asarray(cell.image))


@pytest.mark.parametrize(("text", "image"), [([], [1.0]), ([1.0], [])])
def test_a_sweep_over_nothing_is_refused(text: list[float], image: list[float]) -> None:
    with pytest.raises(SettingsError, match="at least one value"):
        sweep(FakeEditor(), SOURCE, "make it red", text_guidance=text, image_guidance=image)
