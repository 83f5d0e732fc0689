"""Pictures of record folders, kept encoded in memory, decoded and brought to the model's size as they are needed."""

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.core.errors import DataError
from retouch.core.fit import Fit
from retouch.records.pair import Split
from retouch.records.shards import read_records


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes pictures of any aspect are trained at: those an editor works at, never above the picture's own.

    See `Fit.for_model` for `native` and `multiple`, in pixels.
    """

    native: int = 256
    multiple: int = 64

    def fit(self, size: tuple[int, int]) -> Fit:
        """How a picture of `size`, (width, height), comes to the model."""
        native = max(self.multiple, min(self.native, max(size)))
        return Fit.for_model(size, native=native, multiple=self.multiple)

    def of(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size, (width, height), at which a picture of `size` is trained."""
        return self.fit(size).model_size


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """An encoded picture, how it comes to the model, and a digest of both; equal where the digest is."""

    digest: bytes
    data: bytes = field(compare=False)
    fit: Fit = field(compare=False)

    @classmethod
    def of(cls, data: bytes, fit: Fit) -> "Fitted":
        """A picture that is first brought to the fit's source size, where it has another one."""
        digest = hashlib.sha256(data).digest()
        if fit.source_size != fit.model_size:
            digest = hashlib.sha256(digest + repr(fit).encode()).digest()
        return cls(digest=digest, data=data, fit=fit)


def unique_pictures(folders: Iterable[Path], *, split: Split) -> list[bytes]:
    """Return every different source and target picture of one split, encoded, in order of appearance.

    Raises DataError where there is none.
    """
    seen: dict[bytes, bytes] = {}
    folders = list(folders)
    for folder in folders:
        for record in read_records(folder, columns=("source_image", "target_image"), split=split):
            for data in (record.source_image, record.target_image):
                seen.setdefault(hashlib.sha256(data).digest(), data)
    if not seen:
        names = ", ".join(str(folder) for folder in folders)
        raise DataError(f"No picture of the split '{split}' lies in {names}; make pairs there first.")
    return list(seen.values())


def decode(data: bytes) -> Tensor:
    """Return an encoded picture as (3, H, W) uint8."""
    with Image.open(io.BytesIO(data)) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


def picture_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) of an encoded picture."""
    with Image.open(io.BytesIO(data)) as image:
        return image.size


def fitted(picture: Fitted) -> Tensor:
    """Return a picture at the model's size as (3, H, W) uint8."""
    with Image.open(io.BytesIO(picture.data)) as image:
        colours = image.convert("RGB")
        if colours.size != picture.fit.source_size:
            colours = colours.resize(picture.fit.source_size, Image.Resampling.LANCZOS)
        shown = picture.fit.apply(colours)
    return torch.from_numpy(np.array(shown)).permute(2, 0, 1).contiguous()


def fitted_numbers(picture: Fitted) -> Tensor:
    """Return a picture of numbers, such as a record's segments, at the model's size as (H, W) uint8."""
    with Image.open(io.BytesIO(picture.data)) as image:
        numbers = image.convert("L")
        if numbers.size != picture.fit.source_size:
            numbers = numbers.resize(picture.fit.source_size, Image.Resampling.NEAREST)
        shown = picture.fit.apply(numbers, method=Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(shown))


def to_model_range(pictures: Tensor) -> Tensor:
    """Map uint8 0…255 to float32 −1…1."""
    return pictures.float() / 127.5 - 1


def to_bytes(pictures: Tensor) -> Tensor:
    """Map −1…1 to uint8 0…255, clamped."""
    return ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def random_crops(pictures: Sequence[bytes], indices: Sequence[int], *, size: int, generator: torch.Generator) -> Tensor:
    """Return a random `size`² crop of each picture, flipped half the time, (B, 3, size, size) in −1…1."""
    crops = []
    for index in indices:
        picture = decode(pictures[index])
        height, width = picture.shape[1:]
        draw = torch.rand(3, generator=generator).tolist()
        top, left = int(draw[0] * (height - size + 1)), int(draw[1] * (width - size + 1))
        crop = picture[:, top : top + size, left : left + size]
        crops.append(crop.flip(-1) if draw[2] < 0.5 else crop)
    return to_model_range(torch.stack(crops))


def strip(rows: Sequence[Tensor]) -> Tensor:
    """Lay rows of pictures, each (N, 3, H, W) in −1…1, out as one (3, rows·H, N·W) uint8 picture."""
    return torch.cat([torch.cat(list(to_bytes(row)), dim=-1) for row in rows], dim=-2)
