"""The kinds by name with their usual settings: what `retouch train KIND` runs without a recipe file."""

from collections.abc import Callable

from retouch.core.errors import SettingsError
from retouch.training.choices import Choices, Material, Student
from retouch.training.kinds import (
    clip,
    controlnet,
    distil,
    exemplar,
    generate,
    insert,
    instruct,
    ip_adapter,
    lora,
    parser,
    placement,
    reader,
    segmenter,
    subject,
    vae,
    writer,
)
from retouch.training.recipe import OwnLoop, Recipe

_KINDS: dict[str, Callable[[Material, Choices], Recipe | OwnLoop]] = {
    "instruct": instruct.usual,
    "generate": generate.usual,
    "controlnet": controlnet.usual,
    "distil": distil.usual,
    "exemplar": exemplar.usual,
    "insert": insert.usual,
    "ip-adapter": ip_adapter.usual,
    "lora": lora.usual,
    "subject": subject.usual,
    "vae": vae.usual,
    "clip": clip.usual,
    "reader": reader.usual,
    "writer": writer.usual,
    "segmenter": segmenter.usual,
    "parser": parser.usual,
    "placement": placement.usual,
}

KIND_NAMES: tuple[str, ...] = tuple(_KINDS)
"""Every name `usual_recipe` knows."""


def usual_recipe(kind: str, material: Material, choices: Choices) -> Recipe | OwnLoop:
    """Return the run configuration of `kind`. Raises SettingsError for an unknown kind or what it cannot have."""
    if kind not in _KINDS:
        raise SettingsError(f"The kind '{kind}' is unknown; choose {', '.join(_KINDS)}, or give a --recipe.")
    if kind != "subject" and (material.pictures is not None or material.name is not None):
        raise SettingsError(f"The kind '{kind}' is trained from --data; --pictures and --name are for a subject.")
    if kind != "distil" and material.student != Student():
        raise SettingsError(
            f"The kind '{kind}' has no teacher; --objective, --student-steps and the teacher's guidance are for distil."
        )
    if material.lora is not None and material.lora < 1:
        raise SettingsError(f"The LoRA's rank is {material.lora}; give at least 1.")
    return _KINDS[kind](material, choices)
