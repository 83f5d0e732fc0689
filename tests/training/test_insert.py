"""The insertion's kind: what learns and how fast, what is dropped, and what comes out over its base."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from tests.training.conftest import COLOURS, square_mask

from retouch.conditioning.insert import null_tokens
from retouch.conditioning.text import encode_text
from retouch.core.errors import DataError, ModelError, SettingsError
from retouch.core.images import png_bytes
from retouch.core.reference import load_reference
from retouch.core.reference_settings import ReferenceSettings
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.insert import load_insert, save_insert, tuned_attention
from retouch.models.load import load
from retouch.models.save import save
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import open_writer
from retouch.training.choices import Choices, Material
from retouch.training.kinds.insert import UNET_RATE, InsertKind, InsertRecipe, InsertTask
from retouch.training.settings import TrainSettings
from retouch.training.state import latest_state
from retouch.training.trainer import train
from retouch.training.usual import usual_recipe

SETTINGS = TrainSettings(
    steps=40,
    batch_size=8,
    learning_rate=3e-3,
    warmup=5,
    ema_decay=0.9,
    precision="float32",
    save_every=40,
    validate_every=40,
)
TASK = InsertTask(words=0.3, pull=0.5)


def room(colour: str | None, left: int) -> bytes:
    image = Image.new("RGB", (64, 64), (120, 110, 100))
    if colour is not None:
        ImageDraw.Draw(image).rectangle((left, 16, left + 31, 47), fill=COLOURS[colour])
    return png_bytes(image)


def view(colour: str) -> bytes:
    image = Image.new("RGBA", (48, 48), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((8, 8, 40, 40), fill=(*COLOURS[colour], 255))
    return png_bytes(image)


def insertions(split: Split, count: int) -> list[PairRecord]:
    """Squares put in where there was none, every third told as a removal."""
    made = []
    for number in range(count):
        colour, left = list(COLOURS)[number % 4], 8 * (number // 4 % 4)
        shown, without, removed = room(colour, left), room(None, left), number % 3 == 2
        made.append(
            PairRecord(
                id=f"insertion-{split}-{number}",
                source_image=shown if removed else without,
                target_image=without if removed else shown,
                edit_prompt="take the square away" if removed else f"add a {colour} square",
                source_caption=f"a room with a {colour} square" if removed else "a room",
                target_caption="a room" if removed else f"a room with a {colour} square",
                mask=square_mask(left=left),
                object_mask=square_mask(left=left),
                reference_images=(view(colour),) * 2,
                object="square",
                engine="squares",
                seed=number,
                params={"kind": "remove" if removed else "add", "colour": colour},
                split=split,
            )
        )
    return made


def write(folder: Path, records: Sequence[PairRecord]) -> Path:
    with open_writer(folder, engine="squares", settings={"split": records[0].split}) as writer:
        writer.write(records, first_unit=0, units=len(records))
    return folder


@pytest.fixture(scope="module")
def recipe(make_tiny, tiny_tokenizer, tmp_path_factory: pytest.TempPathFactory) -> InsertRecipe:
    place = tmp_path_factory.mktemp("insert")
    clip = save_clip(random_clip(TINY_CLIP, tiny_tokenizer), place / "clip", storage="float32")
    return InsertRecipe(
        data=[write(place / "train", insertions("train", 24))],
        held_out=[write(place / "held", insertions("validation", 8))],
        base=str(save(make_tiny(seed=1), place / "base", storage="float32")),
        encoder=str(clip),
        cache=place / "latents",
        settings=SETTINGS,
        task=TASK,
    )


def kind_of(recipe: InsertRecipe) -> InsertKind:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, InsertKind)
    return kind


def weights_of(kind: InsertKind) -> dict[str, torch.Tensor]:
    insert = kind.insert
    parts: dict[str, Any] = {
        **insert.checkpoint.modules,
        "encoder": insert.encoder.tower,
        "optimizer": insert.optimizer,
    }
    return {f"{part}.{name}": value.clone() for part, net in parts.items() for name, value in net.state_dict().items()}


def test_the_optimizer_learns_at_the_full_rate_the_attention_at_a_tenth_and_nothing_else(
    recipe: InsertRecipe, tmp_path: Path
) -> None:
    kind = kind_of(recipe)
    before, tuned = weights_of(kind), tuple(f"unet.{name}." for name in tuned_attention(kind.insert.checkpoint.unet))
    one = replace(SETTINGS, steps=1, warmup=0, weight_decay=0.0, ema_decay=0.0, save_every=9, validate_every=9)
    train(kind, one, tmp_path / "run")
    moved = {name: float((value - before[name]).abs().max()) for name, value in weights_of(kind).items()}
    # AdamW's first step moves every weight by the rate times the sign of its gradient, nearly.
    optimizer = max(change for name, change in moved.items() if name.startswith("optimizer."))
    attention = max(change for name, change in moved.items() if name.startswith(tuned))
    assert optimizer == pytest.approx(one.learning_rate, rel=0.02)
    assert attention == pytest.approx(UNET_RATE * one.learning_rate, rel=0.02)
    assert not any(change for name, change in moved.items() if not name.startswith(("optimizer.", *tuned)))


def test_with_a_rank_all_of_the_network_learns_and_comes_out_at_that_rank(recipe: InsertRecipe, tmp_path: Path) -> None:
    kind = kind_of(replace(recipe, task=replace(TASK, rank=64)))
    train(kind, replace(SETTINGS, steps=2, ema_decay=0.0), tmp_path / "run")
    trained, base = kind.insert.checkpoint.unet.state_dict(), load(recipe.base).unet.state_dict()
    loaded = load_insert(tmp_path / "run" / "model").checkpoint.unet.state_dict()
    assert not torch.equal(trained["conv_in.weight"], base["conv_in.weight"])
    assert all(torch.allclose(loaded[name], value, atol=1e-3) for name, value in trained.items())
    kind.export(tmp_path / "small", steps=2, figures={})
    whole = (tmp_path / "small" / "unet.safetensors").stat().st_size
    further = kind_of(replace(recipe, start=tmp_path / "small", task=replace(TASK, rank=64))).insert.checkpoint.unet
    assert all(torch.allclose(further.state_dict()[name], value, atol=1e-3) for name, value in trained.items())
    save_insert(kind.insert, tmp_path / "less", base=recipe.base, rank=2)
    assert (tmp_path / "less" / "unet.safetensors").stat().st_size < 0.6 * whole


def seen_by(kind: InsertKind, times: int = 6) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Source and context of every sample that the U-Net sees in some steps."""
    seen, plain = [], kind._errors

    def watched(table, rows, side, given, generator):
        seen.extend(zip(*given, strict=True))
        return plain(table, rows, side, given, generator)

    kind._errors = watched  # pyright: ignore[reportAttributeAccessIssue]
    for number in range(times):
        kind.loss(list(range(12)), torch.Generator().manual_seed(number))
    return seen


