"""Pairs of record folders for the training of a LoRA: read, parted, and encoded once, after which the encoders go."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from retouch.core.errors import DataError
from retouch.records.pair import Split
from retouch.records.shards import read_records
from retouch.training.cache import OnPrepared
from retouch.training.flows.family import FlowFamily
from retouch.training.flows.kept import Kept, identity_of
from retouch.training.pictures import Fitted, Sizes, fitted, picture_size, to_model_range

_CELLS = 4
"""Sizes are multiples of so many tokens, so that pictures of nearly one aspect share a batch."""


@dataclass(frozen=True, kw_only=True)
class FlowPair:
    """One pair: its pictures by digest, its instruction, and the size, (width, height), it is trained at."""

    source: bytes
    target: bytes
    prompt: str
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowPairs:
    """Pairs to train on, those of one size behind one another, and pairs to measure on; all encoded on disk."""

    train: Sequence[FlowPair]
    held_out: Sequence[FlowPair]
    pictures: Kept
    prompts: Kept

    @property
    def groups(self) -> tuple[range, ...]:
        """The training pairs of one size, by number."""
        made, first = [], 0
        for count in Counter(pair.size for pair in self.train).values():
            made.append(range(first, first + count))
            first += count
        return tuple(made)

    def latents(self, digests: Sequence[bytes]) -> Tensor:
        """Latents of pictures of one size, (B, C, h, w) float32."""
        return torch.stack([self.pictures.read(digest).float() for digest in digests])

    def embeddings(self, prompts: Sequence[str]) -> Tensor:
        """What the transformer reads of prompts, (B, L, D); the empty one is always there."""
        return torch.stack([self.prompts.read(prompt.encode()) for prompt in prompts])


@dataclass(frozen=True, kw_only=True)
class FlowPreparation:
    """How pairs are prepared: for which model, where what is encoded is kept, at which size, where and in what type.

    `size` is the longest side of pictures in pixels. Of records without a validation split every
    `validation_every`-th source picture is held out, at least one.
    """

    family: FlowFamily
    cache: Path
    size: int
    device: torch.device
    dtype: torch.dtype
    validation_every: int = 20
    on_prepared: OnPrepared = lambda _done, _total: None


def flow_pairs(preparation: FlowPreparation, folders: Sequence[Path]) -> FlowPairs:
    """Read the records of some folders and encode what is not yet on disk.

    An encoder is opened only where something is missing. Pictures and prompts are encoded and written one by one, so
    that an interrupted preparation goes on where it was, with the same result. Raises DataError where a folder has no
    record of the train split, or where all show one source picture.
    """
    family, cache = preparation.family, preparation.cache
    multiple = family.cell * _CELLS
    reader = _Reader(
        sizes=Sizes(native=max(multiple, preparation.size), multiple=multiple),
        pictures=Kept(cache / "pictures", identity_of(family.folder, family.picture_parts, torch.float32)),
    )
    train = [pair for folder in folders for pair in _required(reader.read(folder, "train"), folder)]
    held_out = [pair for folder in folders for pair in reader.read(folder, "validation")]
    if not held_out:
        train, held_out = _parted(train, every=preparation.validation_every)
    prompts = Kept(cache / "prompts", identity_of(family.folder, family.prompt_parts, preparation.dtype))
    _encode(preparation, reader, prompts, sorted({"", *(pair.prompt for pair in (*train, *held_out))}))
    ordered = sorted(train, key=lambda pair: pair.size)
    return FlowPairs(train=ordered, held_out=held_out, pictures=reader.pictures, prompts=prompts)


class _Reader:
    """Reads records and notes the pictures that nobody has encoded yet."""

    def __init__(self, *, sizes: Sizes, pictures: Kept) -> None:
        self._sizes, self.pictures = sizes, pictures
        self.missing: dict[bytes, Fitted] = {}

    def read(self, folder: Path, split: Split) -> list[FlowPair]:
        """The pairs of one split, in order."""
        return list(self._pairs(folder, split))

    def _pairs(self, folder: Path, split: Split) -> Iterator[FlowPair]:
        for record in read_records(folder, columns=("source_image", "target_image", "edit_prompt"), split=split):
            fit = self._sizes.fit(picture_size(record.source_image))
            pictures = [Fitted.of(data, fit) for data in (record.source_image, record.target_image)]
            for picture in pictures:
                if picture.digest not in self.missing and picture.digest not in self.pictures:
                    self.missing[picture.digest] = picture
            source, target = (picture.digest for picture in pictures)
            yield FlowPair(source=source, target=target, prompt=record.edit_prompt, size=fit.model_size)


def _required(pairs: list[FlowPair], folder: Path) -> list[FlowPair]:
    if not pairs:
        raise DataError(f"{folder} holds no record of the split 'train'; make pairs there first.")
    return pairs


def _parted(pairs: Sequence[FlowPair], *, every: int) -> tuple[list[FlowPair], list[FlowPair]]:
    """Hold out the pairs of every `every`-th source picture, or of the last one where there are fewer."""
    sources = list(dict.fromkeys(pair.source for pair in pairs))
    if len(sources) < 2:
        raise DataError(
            "The data shows one source picture alone, so that none can be held out; "
            "make pairs of more pictures, or some of the split 'validation'."
        )
    held = set(sources[every - 1 :: every] or sources[-1:])
    return [pair for pair in pairs if pair.source not in held], [pair for pair in pairs if pair.source in held]


def _encode(preparation: FlowPreparation, reader: _Reader, prompts: Kept, texts: Sequence[str]) -> None:
    family, device = preparation.family, preparation.device
    missing = [text for text in texts if text.encode() not in prompts]
    done, total = 0, len(reader.missing) + len(missing)
    if reader.missing:
        pictures = family.picture_coder(device)
        for digest, picture in reader.missing.items():
            latents = pictures.encode(to_model_range(fitted(picture))[None])[0]
            reader.pictures.write(digest, latents.half())
            done += 1
            preparation.on_prepared(done, total)
        del pictures
    if missing:
        coder = family.prompt_coder(device, preparation.dtype)
        for text in missing:
            prompts.write(text.encode(), coder.encode(text))
            done += 1
            preparation.on_prepared(done, total)
    reader.missing.clear()
