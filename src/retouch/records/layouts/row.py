"""One pair as a layout tells of it, or what is broken about it, and the pair record made of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from PIL import Image

from retouch.core.errors import DataError, SettingsError
from retouch.core.images import load_image, png_bytes
from retouch.records.pair import JSON, PairRecord, Split

IMPORTED = "imported"
"""The kind of edit of a pair whose layout does not name one, and the engine of all that are read so."""

Reason = Literal["line", "missing", "picture", "partner"]
"""Why a row is broken: it cannot be read, lacks something, holds no picture, or what it is joined with is not there."""

ReferenceManner = Literal["cut-out", "crop"]
FIELDS = ("source", "target", "instruction", "source_caption", "target_caption", "mask", "object", "kind", "split")
"""What of a pair a column can hold."""

_SPLITS: Mapping[str, Split] = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "bench",
    "bench": "bench",
}


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a reader may be told: columns by field, what PIPE's rows are joined with, and Open Images' two tables.

    Raises SettingsError for a field that is none.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    masks: str | None = None
    reference: ReferenceManner = "cut-out"
    boxes: Path | None = None
    classes: Path | None = None

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in FIELDS:
                raise SettingsError(f"A column cannot be given for '{name}'; choose from {', '.join(FIELDS)}.")


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The decoded pictures of a pair, as a record has them."""

    source: Image.Image
    target: Image.Image
    mask: Image.Image | None = None
    object_mask: Image.Image | None = None
    segments: Image.Image | None = None
    references: tuple[Image.Image, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """Words and pictures of one pair; `where` says in errors where it was found.

    `pictures` reads and decodes and may raise ImageError or DataError. `split` is the source's own, None where
    it has none; `name` is the record's id where the layout keeps one.
    """

    where: str
    pictures: Callable[[], Pictures]
    instruction: str
    source_caption: str = ""
    target_caption: str = ""
    object: str | None = None
    params: Mapping[str, JSON] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    split: Split | None = None
    name: str | None = None
    engine: str = IMPORTED
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A row that gives no pair: where it is, the reason to count it under, and what is wrong with it."""

    where: str
    reason: Reason
    problem: str


Rows: TypeAlias = Iterator[Row | Broken]
Reader: TypeAlias = Callable[[str, ReadOptions], Rows]
"""Reads a source of a layout row by row; raises DataError where it is none."""


def to_record(row: Row, *, name: str, split: Split) -> PairRecord:
    """Read a row's pictures into a record; `name` and `split` are for rows that have none of their own.

    Raises ImageError or DataError for what cannot be read.
    """
    pictures = row.pictures()
    return PairRecord(
        id=row.name or name,
        source_image=png_bytes(pictures.source),
        target_image=png_bytes(pictures.target),
        edit_prompt=row.instruction,
        source_caption=row.source_caption,
        target_caption=row.target_caption,
        engine=row.engine,
        seed=row.seed,
        params={"kind": IMPORTED, **row.params},
        split=row.split or split,
        mask=_fitted(pictures.mask, pictures.target),
        object_mask=_fitted(pictures.object_mask, pictures.target),
        segments=_fitted(pictures.segments, pictures.target),
        reference_images=tuple(map(png_bytes, pictures.references)),
        object=row.object,
        scores=row.scores,
    )


def opened(
    source: Path | bytes,
    target: Path | bytes,
    mask: Path | bytes | None = None,
    region: Callable[[Path | bytes], Image.Image] | None = None,
) -> Pictures:
    """Decode the pictures of a pair; `region` reads the mask, as one channel where it is not given.

    Raises ImageError.
    """
    return Pictures(
        source=load_image(source, base_name="source").pixels,
        target=load_image(target, base_name="target").pixels,
        mask=None if mask is None else (region or grey)(mask),
    )


def grey(mask: Path | bytes) -> Image.Image:
    """A mask as one channel. Raises ImageError."""
    return load_image(mask, base_name="mask").pixels.convert("L")


def split_named(name: str) -> Split | None:
    """Our split for a source's name of one, such as `dev` or `train-00000-of-00002`; None for another name."""
    return _SPLITS.get(name.partition("-")[0].partition("_")[0].partition(".")[0].lower())


def inside(folder: Path, name: str, where: str) -> Path:
    """The place of a file that a layout names. Raises DataError for a name that leads out of the folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"{where} names {name}, which is not inside {folder}; move the file there.")
    return folder / name


def first_text(content: Mapping[str, object], keys: tuple[str, ...]) -> str:
    """The first text under any of `keys`, "" where none is."""
    texts = (value.strip() for value in map(content.get, keys) if isinstance(value, str))
    return next(filter(None, texts), "")


def known_under(options: ReadOptions, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    """The columns to look for a field in: the one that was given, or the known ones."""
    return (options.columns[name],) if name in options.columns else keys


def _fitted(mask: Image.Image | None, target: Image.Image) -> bytes | None:
    if mask is None:
        return None
    return png_bytes(mask if mask.size == target.size else mask.resize(target.size, Image.Resampling.NEAREST))
