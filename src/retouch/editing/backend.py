"""What computes the networks, torch itself, CUDA graphs or OpenVINO, and which was measured to be the fastest."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch

from retouch.core.cache import cache_folder
from retouch.core.errors import OutputError, SettingsError
from retouch.core.files import atomic_write
from retouch.models.checkpoint import Checkpoint
from retouch.models.computed import computed
from retouch.models.graphs import use_graphs
from retouch.models.openvino.attach import PACKAGES, left_to_torch, use_openvino
from retouch.models.openvino.library import HINTS, check_installed, is_installed, version_of
from retouch.models.resident import takes_turns

Backend = Literal["torch", "graphs", "compiled", "openvino"]
"""From the one that takes least memory, and time to start, to the one that takes most."""
BACKENDS = ("auto", *get_args(Backend))
ON_GPU = ("graphs", "compiled")
ADVANTAGE = 1.1
"""How many times as fast as those before it in `Backend` one has to be for `auto` to choose it."""
BY_NAME = "compiled"
"""What `auto` never chooses: it takes minutes when a shape first comes, which pays for who edits for hours alone."""
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
    if name in ON_GPU:
        return _on_gpu(name, device)
    if name != "openvino":
        return device
    if device not in ("auto", "cpu"):
        raise SettingsError(
            f"The backend openvino computes on the CPU, not on the device '{device}'; leave the device out, or choose "
            "the backend torch."
        )
    check_installed()
    return "cpu"


def _on_gpu(name: str, device: str) -> str:
    if not torch.cuda.is_available():
        raise SettingsError(f"The backend {name} needs an NVIDIA GPU, and there is none here; choose auto or torch.")
    if device != "auto" and not device.startswith("cuda"):
        raise SettingsError(
            f"The backend {name} computes on an NVIDIA GPU, not on the device '{device}'; leave the device out, or "
            "choose the backend torch."
        )
    return "cuda" if device == "auto" else device


def use_backend(checkpoint: Checkpoint, name: str) -> None:
    """Have a checkpoint, ready to be used, computed by the backend `name`; "auto" is what `chosen_backend` says.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        ModelError: OpenVINO cannot compute its networks.
        SettingsError: the networks take turns on the GPU, and the backend is one that records where their weights lie.
    """
    if name in ON_GPU and takes_turns(checkpoint.unet):
        raise SettingsError(
            f"The backend {name} needs all networks on the GPU, and by the memory mode they take turns there; choose "
            "the memory mode full, or the backend torch."
        )
    chosen = chosen_backend(checkpoint) if name == "auto" else name
    lay_out(checkpoint)
    if chosen == "openvino":
        use_openvino(checkpoint)
    elif chosen in ON_GPU and not takes_turns(checkpoint.unet):
        use_graphs(checkpoint, compiled=chosen == "compiled")


def lay_out(checkpoint: Checkpoint) -> None:
    """Lay the weights of a checkpoint on a GPU out as its convolutions read them, the channels of a cell together."""
    if checkpoint.device.type == "cuda":
        for network in (checkpoint.unet, checkpoint.vae):
            cast(Any, network).to(memory_format=torch.channels_last)


def backend_of(checkpoint: Checkpoint) -> Backend:
    """What computes a checkpoint's U-Net."""
    found = computed(checkpoint.unet)
    return "torch" if found is None else cast(Backend, found.by)


class Watch:
    """Tells whether torch had to compute what a checkpoint was given to OpenVINO for, since this was made."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint, self._before = checkpoint, left_to_torch(checkpoint)

    def warnings(self) -> tuple[str, ...]:
        """One sentence, where it had to."""
        if backend_of(self._checkpoint) != "openvino" or left_to_torch(self._checkpoint) <= self._before:
            return ()
        return (LEFT,)


def chosen_backend(checkpoint: Checkpoint) -> Backend:
    """The backend that was measured to be the fastest on this machine (`retouch doctor --bench`).

    Where nothing was measured: graphs on an NVIDIA GPU, which take no time to start, else torch.
    """
    if checkpoint.device.type == "cuda":
        return faster(_read().get(_key(checkpoint), {}), usual="graphs")
    if checkpoint.device.type != "cpu" or checkpoint.dtype not in HINTS or not is_installed():
        return "torch"
    return faster(_read().get(_key(checkpoint), {}))


def faster(seconds: Mapping[Backend, float], *, usual: Backend = "torch") -> Backend:
    """The backend to choose, by the seconds of a step with each; `usual` where those of torch are not known."""
    found: Backend = "torch"
    if found not in seconds:
        return usual
    for name in get_args(Backend):
        if name in seconds and name != BY_NAME and seconds[name] * ADVANTAGE <= seconds[found]:
            found = name
    return found


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
    where = checkpoint.device
    config = {name: value for name, value in checkpoint.unet.config.items() if not name.startswith("_")}
    facts = {
        "processor": torch.cuda.get_device_name(where) if where.type == "cuda" else _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "versions": {package: version_of(package) for package in PACKAGES},
        "precision": str(checkpoint.dtype),
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
