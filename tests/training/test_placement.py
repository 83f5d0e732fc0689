"""Placement's training: an object's side of the picture is learned from its reference, and mirrored with it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from retouch.core.errors import DataError
from retouch.core.images import png_bytes
from retouch.core.reference import load_reference
from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.placement import load_placement, save_placement
from retouch.models.placement_network import TINY_PLACEMENT
from retouch.models.segmenter import random_segmenter, save_segmenter
from retouch.models.segmenter_network import TINY_SEGMENTER
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import open_writer
from retouch.training.choices import Choices, Material
from retouch.training.kinds.placement import PlacementKind, PlacementRecipe, PlacementTask, _boxes, _masks
from retouch.training.run import run_recipe
from retouch.training.settings import TrainSettings
from retouch.training.usual import usual_recipe

COLOURS = {"red": (200, 30, 30), "blue": (30, 40, 200)}
SIDES = {"red": 4, "blue": 44}
SIDE = 16


def scene(colour: str | None, *, number: int = 0) -> bytes:
    image = Image.new("RGB", (64, 64), (120 + number, 110, 100))
    if colour is not None:
        ImageDraw.Draw(image).rectangle(box_of(colour, number), fill=COLOURS[colour])
    return png_bytes(image)


def box_of(colour: str, number: int) -> tuple[int, int, int, int]:
    top = 24 + number % 8
    return (SIDES[colour], top, SIDES[colour] + SIDE - 1, top + SIDE - 1)


def view(colour: str) -> bytes:
    image = Image.new("RGBA", (24, 24))
    ImageDraw.Draw(image).ellipse((4, 4, 20, 20), fill=(*COLOURS[colour], 255))
    return png_bytes(image)


def record(colour: str, number: int, split: Split, kind: str) -> PairRecord:
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).rectangle(box_of(colour, number), fill=255)
    without, shown = scene(None, number=number), scene(colour, number=number)
    return PairRecord(
        id=f"{split}-{number}-{colour}-{kind}",
        source_image=shown if kind == "remove" else without,
        target_image=without if kind == "remove" else shown,
        edit_prompt=f"{kind} the {colour} square",
        source_caption="a wall",
        target_caption="a wall",
        object_mask=png_bytes(mask),
        reference_images=(view(colour), view(colour)),
        object="square",
        engine="squares",
        seed=number,
        params={"kind": kind},
        split=split,
    )


def write(folder: Path, split: Split, count: int) -> Path:
    with open_writer(folder, engine="squares", settings={"split": split}) as writer:
        records = [
            record(colour, number, split, "remove" if number % 3 == 0 else "add")
            for number in range(count)
            for colour in COLOURS
        ]
        # Told a second time, in other words: the object counts once.
        writer.write([*records, record("red", 1, split, "remove")], first_unit=0, units=count)
    return folder


@pytest.fixture
def recipe(tiny_tokenizer, tmp_path: Path) -> PlacementRecipe:
    return PlacementRecipe(
        data=(write(tmp_path / "train", "train", 12),),
        held_out=(write(tmp_path / "validation", "validation", 4),),
        segmenter=save_segmenter(random_segmenter(TINY_SEGMENTER, tiny_tokenizer, seed=3), tmp_path / "segmenter"),
        encoder=save_clip(random_clip(TINY_CLIP, tiny_tokenizer, seed=3), tmp_path / "clip"),
        shape=TINY_PLACEMENT,
        task=PlacementTask(flip=0.0),
        settings=TrainSettings(
            steps=150, batch_size=8, learning_rate=1e-2, warmup=5, precision="float32", ema_decay=0.9, save_every=150,
            validate_every=150,
        ),
    )  # fmt: skip


def test_it_learns_which_side_an_object_goes_to(recipe: PlacementRecipe, tmp_path: Path) -> None:
    report = run_recipe(recipe, tmp_path / "run", device="cpu")
    assert report.figures["IoU at the true place"] > 0.6
    assert report.figures["IoU of the first proposal"] > 0.5
    model = load_placement(tmp_path / "run" / "model")
    assert 0 < model.least < 1
    for colour, left in (("red", True), ("blue", False)):
        likely = model.places(Image.new("RGB", (64, 64), (121, 110, 100)), [load_reference(view(colour))]).likely[0]
        assert (int(likely.flatten().argmax()) % 4 < 2) == left


def test_each_object_of_a_picture_counts_once(recipe: PlacementRecipe) -> None:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, PlacementKind)
    assert [len(group) for group in kind.groups] == [24]


def test_boxes_and_masks_are_mirrored_together(recipe: PlacementRecipe) -> None:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, PlacementKind)
    one = kind._objects[0]
    for mirrored in (False, True):
        (box,), (mask,) = _boxes([one], [mirrored]), _masks([one], [mirrored])
        across = (mask.sum(dim=0) * (torch.arange(16) + 0.5) / 16).sum() / mask.sum()
        torch.testing.assert_close(across, box[0])
        torch.testing.assert_close(mask.mean(), box[2] * box[3])


def test_the_loss_is_the_same_for_the_same_generator(recipe: PlacementRecipe) -> None:
    kind = recipe.build(torch.device("cpu"))
    losses = [float(kind.loss([0, 1, 2], torch.Generator().manual_seed(seed)).total.detach()) for seed in (5, 5, 6)]
    assert losses[0] == losses[1] != losses[2]


def test_folders_without_references_are_refused(recipe: PlacementRecipe, train_pairs: Path) -> None:
    with pytest.raises(DataError, match="adds or removes an object"):
        replace(recipe, data=(train_pairs,)).build(torch.device("cpu"))


def test_the_kind_by_name_goes_on_from_a_model(recipe: PlacementRecipe, tmp_path: Path) -> None:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, PlacementKind)
    base = save_placement(kind._model, tmp_path / "base")
    usual = usual_recipe(
        "placement",
        Material(data=recipe.data, base=str(base), out=tmp_path),
        Choices(steps=2, batch_size=4, precision="float32"),
    )
    assert run_recipe(usual, tmp_path / "run", device="cpu").steps == 2
    assert load_placement(tmp_path / "run" / "model").network.shape == TINY_PLACEMENT
