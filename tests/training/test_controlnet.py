"""The ControlNet's kind: edges go with their pictures, the base stays, it learns, resumes and comes out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from retouch.conditioning.control import PictureControl
from retouch.core import edges as edges_module
from retouch.core.edges import edges
from retouch.core.errors import DataError, MissingExtraError, ModelError
from retouch.core.images import load_image, png_bytes
from retouch.editing.generate import generate
from retouch.models.control import load_control, save_control
from retouch.models.save import save
from retouch.records.shards import open_writer, read_records
from retouch.training.choices import Choices, Material
from retouch.training.kinds.controlnet import ControlNetKind, ControlNetRecipe, ControlNetTask, usual
from retouch.training.settings import TrainSettings
from retouch.training.state import latest_state
from retouch.training.trainer import train

SETTINGS = TrainSettings(
    steps=40, batch_size=8, learning_rate=3e-3, warmup=5, precision="float32", save_every=40, validate_every=40
)
TASK = ControlNetTask(channels=(8, 16, 16, 16), flip=0.5)


@pytest.fixture(scope="module")
def base(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(make_tiny(kind="generate", seed=1), tmp_path_factory.mktemp("base") / "generate")


@pytest.fixture
def recipe(base: Path, train_pairs: Path, validation_pairs: Path, tmp_path: Path) -> ControlNetRecipe:
    return ControlNetRecipe(
        data=[train_pairs],
        held_out=[validation_pairs],
        base=base,
        cache=tmp_path / "latents",
        settings=SETTINGS,
        task=TASK,
    )


def kind_of(recipe: ControlNetRecipe) -> ControlNetKind:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, ControlNetKind)
    return kind


def test_edges_go_with_their_pictures_and_turn_with_them(recipe: ControlNetRecipe, train_pairs: Path) -> None:
    kind = kind_of(recipe)
    record = next(iter(read_records(train_pairs)))
    expected = torch.from_numpy(edges(np.asarray(load_image(record.source_image).pixels))).float()
    plain, turned = kind._table.edges(torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert plain.shape == (3, 64, 64)
    assert torch.equal(plain[1], expected)
    assert torch.equal(turned[2], expected.flip(-1))


def test_at_the_start_the_control_changes_nothing(recipe: ControlNetRecipe) -> None:
    figures = kind_of(recipe).validate(torch.Generator().manual_seed(0)).figures
    assert figures["held-out error"] == pytest.approx(figures["held-out error without control"], rel=1e-5)


def test_it_learns_with_its_base_untouched_and_comes_out(recipe: ControlNetRecipe, tmp_path: Path) -> None:
    kind = kind_of(recipe)
    before = {name: value.clone() for name, value in kind.checkpoint.unet.state_dict().items()}
    report = train(kind, SETTINGS, tmp_path / "run")
    assert report.figures["held-out error"] < 0.97 * report.figures["held-out error without control"]
    assert all(torch.equal(value, kind.checkpoint.unet.state_dict()[name]) for name, value in before.items())
    loaded = load_control(tmp_path / "run" / "model")
    kind.network.load_state_dict(loaded.state_dict())
    picture = kind._table.edges(torch.tensor([0]), torch.tensor([0]))
    (ours,), (theirs,) = (
        generate(kind.checkpoint, ["a red square"], seeds=[1], control=PictureControl(network=network, picture=picture))
        for network in (kind.network.eval(), loaded)
    )
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    assert "base: generate" in (tmp_path / "run" / "model" / "README.md").read_text()


def test_it_resumes_to_the_bit(recipe: ControlNetRecipe, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=4, save_every=2, validate_every=4)
    train(kind_of(recipe), settings, tmp_path / "whole")
    stops = iter([False] * 2 + [True])
    assert train(kind_of(recipe), settings, tmp_path / "parts", cancelled=lambda: next(stops)).interrupted
    train(kind_of(recipe), settings, tmp_path / "parts")
    whole, parts = (latest_state(tmp_path / name) for name in ("whole", "parts"))
    assert whole is not None
    assert parts is not None
    assert (whole / "state.safetensors").read_bytes() == (parts / "state.safetensors").read_bytes()


def test_a_control_may_be_trained_on(recipe: ControlNetRecipe, tmp_path: Path) -> None:
    first = kind_of(recipe).network
    start = save_control(first, tmp_path / "start", storage="float32")
    again = kind_of(replace(recipe, start=start)).network
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())


def test_what_it_cannot_use_is_refused(
    recipe: ControlNetRecipe, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = usual(Material(data=recipe.data, base=str(tiny_folder), out=tmp_path), Choices())
    with pytest.raises(ModelError, match="needs one of kind 'generate' with 4 channels"):
        kind_of(made)
    records = list(read_records(recipe.data[0]))
    wide = png_bytes(load_image(records[0].source_image).pixels.resize((128, 64)))
    with open_writer(tmp_path / "wide", engine="squares", settings={}) as writer:
        records = [
            replace(record, source_image=wide, target_image=wide, mask=None, object_mask=None) for record in records
        ]
        writer.write(records, first_unit=0, units=len(records))
    with pytest.raises(DataError, match="pictures of 64 x 32 and 64 x 64 pixels"):
        kind_of(replace(recipe, data=[recipe.data[0], tmp_path / "wide"]))


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'retouch\[photos\]'"):
        edges_module.edges(np.zeros((16, 16, 3), dtype=np.uint8))
