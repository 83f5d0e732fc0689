"""Pictures of an object in its place, without it, and its references: what the kinds that read references train on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from retouch.core.errors import DataError
from retouch.core.fit import Fit
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import read_records
from retouch.training.cache import Preparation, posteriors_of
from retouch.training.pictures import Fitted, fitted, picture_size
from retouch.training.posteriors import Posteriors

_COLUMNS = (
    "source_image",
    "target_image",
    "edit_prompt",
    "source_caption",
    "target_caption",
    "mask",
    "object_mask",
    "reference_images",
    "object",
    "params",
)
INSERTIONS = ("add", "remove")
"""Kinds of edit one side of which lacks the object."""
SHOWN = (*INSERTIONS, "replace", "recolour", "material")
"""Kinds of edit one side of which shows the object of the references."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferencedTable:
    """Samples of one size: pictures by number among the posteriors, and what is known of the object in them.

    pictures: the same, encoded.
    shown: (samples,) the picture that shows the object of the references.
    other: (samples,) that picture without the object, or with another in its place (`empty` says which).
    empty: (samples,) bool, whether `other` lacks the object.
    masks: (samples, H/2, W/2) uint8, the share of every 2 × 2 pixels that the object covers, in 1/255.
    changed: (samples, h, w) uint8, the share of each latent cell that differs between the two, in 1/255.
    references: encoded pictures of the object, RGBA, one or more a sample.
    prompts: what was said where `other` is the source, else "".
    captions: what `shown` shows, in words, "" where unknown.
    objects: what the object is called, "" where unknown.
    """

    posteriors: Posteriors
    pictures: tuple[Fitted, ...]
    shown: Tensor
    other: Tensor
    empty: Tensor
    masks: Tensor
    changed: Tensor
    references: tuple[tuple[bytes, ...], ...]
    prompts: tuple[str, ...]
    captions: tuple[str, ...]
    objects: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.shown)


def referenced_tables(
    preparation: Preparation, folder: Path, *, split: Split, kinds: Sequence[str] = SHOWN, limit: int | None = None
) -> list[ReferencedTable]:
    """The records of a folder that have references and an object's mask, one table for each size of the model.

    Of records told in several ways the first counts that says what to put in. Raises DataError where none is left.
    """
    drafts: dict[tuple[int, int], _Draft] = {}
    seen: dict[tuple[bytes, bytes], int] = {}
    for record in read_records(folder, columns=_COLUMNS, split=split):
        if record.kind not in kinds or not record.reference_images or record.object_mask is None:
            continue
        size = picture_size(record.source_image)
        fit = preparation.sizes.fit(size)
        draft = drafts.setdefault(preparation.sizes.of(size), _Draft())
        pictures = _sides(record, fit)
        key = (pictures[0].digest, pictures[1].digest)
        if key in seen:
            draft.tell(seen[key], record)
        elif limit is None or len(seen) < limit:
            seen[key] = draft.add(record, fit, *pictures)
    if not seen:
        raise DataError(
            f"{folder} holds no record of the split '{split}' that shows references of an object of the kinds "
            f"{', '.join(kinds)}; make pairs with --references 2 there first."
        )
    tables, done, total = [], 0, sum(len(draft.pictures) for draft in drafts.values())
    for draft in drafts.values():
        tables.append(draft.table(posteriors_of(preparation, draft.pictures, done=done, total=total)))
        done += len(draft.pictures)
    return tables


def parted_references(table: ReferencedTable, *, every: int) -> tuple[ReferencedTable, ReferencedTable]:
    """Part a table into samples to train on and samples to measure on, those of every `every`-th `other` picture.

    Raises DataError where one side would be empty.
    """
    order = {picture: place for place, picture in enumerate(dict.fromkeys(table.other.tolist()))}
    held = torch.tensor([order[picture] % every == every - 1 for picture in table.other.tolist()])
    if held.all() or not held.any():
        raise DataError(
            f"The data shows {len(order)} places for objects, too few to hold some out; give at least {every}, or a "
            "folder to validate on."
        )
    return chosen_references(table, ~held), chosen_references(table, held)


def chosen_references(table: ReferencedTable, wanted: Tensor) -> ReferencedTable:
    """The samples of a table where `wanted`, (samples,) bool, says so."""
    keep = wanted.nonzero()[:, 0].tolist()
    return ReferencedTable(
        posteriors=table.posteriors,
        pictures=table.pictures,
        shown=table.shown[wanted],
        other=table.other[wanted],
        empty=table.empty[wanted],
        masks=table.masks[wanted],
        changed=table.changed[wanted],
        references=tuple(table.references[row] for row in keep),
        prompts=tuple(table.prompts[row] for row in keep),
        captions=tuple(table.captions[row] for row in keep),
        objects=tuple(table.objects[row] for row in keep),
    )


class _Draft:
    """The samples of one size while they are read; pictures that recur are kept once."""

    def __init__(self) -> None:
        self.pictures: list[Fitted] = []
        self._numbers: dict[Fitted, int] = {}
        self._shown: list[int] = []
        self._other: list[int] = []
        self._masks: list[Tensor] = []
        self._changed: list[Tensor] = []
        self._records: list[PairRecord] = []

    def add(self, record: PairRecord, fit: Fit, shown: Fitted, other: Fitted) -> int:
        """Take a record; return its row."""
        assert record.object_mask is not None
        self._shown.append(self._number(shown))
        self._other.append(self._number(other))
        mask = fitted(Fitted.of(record.object_mask, fit))[:1].float()
        changed = mask if record.mask is None else fitted(Fitted.of(record.mask, fit))[:1].float()
        self._masks.append(functional.avg_pool2d(mask, 2)[0].round().to(torch.uint8))
        self._changed.append(functional.avg_pool2d(changed, 8)[0].round().to(torch.uint8))
        self._records.append(record)
        return len(self._records) - 1

    def tell(self, row: int, record: PairRecord) -> None:
        """Take the words of a record that shows what row `row` shows, where that has none."""
        if not _told(self._records[row]) and _told(record):
            self._records[row] = record

    def table(self, posteriors: Posteriors) -> ReferencedTable:
        return ReferencedTable(
            posteriors=posteriors,
            pictures=tuple(self.pictures),
            shown=torch.tensor(self._shown),
            other=torch.tensor(self._other),
            empty=torch.tensor([record.kind in INSERTIONS for record in self._records]),
            masks=torch.stack(self._masks),
            changed=torch.stack(self._changed),
            references=tuple(tuple(record.reference_images) for record in self._records),
            prompts=tuple(_told(record) for record in self._records),
            captions=tuple(_caption(record) for record in self._records),
            objects=tuple(record.object or "" for record in self._records),
        )

    def _number(self, picture: Fitted) -> int:
        if picture not in self._numbers:
            self._numbers[picture] = len(self.pictures)
            self.pictures.append(picture)
        return self._numbers[picture]


def _sides(record: PairRecord, fit: Fit) -> tuple[Fitted, Fitted]:
    """The picture that shows the object of the references, and the other."""
    source, target = (Fitted.of(data, fit) for data in (record.source_image, record.target_image))
    return (source, target) if record.kind == "remove" else (target, source)


def _told(record: PairRecord) -> str:
    """What was said to put the object in; of a removal nothing."""
    return "" if record.kind == "remove" else record.edit_prompt


def _caption(record: PairRecord) -> str:
    return (record.source_caption if record.kind == "remove" else record.target_caption) or ""
