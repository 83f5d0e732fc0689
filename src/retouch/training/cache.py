"""Pairs as tables of numbers, their latents computed once: what the U-Net's training reads at every step."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from retouch.core.errors import DataError
from retouch.core.fit import Fit
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import read_records
from retouch.training.pictures import Fitted, Sizes, fitted, fitted_numbers, picture_size
from retouch.training.posteriors import Anew, Encoding, Joined, Kept, Posteriors, posterior
from retouch.training.segments import segments_of

OnPrepared = Callable[[int, int], None]
"""Is told how many of how many pictures are prepared."""

_COLUMNS = (
    "source_image",
    "target_image",
    "edit_prompt",
    "source_caption",
    "target_caption",
    "mask",
    "segments",
    "params",
)
_FACTOR = 8
"""Pixels of a latent cell's side."""


@dataclass(frozen=True, kw_only=True)
class PairTable:
    """Pairs of one size as indices into unique pictures, with what the loss needs beside the latents.

    `source`, `target`: (pairs,) picture indices. `changed`: (pairs, h, w) uint8, the changed share of
    each latent cell in 1/255. `segments`: (pairs, h, w) uint8, what the source shows in the middle of each
    cell: n is thing n of `things`, 0 is not known. `prompts`: the instruction of each pair.
    """

    posteriors: Posteriors
    source: Tensor
    target: Tensor
    changed: Tensor
    segments: Tensor
    things: tuple[str, ...]
    prompts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How pairs become tables: the autoencoder, at which sizes, how encoded, and where latents are kept.

    Without a `cache` nothing is computed ahead: every step encodes its own pictures. Without `targets` the sources
    alone are encoded, and stand in the targets' places.
    """

    vae: AutoencoderKL
    cache: Path | None
    encoding: Encoding = field(default_factory=Encoding)
    sizes: Sizes = field(default_factory=Sizes)
    targets: bool = True
    on_progress: OnPrepared = lambda _done, _total: None


def pair_tables(preparation: Preparation, folder: Path, *, split: Split) -> list[PairTable]:
    """Return the tables of one record folder, one for each size its pictures have at the model.

    Encoding writes latents in chunks, so that an interrupted preparation goes on where it stopped, and a
    later one of the same data reads them. Raises DataError where the folder has no record of the split.
    """
    drafts: dict[tuple[int, int], _Draft] = {}
    for record in read_records(folder, columns=_COLUMNS, split=split):
        size = picture_size(record.source_image)
        draft = drafts.setdefault(preparation.sizes.of(size), _Draft(targets=preparation.targets))
        draft.add(record, preparation.sizes.fit(size))
    if not drafts:
        raise DataError(f"{folder} holds no record of the split '{split}'; make pairs there first.")
    total, done, tables = sum(len(draft.pictures) for draft in drafts.values()), 0, []
    for draft in drafts.values():
        tables.append(draft.table(posteriors_of(preparation, draft.pictures, done=done, total=total)))
        done += len(draft.pictures)
    return tables


def joined(tables: Iterable[PairTable]) -> list[PairTable]:
    """Return the tables of several folders, those of one size as one."""
    groups: dict[tuple[int, ...], list[PairTable]] = {}
    for table in tables:
        groups.setdefault(tuple(table.changed.shape[1:]), []).append(table)
    return [_joined(group) if len(group) > 1 else group[0] for group in groups.values()]


def tables_of(
    preparation: Preparation, data: Sequence[Path], held_out: Sequence[Path], *, every: int
) -> tuple[list[PairTable], list[PairTable]]:
    """Tables to train on and to measure on: of the folders' train and validation splits, or parted where none are held
    out; raises DataError as `pair_tables` and `parted` do."""
    tables = joined(table for folder in data for table in pair_tables(preparation, folder, split="train"))
    if not held_out:
        return parted(tables, every=every)
    return tables, joined(
        table for folder in held_out for table in pair_tables(preparation, folder, split="validation")
    )


def parted(tables: Sequence[PairTable], *, every: int) -> tuple[list[PairTable], list[PairTable]]:
    """Part tables into pairs to train on and pairs to measure on, those of every `every`-th source picture.

    A picture is on one side only. Raises DataError where one side would be empty.
    """
    keep, out, seen = [], [], 0
    for table in tables:
        number = {picture: seen + place for place, picture in enumerate(dict.fromkeys(table.source.tolist()))}
        held = [number[picture] % every == every - 1 for picture in table.source.tolist()]
        seen += len(number)
        keep.append(_rows(table, [not part for part in held]))
        out.append(_rows(table, held))
    keep, out = [table for table in keep if len(table)], [table for table in out if len(table)]
    if not keep or not out:
        raise DataError(
            f"The data shows {seen} source pictures, too few to hold some out; "
            f"give at least {every}, or a folder to validate on."
        )
    return keep, out


def changed_cells(mask: Tensor) -> Tensor:
    """Return the changed share of each latent cell, (h, w) uint8 in 1/255, of a mask, (H, W) uint8."""
    return functional.avg_pool2d(mask[None].float(), _FACTOR)[0].round().to(torch.uint8)


def renumbered(segments: Tensor, things: Sequence[str], others: Sequence[str]) -> Tensor:
    """Segments, uint8 of any shape, whose numbers are of `things`, in the numbers of a list that holds all of these."""
    numbers = [0, *(others.index(thing) + 1 for thing in things)]
    return torch.tensor(numbers, dtype=torch.uint8)[segments.long()]


class _Draft:
    """The pairs of one size while they are read; pictures that recur are kept once."""

    def __init__(self, *, targets: bool) -> None:
        self._targets = targets
        self.pictures: list[Fitted] = []
        self._numbers: dict[Fitted, int] = {}
        self._source: list[int] = []
        self._target: list[int] = []
        self._changed: list[Tensor] = []
        self._segments: list[Tensor] = []
        self._things: dict[str, int] = {}
        self._prompts: list[str] = []

    def add(self, record: PairRecord, fit: Fit) -> None:
        self._source.append(self._number(Fitted.of(record.source_image, fit)))
        shown = record.target_image if self._targets else record.source_image
        self._target.append(self._number(Fitted.of(shown, fit)))
        width, height = fit.model_size
        mask = torch.zeros(height, width, dtype=torch.uint8)
        if record.mask is not None:
            mask = fitted(Fitted.of(record.mask, fit))[0]
        self._changed.append(changed_cells(mask))
        self._segments.append(self._cells(record, fit))
        self._prompts.append(record.edit_prompt)

    def _cells(self, record: PairRecord, fit: Fit) -> Tensor:
        width, height = fit.model_size
        found = segments_of(record)
        if found is None:
            return torch.zeros(height // _FACTOR, width // _FACTOR, dtype=torch.uint8)
        numbers = [0, *(self._things.setdefault(thing["kind"], len(self._things) + 1) for thing in found.things)]
        middle = fitted_numbers(Fitted.of(found.numbers, fit))[_FACTOR // 2 :: _FACTOR, _FACTOR // 2 :: _FACTOR]
        return torch.tensor(numbers, dtype=torch.uint8)[middle.long()]

    def table(self, posteriors: Posteriors) -> PairTable:
        return PairTable(
            posteriors=posteriors,
            source=torch.tensor(self._source),
            target=torch.tensor(self._target),
            changed=torch.stack(self._changed),
            segments=torch.stack(self._segments),
            things=tuple(self._things),
            prompts=tuple(self._prompts),
        )

    def _number(self, picture: Fitted) -> int:
        if picture not in self._numbers:
            self._numbers[picture] = len(self.pictures)
            self.pictures.append(picture)
        return self._numbers[picture]


def _joined(tables: Sequence[PairTable]) -> PairTable:
    offsets = torch.tensor([0, *(len(table.posteriors) for table in tables)]).cumsum(0)[:-1]
    things = tuple(dict.fromkeys(chain.from_iterable(table.things for table in tables)))
    return PairTable(
        posteriors=Joined(parts=[table.posteriors for table in tables]),
        source=torch.cat([table.source + offset for table, offset in zip(tables, offsets, strict=True)]),
        target=torch.cat([table.target + offset for table, offset in zip(tables, offsets, strict=True)]),
        changed=torch.cat([table.changed for table in tables]),
        segments=torch.cat([renumbered(table.segments, table.things, things) for table in tables]),
        things=things,
        prompts=tuple(prompt for table in tables for prompt in table.prompts),
    )


def _rows(table: PairTable, wanted: Sequence[bool]) -> PairTable:
    mask = torch.tensor(wanted)
    return replace(
        table,
        source=table.source[mask],
        target=table.target[mask],
        changed=table.changed[mask],
        segments=table.segments[mask],
        prompts=tuple(prompt for prompt, keep in zip(table.prompts, wanted, strict=True) if keep),
    )


def posteriors_of(preparation: Preparation, pictures: Sequence[Fitted], *, done: int, total: int) -> Posteriors:
    """Return the posteriors of pictures of one size, read from the cache where it has them.

    `done` and `total` say where in the whole preparation these pictures stand.
    """
    cache, vae, encoding = preparation.cache, preparation.vae, preparation.encoding
    if cache is None:
        return Anew(vae=vae, pictures=pictures, precision=encoding.precision)
    cache.mkdir(parents=True, exist_ok=True)
    identity = _fingerprint(vae) + repr(encoding).encode()
    means, spreads = [], []
    for chunk in _chunks(pictures, 256):
        key = hashlib.sha256(identity + b"".join(picture.digest for picture in chunk)).hexdigest()
        path = cache / f"{key[:32]}.safetensors"
        if not path.exists():
            partial = path.with_suffix(".tmp")
            save_file(_encoded(vae, chunk, encoding), partial)
            partial.rename(path)
        tensors = load_file(path)
        means.append(tensors["mean"])
        spreads.append(tensors["spread"])
        done += len(chunk)
        preparation.on_progress(done, total)
    return Kept(mean=torch.cat(means), spread=torch.cat(spreads))


def _chunks(items: Sequence[Fitted], size: int) -> Iterable[Sequence[Fitted]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _encoded(vae: AutoencoderKL, pictures: Sequence[Fitted], encoding: Encoding) -> dict[str, Tensor]:
    sides = 2 if encoding.mirrored else 1
    means, spreads = [], []
    for batch in _chunks(pictures, 8):
        images = torch.stack([fitted(picture) for picture in batch])
        views = torch.stack([images, images.flip(-1)][:sides], dim=1).flatten(0, 1)
        mean, spread = posterior(vae, views, encoding.precision)
        means.append(mean.unflatten(0, (-1, sides)).half())
        spreads.append(spread.unflatten(0, (-1, sides)).half())
    return {"mean": torch.cat(means), "spread": torch.cat(spreads)}


def _fingerprint(vae: AutoencoderKL) -> bytes:
    digest = hashlib.sha256()
    encoding = {name: value for name, value in vae.state_dict().items() if name.startswith(("encoder.", "quant_conv."))}
    for name, value in sorted(encoding.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()
