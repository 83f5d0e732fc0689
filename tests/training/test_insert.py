"""The insertion kind: what learns and how fast, what is dropped, and what comes out over its base."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from tests.models.inserts import clip_folder
from tests.training.conftest import COLOURS, square_mask
from tests.training.test_exemplar import view

from retouch.conditioning.insert import null_tokens
from retouch.core.errors import DataError, ModelError, SettingsError
from retouch.core.images import png_bytes
from retouch.models.insert import Insert, Null, load_insert, tuned_attention
from retouch.models.load import load
from retouch.models.save import save
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import open_writer
from retouch.training.choices import Choices, Material
from retouch.training.kinds.insert import UNET_RATE, InsertKind, InsertRecipe, InsertTask, usual
from retouch.training.settings import TrainSettings
from retouch.training.trainer import _Run, train

SETTINGS = TrainSettings(
    steps=30,
    batch_size=8,
    learning_rate=3e-2,
    warmup=4,
    ema_decay=0.9,
    precision="float32",
    save_every=30,
    validate_every=30,
)


def room(number: int, colour: str | None = None) -> bytes:
    """A wall of a shade of its own, with a square before it or without."""
    image = Image.new("RGB", (64, 64), (100 + number, 110, 100))
    if colour is not None:
        left = 4 * (number % 8)
        ImageDraw.Draw(image).rectangle((left, 16, left + 31, 47), fill=COLOURS[colour])
    return png_bytes(image)


def insertion(split: Split, number: int) -> PairRecord:
    """A square that comes, or goes; the pictures of it are its references."""
    colour, left, adds = list(COLOURS)[number % 4], 4 * (number % 8), number % 3 != 2
    shown, empty = room(number, colour), room(number)
    return PairRecord(
        id=f"insertion-{split}-{number}",
        source_image=empty if adds else shown,
        target_image=shown if adds else empty,
        edit_prompt=f"add a {colour} square" if adds else "remove the square",
        source_caption="nothing" if adds else f"a {colour} square",
        target_caption=f"a {colour} square" if adds else "nothing",
        mask=square_mask(left=left),
        object_mask=square_mask(left=left),
        reference_images=(view(colour),) * 2,
        object="square",
        engine="squares",
        seed=number,
        params={"kind": "add" if adds else "remove", "colour": colour, "object": "square"},
        split=split,
    )


def write_insertions(folder: Path, split: Split, count: int) -> Path:
    with open_writer(folder, engine="squares", settings={"split": split}) as writer:
        writer.write([insertion(split, number) for number in range(count)], first_unit=0, units=count)
    return folder


@pytest.fixture(scope="module")
def base(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(make_tiny(kind="instruct", seed=1, condition_scaled=True), tmp_path_factory.mktemp("base") / "instruct")


@pytest.fixture(scope="module")
def recipe(base: Path, tiny_tokenizer, tmp_path_factory: pytest.TempPathFactory) -> InsertRecipe:
    folder = tmp_path_factory.mktemp("insertions")
    return InsertRecipe(
        data=[write_insertions(folder / "train", "train", 24)],
        held_out=[write_insertions(folder / "validation", "validation", 8)],
        base=str(base),
        encoder=str(clip_folder(tiny_tokenizer, folder / "clip")),
        cache=folder / "latents",
        settings=SETTINGS,
    )


def kind_of(recipe: InsertRecipe) -> InsertKind:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, InsertKind)
    return kind


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_attention_learns_at_a_tenth(recipe: InsertRecipe, tmp_path: Path) -> None:
    kind = kind_of(recipe)
    run = _Run(kind, replace(SETTINGS, schedule="constant", warmup=0, learning_rate=3e-3), tmp_path)
    run.advance()
    rates = {id(one): group["lr"] for group in run.optimiser.param_groups for one in group["params"]}
    attention = [one for module in tuned_attention(kind.insert.checkpoint.unet).values() for one in module.parameters()]
    assert [rates[id(one)] for one in attention] == pytest.approx([UNET_RATE * 3e-3] * len(attention))
    assert {rates[id(one)] for one in kind.insert.optimizer.parameters()} == {3e-3}
    assert len(rates) == len(attention) + len(list(kind.insert.optimizer.parameters()))


def test_only_optimizer_and_chosen_attention_change(recipe: InsertRecipe, base: Path, tmp_path: Path) -> None:
    kind = kind_of(recipe)
    start = {name: weight.clone() for name, weight in kind.insert.optimizer.state_dict().items()}
    before = kind.validate(generator()).figures["held-out error"]
    report = train(kind, SETTINGS, tmp_path / "run")
    assert report.figures["held-out error"] < before
    found, unet = load_insert(tmp_path / "run" / "model"), load(base).unet
    names = tuple(f"{name}." for name in tuned_attention(unet))
    for name, weight in found.checkpoint.unet.state_dict().items():
        changed = not torch.equal(weight, unet.state_dict()[name])
        # Keys and queries have no bias; every other part of it gets a gradient.
        assert changed == name.startswith(names), name
    moved = found.optimizer.state_dict()
    assert all(not torch.equal(moved[name], start[name].half().float()) for name in start)
    assert (tmp_path / "run" / "model" / "README.md").read_text().count("insertions of the train split") == 2


def test_an_interrupted_run_ends_as_one_that_was_not(recipe: InsertRecipe, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=8, save_every=4, validate_every=8)
    train(kind_of(recipe), settings, tmp_path / "whole")
    count = iter(range(100))
    stopped = train(kind_of(recipe), settings, tmp_path / "parts", cancelled=lambda: next(count) == 5)
    assert stopped.interrupted
    assert train(kind_of(recipe), settings, tmp_path / "parts").steps == 8
    for part in ("optimizer", "unet"):
        whole, parts = ((tmp_path / run / "model" / f"{part}.safetensors").read_bytes() for run in ("whole", "parts"))
        assert whole == parts


@pytest.mark.parametrize("null", get_args(Null))
def test_training_drops_for_what_is_nothing_in_use(recipe: InsertRecipe, null: Null) -> None:
    kind = kind_of(replace(recipe, task=InsertTask(null=null, dropout=0.5)))
    insert, source = kind.insert, torch.ones(64, 4, 8, 8)
    context, left = kind._dropped(torch.randn(64, 16, 16, generator=generator(1)), source, generator())
    nothing = null_tokens(insert).expand(64, 16, 16)
    # At u = 0.5 every sample loses its reference, and half of them the picture with it.
    assert torch.equal(context, nothing)
    kept = left.flatten(1).all(dim=1)
    assert 0.25 < float(kept.float().mean()) < 0.75
    assert torch.equal(left, source * kept[:, None, None, None])


def test_dropping_leaves_shares_of_u(recipe: InsertRecipe) -> None:
    kind = kind_of(replace(recipe, task=InsertTask(null="zeros", dropout=0.2)))
    context, left = kind._dropped(torch.ones(4000, 16, 16), torch.ones(4000, 1, 1, 1), generator())
    heard, seen = context.flatten(1).any(dim=1), left.flatten().bool()
    shares = [float((said & shown).float().mean()) for said in (heard, ~heard) for shown in (seen, ~seen)]
    assert shares == pytest.approx([0.4, 0.2, 0.2, 0.2], abs=0.03)


@pytest.mark.parametrize("queries", [16, 6])
def test_words_stay_understood(recipe: InsertRecipe, queries: int) -> None:
    """With a share of 1 all that have words hear these alone, evenly often, and removals hear the reference."""
    kind = kind_of(replace(recipe, task=InsertTask(words=1.0, queries=queries)))
    tokens, words = torch.randn(2, queries, 16), torch.randn(2, 16, 16)
    mixed = kind._mixed(tokens, words, torch.tensor([True, False]), generator())
    length = mixed.shape[1]
    assert length % queries == length % 16 == 0
    assert torch.equal(mixed[0], words[0].repeat(length // 16, 1))
    assert torch.equal(mixed[1], tokens[1].repeat(length // queries, 1))
    assert bool(kind.loss(range(8), generator()).total.isfinite())
    assert [bool(told) for told in kind._told[:4]] == [True, True, False, True]


def test_the_pull_draws_tokens_to_words(recipe: InsertRecipe) -> None:
    plain, pulled = (kind_of(replace(recipe, task=InsertTask(pull=pull))) for pull in (0.0, 2.0))
    without, along = (kind.loss(range(8), generator()) for kind in (plain, pulled))
    # The share that is told in words takes a draw of its own.
    assert "pull" not in without.parts
    assert float(along.total.detach()) == pytest.approx(along.parts["error"] + 2 * along.parts["pull"], rel=1e-5)
    along.total.backward()
    assert all(parameter.grad is None for parameter in pulled.insert.checkpoint.text_encoder.parameters())


def test_pictures_are_drawn_in_the_models_own_convention(recipe: InsertRecipe, make_tiny, tmp_path: Path) -> None:
    """A model that answers with changes learns the change from what it sees, nothing where that was dropped."""
    changing = save(make_tiny(seed=1, condition_scaled=True, denoises="change"), tmp_path / "changing")
    kind = kind_of(replace(recipe, base=str(changing)))
    # Its head begins at zero: it answers "no change", whose error is the change itself.
    table, rows, side = kind._tables[0], torch.arange(4), torch.zeros(4, dtype=torch.long)
    source = kind._latents(table.other, table, rows, side)
    shown = kind._latents(table.shown, table, rows, side)
    tokens = kind._tokens(table, rows, generator(), vary=False)
    error, _ = kind._errors(table, rows, side, (source, tokens), generator())
    torch.testing.assert_close(error, (shown - source).square().mean(dim=1))


def started(
    recipe: InsertRecipe, folder: Path, change: Callable[[Insert], None] = lambda _insert: None
) -> InsertRecipe:
    kind = kind_of(recipe)
    change(kind.insert)
    kind.export(folder, steps=0, figures={})
    return replace(recipe, start=folder)


def test_a_training_goes_on_from_a_model(recipe: InsertRecipe, make_tiny, tmp_path: Path) -> None:
    def turn(insert: Insert) -> None:
        insert.optimizer.queries.data.fill_(0.5)

    further = started(recipe, tmp_path / "model", turn)
    assert torch.equal(kind_of(further).insert.optimizer.queries, torch.full((16, 16), 0.5))
    other = save(make_tiny(seed=9, condition_scaled=True), tmp_path / "other")
    with pytest.raises(ModelError, match="changed, which this kind of change has no room for"):
        replace(further, base=str(other)).build(torch.device("cpu"))


def test_what_cannot_be_trained_is_told(recipe: InsertRecipe, train_pairs: Path, make_tiny, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="make pairs with --references 2 there first"):
        replace(recipe, data=[train_pairs]).build(torch.device("cpu"))
    drawing = save(make_tiny(kind="generate"), tmp_path / "drawing")
    with pytest.raises(ModelError, match="Insertion goes over an editor"):
        replace(recipe, base=str(drawing)).build(torch.device("cpu"))
    material = Material(data=[tmp_path], base="pocket", out=tmp_path, lora=4)
    with pytest.raises(SettingsError, match="cannot be trained as a LoRA"):
        usual(material, Choices())
    chosen = usual(replace(material, lora=None), Choices(steps=7))
    assert (chosen.settings.steps, chosen.settings.batch_size, chosen.settings.learning_rate) == (7, 16, 1e-4)


def test_held_out_places_are_those_of_none_that_is_trained(recipe: InsertRecipe) -> None:
    kind = kind_of(replace(recipe, held_out=(), validation_every=2, data=[*recipe.data]))
    train_places = {int(place) for table in kind._tables for place in table.other}
    held = {int(place) for table in kind._held_out for place in table.other}
    assert held
    assert not train_places & held
    assert np.isfinite(kind.validate(generator()).figures["held-out error"])
