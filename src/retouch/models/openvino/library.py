"""The library itself: whether it is installed, and how it compiles a network for this machine."""

import importlib
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from retouch.core.absent import absent
from retouch.core.errors import MissingExtraError

HINTS: dict[torch.dtype, str] = {torch.float32: "f32", torch.bfloat16: "bf16"}
"""What OpenVINO calls the types that it computes in."""


def is_installed() -> bool:
    """Whether OpenVINO can be imported."""
    return version_of("openvino") is not None


def version_of(package: str) -> str | None:
    """The version of an installed package; None where it is missing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def check_installed() -> None:
    """Raise MissingExtraError where OpenVINO is not installed."""
    if not is_installed():
        raise MissingExtraError(
            "The backend openvino needs OpenVINO, which is not installed; run: pip install 'retouch[openvino]', or "
            "choose the backend torch."
        )


def library(module: str = "openvino") -> Any:
    """A module of OpenVINO, imported so that it tells nobody: left to itself it reports to its makers, unasked."""
    if "openvino" in sys.modules:
        return importlib.import_module(module)
    with absent("openvino_telemetry"):
        return importlib.import_module(module)


def compiled(network: Any, dtype: torch.dtype, *, kept: Path | None) -> Any:
    """A network, a file or an `openvino.Model`, compiled for the CPU to compute in `dtype`.

    `kept` is a folder for the compiled form; where that cannot be used, it is compiled without.
    """
    core = _core()
    settings: dict[str, object] = {
        # Left to itself, OpenVINO computes in bfloat16 wherever the processor can.
        "INFERENCE_PRECISION_HINT": HINTS[dtype],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # Pinned threads of two processes would share cores while others idle.
        "ENABLE_CPU_PINNING": False,
    }
    if kept is not None:
        try:
            return core.compile_model(network, "CPU", {**settings, "CACHE_DIR": str(kept)})
        except RuntimeError:
            return core.compile_model(network, "CPU", settings)
    return core.compile_model(network, "CPU", settings)


@lru_cache(maxsize=1)
def _core() -> Any:
    """The one core of the process. Each gives the thread it is made in a stack for signals, and takes it away at its
    end, whatever has been set since: of several, the next Ctrl-C meets no stack at all."""
    return library().Core()
