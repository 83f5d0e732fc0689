"""A subject: what its pictures are, what is learned and what stays, and what comes out over its base."""

import copy
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from tests.training.test_exemplar import SPEC

from retouch.core.errors import DataError, ModelError, SettingsError
from retouch.core.reference import load_reference
from retouch.core.reference_settings import ReferenceSettings
from retouch.core.region_request import region_from_box
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.editing.subject import FillingSubject
from retouch.models.exemplar import Exemplar, fresh_exemplar, load_exemplar, save_exemplar
from retouch.models.image_encoder import load_image_encoder
from retouch.models.load import load
from retouch.models.save import save
from retouch.models.subject import Subject, find_subject, load_subject
from retouch.training.choices import Choices, Material
from retouch.training.kinds.subject import SubjectKind, SubjectRecipe, SubjectTask
from retouch.training.settings import TrainSettings
from retouch.training.subject_pictures import subject_pictures
from retouch.training.trainer import train
from retouch.training.usual import usual_recipe

RED = (190, 30, 35)
BOX = (20, 24, 43, 51)
TASK = SubjectTask(rank=2, variants=3, holes=2, layers=1)
SETTINGS = TrainSettings(
    steps=20, batch_size=4, learning_rate=1e-2, warmup=2, ema_decay=0.5, precision="float32", save_every=10,
    validate_every=20,
)  # fmt: skip
INSIDE = (8, 8, 40, 40)


def pictures(folder: Path) -> Path:
    """Two cut-out pictures, and one of a room with a mask beside it."""
    folder.mkdir()
    for number in range(2):
        view = Image.new("RGBA", (60, 50 + 10 * number))
        ImageDraw.Draw(view).rectangle((12, 10, 44, 40), fill=(*RED, 255))
        view.save(folder / f"view-{number}.png")
    room, mask = Image.new("RGB", (80, 64), (120, 118, 110)), Image.new("L", (80, 64))
    for image, colour in ((room, RED), (mask, 255)):
        ImageDraw.Draw(image).rectangle(BOX, fill=colour)
    room.save(folder / "room.jpg", quality=95)
    mask.save(folder / "room.mask.png")
    return folder


def saved_base(editor: Path, folder: Path, *, detail_grid: int | None) -> Path:
    exemplar = fresh_exemplar(
        load(editor), load_image_encoder(), SPEC, layers=1, detail_layers=1, detail_grid=detail_grid
    )
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        exemplar.checkpoint.unet.conv_in.weight[:, 8:].normal_(std=0.1, generator=generator)
    return save_exemplar(exemplar, folder, base=str(editor), rank=None)


@pytest.fixture(scope="module")
def bases(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bases")
    editor = save(make_tiny(kind="instruct", seed=1, condition_scaled=True), root / "instruct")
    return {
        "editor": editor,
        "plain": saved_base(editor, root / "plain", detail_grid=None),
        "detailed": saved_base(editor, root / "detailed", detail_grid=2),
    }


@pytest.fixture(scope="module")
def recipe(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> SubjectRecipe:
    folder = tmp_path_factory.mktemp("subject")
    return SubjectRecipe(
        pictures=pictures(folder / "pictures"),
        name="red-box",
        base=str(bases["detailed"]),
        cache=folder / "latents",
        settings=SETTINGS,
        task=TASK,
    )


@pytest.fixture(scope="module")
def run(recipe: SubjectRecipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float, Path]:
    """The error before and after, and the folder of a finished run."""
    kind, folder = kind_of(recipe), tmp_path_factory.mktemp("runs") / "red-box"
    before = kind.validate(torch.Generator().manual_seed(0)).figures["error"]
    train(kind, SETTINGS, folder)
    return before, kind.validate(torch.Generator().manual_seed(0)).figures["error"], folder


def kind_of(recipe: SubjectRecipe) -> SubjectKind:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, SubjectKind)
    return kind


def edited(editor: Editor, *, detail: float, seed: int = 0, references: tuple[Image.Image, ...] = ()) -> np.ndarray:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8))
    settings = EditSettings(seed=seed, reference=ReferenceSettings(detail=detail))
    region = region_from_box(INSIDE, picture.size)
    return np.asarray(editor.edit(picture, "", settings=settings, region=region, references=references).image)


def parameters(subject: Subject | Exemplar) -> int:
    base = subject.base if isinstance(subject, Subject) else subject
    networks = {**base.checkpoint.modules, **base.networks, "tower": base.encoder.tower}
    extra = subject.networks if isinstance(subject, Subject) else {}
    held = {id(p): p.numel() for network in (*networks.values(), *extra.values()) for p in network.parameters()}
    return sum(held.values())


def test_pictures_say_what_the_object_is(recipe: SubjectRecipe) -> None:
    room, *views = subject_pictures(recipe.pictures)
    assert room.surrounded and not any(view.surrounded for view in views)
    assert room.reference.alpha is not None and room.reference.alpha.getbbox() == (20, 24, 44, 52)


