"""What computes the networks, torch or OpenVINO, and which of them was measured to be the faster one here."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch

from retouch.core.cache import cache_folder
from retouch.core.errors import OutputError, SettingsError
from retouch.core.files import atomic_write
from retouch.models.checkpoint import Checkpoint
from retouch.models.openvino.attach import PACKAGES, left_to_torch, use_openvino
from retouch.models.openvino.library import HINTS, check_installed, is_installed, version_of
from retouch.models.openvino.network import computed

Backend = Literal["torch", "openvino"]
BACKENDS = ("auto", "torch", "openvino")
ADVANTAGE = 1.1
"""How many times as fast as torch OpenVINO has to be for `auto` to choose it: it takes memory, and time to start."""
LEFT = (
    "What was asked for looks into the network or changes it, which OpenVINO does not allow for, so torch computed it."
)


def check_backend(name: str, device: str) -> str:
    """The device for a backend, `cpu` where openvino is to choose it.

    Raises:
        SettingsError: the backend is unknown, or cannot be had on that device.
        MissingExtraError: OpenVINO is not installed.
    """
    if name not in BACKENDS:
        raise SettingsError(f"The backend '{name}' is unknown; choose {', '.join(BACKENDS)}.")
    if name != "openvino":
        return device
    if device not in ("auto", "cpu"):
        raise SettingsError(
            f"The backend openvino computes on the CPU, not on the device '{device}'; leave the device out, or choose "
            "the backend torch."
        )
    check_installed()
    return "cpu"


def use_backend(checkpoint: Checkpoint, name: str) -> None:
    """Have a checkpoint, ready to be used, computed by the backend `name`; "auto" is what `chosen_backend` says.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        ModelError: OpenVINO cannot compute its networks.
    """
    if name == "openvino" or (name == "auto" and chosen_backend(checkpoint) == "openvino"):
        use_openvino(checkpoint)


def backend_of(checkpoint: Checkpoint) -> Backend:
    """What computes a checkpoint's U-Net."""
    return "torch" if computed(checkpoint.unet) is None else "openvino"


class Watch:
    """Tells whether torch had to compute what a checkpoint was given to OpenVINO for, since this was made."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint, self._before = checkpoint, left_to_torch(checkpoint)

    def warnings(self) -> tuple[str, ...]:
        """One sentence, where it had to."""
        return (LEFT,) if left_to_torch(self._checkpoint) > self._before else ()


def chosen_backend(checkpoint: Checkpoint) -> Backend:
    """The backend that was measured to be the faster one on this machine (`retouch doctor --bench`); else torch."""
    if checkpoint.device.type != "cpu" or checkpoint.dtype not in HINTS or not is_installed():
        return "torch"
    return faster(_read().get(_key(checkpoint), {}))


def faster(seconds: Mapping[Backend, float]) -> Backend:
    """The backend to choose, by the seconds of a step with each."""
    torch_seconds, openvino_seconds = seconds.get("torch"), seconds.get("openvino")
    if torch_seconds is None or openvino_seconds is None:
        return "torch"
    return "openvino" if openvino_seconds * ADVANTAGE <= torch_seconds else "torch"


def keep_measured(checkpoint: Checkpoint, seconds: Mapping[Backend, float]) -> Path | None:
    """Keep for `chosen_backend` what a step took with each backend; the file, None where it cannot be written."""
    kept = {**_read(), _key(checkpoint): dict(seconds)}
    try:
        return atomic_write(_file(), json.dumps(kept, indent=2, sort_keys=True).encode())
    except OutputError:
        return None


def _file() -> Path:
    return cache_folder() / "backends.json"


def _read() -> dict[str, dict[Backend, float]]:
    """What is kept, by key; what is no such thing is left out."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in found.items() if _is_measured(value)} if isinstance(found, dict) else {}


def _is_measured(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, (int, float)) and each > 0 for each in value.values())


def _key(checkpoint: Checkpoint) -> str:
    """The machine, the versions, the shape of the U-Net and the type it computes in."""
    config = {name: value for name, value in checkpoint.unet.config.items() if not name.startswith("_")}
    facts = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "versions": {package: version_of(package) for package in PACKAGES},
        "precision": HINTS[checkpoint.dtype],
        "unet": config,
        "size": checkpoint.spec.native_size,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
