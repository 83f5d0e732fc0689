"""The editor's own laws, on a tiny checkpoint: sizes, batches, chains, seeds, precision, errors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from retouch.core.errors import Cancelled, ModelError, SettingsError
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.editing.result import EditProgress
from retouch.models.kept import Kept

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

GREEN, NIGHT = "make the sofa green", "turn it into a night shot"


def picture(width: int = 64, height: int = 64, seed: int = 0) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels)


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference between two pictures, in levels."""
    assert one.size == other.size
    return int(np.abs(np.asarray(one, dtype=np.int16) - np.asarray(other, dtype=np.int16)).max())


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: "Checkpoint") -> Editor:
    return Editor(tiny_checkpoint)


def test_the_instruction_the_picture_and_the_seed_all_count(editor: Editor) -> None:
    base = editor.edit(picture(), GREEN).image
    assert difference(base, editor.edit(picture(), GREEN).image) == 0
    assert difference(base, editor.edit(picture(), NIGHT).image) > 0
    assert difference(base, editor.edit(picture(seed=1), GREEN).image) > 0
    assert difference(base, editor.edit(picture(), GREEN, settings=EditSettings(seed=1)).image) > 0


def test_one_batch_of_pictures_and_seeds_equals_single_edits(editor: Editor) -> None:
    """Pictures of different sizes, two model sizes among them, with an ancestral scheduler's noise."""
    pictures = [picture(90, 60), picture(60, 90, seed=1), picture(96, 64, seed=2), picture(64, 64, seed=3)]
    settings = EditSettings(scheduler="euler-ancestral", steps=3, seed=5)
    together = editor.edit(pictures, GREEN, settings=settings, count=2)
    assert together.seeds == (5, 6)
    for source, row in zip(pictures, together.images, strict=True):
        for seed, result in zip(together.seeds, row, strict=True):
            one = EditSettings(scheduler="euler-ancestral", steps=3, seed=seed)
            alone = editor.edit(source, GREEN, settings=one).image
            assert difference(result, alone) <= 1


def test_batches_are_split_without_changing_anything(tiny_checkpoint: "Checkpoint", editor: Editor) -> None:
    small = Editor(tiny_checkpoint, batch_size=2)
    whole, split = (each.edit(picture(), [GREEN, NIGHT], count=3) for each in (editor, small))
    for one, other in zip(whole.images[0], split.images[0], strict=True):
        assert difference(one, other) <= 1


def test_a_chain_starts_with_the_edit_made_alone_and_goes_on_from_it(editor: Editor) -> None:
    chain = editor.edit(picture(), [GREEN, "", NIGHT])
    first, untouched, last = chain.intermediates[0][0]
    assert difference(first, editor.edit(picture(), GREEN).image) == 0
    assert difference(untouched, first) == 0
    assert difference(last, first) > 0
    assert last is chain.image
    # The middle instruction asks for nothing, so the chain without it is the same.
    assert difference(last, editor.edit(picture(), [GREEN, NIGHT]).image) == 0


