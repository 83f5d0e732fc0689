"""Pictures beside one another, each with its own instruction: each result is that of its edit made apart."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import Cancelled, ImageError, SettingsError
from retouch.core.images import load_image
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.editing.fake import FakeEditor
from retouch.editing.protocol import InstructionEditor
from retouch.editing.result import EditProgress, EditResult
from retouch.editing.together import OneEdit, edit_together, pictures_at_once

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

SETTINGS = EditSettings(steps=2, seed=5, text_guidance=3.0, image_guidance=1.5)


def noise(seed: int, size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    shape = (size[1], size[0], len(mode))
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def mixed() -> list[OneEdit]:
    """Edits of pictures of several sizes, of which the model sees some alike; one picture twice, one with alpha."""
    twice = png(noise(0, (70, 50)))
    return [
        OneEdit(image=twice, instruction="make the sofa green", seed=3),
        OneEdit(image=noise(1, (50, 70)), instruction=" remove the lamp ", seed=9, count=2),
        OneEdit(image=noise(2, (210, 150), "RGBA"), instruction="paint the walls blue"),
        OneEdit(image=load_image(twice), instruction="remove the lamp", seed=3),
        OneEdit(image=noise(3, (64, 64)), instruction="make it night", seed=2**40),
    ]


def apart(editor: InstructionEditor, edit: OneEdit, settings: EditSettings) -> EditResult:
    seed = settings.seed if edit.seed is None else edit.seed
    own = EditSettings(**{**vars(settings), "seed": seed})
    return editor.edit(edit.image, edit.instruction, settings=own, count=edit.count)


def levels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, dtype=int)


def check_same(one: EditResult, other: EditResult) -> None:
    assert (one.seeds, one.instructions, one.settings) == (other.seeds, other.instructions, other.settings)
    assert (one.warnings, one.regions) == (other.warnings, other.regions) and one.timings.total > 0
    assert [len(row) for row in one.images] == [len(row) for row in other.images] == [len(one.seeds)]
    assert [row[-1] for row in one.intermediates[0]] == list(one.images[0])
    for mine, theirs in zip(one.images[0], other.images[0], strict=True):
        assert (mine.mode, mine.size) == (theirs.mode, theirs.size)
        assert np.abs(levels(mine) - levels(theirs)).max() <= 1


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_each_is_what_it_would_be_apart(tiny_checkpoint: "Checkpoint", batch_size: int) -> None:
    editor = Editor(tiny_checkpoint, batch_size=batch_size)
    together = edit_together(editor, mixed(), settings=SETTINGS)
    assert [result.seeds for result in together] == [(3,), (9, 10), (5,), (3,), (2**40,)]
    for edit, result in zip(mixed(), together, strict=True):
        check_same(result, apart(editor, edit, SETTINGS))
    assert np.abs(levels(together[0].image) - levels(together[3].image)).max() > 1, "instructions are their own"


@pytest.mark.parametrize(
    "settings",
    [
        EditSettings(profile="fast"),
        EditSettings(steps=3, scheduler="euler-ancestral", reuse=2, keep_detail=False),
        EditSettings(steps=2, text_guidance=2.0, image_guidance=1.0, guidance_interval=(0.0, 0.5), negative="grain"),
    ],
)
def test_all_settings_are_heeded(tiny_checkpoint: "Checkpoint", settings: EditSettings) -> None:
    editor = Editor(tiny_checkpoint)
    for edit, result in zip(mixed(), edit_together(editor, mixed(), settings=settings), strict=True):
        check_same(result, apart(editor, edit, settings))


def test_a_model_that_draws_its_condition_keeps_to_each_seed(make_tiny: Callable[..., "Checkpoint"]) -> None:
    editor = Editor(make_tiny(condition_posterior="sample"))
    for edit, result in zip(mixed(), edit_together(editor, mixed(), settings=SETTINGS), strict=True):
        check_same(result, apart(editor, edit, SETTINGS))


def test_the_pocket_editor_makes_each_as_it_would_apart() -> None:
    editor = Editor.load("pocket", device="cpu", precision="float32", backend="torch")
    edits = [
        OneEdit(image=noise(4, (300, 300)), instruction="make it night", seed=1),
        OneEdit(image=noise(5, (256, 256)), instruction="paint the walls blue", seed=2),
    ]
    settings = EditSettings(steps=2)
    for edit, result in zip(edits, edit_together(editor, edits, settings=settings), strict=True):
        check_same(result, apart(editor, edit, settings))


def test_those_of_one_size_go_through_the_network_together(tiny_checkpoint: "Checkpoint") -> None:
    rows: list[int] = []
    hook = tiny_checkpoint.unet.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    seen: list[EditProgress] = []
    try:
        edit_together(Editor(tiny_checkpoint, batch_size=2), mixed(), settings=SETTINGS, on_progress=seen.append)
    finally:
        hook.remove()
    # Three that are wide, two that are high, one that is square; two of them at once, each in three branches.
    assert rows == [6, 6, 3, 3, 6, 6, 3, 3]
    assert [(each.done, each.total) for each in seen] == [(number, 8) for number in range(1, 9)]
    assert [len(each.preview()) for each in seen[::2]] == [2, 1, 2, 1]


def test_each_is_warned_of_its_own_text(tiny_checkpoint: "Checkpoint") -> None:
    edits = [OneEdit(image=noise(0, (64, 64)), instruction=text) for text in ("a " * 60, "b")]
    first, second = edit_together(Editor(tiny_checkpoint), edits, settings=SETTINGS)
    assert "did not see its end" in first.warnings[0] and second.warnings == ()


def test_cancelling_ends_all(tiny_checkpoint: "Checkpoint") -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(len(asked))
        return len(asked) > 1

    with pytest.raises(Cancelled):
        edit_together(Editor(tiny_checkpoint), mixed(), settings=SETTINGS, cancelled=cancelled)
    assert len(asked) == 2


def test_any_editor_makes_them_one_after_the_other() -> None:
    seen: list[EditProgress] = []
    editor = FakeEditor()
    results = edit_together(editor, mixed(), settings=SETTINGS, on_progress=seen.append)
    for edit, result in zip(mixed(), results, strict=True):
        check_same(result, apart(editor, edit, SETTINGS))
    # The second edit has two results, and is twice as much of all as the others.
    assert [(each.done, each.total) for each in seen] == [(done, 12) for done in (1, 2, 4, *range(6, 13))]
    assert pictures_at_once(editor) == 1


class Passes(FakeEditor):
    """Counts as a pipeline does: the steps of each result, or those of so many together."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size = batch_size

    def edit(
        self, images: Any, instructions: Any, *, count: int = 1, on_progress: Any = None, **more: Any
    ) -> EditResult:
        passes = -(-count // self._batch_size)
        for done in range(1, 3 * passes + 1):
            on_progress(EditProgress(done=done, total=3 * passes, instruction=0, preview=tuple))
        return super().edit(images, instructions, count=count, **more)


@pytest.mark.parametrize("counts", [(1, 4), (4, 1), (3, 1, 2), (5,), (1, 1)])
@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_what_is_done_grows_to_a_total_that_stays(batch_size: int, counts: tuple[int, ...]) -> None:
    seen: list[EditProgress] = []
    edits = [OneEdit(image=noise(0, (16, 16)), instruction="a", count=count) for count in counts]
    edit_together(Passes(batch_size), edits, on_progress=seen.append)
    done, (total,) = [each.done for each in seen], {each.total for each in seen}
    assert done == sorted(done) and done[-1] == total and done.count(total) == 1
    if batch_size == 1:
        assert done == list(range(1, 3 * sum(counts) + 1))


@pytest.mark.parametrize("count", ["2", None, True, 1.5, -1])
def test_a_count_that_is_none_is_refused_before_anything_is_made(count: Any) -> None:
    seen: list[EditProgress] = []
    edits = [OneEdit(image=noise(0, (16, 16)), instruction="a", count=each) for each in (1, count)]
    with pytest.raises(SettingsError, match="count is"):
        edit_together(FakeEditor(), edits, on_progress=seen.append)
    assert not seen


def test_how_many_are_made_at_once(tiny_checkpoint: "Checkpoint") -> None:
    assert pictures_at_once(Editor(tiny_checkpoint, batch_size=3)) == 3


@pytest.mark.parametrize("editor", ["loop", "fake"])
@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ([], "Give a list of edits"),
        ("make it green", "Give a list of edits"),
        (None, "Give a list of edits"),
        ({1: 2}, "Give a list of edits"),
        (["make it green"], "Give a list of edits"),
        (OneEdit(image=b"", instruction="a"), "Give a list of edits"),
        ([OneEdit(image=noise(0, (64, 64)), instruction="  ")], "An instruction is '  '"),
        ([OneEdit(image=noise(0, (64, 64)), instruction=["a"])], "An instruction is"),  # pyright: ignore[reportArgumentType]
        ([OneEdit(image=noise(0, (64, 64)), instruction="a", seed=-1)], "seed is -1"),
        ([OneEdit(image=noise(0, (64, 64)), instruction="a", count=0)], "count is 0"),
    ],
)
def test_what_is_no_list_of_edits_is_refused(
    tiny_checkpoint: "Checkpoint", editor: str, wrong: Any, expected: str
) -> None:
    with pytest.raises(SettingsError, match=expected):
        edit_together(Editor(tiny_checkpoint) if editor == "loop" else FakeEditor(), wrong)


def test_a_picture_that_cannot_be_read_is_told(tiny_checkpoint: "Checkpoint") -> None:
    edits = [*mixed(), OneEdit(image=b"no picture", instruction="make it green")]
    with pytest.raises(ImageError):
        edit_together(Editor(tiny_checkpoint), edits)
