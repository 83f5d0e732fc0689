"""A run's log: TensorBoard where it is installed, and one JSON line an entry always."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor


class Journal:
    """Writes scalars and pictures of a run into `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = folder / "log.jsonl"
        self._board = _tensorboard(folder)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Note named scalars at `step`."""
        with self._lines.open("a") as lines:
            lines.write(json.dumps({"step": step, **values}) + "\n")
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def pictures(self, pictures: Mapping[str, Tensor], step: int) -> None:
        """Note named pictures, (3, H, W) uint8, at `step`."""
        if self._board:
            for name, picture in pictures.items():
                self._board.add_image(name, picture, step)

    def close(self) -> None:
        """Flush and end the log."""
        if self._board:
            self._board.close()


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