@pytest.mark.parametrize("null", ["empty-text", "encoded-zero-image", "zeros"])
def test_reference_and_image_are_dropped_apart_and_together(null: Any, recipe: InsertRecipe) -> None:
    kind = kind_of(replace(recipe, task=replace(TASK, dropout=0.25, words=0.0, null=null)))
    nothing = null_tokens(kind.insert)[0]
    cases = [(torch.equal(context, nothing), bool(source.any())) for source, context in seen_by(kind)]
    assert {case: 0.1 < cases.count(case) / len(cases) < 0.45 for case in set(cases)} == {
        (True, True): True,
        (True, False): True,
        (False, False): True,
        (False, True): True,
    }


def test_words_take_the_place_of_references_where_there_are_some(recipe: InsertRecipe) -> None:
    kind = kind_of(replace(recipe, task=replace(TASK, dropout=0.0, words=1.0, flip=0.0)))
    told = {text: encode_text(kind.insert.checkpoint, [text]).features[0] for text in kind._tables[0].prompts if text}
    matches = [
        any(torch.allclose(context, words, atol=1e-5) for words in told.values()) for _, context in seen_by(kind)
    ]
    shares = [bool(text) for text in kind._tables[0].prompts[:12]]
    assert sum(matches) == 6 * sum(shares)
    assert 0 < sum(shares) < 12


def test_a_pull_brings_tokens_to_the_words(recipe: InsertRecipe, tmp_path: Path) -> None:
    def distance(pull: float) -> float:
        kind = kind_of(replace(recipe, task=replace(TASK, pull=pull, dropout=0.0)))
        train(kind, SETTINGS, tmp_path / f"pull-{pull:g}")
        table, rows = kind._tables[0], torch.tensor([0, 1, 3, 4])
        with torch.no_grad():
            tokens = kind._tokens(table, rows, torch.Generator(), vary=False)
        words = encode_text(kind.insert.checkpoint, [table.prompts[row] for row in rows.tolist()]).features
        return float((tokens - words).square().mean())

    assert distance(0.5) < 0.5 * distance(0.0)


def test_it_learns_resumes_and_puts_an_object_in(recipe: InsertRecipe, tmp_path: Path) -> None:
    kind = kind_of(recipe)
    with torch.no_grad():
        before = kind.validate(torch.Generator().manual_seed(0)).figures["held-out error"]
    report = train(kind, SETTINGS, tmp_path / "run")
    assert report.figures["held-out error"] < before

    stops, short = iter([False] * 2 + [True]), replace(SETTINGS, steps=4, save_every=2, validate_every=4)
    train(kind_of(recipe), short, tmp_path / "whole")
    assert train(kind_of(recipe), short, tmp_path / "parts", cancelled=lambda: next(stops)).interrupted
    train(kind_of(recipe), short, tmp_path / "parts")
    whole, parts = (latest_state(tmp_path / name) for name in ("whole", "parts"))
    assert whole is not None
    assert parts is not None
    assert (whole / "state.safetensors").read_bytes() == (parts / "state.safetensors").read_bytes()

    folder = tmp_path / "run" / "model"
    assert "queries" in load_insert(folder).optimizer.state_dict()
    assert "pull: 0.5" in (folder / "README.md").read_text()
    again = kind_of(replace(recipe, start=folder))
    assert torch.equal(again.insert.optimizer.queries, load_insert(folder).optimizer.queries)
    assert all(parameter.requires_grad for parameter in again.insert.optimizer.parameters())


