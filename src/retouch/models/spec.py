"""How a checkpoint wants its conditions and what its own defaults are, saved beside the weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from retouch.core.errors import ModelError
from retouch.core.settings import EditSettings

Kind = Literal["generate", "instruct", "inpaint"]
"""What a U-Net was made for: text to image, editing by instruction, filling a region."""

SPEC_FILE = "retouch.json"
SPEC_VERSION = 1

CHANNELS: dict[Kind, int] = {"generate": 4, "instruct": 8, "inpaint": 9}
"""Input channels of the U-Net by kind."""

CHANNEL_WIDTHS: dict[str, int] = {"latents": 4, "source": 4, "mask": 1, "masked-image": 4}
"""Width of every part that can stand in `ConditioningSpec.channel_order`."""


@dataclass(frozen=True, kw_only=True)
class ConditioningSpec:
    """The conventions a checkpoint was trained with, which its weights do not show, and its own defaults.

    The defaults here are those of the published InstructPix2Pix.

    kind: what the U-Net was made for.
    condition_scaled: whether the source's latents are multiplied by the VAE's scaling factor.
    condition_posterior: whether the source's latents are the mode of the VAE's posterior or a sample.
    null_text: whether "no text" is the encoded empty string or zeros.
    channel_order: the parts of the U-Net's input, first to last.
    denoises: whether the U-Net denoises the picture's latents, answering as the scheduler's prediction type says,
        or their change from the source's, or the masked picture's, answering with the clean change.
    mask_meaning: what white says in a mask channel.
    steps, scheduler, text_guidance, image_guidance: used where a request leaves them open.
    native_size: pixels of the side the model was trained at.
    size_multiple: both sides of the model's input are multiples of this many pixels.
    keep_detail: whether the input's own detail comes along with an edit: where the model sees the input smaller than
        it is, always, or never; used where a request leaves it open.
    fast_unguided: whether the profile "fast" leaves guidance out, one branch a step, as where it measures no worse.
    """

    kind: Kind = "instruct"
    condition_scaled: bool = False
    condition_posterior: Literal["mode", "sample"] = "mode"
    null_text: Literal["encoded-empty", "zeros"] = "encoded-empty"
    channel_order: tuple[str, ...] = ("latents", "source")
    mask_meaning: Literal["none", "white-is-changed", "white-is-kept"] = "none"
    denoises: Literal["picture", "change"] = "picture"
    steps: int = 100
    scheduler: str = "euler-ancestral"
    text_guidance: float = 7.5
    image_guidance: float = 1.5
    native_size: int = 512
    size_multiple: int = 64
    keep_detail: Literal["where-smaller", "always", "never"] = "where-smaller"
    fast_unguided: bool = False

    def __post_init__(self) -> None:
        unknown = [part for part in self.channel_order if part not in CHANNEL_WIDTHS]
        width = sum(CHANNEL_WIDTHS.get(part, 0) for part in self.channel_order)
        if unknown or width != CHANNELS[self.kind]:
            raise ModelError(
                f"The channel order {', '.join(self.channel_order)} does not fit kind '{self.kind}' with "
                f"{CHANNELS[self.kind]} channels; mend '{SPEC_FILE}' in the model's folder."
            )
        after = self.channel_order[1:2] in (("source",), ("masked-image",))
        if self.denoises == "change" and not (after and self.condition_scaled):
            raise ModelError(
                "Only a model whose source, or masked picture, stands scaled behind its latents can denoise the change "
                f"from it; mend '{SPEC_FILE}' in the model's folder."
            )
        if min(self.steps, self.native_size, self.size_multiple) < 1:
            raise ModelError(
                f"steps, native_size and size_multiple must be at least 1; mend '{SPEC_FILE}' in the model's folder."
            )

    @property
    def defaults(self) -> EditSettings:
        """The model's own settings, for `EditSettings.resolve`."""
        return EditSettings(
            steps=self.steps,
            scheduler=self.scheduler,
            text_guidance=self.text_guidance,
            image_guidance=self.image_guidance,
            keep_detail={"where-smaller": None, "always": True, "never": False}[self.keep_detail],
        )

    def asked(self, settings: EditSettings) -> EditSettings:
        """Settings with what the profile says of this model in particular."""
        if self.fast_unguided and settings.profile == "fast" and settings.guidance_interval is None:
            return replace(settings, guidance_interval=(0.0, 0.0))
        return settings


