"""Pictures kept on disk under what made them, so that a run that was stopped makes none again."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from retouch.core.files import atomic_write
from retouch.core.images import png_bytes
from retouch.evaluation.benchmark import Picture


class Keep:
    """A folder of pictures, `pictures-<fingerprint>` in a run's own."""

    def __init__(self, out: Path, *facts: str | int | None) -> None:
        """`facts` are all that the pictures depend on beside their names."""
        fingerprint = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
        self.folder = out / f"pictures-{fingerprint}"

    def get(self, names: Sequence[str], make: Callable[[], Sequence[Image.Image]]) -> list[Picture]:
        """The pictures of these names, (H, W, 3) uint8 each; all are made anew where one is missing or broken."""
        found = [_read(self.folder / f"{name}.png") for name in names]
        known = [picture for picture in found if picture is not None]
        if len(known) == len(names):
            return known
        made = [picture.convert("RGB") for picture in make()]
        for name, picture in zip(names, made, strict=True):
            atomic_write(self.folder / f"{name}.png", png_bytes(picture))
        return [np.array(picture) for picture in made]


def _read(path: Path) -> Picture | None:
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (OSError, ValueError):
        return None
