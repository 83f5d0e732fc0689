"""What encoders made of pictures and prompts, on disk by content: written whole or not at all, read at every step."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from retouch.core.files import atomic_write

_NAME = "encoded"


class Kept:
    """Tensors in a folder, one file each, for one encoder of which `identity` tells.

    Files of other encoders may lie there too; they have other names.
    """

    def __init__(self, folder: Path, identity: bytes) -> None:
        self._folder, self._identity = folder, identity

    def __contains__(self, content: bytes) -> bool:
        return self._path(content).is_file()

    def write(self, content: bytes, encoded: Tensor) -> None:
        """Keep what the encoder made of `content`. Raises OutputError where it cannot be written."""
        atomic_write(self._path(content), save({_NAME: encoded.contiguous()}))

    def read(self, content: bytes) -> Tensor:
        """What the encoder made of `content`, in the type it was kept in."""
        return load_file(self._path(content))[_NAME]

    def _path(self, content: bytes) -> Path:
        key = hashlib.sha256(self._identity + hashlib.sha256(content).digest()).hexdigest()
        return self._folder / f"{key[:40]}.safetensors"


def identity_of(folder: Path, parts: Sequence[str], dtype: torch.dtype) -> bytes:
    """Tell encoders apart: a digest of all files in some parts of a model's folder, and of the type they compute in."""
    digest = hashlib.sha256(repr(dtype).encode())
    files = sorted(file for part in parts for file in (folder / part).rglob("*") if file.is_file())
    for file in files:
        with file.open("rb") as stream:
            digest.update(file.relative_to(folder).as_posix().encode())
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.digest()
