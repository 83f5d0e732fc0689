"""The few pictures that a subject is taught from, and what is made of them: the object among things, and its mask."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from retouch.core.errors import DataError, ImageError
from retouch.core.fit import Fit
from retouch.core.images import load_image, png_bytes
from retouch.core.reference import MAXIMUM_REFERENCES, Reference, load_reference
from retouch.core.seeds import derive_seed
from retouch.training.cache import Preparation, posteriors_of
from retouch.training.pictures import Fitted
from retouch.training.referenced import ReferencedTable

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MASK = ".mask.png"
"""The end of the name of a picture's mask, which stands in the place of its suffix."""
_WINDOW = (1.15, 2.2)
"""Sides of the square that is cut out about an object, in its own longer sides."""
_CROWDED = 0.8
"""Of its picture's sides, from which on an object leaves no surroundings to stand in."""
_PASTED = (0.4, 0.8)
"""Of a drawn room's side, that an object which is put there is long."""

CutOut = Callable[[Reference], Reference]
"""Finds the object of an opaque picture: the reference with an alpha, or as it is where none is found."""
Draw = np.random.Generator


@dataclass(frozen=True, kw_only=True, eq=False)
class SubjectPicture:
    """A picture of a subject, and whether it shows what stands about the object, too."""

    reference: Reference
    surrounded: bool