def test_an_opaque_picture_is_the_object_unless_it_is_found_in_it(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), RED).save(tmp_path / "one.png")
    (whole,) = subject_pictures(tmp_path)
    assert whole.reference.alpha is None and not whole.surrounded
    found = Image.new("L", (40, 30))
    found.paste(255, (10, 10, 20, 20))
    (cut,) = subject_pictures(tmp_path, cut_out=lambda reference: replace(reference, alpha=found))
    assert cut.reference.alpha is found and cut.surrounded


def test_the_object_is_in_every_hole(recipe: SubjectRecipe) -> None:
    table = kind_of(recipe)._table
    assert len(table) == 3 * TASK.variants and len(table.keep) == TASK.holes * len(table)
    red = np.array(RED)
    for row, fitted in enumerate(table.samples.pictures):
        with Image.open(io.BytesIO(fitted.data)) as image:
            shown = np.asarray(image.convert("RGB")).astype(int)
        there = (np.abs(shown - red).max(axis=2) < 30)[::2, ::2]
        assert there.mean() > 0.02
        box_only = table.samples.masks[row].numpy() > 127
        assert (there & box_only).sum() >= 0.8 * there.sum()
        holes = ~table.keep[row * table.each : (row + 1) * table.each].numpy()
        assert all((hole & there).sum() >= 0.8 * there.sum() for hole in holes)


def test_references_are_the_other_pictures(recipe: SubjectRecipe, tmp_path: Path) -> None:
    references = kind_of(recipe)._table.samples.references
    assert [len(views) for views in references] == [2] * 9
    assert len(set(references)) == 3
    alone = tmp_path / "alone"
    alone.mkdir()
    Image.open(recipe.pictures / "view-0.png").save(alone / "view.png")
    assert len(kind_of(replace(recipe, pictures=alone, cache=None))._table.samples.references[0]) == 1


def test_only_the_changes_and_the_details_learn(recipe: SubjectRecipe) -> None:
    kind = kind_of(recipe)
    base = kind.subject.base
    unet, mapper = (copy.deepcopy(network.state_dict()) for network in (base.checkpoint.unet, base.mapper))
    kind.loss([0, 1, 2, 3], torch.Generator().manual_seed(0)).total.backward()
    assert all(parameter.grad is None for network in base.networks.values() for parameter in network.parameters())
    assert kind.subject.changes.up and all(up.grad is not None for up in kind.subject.changes.up.values())
    assert any(parameter.grad is not None for parameter in kind.subject.detail.parameters())
    for network, before in ((base.checkpoint.unet, unet), (base.mapper, mapper)):
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_loss_is_of_the_hole_alone(recipe: SubjectRecipe) -> None:
    kind = kind_of(replace(recipe, task=replace(TASK, flip=0.0)))

    def loss() -> float:
        return float(kind.loss([0, 1, 2, 3], torch.Generator().manual_seed(0)).total.detach())

    before, table = loss(), kind._table
    whole = torch.ones_like(table.keep)
    kind._table = replace(table, keep=whole)
    assert loss() == 0.0
    kind._table = table
    assert loss() == before


def test_dropped_references_are_the_learned_vector(recipe: SubjectRecipe) -> None:
    kind = kind_of(replace(recipe, task=replace(TASK, dropout=1.0)))
    kind.loss([0, 1, 2, 3], torch.Generator().manual_seed(0)).total.backward()
    grads = [parameter.grad for parameter in kind.subject.detail.parameters()]
    assert all(grad is None or not grad.any() for grad in grads)


def test_it_is_taught_and_resumes(recipe: SubjectRecipe, run: tuple[float, float, Path], tmp_path: Path) -> None:
    before, after, folder = run
    assert after < 0.9 * before
    assert train(kind_of(recipe), SETTINGS, folder).steps == SETTINGS.steps
    steps = iter([False] * 7 + [True] * 99)
    assert train(kind_of(recipe), SETTINGS, tmp_path, cancelled=lambda: next(steps)).interrupted
    train(kind_of(recipe), SETTINGS, tmp_path)
    one, other = (load_subject(place / "model") for place in (folder, tmp_path))
    assert all(torch.equal(part, other.changes.parts()[name]) for name, part in one.changes.parts().items())


@pytest.mark.parametrize("base", ["plain", "detailed"])
def test_m_0_is_the_bases_edit_bit_for_bit(
    base: str, bases: dict[str, Path], recipe: SubjectRecipe, run: tuple[float, float, Path], tmp_path: Path
) -> None:
    folder = run[2] / "model"
    if base == "plain":
        kind = kind_of(replace(recipe, base=str(bases["plain"])))
        kind.export(tmp_path / "model", steps=0, figures={})
        folder = tmp_path / "model"
    taught, plain = Editor.load(folder), Editor.load(bases[base])
    views = tuple(Image.open(folder / f"reference-0{number}.png") for number in (1, 2, 3))
    assert np.array_equal(edited(taught, detail=0.0), edited(plain, detail=0.0, references=views))
    # The changes were in the U-Net meanwhile, and are gone.
    assert not np.array_equal(edited(taught, detail=1.0), edited(taught, detail=0.0))
    assert np.array_equal(edited(taught, detail=0.0), edited(plain, detail=0.0, references=views))