def test_edits_follow_references_and_words_by_their_weights(recipe: InsertRecipe, tmp_path: Path) -> None:
    kind_of(recipe).export(tmp_path / "model", steps=0, figures={})
    editor, picture = Editor.load(tmp_path / "model"), Image.new("RGB", (64, 64), "grey")
    red, blue = load_reference(view("red")), load_reference(view("blue"))

    def edited(*references: Any, words: str = "", weight: float | None = None) -> np.ndarray:
        settings = EditSettings(seed=3, reference=ReferenceSettings(words=weight))
        return np.asarray(editor.edit(picture, words, settings=settings, references=references).image)

    plain = edited(red)
    assert np.array_equal(edited(red), plain)
    assert not np.array_equal(edited(blue), plain)
    assert np.array_equal(edited(red, blue), edited(blue, red))
    assert np.array_equal(edited(red, words="remove the lamp", weight=0.0), plain)
    assert not np.array_equal(edited(red, words="remove the lamp"), plain)
    # What the attention learned of pictures is nothing yet: without their weight this is the base's own edit.
    told = Editor.load(recipe.base).edit(picture, "remove the lamp", settings=EditSettings(seed=3)).image
    assert np.array_equal(edited(replace(red, weight=0.0), words="remove the lamp"), np.asarray(told))
    with pytest.raises(SettingsError, match="No reference counts, nor do words"):
        edited(replace(red, weight=0.0))
    with pytest.raises(ModelError, match="give one as a reference"):
        edited(words="remove the lamp")


def test_the_usual_settings_are_the_published_ones(tmp_path: Path) -> None:
    recipe = usual_recipe("insert", Material(data=[tmp_path], base="pocket", out=tmp_path), Choices())
    assert isinstance(recipe, InsertRecipe)
    assert (recipe.settings.learning_rate, recipe.settings.batch_size, recipe.settings.clip) == (1e-4, 16, 1.0)
    assert (recipe.task.pull, recipe.task.words, recipe.task.null) == (0.0, 0.0, "encoded-zero-image")


def test_data_without_insertions_is_told(recipe: InsertRecipe, train_pairs: Path) -> None:
    with pytest.raises(DataError, match=r"references of an object of the kinds add, remove; make pairs"):
        replace(recipe, data=[train_pairs]).build(torch.device("cpu"))


def test_a_model_that_fills_is_refused(recipe: InsertRecipe, make_tiny, tmp_path: Path) -> None:
    base = str(save(make_tiny(kind="inpaint"), tmp_path / "inpaint"))
    with pytest.raises(ModelError, match="editing by instruction needs"):
        kind_of(replace(recipe, base=base))


def test_the_base_stays_as_it_is(recipe: InsertRecipe, tmp_path: Path) -> None:
    kind_of(recipe).export(tmp_path / "model", steps=0, figures={})
    own = load_insert(tmp_path / "model").checkpoint.unet.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in load(recipe.base).unet.state_dict().items())


def test_a_training_goes_on_over_the_base_of_its_start_alone(recipe: InsertRecipe, make_tiny, tmp_path: Path) -> None:
    kind = kind_of(recipe)
    kind.insert.optimizer.queries.data.fill_(0.5)
    kind.export(tmp_path / "model", steps=0, figures={})
    further = replace(recipe, start=tmp_path / "model")
    queries = kind_of(further).insert.optimizer.queries
    assert torch.equal(queries, torch.full_like(queries, 0.5))
    other = save(make_tiny(seed=9), tmp_path / "other")
    with pytest.raises(ModelError, match="changed, which this kind of change has no room for"):
        replace(further, base=str(other)).build(torch.device("cpu"))


def test_an_interrupted_run_ends_as_one_that_was_not(recipe: InsertRecipe, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=8, save_every=4, validate_every=8)
    train(kind_of(recipe), settings, tmp_path / "whole")
    asked = iter(range(100))
    stopped = train(kind_of(recipe), settings, tmp_path / "parts", cancelled=lambda: next(asked) == 5)
    assert stopped.interrupted
    assert train(kind_of(recipe), settings, tmp_path / "parts").steps == 8
    for part in ("optimizer", "unet"):
        whole, parts = ((tmp_path / run / "model" / f"{part}.safetensors").read_bytes() for run in ("whole", "parts"))
        assert whole == parts
