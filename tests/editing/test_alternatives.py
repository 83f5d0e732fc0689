"""Instructions beside one another: each result is that of its edit made apart."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import Cancelled, SettingsError
from retouch.core.settings import EditSettings
from retouch.editing.alternatives import edit_alternatives
from retouch.editing.editor import Editor
from retouch.editing.fake import FakeEditor
from retouch.editing.result import EditProgress

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

TEXTS = ("make the sofa green", "remove the lamp", "paint the walls blue")
SETTINGS = EditSettings(steps=2, seed=5, text_guidance=3.0, image_guidance=1.5)


@pytest.fixture
def picture() -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (50, 70, 4), dtype=np.uint8)
    return Image.fromarray(levels)


def levels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, dtype=int)


@pytest.mark.parametrize("batch_size", [1, 4, 8])
def test_each_is_what_it_would_be_apart(tiny_checkpoint: "Checkpoint", picture: Image.Image, batch_size: int) -> None:
    editor = Editor(tiny_checkpoint, batch_size=batch_size)
    together = edit_alternatives(editor, picture, TEXTS, settings=SETTINGS, count=2)
    for text, result in zip(TEXTS, together, strict=True):
        apart = editor.edit(picture, text, settings=SETTINGS, count=2)
        assert (result.instructions, result.seeds, result.settings) == ((text,), (5, 6), apart.settings)
        for one, other in zip(result.images[0], apart.images[0], strict=True):
            assert one.mode == "RGBA"
            assert np.abs(levels(one) - levels(other)).max() <= 1
    assert np.abs(levels(together[0].image) - levels(together[1].image)).max() > 1


def test_detail_is_carried_over(tiny_checkpoint: "Checkpoint") -> None:
    large = Image.fromarray(np.random.default_rng(1).integers(0, 256, (700, 900, 3), dtype=np.uint8))
    editor = Editor(tiny_checkpoint)
    (result,) = edit_alternatives(editor, large, TEXTS[:1], settings=SETTINGS)
    apart = editor.edit(large, TEXTS[0], settings=SETTINGS).image
    assert result.image.size == large.size
    assert np.abs(levels(result.image) - levels(apart)).max() <= 1


def test_the_end_of_a_long_text_is_warned_of(tiny_checkpoint: "Checkpoint", picture: Image.Image) -> None:
    results = edit_alternatives(Editor(tiny_checkpoint), picture, ("a " * 60, "b"), settings=SETTINGS)
    assert any("did not see its end" in warning for warning in results[0].warnings)


def test_progress_covers_all_and_cancelling_ends_it(tiny_checkpoint: "Checkpoint", picture: Image.Image) -> None:
    editor, seen = Editor(tiny_checkpoint, batch_size=2), list[EditProgress]()
    edit_alternatives(editor, picture, TEXTS, settings=SETTINGS, on_progress=seen.append)
    assert [(each.done, each.total) for each in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(seen[0].preview()) == 2
    with pytest.raises(Cancelled):
        edit_alternatives(editor, picture, TEXTS, settings=SETTINGS, cancelled=lambda: True)


def test_any_editor_will_do(picture: Image.Image) -> None:
    results = edit_alternatives(FakeEditor(), picture, TEXTS, count=2)
    assert [result.instructions for result in results] == [(text,) for text in TEXTS]


@pytest.mark.parametrize("wrong", [(), ("",), ("a", "  "), "make it green"])
def test_no_instruction_is_refused(
    make_tiny: Callable[..., "Checkpoint"], picture: Image.Image, wrong: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError, match="list of instructions"):
        edit_alternatives(Editor(make_tiny()), picture, wrong)