def subject_pictures(folder: Path, *, cut_out: CutOut = lambda reference: reference) -> list[SubjectPicture]:
    """Read the pictures of a folder, by name.

    What is transparent is not the object; of opaque pictures a mask of the same name with `MASK` at its end says what
    is, white, or without one `cut_out` does; where it finds nothing, all of the picture is the object.

    Raises:
        DataError: there is no picture, or there are too many, or a mask is of another size than its picture or empty.
        ImageError: a picture cannot be read or is transparent everywhere.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; name one with 3 to 5 pictures of the object.")
    files = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.endswith(MASK)
    )
    if not 1 <= len(files) <= MAXIMUM_REFERENCES:
        raise DataError(
            f"{folder} holds {len(files)} pictures ({', '.join(SUFFIXES)}); 3 to 5 of the object are best, at most "
            f"{MAXIMUM_REFERENCES} are taken."
        )
    return [_read(file, cut_out) for file in files]


def subject_table(
    preparation: Preparation, pictures: Sequence[SubjectPicture], *, side: int, each: int, seed: int
) -> ReferencedTable:
    """Make `each` samples of every picture, `side` pixels wide: the object where it stands, or in a drawn room.

    The references of a sample are the other pictures, or where there is one alone, that one.
    """
    encoded = [_png(picture.reference) for picture in pictures]
    fit = Fit.for_model((side, side), native=side, multiple=1)
    shown: list[Fitted] = []
    masks: list[torch.Tensor] = []
    references: list[tuple[bytes, ...]] = []
    for number, picture in enumerate(pictures):
        others = tuple(data for place, data in enumerate(encoded) if place != number) or (encoded[number],)
        for variant in range(each):
            draw = np.random.default_rng(derive_seed(seed, "subject", number, variant))
            image, mask = (_where_it_stands if picture.surrounded else _in_a_drawn_room)(picture.reference, side, draw)
            shown.append(Fitted.of(png_bytes(image), fit))
            covered = functional.avg_pool2d(torch.from_numpy(np.array(mask))[None].float(), 2)[0]
            masks.append(covered.round().to(torch.uint8))
            references.append(others)
    count = len(shown)
    return ReferencedTable(
        posteriors=posteriors_of(preparation, shown, done=0, total=count),
        pictures=tuple(shown),
        shown=torch.arange(count),
        other=torch.arange(count),
        empty=torch.zeros(count, dtype=torch.bool),
        masks=torch.stack(masks),
        changed=torch.zeros(count, side // 8, side // 8, dtype=torch.uint8),
        references=tuple(references),
        prompts=("",) * count,
        captions=("",) * count,
        objects=("",) * count,
    )


def _read(file: Path, cut_out: CutOut) -> SubjectPicture:
    reference = load_reference(file)
    if reference.alpha is not None and int(np.asarray(reference.alpha).min()) < 255:
        return SubjectPicture(reference=reference, surrounded=False)
    reference = replace(reference, alpha=None)
    masked = file.with_name(file.stem + MASK)
    found = _masked(reference, masked) if masked.is_file() else cut_out(reference)
    return SubjectPicture(reference=found, surrounded=found.alpha is not None and not _crowded(found.alpha))


def _masked(reference: Reference, file: Path) -> Reference:
    mask = load_image(file).pixels.convert("L")
    if mask.size != reference.picture.size:
        raise DataError(
            f"The mask {file.name} is {mask.width} x {mask.height} pixels, its picture {reference.picture.width} x "
            f"{reference.picture.height}; give both of one size."
        )
    try:
        return replace(reference, alpha=mask)
    except ImageError as error:
        raise DataError(f"The mask {file.name} is empty; paint the object white in it.") from error


def _crowded(alpha: Image.Image) -> bool:
    left, top, right, bottom = _box(np.asarray(alpha))
    return right - left > _CROWDED * alpha.width or bottom - top > _CROWDED * alpha.height


def _box(alpha: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is there."""
    rows, columns = (np.flatnonzero((alpha >= 128).any(axis=axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _where_it_stands(reference: Reference, side: int, draw: Draw) -> tuple[Image.Image, Image.Image]:
    """A square about the object in its own picture, and the object's mask; past the picture's edge it goes on."""
    assert reference.alpha is not None
    alpha = np.asarray(reference.alpha)
    left, top, right, bottom = _box(alpha)
    window = round(max(right - left, bottom - top) * draw.uniform(*_WINDOW))
    x, y = (int(high - window + draw.random() * (low + window - high)) for low, high in ((left, right), (top, bottom)))
    pad = window
    grown = np.pad(np.asarray(reference.picture.convert("RGB")), ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    cut = (slice(y + pad, y + pad + window), slice(x + pad, x + pad + window))
    image, mask = Image.fromarray(grown[cut]), Image.fromarray(np.pad(alpha, pad)[cut])
    return image.resize((side, side), Image.Resampling.LANCZOS), mask.resize((side, side), Image.Resampling.BOX)


def _in_a_drawn_room(reference: Reference, side: int, draw: Draw) -> tuple[Image.Image, Image.Image]:
    """The object on the floor of a plain room, and its mask."""
    image = _drawn_room(side, draw)
    alpha = reference.alpha or Image.new("L", reference.picture.size, 255)
    box = _box(np.asarray(alpha))
    scale = draw.uniform(*_PASTED) * side / max(box[2] - box[0], box[3] - box[1])
    size = (max(2, round((box[2] - box[0]) * scale)), max(2, round((box[3] - box[1]) * scale)))
    cut = reference.picture.convert("RGB").crop(box).resize(size, Image.Resampling.LANCZOS)
    shape = alpha.crop(box).resize(size, Image.Resampling.LANCZOS)
    lowest = side - size[1]
    place = (int(draw.integers(0, side - size[0] + 1)), int(lowest * draw.uniform(0.5, 0.95)))
    image.paste(cut, place, shape)
    mask = Image.new("L", (side, side), 0)
    mask.paste(shape, place)
    return image, mask


def _drawn_room(side: int, draw: Draw) -> Image.Image:
    """A wall and a floor of muted colours, lit from one side."""
    wall, floor = (draw.uniform(90, 220) + draw.uniform(-25, 25, 3) for _ in range(2))
    edge = int(side * draw.uniform(0.45, 0.75))
    colours = np.where(np.arange(side)[:, None, None] < edge, wall, floor)
    start, stop = draw.uniform(0.8, 1.1, 2)
    light = np.linspace(start, stop, side)[None, :, None]
    return Image.fromarray((colours * light).clip(0, 255).astype(np.uint8))


def _png(reference: Reference) -> bytes:
    picture = reference.picture.copy()
    if reference.alpha is not None:
        picture.putalpha(reference.alpha)
    return png_bytes(picture)
