"""Kinds with their usual settings: from folders and a base to an editor, whole or as a LoRA."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from safetensors.torch import load_file

from retouch.core.errors import DataError, SettingsError
from retouch.models.load import load
from retouch.models.save import save
from retouch.training.choices import Choices, Material
from retouch.training.kinds.instruct import InstructRecipe
from retouch.training.run import run_recipe
from retouch.training.usual import usual_recipe

QUICK = Choices(steps=3, batch_size=4, learning_rate=1e-3, precision="float32")


def recipe_of(data: Path, base: Path, out: Path, *, lora: int | None = None) -> InstructRecipe:
    recipe = usual_recipe("instruct", Material(data=[data], base=str(base), out=out, lora=lora), QUICK)
    assert isinstance(recipe, InstructRecipe)
    return replace(recipe, validation_every=4)


@pytest.fixture(scope="module")
def bases(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {kind: save(make_tiny(kind=kind), folder / kind) for kind in ("instruct", "generate")}


def test_choices_take_the_usual_settings_places() -> None:
    recipe = usual_recipe("instruct", Material(data=[Path("d")], base="pocket", out=Path("o")), Choices(steps=7))
    assert isinstance(recipe, InstructRecipe)
    assert recipe.settings.steps == 7
    assert recipe.settings.schedule == "cosine"


@pytest.mark.parametrize("kind", ["instruct", "generate"])
def test_an_editor_comes_of_four_or_eight_channels(
    kind: str, bases: dict[str, Path], train_pairs: Path, tmp_path: Path
) -> None:
    report = run_recipe(recipe_of(train_pairs, bases[kind], tmp_path), tmp_path, device="cpu")
    assert report.steps == 3
    editor, start = load(tmp_path / "model"), load(bases[kind])
    assert editor.kind == "instruct"
    name = "embeddings.token_embedding.weight"
    kept = start.text_encoder.state_dict()[name].half().float()
    torch.testing.assert_close(editor.text_encoder.state_dict()[name], kept)
    assert not torch.allclose(editor.unet.conv_out.weight, start.unet.conv_out.weight, atol=1e-5)


@pytest.mark.parametrize("kind", ["instruct", "generate"])
def test_a_lora_is_merged_into_the_model_and_lies_beside_it(
    kind: str, bases: dict[str, Path], train_pairs: Path, tmp_path: Path
) -> None:
    run_recipe(recipe_of(train_pairs, bases[kind], tmp_path, lora=2), tmp_path, device="cpu")
    editor, start = load(tmp_path / "model"), load(bases[kind])
    before, after = start.unet.state_dict(), editor.unet.state_dict()
    assert before.keys() == after.keys()
    changed = {
        name
        for name in before
        if before[name].shape != after[name].shape or not torch.allclose(before[name], after[name], atol=2e-3)
    }
    expected = {"conv_in.weight"} if kind == "generate" else set()
    assert expected <= changed
    assert all(".attn" in name for name in changed - {"conv_in.weight", "conv_in.bias"})
    (file,) = (tmp_path / "model" / "lora").glob("*.safetensors")
    assert all("lora" in name for name in load_file(file))
    if kind == "instruct":
        assert StableDiffusionPipeline.lora_state_dict(str(file.parent), weight_name=file.name)


def test_a_lora_of_another_kind_and_unknown_kinds_are_refused() -> None:
    material = Material(data=[Path("d")], base="pocket", out=Path("o"), lora=4)
    with pytest.raises(SettingsError, match="cannot be trained as a LoRA"):
        usual_recipe("vae", material, Choices())
    with pytest.raises(SettingsError, match="rank is 0; give at least 1"):
        usual_recipe("instruct", replace(material, lora=0), Choices())
    with pytest.raises(SettingsError, match="kind 'video' is unknown; choose instruct, generate"):
        usual_recipe("video", material, Choices())


@pytest.mark.parametrize("kind", ["vae", "clip", "writer"])
def test_choices_that_a_kind_does_not_have_are_refused(kind: str) -> None:
    material = Material(data=[Path("d")], base="pocket", out=Path("o"))
    with pytest.raises(SettingsError, match=f"'{kind}' has no size of pictures"):
        usual_recipe(kind, replace(material, size=256), Choices())
    with pytest.raises(SettingsError, match=f"'{kind}' encodes nothing ahead"):
        usual_recipe(kind, replace(material, cache=False), Choices())


def test_too_few_pictures_to_hold_some_out_are_refused(
    bases: dict[str, Path], train_pairs: Path, tmp_path: Path
) -> None:
    recipe = replace(recipe_of(train_pairs, bases["instruct"], tmp_path), validation_every=50)
    with pytest.raises(DataError, match="too few to hold some out"):
        run_recipe(recipe, tmp_path, device="cpu")
