"""The IP-Adapter's kind: it learns beside a frozen model, resumes, and comes out as a folder that others read."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from tests.training.conftest import COLOURS, squares

from retouch.core.errors import ModelError
from retouch.core.images import png_bytes
from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.ip_adapter_load import load_ip_adapter
from retouch.models.load import load
from retouch.models.save import save
from retouch.records.pair import Split
from retouch.records.shards import open_writer
from retouch.training.choices import Choices, Material
from retouch.training.kinds.ip_adapter import IPAdapterKind, IPAdapterRecipe, IPAdapterTask
from retouch.training.settings import TrainSettings
from retouch.training.state import latest_state
from retouch.training.trainer import train
from retouch.training.usual import usual_recipe

SETTINGS = TrainSettings(
    steps=60,
    batch_size=8,
    learning_rate=1e-2,
    warmup=5,
    ema_decay=0.9,
    precision="float32",
    save_every=60,
    validate_every=60,
)
TASK = IPAdapterTask(wordless=0.5, flip=0.5, shown=2)


def cut_out(colour: str) -> bytes:
    picture = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    ImageDraw.Draw(picture).rectangle((6, 6, 26, 26), fill=(*COLOURS[colour], 255))
    return png_bytes(picture)


def folder_of(place: Path, split: Split, count: int) -> Path:
    records = [
        replace(record, reference_images=(cut_out(str(record.params["colour"])),), object="square")
        for record in squares(split, count)
    ]
    with open_writer(place, engine="squares", settings={"split": split}) as writer:
        writer.write(records, first_unit=0, units=count)
    return place


@pytest.fixture(scope="module")
def recipes(make_tiny, tiny_tokenizer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, IPAdapterRecipe]:
    place = tmp_path_factory.mktemp("ip-adapter")
    save_clip(random_clip(TINY_CLIP, tiny_tokenizer), place / "clip", storage="float32")
    data, held_out = folder_of(place / "train", "train", 24), folder_of(place / "held", "validation", 8)
    return {
        kind: IPAdapterRecipe(
            data=[data],
            held_out=[held_out],
            base=save(make_tiny(kind=kind, seed=1), place / kind),
            image_encoder=place / "clip",
            cache=place / "latents",
            settings=SETTINGS,
            task=TASK,
        )
        for kind in ("instruct", "generate")
    }


def kind_of(recipe: IPAdapterRecipe) -> IPAdapterKind:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, IPAdapterKind)
    return kind


@pytest.mark.parametrize(("kind", "variant"), [("instruct", "base"), ("generate", "plus")])
def test_it_learns_beside_a_frozen_model_and_comes_out(
    kind: str, variant, recipes: dict[str, IPAdapterRecipe], tmp_path: Path
) -> None:
    trained = kind_of(replace(recipes[kind], task=replace(TASK, variant=variant)))
    frozen = {**trained.checkpoint.modules, "encoder": trained.adapter.reader().tower}
    before = {name: {key: value.clone() for key, value in net.state_dict().items()} for name, net in frozen.items()}
    with torch.no_grad():
        start = trained.validate(torch.Generator().manual_seed(0)).figures
    report = train(trained, SETTINGS, tmp_path / "run")
    assert report.figures["held-out error without words"] < 0.95 * start["held-out error without words"]
    if variant == "base":
        without = report.figures["held-out error without words without pictures"]
        assert report.figures["held-out error without words"] < 0.99 * without
    for name, net in frozen.items():
        assert all(torch.equal(value, before[name][key]) for key, value in net.state_dict().items())
    folder = tmp_path / "run" / "model"
    loaded = load_ip_adapter(folder, load(recipes[kind].base).unet)
    assert loaded.variant == variant
    own = dict(trained.adapter.attention.named_parameters())
    assert loaded.reader().source == str(recipes[kind].image_encoder)
    assert all(value.shape == own[name].shape for name, value in loaded.attention.named_parameters())
    assert f"variant: {variant}" in (folder / "README.md").read_text()


def test_pictures_texts_and_sources_are_dropped_apart_and_together(recipes: dict[str, IPAdapterRecipe]) -> None:
    recipe = recipes["instruct"]
    kind = kind_of(replace(recipe, task=replace(TASK, dropout=0.25, wordless=0.0)))
    seen: list[tuple[bool, bool, bool]] = []
    plain = kind._errors

    def told(batch, generator):
        for row in range(len(batch.rows)):
            words = not torch.equal(batch.ids[row], kind._null_ids)
            seen.append((words, bool(batch.embeddings[row].any()), bool(batch.sourced[row])))
        return plain(batch, generator)

    kind._errors = told  # pyright: ignore[reportAttributeAccessIssue]
    for number in range(4):
        kind.loss(kind.groups[0], torch.Generator().manual_seed(number))
    assert set(seen) == {(True, False, True), (False, True, True), (False, False, True), (False, False, False)}
    for case in set(seen):
        assert 0.1 < seen.count(case) / len(seen) < 0.4


def test_it_resumes_to_the_bit_and_trains_on(recipes: dict[str, IPAdapterRecipe], tmp_path: Path) -> None:
    recipe, settings = recipes["generate"], replace(SETTINGS, steps=4, save_every=2, validate_every=4)
    train(kind_of(recipe), settings, tmp_path / "whole")
    stops = iter([False] * 2 + [True])
    assert train(kind_of(recipe), settings, tmp_path / "parts", cancelled=lambda: next(stops)).interrupted
    train(kind_of(recipe), settings, tmp_path / "parts")
    whole, parts = (latest_state(tmp_path / name) for name in ("whole", "parts"))
    assert whole is not None
    assert parts is not None
    assert (whole / "state.safetensors").read_bytes() == (parts / "state.safetensors").read_bytes()
    again = kind_of(replace(recipe, start=tmp_path / "whole" / "model"))
    loaded = load_ip_adapter(tmp_path / "whole" / "model", again.checkpoint.unet)
    assert all(
        torch.equal(value, again.adapter.attention.state_dict()[name])
        for name, value in loaded.attention.state_dict().items()
    )
    assert all(parameter.requires_grad for parameter in again.adapter.attention.parameters())


def test_the_usual_settings_are_the_published_ones(tmp_path: Path) -> None:
    recipe = usual_recipe("ip-adapter", Material(data=[tmp_path], base="pocket", out=tmp_path), Choices())
    assert isinstance(recipe, IPAdapterRecipe)
    assert (recipe.settings.learning_rate, recipe.settings.weight_decay) == (1e-4, 0.01)
    assert (recipe.task.dropout, recipe.image_encoder) == (0.05, "pocket/clip")


def test_a_model_that_fills_is_refused(recipes: dict[str, IPAdapterRecipe], make_tiny, tmp_path: Path) -> None:
    base = save(make_tiny(kind="inpaint"), tmp_path / "inpaint")
    with pytest.raises(ModelError, match="is of kind 'inpaint'; train the adapter over"):
        kind_of(replace(recipes["instruct"], base=base))
