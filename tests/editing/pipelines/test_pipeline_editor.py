"""Editing with every class of pipeline: its own seeds, schedulers left as they were, native regions, bad input."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.editing.pipelines import tiny

from retouch.core.errors import Cancelled, ImageError, ModelError, SettingsError
from retouch.core.reference import Reference
from retouch.core.region import Region
from retouch.core.region_request import region_from_box, whole
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.editing.pipelines.editor import PipelineEditor
from retouch.editing.pipelines.families import FAMILIES, find_family
from retouch.editing.result import EditProgress

RED = "make the sofa red"
QUICK = EditSettings(steps=2, seed=3)
SIZE = (75, 50)
BOX = region_from_box((20, 10, 60, 40), SIZE)
Make = Callable[..., PipelineEditor]


@pytest.fixture(scope="module")
def make(tiny_tokenizer: Any) -> Iterator[Make]:
    """Editors of classes, each made once and used by all tests of this file, which leave them as they were."""
    made: dict[str, PipelineEditor] = {}

    def editor(name: str) -> PipelineEditor:
        if name not in made:
            made[name] = PipelineEditor(tiny.pipeline(name, tiny_tokenizer), find_family(name), side=tiny.side(name))
        return made[name]

    with tiny.small_sizes():
        yield editor


def picture(width: int = SIZE[0], height: int = SIZE[1]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def same(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def test_every_family_has_a_tiny_pipeline_here() -> None:
    assert set(tiny.CLASSES) == {family.pipeline for family in FAMILIES}


@pytest.mark.parametrize("name", tiny.CLASSES)
def test_a_picture_of_the_models_size_comes_out_as_the_pipeline_itself_makes_it(make: Make, name: str) -> None:
    editor = make(name)
    size = editor._engine.fit((64, 64)).model_size
    assert size[0] == size[1]
    shown = picture(*size)
    settings = EditSettings(steps=2, seed=5, keep_detail=False)
    ours = editor.edit(shown, RED, settings=settings).image
    family, pipeline = editor.family, editor.pipeline
    named = {family.text_guidance: editor.defaults.text_guidance, family.image_guidance: editor.defaults.image_guidance}
    arguments: dict[str, Any] = {argument: value for argument, value in named.items() if argument is not None}
    if "Kontext" in name:
        arguments.update(max_area=size[0] * size[1], _auto_resize=False)
    if "LongCat" not in name:
        arguments.update(width=size[0], height=size[1])
    if "Qwen" in name:
        arguments.update(negative_prompt=" ")
    theirs = pipeline(
        image=shown, prompt=RED, num_inference_steps=2, generator=torch.Generator().manual_seed(5), **arguments
    ).images[0]
    assert same(ours, theirs)


@pytest.mark.parametrize("name", tiny.CLASSES)
def test_a_batch_is_its_singles(make: Make, name: str) -> None:
    several = make(name).edit([picture(), picture(50, 75)], RED, settings=QUICK, count=2)
    for number, shown in enumerate((picture(), picture(50, 75))):
        for place, seed in enumerate(several.seeds):
            single = make(name).edit(shown, RED, settings=EditSettings(steps=2, seed=seed)).image
            assert same(single, several.images[number][place])


@pytest.mark.parametrize("name", tiny.CLASSES)
def test_cancelled_or_broken_a_step_leaves_the_scheduler_as_it_was(make: Make, name: str) -> None:
    editor = make(name)
    scheduler, reports = editor.pipeline.scheduler, list[EditProgress]()
    before = dict(scheduler.__dict__)
    expected = editor.edit(picture(), RED, settings=QUICK).image
    with pytest.raises(Cancelled, match="after 1 of 4 steps"):
        editor.edit(
            picture(), RED, settings=EditSettings(steps=4), on_progress=reports.append, cancelled=lambda: bool(reports)
        )

    def fail(_: EditProgress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        editor.edit(picture(), RED, settings=QUICK, on_progress=fail)
    assert len(reports) == 1
    assert "step" not in before and "step" not in scheduler.__dict__
    assert same(editor.edit(picture(), RED, settings=QUICK).image, expected)


@pytest.mark.parametrize("name", tiny.CLASSES)
def test_a_preview_of_the_last_step_is_the_result(make: Make, name: str) -> None:
    editor, reports = make(name), list[EditProgress]()
    size = editor._engine.fit((64, 64)).model_size
    settings = EditSettings(steps=2, keep_detail=False)
    shown: list[Image.Image] = []

    def report(progress: EditProgress) -> None:
        reports.append(progress)
        shown.extend(progress.preview())

    result = editor.edit(picture(*size), RED, settings=settings, on_progress=report).image
    assert [each.size for each in shown] == [size] * 2
    difference = np.abs(np.asarray(shown[-1], np.int16) - np.asarray(result, np.int16))
    # The last step leads to the clean latents, but for what ancestral and Euler steps of SDXL leave of noise.
    assert int(difference.max()) <= 1


@pytest.mark.parametrize("name", tiny.CLASSES)
def test_a_region_is_inpainted_where_the_class_can_and_else_said_to_be_composited(make: Make, name: str) -> None:
    editor = make(name)
    result = editor.edit(picture(), RED, settings=QUICK, region=BOX)
    inpaints = find_family(name).inpaint is not None
    assert [("cannot keep to a region" in each) for each in result.warnings] == [True] * (not inpaints)
    outside = np.asarray(BOX.mask) == 0
    assert np.array_equal(np.asarray(result.image)[outside], np.asarray(picture())[outside])
    assert not same(result.image, picture())


def test_a_small_region_of_a_large_picture_is_edited_enlarged(make: Make) -> None:
    editor, sizes = make("Flux2KleinPipeline"), list[tuple[int, int]]()
    large = picture(640, 600)
    spot = region_from_box((300, 300, 330, 330), large.size)
    for zoom in ("auto", "off"):
        result = editor.edit(
            large,
            RED,
            settings=EditSettings(steps=1, region=RegionSettings(zoom=zoom)),
            region=spot,
            on_progress=lambda event: sizes.append(event.preview()[0].size),
        )
        outside = np.asarray(spot.mask) == 0
        assert np.array_equal(np.asarray(result.image)[outside], np.asarray(large)[outside])
    assert sizes[0] == (128, 128) and sizes[1] != (128, 128)


@pytest.mark.parametrize("name", ["Flux2KleinPipeline", "QwenImageEditPlusPipeline"])
def test_references_count_and_their_order_too(make: Make, name: str) -> None:
    one, other = (Reference(picture=Image.new("RGB", (60, 90), colour)) for colour in ("red", "navy"))
    made = [
        make(name).edit(picture(), RED, settings=QUICK, references=references).image
        for references in ([], [one], [one, other], [other, one])
    ]
    assert all(not same(made[i], made[j]) for i in range(4) for j in range(i))


@pytest.mark.parametrize("name", ["Flux2KleinPipeline", "FluxKontextPipeline"])
def test_a_reference_may_stand_beside_a_region(make: Make, name: str) -> None:
    chair = Reference(picture=Image.new("RGB", (60, 90), "red"))
    with_it = make(name).edit(picture(), RED, settings=QUICK, region=BOX, references=[chair])
    assert with_it.warnings == ()
    assert not same(with_it.image, make(name).edit(picture(), RED, settings=QUICK, region=BOX).image)


def test_a_reference_counts_beside_a_region_that_is_everything(make: Make) -> None:
    made = [
        make("FluxKontextPipeline").edit(picture(), RED, settings=QUICK, region=whole(SIZE), references=[chair]).image
        for chair in (Reference(picture=Image.new("RGB", (60, 90), colour)) for colour in ("red", "navy"))
    ]
    assert not same(*made)


def test_more_references_than_the_regions_class_takes_make_a_composite(make: Make) -> None:
    chairs = [Reference(picture=Image.new("RGB", (64, 64), colour)) for colour in ("red", "navy")]
    (warning,) = make("Flux2KleinPipeline").edit(picture(), RED, settings=QUICK, region=BOX, references=chairs).warnings
    assert "with 2 references" in warning


@pytest.mark.parametrize(
    ("name", "regional", "message"),
    [
        ("FluxKontextPipeline", False, "takes 1 at the most with a region"),
        ("QwenImageEditPipeline", True, "takes none"),
        ("LongCatImageEditPipeline", False, "takes none"),
        ("StableDiffusionXLInstructPix2PixPipeline", False, "takes none"),
    ],
)
def test_a_reference_that_a_family_does_not_take_is_refused(
    make: Make, name: str, regional: bool, message: str
) -> None:
    chair = Reference(picture=Image.new("RGB", (60, 90), "red"))
    with pytest.raises(ModelError, match=message):
        make(name).edit(picture(), RED, region=BOX if regional else None, references=[chair])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("Flux2KleinPipeline", EditSettings(negative="blurred"), "no negative"),
        ("FluxKontextPipeline", EditSettings(negative="blurred"), "no negative"),
        ("FluxKontextPipeline", EditSettings(image_guidance=1.5), "no image_guidance, which is 1.5"),
        ("QwenImageEditPipeline", EditSettings(scheduler="ddim"), "no scheduler"),
        ("LongCatImageEditPipeline", EditSettings(guidance_interval=(0.2, 0.8)), "no guidance_interval"),
        ("StableDiffusionXLInstructPix2PixPipeline", EditSettings(negative_image="fog"), "no negative_image"),
        ("Flux2KleinPipeline", EditSettings(region=RegionSettings(attend="avoid")), "no attend of regions"),
        ("Flux2KleinPipeline", EditSettings(region=RegionSettings(source="invert")), "no source of regions"),
    ],
)
def test_a_setting_that_a_family_has_no_argument_for_is_refused(
    make: Make, name: str, settings: EditSettings, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        make(name).edit(picture(), RED, settings=settings)


@pytest.mark.parametrize("name", ["QwenImageEditPipeline", "LongCatImageEditPipeline"])
def test_guidance_and_the_negative_text_reach_the_pipeline(make: Make, name: str) -> None:
    made = [
        make(name).edit(picture(), RED, settings=settings).image
        for settings in (
            QUICK,
            EditSettings(steps=2, seed=3, text_guidance=9.0),
            EditSettings(steps=2, seed=3, negative="a very long negative text about fog"),
        )
    ]
    assert not same(made[0], made[1]) and not same(made[0], made[2])


def test_settings_that_an_earlier_result_recorded_are_taken_again(make: Make) -> None:
    first = make("Flux2KleinPipeline").edit(picture(), RED, settings=QUICK, region=BOX)
    again = make("Flux2KleinPipeline").edit(picture(), RED, settings=first.settings, region=BOX)
    assert same(first.image, again.image)


def test_a_distilled_model_says_that_it_ignores_guidance(make: Make) -> None:
    editor = make("Flux2KleinPipeline")
    loud = editor.edit(picture(), RED, settings=EditSettings(steps=2, seed=3, text_guidance=4.0))
    assert loud.warnings == ("'FLUX.2 klein' is distilled, so it ignores text_guidance, which is 4.",)
    assert same(loud.image, editor.edit(picture(), RED, settings=QUICK).image)


def test_an_undistilled_one_follows_guidance_and_takes_its_steps() -> None:
    editor = PipelineEditor(tiny.klein(is_distilled=False), find_family("Flux2KleinPipeline"), side=128)
    assert (editor.defaults.steps, editor.defaults.text_guidance) == (50, 4.0)
    results = [
        editor.edit(picture(), RED, settings=EditSettings(steps=2, text_guidance=value), region=region)
        for region in (None, BOX)
        for value in (4.0, 8.0)
    ]
    assert all(result.warnings == () for result in results)
    assert not same(results[0].image, results[1].image) and not same(results[2].image, results[3].image)


def test_sdxl_says_where_its_guidance_is_left_out(make: Make) -> None:
    settings = EditSettings(steps=1, image_guidance=0.5)
    (warning,) = make("StableDiffusionXLInstructPix2PixPipeline").edit(picture(), RED, settings=settings).warnings
    assert "leaves all guidance out" in warning


def test_cosxl_scales_its_source(tiny_tokenizer: Any) -> None:
    editor = PipelineEditor(
        tiny.sdxl(tiny_tokenizer, cosxl=True), find_family("StableDiffusionXLInstructPix2PixPipeline"), side=64
    )
    editor.pipeline.vae.register_to_config(scaling_factor=0.3)
    scaled = editor.edit(picture(), RED, settings=QUICK).image
    editor.pipeline.is_cosxl_edit = False
    assert not same(scaled, editor.edit(picture(), RED, settings=QUICK).image)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("Flux2KleinPipeline", (640, 64), "at most 7.5 times"),
        ("Flux2KleinPipeline", (420, 60), "fewer than the 64 pixels"),
        ("FluxKontextPipeline", (640, 60), "at most 10 times"),
    ],
)
def test_shapes_that_a_family_cannot_do_are_named(make: Make, name: str, size: tuple[int, int], message: str) -> None:
    with pytest.raises((ImageError, ModelError), match=message):
        make(name).edit(picture(*size), RED)


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [("FluxKontextPipeline", 66, "multiple of 4"), ("FluxKontextPipeline", 4096, "up to 1024"),
     ("QwenImageEditPipeline", 512, "its own size alone")],
)  # fmt: skip
def test_sizes_that_a_family_cannot_do_are_named(make: Make, name: str, side: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        PipelineEditor(make(name).pipeline, find_family(name), side=side)


def test_a_text_longer_than_longcat_reads_is_refused(make: Make) -> None:
    with pytest.raises(SettingsError, match="has 600 tokens; the model reads 512"):
        make("LongCatImageEditPipeline").edit(picture(), "a" * 600)


def test_twice_at_once_is_once_and_once_more(make: Make) -> None:
    editor, seeds = make("Flux2KleinPipeline"), (1, 2, 3)
    alone = [editor.edit(picture(), RED, settings=EditSettings(steps=3, seed=seed)).image for seed in seeds]
    with ThreadPoolExecutor(len(seeds)) as pool:
        asked = [pool.submit(editor.edit, picture(), RED, settings=EditSettings(steps=3, seed=seed)) for seed in seeds]
        together = [each.result().image for each in asked]
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))


def test_an_edit_asked_for_amid_itself_is_refused(make: Make) -> None:
    editor = make("Flux2KleinPipeline")

    def amid(_: EditProgress) -> None:
        editor.edit(picture(), RED, settings=QUICK)

    with pytest.raises(ModelError, match="at work on this very edit"):
        editor.edit(picture(), RED, settings=QUICK, on_progress=amid)
    assert editor.edit(picture(), RED, settings=QUICK).image


def test_an_empty_region_calls_nothing(make: Make) -> None:
    nothing = Region(mask=Image.new("L", SIZE), origin="nothing")
    reports = list[EditProgress]()
    result = make("LongCatImageEditPipeline").edit(picture(), RED, region=nothing, on_progress=reports.append)
    assert same(result.image, picture()) and reports == []
    assert result.warnings == ("The region (nothing) is empty, so the picture stays as it is.",)