PUBLISHED: dict[Kind, ConditioningSpec] = {
    "generate": ConditioningSpec(kind="generate", channel_order=("latents",), steps=50, scheduler="pndm"),
    "instruct": ConditioningSpec(),
    "inpaint": ConditioningSpec(
        kind="inpaint",
        condition_scaled=True,
        channel_order=("latents", "mask", "masked-image"),
        mask_meaning="white-is-changed",
        steps=50,
        scheduler="pndm",
    ),
}
"""The published Stable-Diffusion-1 conventions, for folders without a spec of their own."""


def write_spec(spec: ConditioningSpec, folder: Path) -> None:
    """Write `spec` as `retouch.json` into `folder`, which exists."""
    content = {"version": SPEC_VERSION, **asdict(spec)}
    (folder / SPEC_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_spec(folder: Path, kind: Kind) -> ConditioningSpec:
    """The spec in `folder`, or the published conventions of `kind` where there is none.

    Raises:
        ModelError: the file is not valid, is of another version, has unknown keys, or names another kind
            than the weights have.
    """
    path = folder / SPEC_FILE
    if not path.is_file():
        return PUBLISHED[kind]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"'{path}' is not valid JSON ({error}); restore the file or remove it.") from error
    if not isinstance(content, dict):
        raise ModelError(f"'{path}' holds a {type(content).__name__}, expected an object of settings.")
    spec = spec_from_mapping(content, where=str(path))
    if spec.kind != kind:
        raise ModelError(
            f"'{path}' says the model is of kind '{spec.kind}', but its U-Net takes {CHANNELS[kind]} "
            f"channels, which is '{kind}'; the weights and the file do not belong together."
        )
    return spec


def spec_from_mapping(content: Mapping[str, object], *, where: str) -> ConditioningSpec:
    """A spec from decoded JSON; `where` names the source in errors.

    Raises:
        ModelError: the version is another one, a key is unknown, or a value is of the wrong type.
    """
    values = dict(content)
    version = values.pop("version", None)
    if version != SPEC_VERSION:
        raise ModelError(
            f"{where} is of version {version}, expected {SPEC_VERSION}; update Retouch or save the model again."
        )
    known = {field.name for field in fields(ConditioningSpec)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ModelError(f"{where} has the unknown key '{unknown[0]}'; known are {', '.join(sorted(known))}.")
    hints = get_type_hints(ConditioningSpec)
    typed: dict[str, Any] = {key: _typed(key, value, hints[key], where) for key, value in values.items()}
    return ConditioningSpec(**typed)


def _typed(key: str, value: object, hint: object, where: str) -> object:
    """`value` as the type its field asks for; JSON has no tuples and writes whole floats as integers."""
    if get_origin(hint) is Literal:
        fits, expected = value in get_args(hint), " or ".join(f"'{choice}'" for choice in get_args(hint))
    elif hint is float:
        fits, expected = isinstance(value, (int, float)) and not isinstance(value, bool), "a number"
    elif hint in (int, bool, str):
        fits, expected = (
            type(value) is hint,
            {int: "a whole number", bool: "true or false", str: "a text"}[hint],
        )
    else:
        fits = isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value)
        expected = "a list of texts"
    if not fits:
        raise ModelError(f"{where} has {value!r} for '{key}', expected {expected}.")
    if hint is float:
        return float(value)  # pyright: ignore[reportArgumentType]
    return tuple(value) if isinstance(value, list) else value