def test_between_instructions_the_picture_is_not_scaled(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture far larger than the model's size is brought to that size once, not once an instruction."""
    from retouch.core.fit import Fit

    calls: list[tuple[int, int]] = []
    apply = Fit.apply
    monkeypatch.setattr(Fit, "apply", lambda fit, image: (calls.append(image.size), apply(fit, image))[1])
    editor.edit(picture(300, 200), [GREEN, NIGHT, GREEN])
    assert calls == [(300, 200)]


def test_branches_that_weigh_nothing_cost_nothing(
    tiny_checkpoint: "Checkpoint", editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    forward = tiny_checkpoint.unet.forward

    def watched(sample: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        batches.append(len(sample))
        return forward(sample, *arguments, **options)

    monkeypatch.setattr(tiny_checkpoint.unet, "forward", watched)
    for text, image, branches in [(7.5, 1.5, 3), (7.5, 1.0, 2), (2.0, 2.0, 2), (1.0, 1.0, 1)]:
        batches.clear()
        editor.edit(picture(), GREEN, settings=EditSettings(steps=2, text_guidance=text, image_guidance=image))
        assert batches == [branches, branches]


def test_sources_are_encoded_once_for_all_seeds_and_edits(
    tiny_checkpoint: "Checkpoint", monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = tiny_checkpoint.vae.encode
    monkeypatch.setattr(
        tiny_checkpoint.vae,
        "encode",
        lambda pixels, **options: (encoded.append(len(pixels)), encode(pixels, **options))[1],
    )
    editor = Editor(replace(tiny_checkpoint, kept=Kept()))
    for _ in range(2):
        editor.edit([picture(), picture(seed=1)], GREEN, count=3)
    assert encoded == [1, 1]


@pytest.mark.parametrize(("negative", "negative_image"), [("grey", ""), ("", "grey")])
def test_each_negative_text_enters_its_own_branch(
    tiny_checkpoint: "Checkpoint", negative: str, negative_image: str
) -> None:
    from retouch.conditioning.instruct import instruct_branches
    from retouch.diffusion.guidance import BOTH, IMAGE, NONE

    source = torch.zeros(1, 4, 8, 8)
    plain = instruct_branches(tiny_checkpoint, source, [GREEN])
    branches = instruct_branches(tiny_checkpoint, source, [GREEN], negative=negative, negative_image=negative_image)
    changed = {name for name in plain if not torch.equal(plain[name].context, branches[name].context)}
    assert changed == ({IMAGE} if negative else {NONE})
    assert torch.equal(plain[BOTH].context, branches[BOTH].context)


def test_progress_counts_all_steps_and_previews_the_pictures(editor: Editor) -> None:
    reports: list[EditProgress] = []
    pictures = [picture(), picture(96, 64)]
    editor.edit(pictures, [GREEN, NIGHT], settings=EditSettings(steps=2), on_progress=reports.append)
    assert [(report.done, report.total) for report in reports] == [(done, 8) for done in range(1, 9)]
    assert [report.instruction for report in reports] == [0, 0, 1, 1, 0, 0, 1, 1]
    (preview,) = reports[0].preview()
    assert preview.size == (64, 64)


def test_cancellation_takes_effect_within_one_step(editor: Editor) -> None:
    reports: list[EditProgress] = []
    with pytest.raises(Cancelled):
        editor.edit(
            picture(),
            [GREEN, NIGHT],
            settings=EditSettings(steps=5),
            on_progress=reports.append,
            cancelled=lambda: len(reports) >= 7,
        )
    assert len(reports) == 7


def test_a_text_that_is_too_long_is_cut_with_a_warning(editor: Editor) -> None:
    long = GREEN + " and the walls blue" * 6
    result = editor.edit(picture(), long, settings=EditSettings(steps=1))
    (warning,) = result.warnings
    cut = warning.split("'")[1]
    assert long.endswith(cut)
    kept = long.removesuffix(cut).strip()
    again = editor.edit(picture(), kept, settings=EditSettings(steps=1))
    assert again.warnings == ()


def test_settings_come_back_resolved(editor: Editor) -> None:
    settings = editor.edit(picture(), GREEN, settings=EditSettings(steps=2)).settings
    assert (settings.steps, settings.scheduler, settings.seed) == (2, "ddim", 0)
    assert (settings.text_guidance, settings.image_guidance) == (7.5, 1.5)


def test_bfloat16_is_close_to_float32(tiny_folder: Path) -> None:
    settings = EditSettings(steps=3, text_guidance=2.0, image_guidance=1.0)
    exact, fast = (
        Editor.load(tiny_folder, device="cpu", precision=precision).edit(picture(), GREEN, settings=settings)
        for precision in ("float32", "bfloat16")
    )
    difference_of = np.abs(np.asarray(exact.image, np.float32) - np.asarray(fast.image, np.float32))
    assert float(difference_of.mean()) < 3.0


@pytest.mark.parametrize(("kind", "channels"), [("generate", 4), ("inpaint", 9)])
def test_models_that_do_not_edit_are_named(make_tiny: Callable[..., "Checkpoint"], kind: str, channels: int) -> None:
    with pytest.raises(ModelError, match=f"takes {channels} channels.*'{kind}'.*needs one of kind 'instruct'"):
        Editor(make_tiny(kind))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "abacus"}, "'abacus' is unknown"),
        ({"device": "cuda:99"}, "no device 'cuda:99'"),
        ({"precision": "int4"}, "'int4' is unknown"),
        ({"device": "cpu", "precision": "float16"}, "needs a GPU"),
    ],
)
def test_impossible_devices_and_precisions(tiny_folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Editor.load(tiny_folder, **options)


def test_unknown_schedulers_are_refused(editor: Editor) -> None:
    with pytest.raises(SettingsError, match="'heun' is unknown"):
        editor.edit(picture(), GREEN, settings=EditSettings(scheduler="heun"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_is_one_clear_error(
    tiny_checkpoint: "Checkpoint", monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(tiny_checkpoint.unet, "forward", fail)
    with pytest.raises(ModelError, match="not enough memory for 1 pictures of 64 x 64"):
        Editor(tiny_checkpoint).edit(picture(), GREEN)


def test_other_failures_of_the_network_pass_through(
    tiny_checkpoint: "Checkpoint", monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(tiny_checkpoint.unet, "forward", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        Editor(tiny_checkpoint).edit(picture(), GREEN)
