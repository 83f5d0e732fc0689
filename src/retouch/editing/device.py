"""Where a model runs and in which number format."""

import torch

from retouch.core.errors import SettingsError

PRECISIONS: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""The number formats a user can ask for, beside "auto"."""


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`: `auto` (CUDA, then MPS, then the CPU), `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises:
        SettingsError: there is no such device here.
    """
    if name == "auto":
        return torch.device(_best_device())
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"The device '{name}' is unknown; choose auto, cpu, cuda, cuda:N or mps.") from error
    if not _is_present(device):
        raise SettingsError(f"There is no device '{name}' on this machine; choose auto or cpu.")
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The type of the weights called `name`: `auto`, `float32`, `bfloat16` or `float16`.

    `auto` is bfloat16 where the device computes in it, which halves the time of a step, else float32.

    Raises:
        SettingsError: the name is unknown, or it is float16 on the CPU.
    """
    if name == "auto":
        return torch.bfloat16 if computes_bfloat16(device) else torch.float32
    if name not in PRECISIONS:
        raise SettingsError(f"The precision '{name}' is unknown; choose auto, {', '.join(PRECISIONS)}.")
    if name == "float16" and device.type == "cpu":
        raise SettingsError("The precision float16 needs a GPU; on the CPU choose auto, bfloat16 or float32.")
    return PRECISIONS[name]


def image_precision(precision: torch.dtype, device: torch.device) -> torch.dtype:
    """The type of the VAE's weights beside a U-Net of `precision`: the same, but never float16.

    Its widest layers pass float16's greatest number in some models; bfloat16 keeps a picture to more than
    50 dB.
    """
    if precision != torch.float16:
        return precision
    return torch.bfloat16 if computes_bfloat16(device) else torch.float32


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _is_present(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16; where it has none, torch emulates them very slowly."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False
