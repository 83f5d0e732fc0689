"""Pictures without an object, the object's references, and where it goes: what placement is trained on."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from retouch.core.errors import DataError
from retouch.core.fit import Fit
from retouch.core.reference import load_reference
from retouch.models.image_encoder import ImageEncoder
from retouch.models.placement import PlacementModel
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import read_records
from retouch.training.pictures import Fitted, fitted, picture_size, to_model_range
from retouch.training.referenced import INSERTIONS

_COLUMNS = ("source_image", "target_image", "object_mask", "reference_images", "params", "object")
_AT_ONCE = 16
"""Pictures looked at together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedObject:
    """A picture without an object, the object's mask in it, its box as parts of the picture, and references, PNG.

    box: middle across and down, width and height.
    """

    picture: Fitted
    mask: Fitted
    box: tuple[float, float, float, float]
    references: tuple[bytes, ...]


def placed_objects(
    folders: Iterable[Path], *, split: Split, fit: Callable[[tuple[int, int]], Fit], limit: int | None = None
) -> list[PlacedObject]:
    """The objects that records of adding and removing put into pictures, sorted by the size that pictures have.

    `fit` says how a picture of a size is seen. Of records told in several ways the first counts; at most `limit` a
    folder. Raises DataError where there is none.
    """
    folders = list(folders)
    found: list[PlacedObject] = []
    for folder in folders:
        found += _of_folder(folder, split, fit, limit)
    if not found:
        raise DataError(
            f"{', '.join(map(str, folders))} hold no record of the split '{split}' that adds or removes an object of "
            "which there are references; make pairs with --references 2 there first."
        )
    return sorted(found, key=lambda one: one.picture.fit.model_size)


def _of_folder(
    folder: Path, split: Split, fit: Callable[[tuple[int, int]], Fit], limit: int | None
) -> list[PlacedObject]:
    found: dict[tuple[bytes, bytes], PlacedObject] = {}
    for record in read_records(folder, columns=_COLUMNS, split=split):
        if limit is not None and len(found) == limit:
            break
        if record.kind in INSERTIONS and record.reference_images and record.object_mask is not None:
            one = _placed(record, record.object_mask, fit(picture_size(record.source_image)))
            if one is not None:
                found.setdefault((one.picture.digest, one.mask.digest), one)
    return list(found.values())


def _placed(record: PairRecord, mask: bytes, fit: Fit) -> PlacedObject | None:
    """A record's object; None where nothing of it is seen at the model's size."""
    shape = Fitted.of(mask, fit)
    rows, columns = (fitted(shape)[0] > 127).nonzero(as_tuple=True)
    if not len(rows):
        return None
    wide, high = fit.model_size
    left, right = int(columns.min()) / wide, (int(columns.max()) + 1) / wide
    top, bottom = int(rows.min()) / high, (int(rows.max()) + 1) / high
    return PlacedObject(
        picture=Fitted.of(record.target_image if record.kind == "remove" else record.source_image, fit),
        mask=shape,
        box=((left + right) / 2, (top + bottom) / 2, right - left, bottom - top),
        references=record.reference_images,
    )


class SeenPictures:
    """The cells of pictures and of their mirror images, looked at when first wanted, then kept in half precision."""

    def __init__(self, model: PlacementModel) -> None:
        self._model = model
        self._known: dict[tuple[bytes, bool], Tensor] = {}

    def __call__(self, pictures: Sequence[Fitted], mirrored: Sequence[bool]) -> Tensor:
        """Cells (B, D, h, w) float32 of pictures of one size."""
        keys = [(picture.digest, bool(mirror)) for picture, mirror in zip(pictures, mirrored, strict=True)]
        wanted = {key: picture for key, picture in zip(keys, pictures, strict=True) if key not in self._known}
        names = list(wanted)
        for start in range(0, len(names), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            pixels = [fitted(wanted[name]).flip(-1) if name[1] else fitted(wanted[name]) for name in part]
            cells = self._model.cells(to_model_range(torch.stack(pixels))).half()
            self._known.update(zip(part, cells, strict=True))
        return torch.stack([self._known[key] for key in keys]).float()


def framed_reference(encoder: ImageEncoder, data: bytes) -> Tensor:
    """An encoded reference as an encoder frames it, (3, side, side) uint8."""
    return encoder.framed(load_reference(data).squared())
