"""What every `InstructionEditor` promises, asked of the in-house editor, of every family of pipelines, of the fake."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from tests.editing.pipelines import tiny

from retouch.core.errors import Cancelled, ImageError, SettingsError
from retouch.core.images import load_image
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.editing.fake import FakeEditor
from retouch.editing.pipelines.editor import PipelineEditor
from retouch.editing.pipelines.families import find_family
from retouch.editing.protocol import InstructionEditor
from retouch.editing.result import EditProgress

RED, NIGHT = "make the sofa red", "turn it into a night shot"
QUICK = EditSettings(steps=2, seed=3)


@pytest.fixture(scope="module", params=["loop", "fake", *tiny.CLASSES])
def editor(request: pytest.FixtureRequest) -> Iterator[InstructionEditor]:
    if request.param == "fake":
        yield FakeEditor()
    elif request.param == "loop":
        yield Editor(request.getfixturevalue("tiny_checkpoint"))
    else:
        with tiny.small_sizes():
            pipeline = tiny.pipeline(request.param, request.getfixturevalue("tiny_tokenizer"))
            yield PipelineEditor(pipeline, find_family(request.param), side=tiny.side(request.param))


def picture(width: int = 75, height: int = 50, mode: str = "RGB") -> Image.Image:
    bands = 4 if mode == "RGBA" else 3
    levels = np.random.default_rng(0).integers(0, 256, (height, width, bands), dtype=np.uint8)
    return Image.fromarray(levels)


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.mode == other.mode and np.array_equal(np.asarray(one), np.asarray(other))


def test_it_has_a_name_and_defaults_for_every_setting(editor: InstructionEditor) -> None:
    assert editor.name
    resolved = EditSettings().resolve(editor.defaults)
    assert None not in (resolved.steps, resolved.text_guidance)
    for name, asked in (
        ("scheduler", EditSettings(scheduler="ddim")),
        ("image_guidance", EditSettings(image_guidance=1)),
    ):
        if getattr(resolved, name) is None:
            # What has no default is no setting of the model's; it is not swallowed.
            with pytest.raises(SettingsError, match=f"no {name}"):
                editor.edit(picture(), RED, settings=asked)


@pytest.mark.parametrize("size", [(75, 50), (50, 75), (64, 64), (301, 77)])
def test_the_result_has_the_inputs_size(editor: InstructionEditor, size: tuple[int, int]) -> None:
    result = editor.edit(picture(*size), RED, settings=QUICK)
    assert result.image.size == size
    assert result.image.mode == "RGB"
    assert not same(result.image, picture(*size))


def test_transparency_is_kept(editor: InstructionEditor) -> None:
    source = picture(mode="RGBA")
    result = editor.edit(source, RED, settings=QUICK).image
    assert result.mode == "RGBA"
    assert same(result.getchannel("A"), source.getchannel("A"))


@pytest.mark.parametrize("instructions", ["", "  ", ["", " "]])
def test_an_empty_instruction_returns_the_source(editor: InstructionEditor, instructions: str | list[str]) -> None:
    reports: list[EditProgress] = []
    result = editor.edit(picture(), instructions, settings=QUICK, on_progress=reports.append)
    assert same(result.image, picture())
    assert reports == []


def test_the_same_request_gives_the_same_pictures(editor: InstructionEditor) -> None:
    first, second = (editor.edit(picture(), RED, settings=QUICK, count=2) for _ in range(2))
    for one, other in zip(first.images[0], second.images[0], strict=True):
        assert same(one, other)
    assert not same(*first.images[0])


def test_results_are_ordered_by_input_seed_and_instruction(editor: InstructionEditor) -> None:
    pictures = [picture(), picture(40, 80), picture()]
    result = editor.edit(pictures, [RED, NIGHT], settings=QUICK, count=2)
    assert result.seeds == (3, 4)
    assert result.instructions == (RED, NIGHT)
    assert [[image.size for image in row] for row in result.images] == [[each.size] * 2 for each in pictures]
    assert all(len(chain) == 2 for row in result.intermediates for chain in row)
    for row, chains in zip(result.images, result.intermediates, strict=True):
        assert all(image is chain[-1] for image, chain in zip(row, chains, strict=True))
    alone = editor.edit(pictures[1], RED, settings=QUICK).image
    difference = np.asarray(alone, np.int16) - np.asarray(result.intermediates[1][0][0], np.int16)
    assert int(np.abs(difference).max()) <= 1


def test_settings_come_back_resolved(editor: InstructionEditor) -> None:
    settings = editor.edit(picture(), RED, settings=QUICK).settings
    assert settings == QUICK.resolve(editor.defaults)


def test_progress_ends_with_all_steps_done(editor: InstructionEditor) -> None:
    reports: list[EditProgress] = []
    editor.edit(picture(), [RED, NIGHT], settings=QUICK, on_progress=reports.append)
    assert [report.done for report in reports] == list(range(1, reports[-1].total + 1))
    assert {report.total for report in reports} == {reports[-1].total}
    assert [report.instruction for report in reports] == sorted(report.instruction for report in reports)
    assert all(isinstance(shown, Image.Image) for shown in reports[0].preview())


def test_it_can_be_cancelled_at_once_and_midway(editor: InstructionEditor) -> None:
    with pytest.raises(Cancelled):
        editor.edit(picture(), RED, settings=QUICK, cancelled=lambda: True)
    reports: list[EditProgress] = []
    with pytest.raises(Cancelled):
        editor.edit(picture(), RED, settings=QUICK, on_progress=reports.append, cancelled=lambda: len(reports) == 1)
    assert len(reports) == 1


def test_pictures_come_as_bytes_and_as_loaded_ones(editor: InstructionEditor) -> None:
    buffer = io.BytesIO()
    picture().save(buffer, format="PNG")
    expected = editor.edit(picture(), RED, settings=QUICK).image
    for source in (buffer.getvalue(), load_image(picture())):
        assert same(editor.edit(source, RED, settings=QUICK).image, expected)


def test_bad_requests_are_refused(editor: InstructionEditor) -> None:
    with pytest.raises(ImageError):
        editor.edit(b"no picture", RED)
    with pytest.raises(ImageError):
        editor.edit("missing.png", RED)
    for images, instructions, count in [([], RED, 1), (picture(), [], 1), (picture(), RED, 0)]:
        with pytest.raises(SettingsError):
            editor.edit(images, instructions, count=count)
