"""Contact sheets show every picture, in order, with its whole caption."""

import numpy as np
import pytest
from PIL import Image

from retouch.core.contact import Cell, contact_sheet
from retouch.core.errors import SettingsError


def test_pictures_stand_in_reading_order() -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    cells = [Cell(images=(Image.new("RGB", (40, 40), colour),), caption="a caption") for colour in colours]
    sheet = contact_sheet(cells, columns=2, side=64)
    pixels = np.asarray(sheet)
    found = [np.argwhere((pixels == colour).all(axis=-1)).mean(axis=0) for colour in colours]
    assert found[0][1] < found[1][1] and abs(found[0][0] - found[1][0]) < 1
    assert found[2][0] > found[0][0] and abs(found[2][1] - found[0][1]) < 1
    assert (pixels == 0).all(axis=-1).any(), "captions are drawn"


def test_a_long_caption_makes_the_cell_higher_not_wider() -> None:
    image = Image.new("L", (20, 40))
    short = contact_sheet([Cell(images=(image, image), caption="short")], columns=1, side=64)
    long = contact_sheet([Cell(images=(image, image), caption="many words " * 10)], columns=1, side=64)
    assert long.width == short.width and long.height > short.height


def test_nothing_to_show_is_refused() -> None:
    with pytest.raises(SettingsError):
        contact_sheet([], columns=1)
    with pytest.raises(SettingsError):
        contact_sheet([Cell(images=(Image.new("RGB", (9, 9)),))], columns=0)
