"""The kinds by name with their usual settings: what `retouch train KIND` runs without a recipe file."""

from collections.abc import Callable

from retouch.core.errors import SettingsError
from retouch.training.choices import Choices, Material
from retouch.training.kinds.instruct import InstructTask
from retouch.training.kinds.vae import VaeTask
from retouch.training.recipe import InstructRecipe, Recipe, VaeRecipe
from retouch.training.settings import TrainSettings


def usual_recipe(kind: str, material: Material, choices: Choices) -> Recipe:
    """Return the run configuration of `kind`. Raises SettingsError for an unknown kind or a LoRA it cannot have."""
    if kind not in _KINDS:
        raise SettingsError(f"The kind '{kind}' is unknown; choose {', '.join(_KINDS)}, or give a --recipe.")
    if material.lora is not None and kind != "instruct":
        raise SettingsError(f"The kind '{kind}' cannot be trained as a LoRA; leave --lora out.")
    if material.lora is not None and material.lora < 1:
        raise SettingsError(f"The LoRA's rank is {material.lora}; give at least 1.")
    return _KINDS[kind](material, choices)


def _instruct(material: Material, choices: Choices) -> InstructRecipe:
    """The published trainer's settings, brief "instruct": 15,000 steps of 16, 5e-5, dropout 5/5/5."""
    usual = TrainSettings(
        steps=15_000,
        batch_size=16,
        learning_rate=5e-5 if material.lora is None else 2e-4,
        warmup=100,
        schedule="cosine",
    )
    return InstructRecipe(
        data=material.data,
        base=material.base,
        cache=material.out / "latents",
        settings=choices.applied(usual),
        task=InstructTask(lora=material.lora, train_text_encoder=False),
    )


def _vae(material: Material, choices: Choices) -> VaeRecipe:
    usual = TrainSettings(steps=20_000, batch_size=8, learning_rate=1e-4, warmup=100, schedule="cosine")
    return VaeRecipe(
        data=material.data,
        base=material.base,
        settings=choices.applied(usual),
        task=VaeTask(decoder_only=True),
    )


_KINDS: dict[str, Callable[[Material, Choices], Recipe]] = {"instruct": _instruct, "vae": _vae}

KIND_NAMES: tuple[str, ...] = tuple(_KINDS)
"""Every name `usual_recipe` knows."""
