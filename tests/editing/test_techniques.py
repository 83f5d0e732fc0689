"""Techniques behind the one editor: what a reference changes, what it leaves, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from retouch.core.errors import ImageError, ModelError, SettingsError
from retouch.core.reference import Reference, load_reference
from retouch.core.reference_settings import ReferenceSettings
from retouch.core.region import Region
from retouch.core.region_request import region_from_box
from retouch.core.settings import EditSettings
from retouch.editing.adapting import Adapting
from retouch.editing.editor import Editor
from retouch.editing.filling import Filling
from retouch.editing.inserting import Inserting
from retouch.editing.instructing import Instructing
from retouch.models.exemplar import Exemplar, fresh_exemplar, save_exemplar
from retouch.models.image_encoder import ImageEncoder, load_image_encoder
from retouch.models.insert import fresh_insert
from retouch.models.ip_adapter import fresh_ip_adapter
from retouch.models.ip_adapter_load import save_ip_adapter
from retouch.models.load import load
from retouch.models.save import save
from retouch.models.spec import ConditioningSpec

if TYPE_CHECKING:
    from pathlib import Path

    from retouch.models.checkpoint import Checkpoint

FILLS = ConditioningSpec(
    kind="inpaint",
    condition_posterior="mode",
    condition_scaled=True,
    null_text="zeros",
    channel_order=("latents", "masked-image", "mask"),
    mask_meaning="white-is-kept",
    steps=2,
    scheduler="ddim",
    native_size=64,
)
GREEN = "make the sofa green"


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    return load_image_encoder()


@pytest.fixture(scope="module")
def adapted(tiny_checkpoint: "Checkpoint", encoder: ImageEncoder) -> Editor:
    adapter = fresh_ip_adapter(tiny_checkpoint.unet, encoder, variant="base", seed=1)
    return Editor(Adapting(Instructing(tiny_checkpoint), adapter))


@pytest.fixture(scope="module")
def inserting(tiny_checkpoint: "Checkpoint", encoder: ImageEncoder) -> Editor:
    return Editor(Inserting(fresh_insert(tiny_checkpoint, encoder, queries=16)))


def picture(size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))


def thing(colour: str, weight: float = 1.0) -> Reference:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste(colour, (8, 8, 32, 32))
    return load_reference(image, weight=weight)


def edited(editor: Editor, words: str, *references: Reference, **changes: object) -> np.ndarray:
    settings = EditSettings(steps=2, keep_detail=False, **changes)  # pyright: ignore[reportArgumentType]
    return np.asarray(editor.edit(picture(), words, settings=settings, references=references).image)


def test_an_adapter_whose_pictures_weigh_nothing_leaves_the_plain_edit(
    adapted: Editor, tiny_checkpoint: "Checkpoint"
) -> None:
    plain = edited(Editor(tiny_checkpoint), GREEN)
    assert np.array_equal(edited(adapted, GREEN, thing("red", weight=0.0)), plain)
    silent = Editor(Adapting(Instructing(tiny_checkpoint), adapted.technique.adapter, scale=0.0))  # type: ignore[attr-defined]
    assert np.array_equal(edited(silent, GREEN, thing("red")), plain)
    assert not np.array_equal(edited(adapted, GREEN, thing("red")), plain)


def test_leaving_the_edit_puts_the_network_back(adapted: Editor) -> None:
    before = dict(adapted.checkpoint.unet.attn_processors)
    edited(adapted, GREEN, thing("red"))
    assert adapted.checkpoint.unet.attn_processors == before


@pytest.mark.parametrize("name", ["adapted", "inserting"])
def test_the_order_of_references_does_not_matter(name: str, request: pytest.FixtureRequest) -> None:
    editor, words = request.getfixturevalue(name), GREEN if name == "adapted" else ""
    one, other = thing("red"), thing("blue")
    assert np.array_equal(edited(editor, words, one, other), edited(editor, words, other, one))
    assert not np.array_equal(edited(editor, words, one, other), edited(editor, words, one))


def test_a_reference_with_a_region_of_its_own_goes_with_crops(adapted: Editor) -> None:
    wide = picture((256, 128))
    region = region_from_box((20, 20, 60, 60), wide.size)
    own = Reference(picture=thing("red").picture, region=region_from_box((0, 0, 128, 128), wide.size))
    settings = EditSettings(steps=1)
    result = adapted.edit(wide, GREEN, settings=settings, region=region, references=[own])
    assert result.image.size == wide.size


def test_words_go_beside_a_reference_by_weight(inserting: Editor) -> None:
    alone = edited(inserting, "", thing("red"))
    unheard = edited(inserting, GREEN, thing("red"), reference=ReferenceSettings(words=0.0))
    assert np.array_equal(alone, unheard)
    assert not np.array_equal(alone, edited(inserting, GREEN, thing("red"), reference=ReferenceSettings(words=1.0)))


def test_insertion_repeats_by_seed_and_keeps_to_a_region(inserting: Editor) -> None:
    assert np.array_equal(edited(inserting, "", thing("red")), edited(inserting, "", thing("red")))
    region = region_from_box((8, 8, 40, 40), (64, 64))
    result = inserting.edit(picture(), "", region=region, references=[thing("red")], settings=EditSettings(steps=1))
    changed = (np.asarray(result.image) != np.asarray(picture())).any(axis=2)
    assert not changed[np.asarray(region.mask) == 0].any()


def test_an_empty_region_leaves_the_picture_and_says_so(inserting: Editor) -> None:
    nowhere = Region(mask=Image.new("L", (64, 64), 0), origin="mask 'black.png'")
    result = inserting.edit(picture(), "", region=nowhere, references=[thing("red")])
    assert np.array_equal(np.asarray(result.image), np.asarray(picture()))
    assert result.warnings == ("The region (mask 'black.png') is empty, so the picture stays as it is.",)


def test_a_region_of_a_reference_is_of_the_picture_and_for_those_that_heed_it(
    adapted: Editor, inserting: Editor
) -> None:
    own = replace(thing("red"), region=region_from_box((8, 8, 16, 16), (64, 64)))
    with pytest.raises(ModelError, match="is for a region of its own, and 'random' reads references"):
        inserting.edit(picture(), "", references=[own])
    with pytest.raises(ImageError, match="64 x 64"):
        adapted.edit(picture((96, 64)), GREEN, references=[own])


def test_what_is_missing_is_said(adapted: Editor, inserting: Editor) -> None:
    for editor in (adapted, inserting):
        with pytest.raises(ModelError, match="give one as a reference"):
            editor.edit(picture(), GREEN)
    with pytest.raises(SettingsError, match="No reference counts"):
        inserting.edit(picture(), "", references=[thing("red", weight=0.0)])
    with pytest.raises(SettingsError, match="at most 16 are taken"):
        inserting.edit(picture(), "", references=[thing("red")] * 17)
    with pytest.raises(SettingsError, match="give them in one, even where it is one picture"):
        inserting.edit(picture(), "", references="chair.png")


def filled(editor: Editor, *references: Reference) -> np.ndarray:
    region = region_from_box((8, 8, 56, 56), (64, 64))
    return np.asarray(
        editor.edit(picture(), "", region=region, references=references, settings=EditSettings(steps=2)).image
    )


@pytest.mark.parametrize("grid", [None, 2])
def test_an_adapter_reads_beside_the_network_that_fills(
    make_tiny: "Callable[..., Checkpoint]", encoder: ImageEncoder, grid: int | None
) -> None:
    base = make_tiny(kind="instruct", seed=1, condition_scaled=True)
    exemplar = fresh_exemplar(base, encoder, FILLS, layers=1, detail_layers=1, detail_grid=grid)
    filling = Filling(exemplar)
    adapter = fresh_ip_adapter(exemplar.checkpoint.unet, encoder, variant="base", seed=1)
    plain, beside = Editor(filling), Editor(Adapting(filling, adapter))
    one, other = thing("red"), thing("blue")
    silent = Editor(Adapting(filling, adapter, scale=0.0))
    assert np.array_equal(filled(silent, one), filled(plain, one))
    assert np.array_equal(filled(beside, one, other), filled(beside, other, one))
    assert not np.array_equal(filled(beside, one), filled(plain, one))
    here = replace(one, region=region_from_box((8, 8, 16, 16), (64, 64)))
    assert not np.array_equal(filled(beside, here), filled(beside, one))
    with pytest.raises(ModelError, match="is for a region of its own"):
        filled(plain, here)
    with pytest.raises(ModelError, match="fills a region; say which"):
        beside.edit(picture(), "", references=[one])


def test_a_filler_and_its_adapter_load_together(
    make_tiny: "Callable[..., Checkpoint]", encoder: ImageEncoder, tmp_path: "Path"
) -> None:
    editor = save(make_tiny(kind="instruct", seed=1, condition_scaled=True), tmp_path / "editor")
    exemplar: Exemplar = fresh_exemplar(load(editor), encoder, FILLS, layers=1)
    model = save_exemplar(exemplar, tmp_path / "exemplar", base=str(editor), rank=None)
    adapter = save_ip_adapter(
        fresh_ip_adapter(exemplar.checkpoint.unet, encoder, variant="base", seed=1), tmp_path / "adapter", base="tiny"
    )
    plain = filled(Editor.load(model), thing("red"))
    assert np.array_equal(filled(Editor.load(model, ip_adapter=adapter, ip_adapter_scale=0.0), thing("red")), plain)
    assert not np.array_equal(filled(Editor.load(model, ip_adapter=adapter), thing("red")), plain)


def test_an_adapter_goes_with_models_that_read_words_or_fill() -> None:
    with pytest.raises(ModelError, match="in the place of words; give the IP-Adapter to a model that edits by"):
        Editor.load("pocket/insert", ip_adapter="whatever")


def test_contexts_of_several_lengths_are_attended_to_as_alone(
    tiny_checkpoint: "Checkpoint", encoder: ImageEncoder
) -> None:
    one, other = (Editor(Inserting(fresh_insert(tiny_checkpoint, encoder, queries=count))) for count in (16, 8))
    for editor in (one, other):
        branches = editor.technique.condition(  # type: ignore[attr-defined]
            torch.zeros(1, 3, 64, 64), _link(), EditSettings(steps=1, reference=ReferenceSettings().resolve()).resolve(
                editor.defaults
            ), None,
        ).branches  # fmt: skip
        assert len({branch.context.shape[1] for branch in branches.values()}) == 1


def _link():
    from retouch.editing.technique import Pass

    return Pass(instruction=GREEN, number=0, seeds=[0], alike=[0], references=[thing("red")])
