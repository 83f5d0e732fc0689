"""The pocket family's recipe file: every member of it is a run configuration of its kind."""

from pathlib import Path

import pytest

from retouch.models.architecture import random_checkpoint
from retouch.models.control import control_of
from retouch.training.kinds.clip import ClipRecipe
from retouch.training.kinds.controlnet import ControlNetRecipe
from retouch.training.kinds.distil import DistilRecipe
from retouch.training.kinds.generate import GenerateRecipe
from retouch.training.kinds.insert import InsertRecipe
from retouch.training.kinds.instruct import InstructRecipe
from retouch.training.kinds.ip_adapter import IPAdapterRecipe
from retouch.training.run import recipe_members

POCKET = Path(__file__).parents[2] / "recipes" / "pocket.py"


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("clip", ClipRecipe),
        ("generate", GenerateRecipe),
        ("controlnet", ControlNetRecipe),
        ("instruct", InstructRecipe),
        ("insert", InsertRecipe),
        ("ip_adapter", IPAdapterRecipe),
        ("ip_adapter_plus", IPAdapterRecipe),
    ],
)
def test_members_are_configurations_of_their_kind(member: str, kind: type, tmp_path: Path) -> None:
    assert isinstance(recipe_members(POCKET)[member](tmp_path, tmp_path), kind)


def test_specialising_starts_from_the_pocket_editor(tmp_path: Path) -> None:
    (recipe,) = (make(tmp_path, tmp_path) for make in recipe_members(POCKET.with_name("specialise.py")).values())
    assert isinstance(recipe, InstructRecipe)
    assert recipe.base == "pocket"


def test_the_student_takes_one_step_of_the_pocket_editors_four(tmp_path: Path) -> None:
    (recipe,) = (make(tmp_path, tmp_path) for make in recipe_members(POCKET.with_name("fast.py")).values())
    assert isinstance(recipe, DistilRecipe)
    assert (recipe.base, recipe.task.steps * recipe.task.skip) == ("pocket/instruct", 4)


def test_a_control_of_the_pocket_model_is_small(tmp_path: Path, tiny_tokenizer) -> None:
    members = recipe_members(POCKET)
    model, control = members["generate"](tmp_path, tmp_path), members["controlnet"](tmp_path, tmp_path)
    assert isinstance(model, GenerateRecipe)
    assert isinstance(control, ControlNetRecipe)
    checkpoint = random_checkpoint(model.architecture, tiny_tokenizer, kind="generate")
    network = control_of(checkpoint, channels=control.task.channels, seed=0)
    assert sum(parameter.numel() for parameter in network.parameters()) < 2.5e6
    assert sum(parameter.numel() for parameter in checkpoint.unet.parameters()) < 5e6
