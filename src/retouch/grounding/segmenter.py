"""The seam to what finds things in pictures: a phrase or a point in, a mask and how sure it is out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, kw_only=True, eq=False)
class Segment:
    """What was found in a picture.

    mask: (H, W) float32 in 0…1, how surely each pixel belongs to it; H and W are the picture's.
    score: 0…1, how surely the picture shows what was asked for at all; 0 where nothing was found.
    """

    mask: NDArray[np.float32]
    score: float


class Segmenter(Protocol):
    """Finds what a phrase names, or what lies at a point, in pictures of any size."""

    @property
    def name(self) -> str:
        """What it is called where a result says how its region was found."""
        ...

    @property
    def threshold(self) -> float:
        """The score below which a thing is taken not to be there, as calibrated for this segmenter."""
        ...

    def segment(self, image: Image.Image, phrase: str) -> Segment:
        """Everything in an RGB picture that the phrase fits: one thing, or all of a kind where it names several.

        Raises ModelError where the model cannot be used.
        """
        ...

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        """The thing at a point (x, y) of the picture, in its pixels from the top left.

        Raises SettingsError where the segmenter takes phrases alone, or the point lies outside the picture.
        """
        ...
