"""The text-to-image kind: what is cached and drawn, what is dropped, that it learns, resumes and comes out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from retouch.conditioning.text import token_ids
from retouch.core.errors import DataError, ModelError
from retouch.editing.generate import generate
from retouch.models.architecture import TINY, ZERO_TERMINAL_SCHEDULE
from retouch.models.checkpoint import Checkpoint
from retouch.models.load import load
from retouch.models.save import save
from retouch.models.spec import PUBLISHED
from retouch.records.shards import open_writer, read_records
from retouch.training.cache import Preparation, pair_tables
from retouch.training.choices import Choices, Material
from retouch.training.kinds.generate import GenerateKind, GenerateRecipe, GenerateTask, usual
from retouch.training.latents import CaptionTokens, drawn_captions
from retouch.training.settings import TrainSettings
from retouch.training.state import latest_state
from retouch.training.trainer import train

SETTINGS = TrainSettings(
    steps=60, batch_size=8, learning_rate=3e-3, warmup=5, precision="float32", save_every=60, validate_every=60
)


@pytest.fixture(scope="module")
def base(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(make_tiny(kind="generate", seed=1), tmp_path_factory.mktemp("base") / "generate")


@pytest.fixture
def recipe(base: Path, train_pairs: Path, validation_pairs: Path, tmp_path: Path) -> GenerateRecipe:
    return GenerateRecipe(
        data=[train_pairs], held_out=[validation_pairs], base=base, cache=tmp_path / "latents", settings=SETTINGS
    )


def kind_of(recipe: GenerateRecipe) -> GenerateKind:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, GenerateKind)
    return kind


def test_every_picture_has_all_its_captions_and_the_cache_is_that_of_the_editor(
    recipe: GenerateRecipe, train_pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = kind_of(recipe)
    records = list(read_records(train_pairs))
    assert len(kind.groups[0]) == len(
        {data for record in records for data in (record.source_image, record.target_image)}
    )
    assert {text for own in kind._table.captions for text in own} == {record.source_caption for record in records}
    monkeypatch.setattr(kind.checkpoint.vae, "encode", None)
    preparation = Preparation(vae=kind.checkpoint.vae, cache=recipe.cache)
    (pairs,) = pair_tables(preparation, train_pairs, split="train")
    rows = torch.arange(len(pairs.posteriors))
    assert torch.equal(pairs.posteriors.of(rows, torch.zeros_like(rows))[0], kind._table.modes(rows))


def test_captions_are_drawn_from_ones_own_and_mirrored_with_the_picture(tiny_checkpoint: Checkpoint) -> None:
    captions = [["a sofa", "a lamp"], ["the left wall"]]
    tokens, mirrored = CaptionTokens(tiny_checkpoint, captions), CaptionTokens(tiny_checkpoint, [["b", "c"], ["d"]])
    picked, side = torch.tensor([0] * 200 + [1] * 2), torch.tensor([0] * 200 + [0, 1])
    ids = drawn_captions(tokens, mirrored, picked, side, torch.Generator().manual_seed(0))
    first = (ids[:200] == token_ids(tiny_checkpoint, ["a sofa"])).all(dim=1)
    assert 60 < int(first.sum()) < 140
    assert (ids[:200][~first] == token_ids(tiny_checkpoint, ["a lamp"])).all()
    assert torch.equal(ids[200:], token_ids(tiny_checkpoint, ["the left wall", "d"]))


def test_text_is_left_out_of_the_share_asked_for(recipe: GenerateRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = kind_of(replace(recipe, task=GenerateTask(dropout=0.25, flip=0.0)))
    seen: list[torch.Tensor] = []

    def watch(table, picked, side, ids, generator):
        seen.append(ids)
        return torch.zeros(len(picked)), torch.ones(len(picked))

    monkeypatch.setattr(kind, "_errors", watch)
    kind.loss([0] * 8000, torch.Generator().manual_seed(0))
    without = (seen[0] == kind._null_ids).all(dim=1)
    assert float(without.float().mean()) == pytest.approx(0.25, abs=0.02)


def test_it_learns_and_exports_what_diffusers_opens(recipe: GenerateRecipe, tmp_path: Path) -> None:
    from diffusers import StableDiffusionPipeline

    kind = kind_of(recipe)
    before = kind.validate(torch.Generator().manual_seed(0)).figures["held-out error"]
    report = train(kind, SETTINGS, tmp_path / "run")
    assert report.figures["held-out error"] < 0.9 * before
    loaded = load(tmp_path / "run" / "model")
    assert loaded.kind == "generate"
    assert loaded.spec == kind.checkpoint.spec
    kind.checkpoint.unet.load_state_dict(loaded.unet.state_dict())
    kind.checkpoint.text_encoder.load_state_dict(loaded.text_encoder.state_dict())
    kind.checkpoint.vae.load_state_dict(loaded.vae.state_dict())
    (ours,), (theirs,) = (generate(one, ["a red square"], seeds=[1]) for one in (kind.checkpoint, loaded))
    # The one in training attends by plain products, which round otherwise.
    assert np.abs(np.asarray(ours, np.int16) - np.asarray(theirs, np.int16)).max() <= 1
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "run" / "model")
    assert int(pipeline.unet.config["in_channels"]) == 4


def test_it_resumes_to_the_bit(recipe: GenerateRecipe, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=4, save_every=2, validate_every=4)
    train(kind_of(recipe), settings, tmp_path / "whole")
    stops = iter([False] * 2 + [True])
    assert train(kind_of(recipe), settings, tmp_path / "parts", cancelled=lambda: next(stops)).interrupted
    train(kind_of(recipe), settings, tmp_path / "parts")
    whole, parts = (latest_state(tmp_path / name) for name in ("whole", "parts"))
    assert whole is not None
    assert parts is not None
    assert (whole / "state.safetensors").read_bytes() == (parts / "state.safetensors").read_bytes()


def test_from_nothing_it_learns_a_tokenizer_and_answers_with_the_velocity(recipe: GenerateRecipe, base: Path) -> None:
    spec = replace(PUBLISHED["generate"], native_size=64, size_multiple=16, steps=2, scheduler="ddim")
    fresh = replace(recipe, base=None, vae=base / "vae", spec=spec, vocabulary=300, architecture=TINY)
    kind = kind_of(fresh)
    assert kind.checkpoint.scheduler_config["prediction_type"] == ZERO_TERMINAL_SCHEDULE["prediction_type"]
    assert (
        kind.checkpoint.tokenizer("red square").input_ids == kind_of(fresh).checkpoint.tokenizer("red square").input_ids
    )
    assert torch.isfinite(kind.loss([0, 1], torch.Generator().manual_seed(0)).total)


def test_the_usual_training_leaves_the_text_encoder(base: Path, train_pairs: Path, tmp_path: Path) -> None:
    made = usual(Material(data=[train_pairs], base=str(base), out=tmp_path), Choices(steps=2, precision="float32"))
    kind = kind_of(replace(made, validation_every=4))
    assert set(kind.modules) == {"unet"}
    loss = kind.loss([0, 1], torch.Generator().manual_seed(0))
    loss.total.backward()
    assert all(parameter.grad is None for parameter in kind.checkpoint.text_encoder.parameters())


def test_what_it_cannot_start_from_is_refused(recipe: GenerateRecipe, tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="needs one of kind 'generate' with 4 channels"):
        kind_of(replace(recipe, base=tiny_folder))
    with pytest.raises(ModelError, match="give a base, or vae and spec"):
        kind_of(replace(recipe, base=None))
    with open_writer(tmp_path / "silent", engine="squares", settings={}) as writer:
        silent = [replace(record, target_caption=" ") for record in read_records(recipe.data[0])]
        writer.write(silent, first_unit=0, units=len(silent))
    with pytest.raises(DataError, match="No pair of the split 'train' with both captions"):
        kind_of(replace(recipe, data=[tmp_path / "silent"]))
