"""Latents and tokens of a record folder, computed once: what the U-Net's training reads at every step."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from retouch.core.errors import DataError
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import read_records
from retouch.training.pictures import decode, to_model_range
from retouch.training.settings import Precision

OnPrepared = Callable[[int, int], None]
"""Is told how many of how many pictures are prepared."""

_COLUMNS = ("source_image", "target_image", "edit_prompt", "source_caption", "target_caption", "mask", "params")


@dataclass(frozen=True, kw_only=True)
class PairTable:
    """Pairs as indices into unique pictures, with what the loss needs beside the latents.

    `mean`, `spread`: the VAE posterior's mean and standard deviation, (pictures, 1 or 2, 4, h, w)
    float16, unscaled; index 0 of the second axis is the picture, 1 its mirror image, absent where
    none was asked for. `source`, `target`: (pairs,) picture indices. `changed`: (pairs, h, w) uint8,
    the changed share of each latent cell
    in 1/255. `prompts`: the instruction of each pair.
    """

    mean: Tensor
    spread: Tensor
    source: Tensor
    target: Tensor
    changed: Tensor
    prompts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How pictures are encoded for the cache: with their mirror images or without, and in which precision."""

    mirrored: bool = True
    precision: Precision = "float32"


def pair_table(
    vae: AutoencoderKL,
    folder: Path,
    *,
    split: Split,
    cache: Path,
    encoding: Encoding = Encoding(),
    on_progress: OnPrepared = lambda _done, _total: None,
) -> PairTable:
    """Return the table of one record folder, from `cache` where it was made from the same data before.

    `on_progress` is told how many of how many pictures have latents. Encoding writes its pictures'
    latents in chunks, so that an interrupted preparation goes on where it stopped. Raises DataError
    where the folder has no record of the split.
    """
    pictures = _PictureIndex()
    source, target, masks, prompts = [], [], [], []
    for record in read_records(folder, columns=_COLUMNS, split=split):
        source.append(pictures.index(record.source_image))
        target.append(pictures.index(record.target_image))
        masks.append(changed_cells(record))
        prompts.append(record.edit_prompt)
    if not source:
        raise DataError(f"{folder} holds no record of the split '{split}'; make pairs there first.")
    mean, spread = posteriors(vae, pictures.encoded, cache, encoding, on_progress)
    return PairTable(
        mean=mean,
        spread=spread,
        source=torch.tensor(source),
        target=torch.tensor(target),
        changed=torch.stack(masks),
        prompts=tuple(prompts),
    )


def joined(tables: Sequence[PairTable]) -> PairTable:
    """Return several tables as one."""
    offsets = torch.tensor([0, *(len(table.mean) for table in tables)]).cumsum(0)[:-1]
    return PairTable(
        mean=torch.cat([table.mean for table in tables]),
        spread=torch.cat([table.spread for table in tables]),
        source=torch.cat([table.source + offset for table, offset in zip(tables, offsets, strict=True)]),
        target=torch.cat([table.target + offset for table, offset in zip(tables, offsets, strict=True)]),
        changed=torch.cat([table.changed for table in tables]),
        prompts=tuple(prompt for table in tables for prompt in table.prompts),
    )


def parted(table: PairTable, *, every: int) -> tuple[PairTable, PairTable]:
    """Part a table into pairs to train on and pairs to measure on, those of every `every`-th source picture.

    A picture is on one side only. Raises DataError where one side would be empty.
    """
    number = {picture: place for place, picture in enumerate(dict.fromkeys(table.source.tolist()))}
    held = [number[picture] % every == every - 1 for picture in table.source.tolist()]
    if all(held) or not any(held):
        raise DataError(
            f"The data shows {len(number)} source pictures, too few to hold some out; "
            f"give at least {every}, or a folder to validate on."
        )
    return _rows(table, [not out for out in held]), _rows(table, held)


def _rows(table: PairTable, wanted: Sequence[bool]) -> PairTable:
    mask = torch.tensor(wanted)
    return replace(
        table,
        source=table.source[mask],
        target=table.target[mask],
        changed=table.changed[mask],
        prompts=tuple(prompt for prompt, keep in zip(table.prompts, wanted, strict=True) if keep),
    )


def changed_cells(record: PairRecord, *, factor: int = 8) -> Tensor:
    """Return the changed share of each latent cell, (h, w) uint8 in 1/255; 0 where there is no mask."""
    if record.mask is None:
        height, width = decode(record.source_image).shape[1:]
        return torch.zeros(height // factor, width // factor, dtype=torch.uint8)
    return functional.avg_pool2d(decode(record.mask)[:1].float(), factor)[0].round().to(torch.uint8)


class _PictureIndex:
    """Numbers different encoded pictures in order of appearance."""

    def __init__(self) -> None:
        self.encoded: list[bytes] = []
        self._numbers: dict[bytes, int] = {}

    def index(self, data: bytes) -> int:
        digest = hashlib.sha256(data).digest()
        if digest not in self._numbers:
            self._numbers[digest] = len(self.encoded)
            self.encoded.append(data)
        return self._numbers[digest]


def posteriors(
    vae: AutoencoderKL,
    pictures: Sequence[bytes],
    cache: Path,
    encoding: Encoding,
    on_progress: OnPrepared,
) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of encoded pictures' posteriors, as `PairTable` has them.

    Chunks of pictures that `cache` holds already are read from there.
    """
    cache.mkdir(parents=True, exist_ok=True)
    identity = _fingerprint(vae) + repr(encoding).encode()
    means, spreads = [], []
    for chunk in _chunks(pictures, 256):
        key = hashlib.sha256(identity + b"".join(hashlib.sha256(data).digest() for data in chunk)).hexdigest()
        path = cache / f"{key[:32]}.safetensors"
        if not path.exists():
            partial = path.with_suffix(".tmp")
            save_file(_posterior(vae, chunk, encoding), partial)
            partial.rename(path)
        tensors = load_file(path)
        means.append(tensors["mean"])
        spreads.append(tensors["spread"])
        on_progress(sum(map(len, means)), len(pictures))
    return torch.cat(means), torch.cat(spreads)


def _chunks(items: Sequence[bytes], size: int) -> Iterable[Sequence[bytes]]:
    return (items[start : start + size] for start in range(0, len(items), size))


@torch.no_grad()
def _posterior(vae: AutoencoderKL, pictures: Sequence[bytes], encoding: Encoding) -> dict[str, Tensor]:
    device = next(vae.parameters()).device
    sides = 2 if encoding.mirrored else 1
    means, spreads = [], []
    for batch in _chunks(pictures, 8):
        images = to_model_range(torch.stack([decode(data) for data in batch]))
        views = torch.stack([images, images.flip(-1)][:sides], dim=1).flatten(0, 1)
        inputs: Any = views.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=encoding.precision == "bfloat16"):
            posterior = vae.encode(inputs, return_dict=False)[0]
        means.append(posterior.mean.unflatten(0, (-1, sides)).half().cpu())
        spreads.append(posterior.std.unflatten(0, (-1, sides)).half().cpu())
    return {"mean": torch.cat(means), "spread": torch.cat(spreads)}


def _fingerprint(vae: AutoencoderKL) -> bytes:
    digest = hashlib.sha256()
    encoding = {name: value for name, value in vae.state_dict().items() if name.startswith(("encoder.", "quant_conv."))}
    for name, value in sorted(encoding.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()
