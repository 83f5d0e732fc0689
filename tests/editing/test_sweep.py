"""Sweeps: every combination once, in order, each cell the edit it says it is."""

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.region_request import region_from_box
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


def test_instructions_in_a_row_keep_to_their_regions() -> None:
    regions = [region_from_box((0, 0, 9, 9), SOURCE.size), region_from_box((20, 10, 30, 20), SOURCE.size)]
    ((cell,),) = sweep(
        FakeEditor(), SOURCE, ["make it red", "make it blue"], text_guidance=[2.0], image_guidance=[1.0], region=regions
    )
    changed = np.asarray(cell.image) != np.asarray(SOURCE)
    assert changed[:9, :9].any() and changed[10:20, 20:30].any()
    outside = np.maximum(*(np.asarray(region.mask) for region in regions)) == 0
    assert not changed[outside].any()


@pytest.mark.parametrize(("text", "image"), [([], [1.0]), ([1.0], [])])
def test_a_sweep_over_nothing_is_refused(text: list[float], image: list[float]) -> None:
    with pytest.raises(SettingsError, match="at least one value"):
        sweep(FakeEditor(), SOURCE, "make it red", text_guidance=text, image_guidance=image)
