"""The exemplar's kind: holes, references, what is dropped, and what comes out over its base."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.training.conftest import COLOURS, squares

from retouch.core.errors import DataError, ModelError
from retouch.core.images import png_bytes
from retouch.core.reference import load_reference
from retouch.core.region_request import region_from_box
from retouch.editing.editor import Editor
from retouch.models.exemplar import load_exemplar
from retouch.models.save import save
from retouch.models.spec import ConditioningSpec
from retouch.records.pair import Split
from retouch.records.shards import open_writer
from retouch.training.choices import Choices, Material
from retouch.training.kinds.exemplar import ExemplarKind, ExemplarRecipe, ExemplarTask, usual
from retouch.training.settings import TrainSettings
from retouch.training.state import latest_state
from retouch.training.trainer import train

SPEC = ConditioningSpec(
    kind="inpaint",
    condition_scaled=True,
    channel_order=("latents", "masked-image", "mask"),
    mask_meaning="white-is-kept",
    steps=3,
    scheduler="ddim",
    text_guidance=1.5,
    native_size=64,
    size_multiple=16,
)
SETTINGS = TrainSettings(
    steps=30, batch_size=8, learning_rate=3e-3, warmup=5, precision="float32", save_every=30, validate_every=30
)
TASK = ExemplarTask(layers=1, detail_layers=1, detail_grid=2, holes=2, rank=4)


def view(colour: str) -> bytes:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((*COLOURS[colour], 255), (12, 12, 52, 52))
    return png_bytes(image)


def write_referenced(folder: Path, split: Split, count: int) -> Path:
    records = [
        replace(record, reference_images=(view(str(record.params["colour"])),) * 2) for record in squares(split, count)
    ]
    with open_writer(folder, engine="squares", settings={"split": split}) as writer:
        writer.write(records, first_unit=0, units=count)
    return folder


@pytest.fixture(scope="module")
def base(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(make_tiny(kind="instruct", seed=1, condition_scaled=True), tmp_path_factory.mktemp("base") / "instruct")


@pytest.fixture(scope="module")
def recipe(base: Path, tmp_path_factory: pytest.TempPathFactory) -> ExemplarRecipe:
    folder = tmp_path_factory.mktemp("referenced")
    return ExemplarRecipe(
        data=[write_referenced(folder / "train", "train", 24)],
        held_out=[write_referenced(folder / "validation", "validation", 8)],
        base=str(base),
        spec=SPEC,
        cache=folder / "latents",
        settings=SETTINGS,
        task=TASK,
    )


def kind_of(recipe: ExemplarRecipe) -> ExemplarKind:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, ExemplarKind)
    return kind


def test_it_begins_as_its_base_beside_further_channels_that_weigh_nothing(recipe: ExemplarRecipe, base: Path) -> None:
    from retouch.models.load import load

    exemplar, start = kind_of(recipe).exemplar, load(base)
    assert torch.equal(exemplar.checkpoint.unet.conv_in.weight[:, :8], start.unet.conv_in.weight)
    assert not exemplar.checkpoint.unet.conv_in.weight[:, 8:].any()
    assert exemplar.checkpoint.text is None


def test_dropped_references_become_the_learned_vector(recipe: ExemplarRecipe) -> None:
    kind = kind_of(replace(recipe, task=replace(TASK, dropout=1.0)))
    context = kind._dropped(torch.randn(4, 5, 16), torch.Generator().manual_seed(0))
    assert torch.equal(context, kind.exemplar.mapper.uncond_vector.expand(4, 5, 16))
    whole = kind_of(replace(recipe, task=replace(TASK, dropout=0.0, detail_dropout=1.0)))
    tokens = torch.randn(4, 5, 16)
    assert torch.equal(whole._dropped(tokens, torch.Generator().manual_seed(0)), tokens[:, :1].expand(4, 5, 16))


def test_the_hole_is_grey_and_turns_with_its_picture(recipe: ExemplarRecipe) -> None:
    table = kind_of(recipe)._tables[0]
    assert len(table.keep) == TASK.holes * len(table)
    plain, turned = table.kept(torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert torch.equal(plain.flip(-1), turned)
    assert 0 < float(plain.mean()) < 1


def test_it_learns_resumes_and_fills_a_region_alone(recipe: ExemplarRecipe, tmp_path: Path) -> None:
    kind = kind_of(recipe)
    generator = torch.Generator().manual_seed(0)
    before = kind.validate(generator).figures["held-out error"]
    report = train(kind, SETTINGS, tmp_path / "run")
    assert report.figures["held-out error"] < before
    assert latest_state(tmp_path / "run") is not None
    again = train(kind_of(recipe), SETTINGS, tmp_path / "run")
    assert again.steps == SETTINGS.steps

    editor = Editor.load(tmp_path / "run" / "model")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8))
    region = region_from_box((8, 8, 40, 40), picture.size)
    chair = load_reference(view("red"))
    result = editor.edit(picture, "", region=region, references=[chair])
    changed = np.asarray(result.image) != np.asarray(picture)
    assert changed.any()
    assert not changed[np.asarray(region.mask) == 0].any()
    same = editor.edit(picture, "", region=region, references=[chair])
    assert np.array_equal(np.asarray(same.image), np.asarray(result.image))
    assert result.settings.reference is not None and result.settings.reference.detail == 0.8


def test_views_count_by_weight_and_in_no_order(recipe: ExemplarRecipe, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    kind_of(recipe).export(folder, steps=0, figures={})
    editor = Editor.load(folder)
    picture = Image.new("RGB", (64, 64), "grey")
    region = region_from_box((8, 8, 40, 40), picture.size)

    def edited(*references: object) -> np.ndarray:
        return np.asarray(editor.edit(picture, "", region=region, references=references).image)  # pyright: ignore[reportArgumentType]

    red, blue = load_reference(view("red")), load_reference(view("blue"))
    assert np.array_equal(edited(red, blue), edited(blue, red))
    assert np.array_equal(edited(red, replace(blue, weight=0.0)), edited(red))


def test_what_the_model_cannot_do_is_said(make_tiny, recipe: ExemplarRecipe, tmp_path: Path, base: Path) -> None:
    folder = tmp_path / "model"
    kind_of(recipe).export(folder, steps=0, figures={})
    editor, picture = Editor.load(folder), Image.new("RGB", (64, 64), "grey")
    region, chair = region_from_box((8, 8, 40, 40), picture.size), load_reference(view("red"))
    with pytest.raises(ModelError, match="give one as a reference"):
        editor.edit(picture, "", region=region)
    with pytest.raises(ModelError, match="fills a region; say which"):
        editor.edit(picture, "", references=[chair])
    with pytest.raises(ModelError, match="reads no words; leave 'make it red' out"):
        editor.edit(picture, "make it red", region=region, references=[chair])
    with pytest.raises(ModelError, match="reads words alone"):
        Editor.load(base).edit(picture, "", references=[chair])
    with pytest.raises(ModelError, match="name the editor or text-to-image model to begin with"):
        filler = save(make_tiny(kind="inpaint"), tmp_path / "filler")
        usual(Material(data=[], base=str(filler), out=tmp_path), Choices())


def test_records_without_references_are_told(recipe: ExemplarRecipe, train_pairs: Path) -> None:
    with pytest.raises(DataError, match="make pairs with --references 2 there first"):
        replace(recipe, data=[train_pairs]).build(torch.device("cpu"))


def test_a_model_of_another_base_is_told(recipe: ExemplarRecipe, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    kind_of(recipe).export(folder, steps=0, figures={})
    facts = folder / "retouch-adapter.json"
    facts.write_text(facts.read_text().replace(recipe.base, "pocket/generate"))
    with pytest.raises(ModelError, match="over the base it was trained over"):
        load_exemplar(folder)
