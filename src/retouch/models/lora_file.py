"""Read a LoRA file, under the names of PEFT, of diffusers old and new, or of kohya's trainers, into one form."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from retouch.core.errors import ModelError
from retouch.models.sources import PICKLED_SUFFIXES

_ENDINGS = {
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
    ".alpha": "alpha",
}
"""How the names of tensors end, and which factor of an update each is."""

_OTHER_METHODS = {
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "hada_w1": "LoHa",
    "lokr_w1": "LoKr",
    "lora_mid": "Tucker decomposition",
}

_PREFERRED = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
"""What diffusers and PEFT call the file in a folder."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Update:
    """One layer's update, up · down · α / rank; `down` is (rank, …), `up` (out, rank, …), α None where not stored."""

    down: Tensor
    up: Tensor
    alpha: float | None

    @property
    def rank(self) -> int:
        """The rank of the update."""
        return int(self.down.shape[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class LoraFile:
    """The updates of a file by the layer's name as it is stored, and the settings they were trained with, if kept."""

    file: Path
    updates: Mapping[str, Update]
    settings: Mapping[str, object]

    def settings_of(self, network: str) -> Mapping[str, object]:
        """PEFT's settings for the network; diffusers keeps those of several in one place."""
        own = {key.removeprefix(f"{network}."): value for key, value in self.settings.items() if f"{network}." in key}
        return own or self.settings


def read_lora(source: str) -> LoraFile:
    """Read the LoRA that `source` names, a .safetensors file or a folder with one.

    Raises:
        ModelError: nothing is there, it is pickled or damaged, or it holds something else than complete updates.
    """
    file = _find(source)
    tensors, header = _read(file)
    return LoraFile(file=file, updates=_updates(tensors, file), settings=_settings(file, header))


def _find(source: str) -> Path:
    path = Path(source).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file():
        raise ModelError(f"There is no LoRA '{source}'; name a .safetensors file or a folder with one.")
    if path.suffix in PICKLED_SUFFIXES:
        raise ModelError(
            f"The LoRA '{path}' is pickled, which can run code on loading; convert it once with "
            f"`retouch models convert {path} OUT.safetensors` and use OUT.safetensors."
        )
    return path


def _in_folder(folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    for name in _PREFERRED:
        if folder / name in files:
            return folder / name
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise ModelError(f"The folder '{folder}' has several or no .safetensors files ({found}); name the LoRA's file.")
    return files[0]


def _read(file: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    try:
        with safe_open(file, framework="pt") as tensors:
            return {name: tensors.get_tensor(name) for name in tensors.keys()}, tensors.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"The LoRA '{file}' is no valid safetensors file ({error}); get it again.") from error


def _updates(tensors: Mapping[str, Tensor], file: Path) -> dict[str, Update]:
    _check_method(tensors, file)
    parts: dict[str, dict[str, Tensor]] = {}
    unknown: list[str] = []
    for name, tensor in tensors.items():
        ending = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
        if ending is None:
            unknown.append(name)
        else:
            parts.setdefault(name.removesuffix(ending), {})[_ENDINGS[ending]] = tensor
    if not parts:
        first = f", but '{min(unknown)}'" if unknown else ""
        raise ModelError(
            f"'{file}' is no LoRA: it has no tensor like '….lora_A.weight' or '….lora_down.weight'{first}."
        )
    if unknown:
        raise ModelError(
            f"The LoRA '{file}' has the tensor '{min(unknown)}', which is no low-rank update; "
            "give a file with LoRA weights alone."
        )
    return {layer: _update(layer, factors, file) for layer, factors in parts.items()}


def _check_method(names: Iterable[str], file: Path) -> None:
    for name in names:
        for mark, method in _OTHER_METHODS.items():
            if mark in name:
                raise ModelError(f"'{file}' holds a {method} ('{name}'), not a LoRA; only LoRA can be put in.")


def _update(layer: str, factors: Mapping[str, Tensor], file: Path) -> Update:
    for factor in ("down", "up"):
        if factor not in factors:
            raise ModelError(f"The LoRA '{file}' lacks the {factor} weight of '{layer}'; get the file again.")
    down, up = factors["down"], factors["up"]
    if min(down.ndim, up.ndim) < 2 or up.flatten(1).shape[1] != down.shape[0] or down.shape[0] == 0:
        raise ModelError(
            f"The LoRA '{file}' has weights of shapes {shown(up)} (up) and {shown(down)} (down) for '{layer}'; "
            "expected one rank in both, at least 1; get the file again."
        )
    if not all(bool(torch.isfinite(tensor).all()) for tensor in factors.values()):
        raise ModelError(f"The LoRA '{file}' has numbers for '{layer}' that are not finite; get the file again.")
    alpha = factors.get("alpha")
    if alpha is not None and alpha.numel() != 1:
        raise ModelError(f"The LoRA '{file}' has {alpha.numel()} numbers as the alpha of '{layer}', expected 1.")
    return Update(down=down, up=up, alpha=None if alpha is None else float(alpha))


def shown(tensor: Tensor) -> str:
    """A shape as errors write it."""
    return " x ".join(map(str, tensor.shape)) or "a number"


def _settings(file: Path, header: Mapping[str, str]) -> Mapping[str, object]:
    """What PEFT was told: in the header, where diffusers keeps it, or in `adapter_config.json` beside PEFT's file."""
    beside = file.with_name("adapter_config.json")
    try:
        if "lora_adapter_metadata" in header:
            settings = json.loads(header["lora_adapter_metadata"])
        elif file.name == "adapter_model.safetensors" and beside.is_file():
            settings = json.loads(beside.read_text(encoding="utf-8"))
        else:
            settings = {}
    except (OSError, ValueError) as error:
        raise ModelError(f"The settings of the LoRA '{file}' cannot be read ({error}); get it again.") from error
    if not isinstance(settings, dict):
        raise ModelError(f"The settings of the LoRA '{file}' are no JSON object; get it again.")
    return settings