def test_one_u_net_is_held_and_the_file_is_small(bases: dict[str, Path], run: tuple[float, float, Path]) -> None:
    subject, base = load_subject(run[2] / "model"), load_exemplar(bases["detailed"])
    added = sum(parameter.numel() for network in subject.networks.values() for parameter in network.parameters())
    assert parameters(subject) == parameters(base) + added
    unet = sum(parameter.numel() for parameter in base.checkpoint.unet.parameters())
    assert sum(up.numel() for up in subject.changes.parameters()) < 0.1 * unet


def test_details_are_of_the_changed_network_all_else_of_the_base(run: tuple[float, float, Path]) -> None:
    technique = FillingSubject(load_subject(run[2] / "model"))
    seen: list[bool] = []
    unet = technique.checkpoint.unet
    layer = next(module for name, module in unet.named_modules() if name.endswith("to_q"))
    editor = Editor(technique)
    hook = unet.register_forward_pre_hook(lambda *_: seen.append(bool(layer._forward_hooks)))
    edited(editor, detail=0.8)
    hook.remove()
    assert seen == [False, True] * 3


def test_other_references_and_another_base_may_be_given(
    bases: dict[str, Path], make_tiny: Callable, run: tuple[float, float, Path], tmp_path: Path
) -> None:
    folder = run[2] / "model"
    blue = Image.new("RGB", (40, 40), (20, 40, 200))
    editor = Editor.load(folder)
    assert not np.array_equal(edited(editor, detail=1.0, references=(blue,)), edited(editor, detail=1.0))
    assert editor.name == str(folder)
    subject = load_subject(folder, base=bases["plain"])
    assert subject.name == "red-box" and subject.base.detail is None and len(subject.references) == 3
    assert subject.references[0].alpha is not None
    assert find_subject("red-box", runs=run[2].parent) == str(folder) == find_subject(run[2])


def test_what_cannot_be_is_told(recipe: SubjectRecipe, run: tuple[float, float, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        subject_pictures(tmp_path / "none")
    with pytest.raises(DataError, match="holds 0 pictures"):
        subject_pictures(tmp_path)
    Image.new("RGB", (40, 30)).save(tmp_path / "one.png")
    Image.new("L", (40, 20)).save(tmp_path / "one.mask.png")
    with pytest.raises(DataError, match=r"mask one\.mask\.png is 40 x 20"):
        subject_pictures(tmp_path)
    Image.new("L", (40, 30)).save(tmp_path / "one.mask.png")
    with pytest.raises(DataError, match="is empty"):
        subject_pictures(tmp_path)
    with pytest.raises(SettingsError, match="The name is 'my chair'"):
        replace(recipe, name="my chair").build(torch.device("cpu"))
    with pytest.raises(ModelError, match="no adapter"):
        replace(recipe, base=str(tmp_path)).build(torch.device("cpu"))
    lost = tmp_path / "lost"
    kind_of(recipe).export(lost, steps=0, figures={})
    (lost / "reference-02.png").unlink()
    with pytest.raises(ModelError, match=r"lacks its picture reference-02\.png"):
        load_subject(lost)
    with pytest.raises(ModelError, match="fills a region; say which"):
        Editor.load(run[2] / "model").edit(Image.new("RGB", (64, 64)), "")


def test_its_usual_recipe_wants_pictures_and_a_name(tmp_path: Path) -> None:
    made = Material(data=(), base="pocket", out=tmp_path, pictures=tmp_path, name="red-box", lora=4)
    recipe = usual_recipe("subject", made, Choices(steps=7))
    assert isinstance(recipe, SubjectRecipe)
    assert recipe.base == "pocket/exemplar" and recipe.task.rank == 4 and recipe.settings.steps == 7
    with pytest.raises(SettingsError, match="needs a --name"):
        usual_recipe("subject", replace(made, name=None), Choices())
    with pytest.raises(SettingsError, match="leave --data out"):
        usual_recipe("subject", replace(made, data=[tmp_path]), Choices())
    with pytest.raises(SettingsError, match="choose auto, remove, keep"):
        usual_recipe("subject", replace(made, background="blur"), Choices())
    with pytest.raises(SettingsError, match="are for a subject"):
        usual_recipe("vae", made, Choices())


def test_a_reference_of_a_subject_keeps_its_transparency(run: tuple[float, float, Path]) -> None:
    again = load_reference(run[2] / "model" / "reference-02.png")
    assert again.alpha is not None and again.alpha.getbbox() == (12, 10, 45, 41)
