"""The engine that makes pairs from photographs: looks of the whole picture, dyes and patterns of the object."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
from PIL import Image

from retouch.core.errors import DataError, SettingsError
from retouch.core.images import load_image, png_bytes
from retouch.core.seeds import derive_seed
from retouch.datagen.photos.edits import PhotoEdit, garment_edits, look_edits
from retouch.datagen.photos.language import UNKNOWN, noun_for
from retouch.datagen.photos.library import PhotoLibrary, scan_photos
from retouch.datagen.photos.scene import PhotoScene, prepare
from retouch.records.pair import JSON, PairRecord, Split

VERSION = 1
NATIVE_SIZE = 256
PAIRS_PER_UNIT: Mapping[Split, int] = {"train": 4, "validation": 2, "bench": 2}
# Pictures whose object may be dyed get this many dyes and patterns, the rest looks.
GARMENT_PAIRS: Mapping[Split, int] = {"train": 3, "validation": 1, "bench": 1}
SECOND_GARMENT_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class PhotoEngine:
    """Makes pairs from the pictures of one split; a unit is one picture, and later rounds edit it otherwise.

    `size` is the side of the square pairs in pixels, a multiple of 8. Raises SettingsError where it is not.
    """

    library: PhotoLibrary
    seed: int
    split: Split
    size: int = NATIVE_SIZE

    def __post_init__(self) -> None:
        if self.size < 64 or self.size % 8:
            raise SettingsError(f"The size is {self.size}; photographs are edited at multiples of 8 from 64 on.")

    @property
    def name(self) -> str:
        return "photos"

    @property
    def pairs_per_unit(self) -> int:
        return PAIRS_PER_UNIT[self.split]

    def fingerprint(self) -> Mapping[str, JSON]:
        return {
            "version": VERSION,
            "seed": self.seed,
            "split": self.split,
            "size": self.size,
            "library": self.library.digest(),
        }

    def make(self, unit: int) -> tuple[PairRecord, ...]:
        """The pairs of picture `unit` modulo the number of pictures; raises ImageError where it is gone."""
        round_number, position = divmod(unit, len(self.library.photos))
        photo = self.library.photos[position]
        seed = derive_seed(self.seed, "photos", photo.sha256, round_number)
        generator = np.random.default_rng(seed)
        pixels = load_image(photo.path).pixels
        scene = prepare(pixels, noun_for(photo.folder), size=self.size, generator=generator)
        edits = tuple(islice(self._edits(scene, generator), self.pairs_per_unit))
        if len(edits) < self.pairs_per_unit:
            raise DataError(f"{photo.path} is too even for {self.pairs_per_unit} visible edits; take it out.")
        stem = f"photos-{photo.sha256[:16]}-{self.seed}-{round_number}"
        return tuple(self._record(f"{stem}-{index}", seed, scene, edit) for index, edit in enumerate(edits))

    def _edits(self, scene: PhotoScene, generator: np.random.Generator) -> Iterator[PhotoEdit]:
        wanted = GARMENT_PAIRS[self.split]
        if self.split != "train":
            wanted += int(generator.random() < SECOND_GARMENT_SHARE)
        garments = islice(garment_edits(scene, generator), wanted)
        return chain(garments, look_edits(scene, generator))

    def _record(self, name: str, seed: int, scene: PhotoScene, edit: PhotoEdit) -> PairRecord:
        known = scene.noun not in UNKNOWN.words
        return PairRecord(
            id=name,
            source_image=_png(edit.source),
            target_image=_png(edit.target),
            edit_prompt=edit.prompt,
            source_caption=edit.source_caption,
            target_caption=edit.target_caption,
            mask=_mask_png(edit.changed),
            object_mask=None if scene.mask is None else _mask_png(scene.mask),
            object=scene.noun if known else None,
            engine=self.name,
            seed=seed,
            params=dict(edit.params) | {"object": scene.noun},
            split=self.split,
        )


def photo_engine(source: Path, *, seed: int, split: Split = "train", size: int = NATIVE_SIZE) -> PhotoEngine:
    """An engine over the pictures of `split` in the folder `source`.

    Raises DataError where the folder has none, SettingsError where `size` is not possible.
    """
    return PhotoEngine(library=scan_photos(source, split), seed=seed, split=split, size=size)


def photo_engine_factory(
    source: Path, *, seed: int, split: Split = "train", size: int = NATIVE_SIZE
) -> Callable[[], PhotoEngine]:
    """What `make_pairs` sends to its workers: the folder is scanned here, once."""
    return partial(_same, photo_engine(source, seed=seed, split=split, size=size))


def _same(engine: PhotoEngine) -> PhotoEngine:
    return engine


def _png(image: np.ndarray) -> bytes:
    return png_bytes(Image.fromarray(image))


def _mask_png(mask: np.ndarray) -> bytes:
    return png_bytes(Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)))
