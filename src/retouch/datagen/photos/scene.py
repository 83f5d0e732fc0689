"""A photograph brought to the engine's size, with its main object and its words where those are known."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from retouch.datagen.photos.colour import colour_name
from retouch.datagen.photos.language import Noun, choose, subject_words
from retouch.datagen.photos.masks import find_object
from retouch.datagen.photos.recolour import Garment, study

LONGEST_ASPECT = 1.8
CROP_JITTER = 0.06
LEAST_IN_CROP, MOST_IN_CROP = 0.10, 0.80
SOLID_ENOUGH, EVEN_ENOUGH = 0.80, 16.0


@dataclass(frozen=True, kw_only=True)
class PhotoScene:
    """A square photograph: `image` (S, S, 3) uint8 and `noun`, what to call the object in it.

    `mask` (S, S) bool is None where no mask can be trusted; `garment` is None where the object cannot be dyed
    because too little of it has one colour; `colour` is the object's palette colour where that is clear.
    """

    image: np.ndarray
    noun: str
    plural: bool
    mask: np.ndarray | None
    garment: Garment | None
    colour: str | None

    def subject(self, colour: str | None = None) -> str:
        """The object in a caption, in `colour` or in its own: "a navy shirt"."""
        return subject_words(self.noun, colour or self.colour, plural=self.plural)


def prepare(pixels: Image.Image, noun: Noun, *, size: int, generator: np.random.Generator) -> PhotoScene:
    """Bring a picture (RGB) to `size` x `size` pixels, keeping its object in the crop, and study that object."""
    image = _resized(pixels, size)
    found = find_object(image)
    rows, columns = _crop(image.shape, found.mask if found.trusted else None, size, generator)
    image, mask = np.ascontiguousarray(image[rows, columns]), found.mask[rows, columns]
    usable = found.trusted and LEAST_IN_CROP <= mask.mean() <= MOST_IN_CROP
    garment = study(image, mask) if usable else None
    solid = garment if garment is not None and _is_solid(garment) else None
    return PhotoScene(
        image=image,
        noun=choose(noun.words, generator),
        plural=noun.plural,
        mask=mask if usable else None,
        garment=solid,
        colour=None if solid is None else colour_name(solid.main),
    )


def _is_solid(garment: Garment) -> bool:
    return garment.solid >= SOLID_ENOUGH and garment.spread <= EVEN_ENOUGH


def _resized(pixels: Image.Image, size: int) -> np.ndarray:
    """The picture with a short side of `size` pixels, panoramas trimmed at both ends."""
    scale = size / min(pixels.size)
    longest = round(size * LONGEST_ASPECT)
    wide, high = (min(longest, max(size, round(side * scale))) for side in pixels.size)
    left, top = (pixels.width - wide / scale) / 2, (pixels.height - high / scale) / 2
    box = (
        max(0.0, left),
        max(0.0, top),
        min(pixels.width, left + wide / scale),
        min(pixels.height, top + high / scale),
    )
    return np.asarray(pixels.resize((wide, high), Image.Resampling.LANCZOS, box=box))


def _crop(
    shape: tuple[int, ...], mask: np.ndarray | None, size: int, generator: np.random.Generator
) -> tuple[slice, slice]:
    starts = []
    for axis in (0, 1):
        jitter = generator.uniform(-CROP_JITTER, CROP_JITTER) * size
        occupied = None if mask is None else np.nonzero(mask.any(axis=1 - axis))[0]
        starts.append(_crop_start(shape[axis], size, jitter, occupied))
    return slice(starts[0], starts[0] + size), slice(starts[1], starts[1] + size)


def _crop_start(length: int, size: int, jitter: float, occupied: np.ndarray | None) -> int:
    start = (length - size) / 2 + jitter
    if occupied is not None:
        first, last = int(occupied[0]), int(occupied[-1]) + 1
        start = (first + last - size) / 2 + jitter
        if last - first <= size:
            start = np.clip(start, last - size, first)
    return int(np.clip(round(float(start)), 0, length - size))
