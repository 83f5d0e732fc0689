"""Cases out of files: pictures and masks decoded, sizes seen to, identifiers told apart."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from retouch.core.errors import DataError, ImageError, SettingsError
from retouch.core.images import load_image
from retouch.evaluation.benchmark import BenchCase, Mask, Picture
from retouch.records.layouts.row import grey

Item = TypeVar("Item")


def picture(data: Path | bytes, where: str) -> Picture:
    """Decode a picture to (H, W, 3) uint8; what is transparent becomes white.

    Raises DataError that opens with `where`.
    """
    try:
        loaded = load_image(data, base_name=where)
    except ImageError as error:
        raise DataError(f"{where} is no picture that can be read: {error}") from error
    if loaded.alpha is None:
        return np.array(loaded.pixels)
    white = Image.new("RGB", loaded.pixels.size, "white")
    return np.array(Image.composite(loaded.pixels, white, loaded.alpha))


def mask(data: Path | bytes, where: str) -> Mask:
    """Decode a mask of one channel to (H, W) bool, True where it is white. Raises DataError that opens with `where`."""
    try:
        return np.array(grey(data)) > 127
    except ImageError as error:
        raise DataError(f"{where} is no mask that can be read: {error}") from error


def of_size(target: Picture, like: Picture, where: str) -> Picture:
    """A target of its source's size; one of another size but the same shape is resized (bicubic).

    Raises DataError that opens with `where` where the shapes differ by more than a hundredth.
    """
    if target.shape == like.shape:
        return target
    height, width = like.shape[:2]
    if abs(target.shape[1] / target.shape[0] - width / height) > 0.01 * width / height:
        raise DataError(
            f"{where} is {_size(target)} pixels, its source {_size(like)}; expected one shape, get it again."
        )
    return np.array(Image.fromarray(target).resize((width, height), Image.Resampling.BICUBIC))


def checked(cases: Iterable[BenchCase], bench: str) -> Iterator[BenchCase]:
    """The cases, each seen to: an identifier of its own, target and masks of the source's size.

    Raises DataError that names the case.
    """
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise DataError(f"{bench} holds the case {case.id} twice; every case needs an id of its own.")
        seen.add(case.id)
        parts = {"target": case.target, "mask": case.mask, "object mask": case.object_mask}
        for name, part in parts.items():
            if part is not None and part.shape[:2] != case.source.shape[:2]:
                raise DataError(
                    f"The {name} of case {case.id} of {bench} is {_size(part)} pixels, its source "
                    f"{_size(case.source)}; expected one size."
                )
        yield case


def wanted(limit: int | None, count: int) -> int:
    """How many of `count` cases a limit asks for. Raises SettingsError for a limit under 1."""
    if limit is not None and limit < 1:
        raise SettingsError(f"limit is {limit}; expected at least 1 case.")
    return count if limit is None else min(limit, count)


def interleaved(items: Sequence[Item], kind: Callable[[Item], str]) -> list[Item]:
    """The items with their kinds mixed evenly, the order within a kind kept: every prefix has all in proportion."""
    counts, met = Counter(map(kind, items)), Counter[str]()
    places: list[float] = []
    for item in items:
        places.append((met[kind(item)] + 0.5) / counts[kind(item)])
        met[kind(item)] += 1
    order = sorted(range(len(items)), key=places.__getitem__)
    return [items[index] for index in order]


def version_of(*parts: str) -> str:
    """A short name of what makes up a version: twelve digits of a SHA-256."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _size(pixels: Picture | Mask) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"
