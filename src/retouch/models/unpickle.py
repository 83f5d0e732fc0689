"""The child process of a conversion: one pickle read with `weights_only=True`, its tensors written safely."""

import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

_PARTED = {"image_proj", "ip_adapter"}
"""What an IP-Adapter's file holds: a dictionary of tensors each."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickled state dict, without the training state that may lie around it.

    Raises:
        ValueError: the file holds no dictionary with tensors.
        pickle.UnpicklingError: it holds anything but plain data.
    """
    content = torch.load(path, map_location="cpu", weights_only=True)
    while isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}, expected a dictionary of tensors")
    if content.keys() >= _PARTED and all(isinstance(content[part], Mapping) for part in _PARTED):
        content = {f"{part}.{name}": value for part in sorted(_PARTED) for name, value in content[part].items()}
    # Safetensors stores no shared memory, which pickled modules with tied weights have.
    tensors = {str(name): value.contiguous().clone() for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError("it holds no tensors")
    return tensors


def main(arguments: list[str]) -> int:
    """Convert FILE to OUT for each pair FILE OUT; on failure one line on the standard error, exit code 1."""
    for file, out in zip(arguments[::2], arguments[1::2], strict=True):
        try:
            save_file(read_tensors(Path(file)), out, metadata={"format": "pt"})
        except Exception as error:
            # Whatever a hostile file provokes is told in one line; this process ends either way.
            lines = str(error).strip().splitlines() or [type(error).__name__]
            sys.stderr.write(f"'{file}' cannot be converted ({lines[0]})\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
