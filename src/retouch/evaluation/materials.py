"""Fit the material judge on objects of rendered rooms, and say how often it is right on others."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retouch.core.errors import DataError
from retouch.evaluation.pixels import mask, picture
from retouch.metrics.material import WEIGHTS, Crop, fit_material_judge
from retouch.records.pair import Split
from retouch.records.shards import read_records

_KINDS = ("material", "recolour", "replace", "add")
"""Kinds of edits whose target shows one object of a known material."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """How many crops the judge was fitted on, and its accuracy on how many others."""

    crops: int
    held_out: int
    accuracy: float


def fit_materials(train: Path, held_out: Path, *, out: Path = WEIGHTS, limit: int = 4000, seed: int = 0) -> Fitted:
    """Fit on the train split of `train`, measure on the validation split of `held_out`, write the weights.

    At most `limit` crops are taken. Raises DataError where there are too few.
    """
    crops = [crop for crop, _ in zip(room_crops(train, split="train"), range(limit), strict=False)]
    unseen = list(room_crops(held_out, split="validation"))
    if not unseen:
        raise DataError(f"{held_out} shows no object of a known material; make validation pairs of rooms there.")
    judge = fit_material_judge(crops, seed=seed)
    judge.save(out)
    return Fitted(crops=len(crops), held_out=len(unseen), accuracy=judge.accuracy(unseen))


def room_crops(folder: Path, *, split: Split) -> Iterator[Crop]:
    """Yield the edited objects of room pairs, as their targets show them, with their material."""
    for record in read_records(folder, columns=("object_mask",), split=split):
        if record.kind in _KINDS and record.object_mask is not None and "material" in record.params:
            target = picture(record.target_image)
            region = mask(record.object_mask, target)
            if region.any():
                yield Crop(picture=target, mask=region, material=str(record.params["material"]))
