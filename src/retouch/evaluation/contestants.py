"""Who takes part in an evaluation: an editor, and what it must beat."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


class Edits:
    """An editor, by the function that edits one picture: (image, instruction, seed) → image."""

    def __init__(
        self, name: str, edit: Callable[[Image.Image, str, int], Image.Image], *, limit: int | None = None
    ) -> None:
        self.name, self.limit = name, limit
        self._edit = edit

    def answer(self, source: Picture, target: Picture, instruction: str, seed: int) -> Picture:
        """Return the edited source."""
        del target
        return np.array(self._edit(Image.fromarray(source), instruction, seed).convert("RGB"))


class ReturnsSource:
    """Does nothing: what any editor must beat."""

    name = "source"
    limit: int | None = None

    def answer(self, source: Picture, target: Picture, instruction: str, seed: int) -> Picture:
        """Return the source."""
        del target, instruction, seed
        return source


class RoundTrip:
    """Returns the ground truth through the model's autoencoder and back: what its editor could reach at best."""

    name = "round-trip"
    limit: int | None = None

    def __init__(self, round_trip: Callable[[Picture], Picture]) -> None:
        self._round_trip = round_trip

    def answer(self, source: Picture, target: Picture, instruction: str, seed: int) -> Picture:
        """Return the target's round trip."""
        del source, instruction, seed
        return self._round_trip(target)
