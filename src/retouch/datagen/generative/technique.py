"""The seam between the engine that tries and keeps pairs, and the ways to make one with a text-to-image model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from retouch.records.pair import JSON
from retouch.records.triple import Triple

Pictures = tuple[Image.Image, Image.Image]
"""A source and its target."""

FLAT_LEVELS = 4
"""A picture of which no channel spans more levels than this shows nothing."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One try at a triple: its seed and what was drawn for it."""

    seed: int
    params: Mapping[str, JSON]


class Technique(Protocol):
    """Makes candidates of a triple, a batch at a time; what it draws depends on its seed and place alone."""

    @property
    def name(self) -> str:
        """The name of its engine, as records carry it."""
        ...

    @property
    def batch(self) -> int:
        """How many candidates are made together."""
        ...

    def fingerprint(self) -> Mapping[str, JSON]:
        """Every setting that changes the pictures, the model included."""
        ...

    def usual_count(self, triple: Triple) -> int:
        """How many candidates are tried at the most where nobody says."""
        ...

    def draw(self, triple: Triple, seed: int, place: int) -> Candidate:
        """Candidate `place` (0, 1, 2, ...) of a triple whose unit has this seed."""
        ...

    def make(self, triple: Triple, candidates: Sequence[Candidate]) -> Sequence[Pictures]:
        """The pictures of candidates that follow one another in one batch."""
        ...


def is_blank(picture: Image.Image) -> bool:
    """Whether a picture is black or of one colour: a safety checker's work, or that of numbers out of range."""
    return bool(np.ptp(np.asarray(picture.convert("RGB")), axis=(0, 1)).max() <= FLAT_LEVELS)
