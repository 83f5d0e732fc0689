"""One pair as a layout's files tell of it, and the pair record made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retouch.core.errors import DataError, ImageError
from retouch.core.images import load_image, png_bytes
from retouch.records.pair import JSON, PairRecord, Split

IMPORTED = "imported"
"""The kind of edit of a pair whose layout does not name one, and the engine of all that are read so."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Files and words of one pair; `where` says in errors where they were found."""

    where: str
    source: Path
    target: Path
    instruction: str
    source_caption: str = ""
    target_caption: str = ""
    mask: Path | None = None
    params: Mapping[str, JSON] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)


def to_record(row: Row, *, name: str, split: Split) -> PairRecord:
    """Read a row's pictures. Raises DataError, which says where the row is, for a picture that does not open."""
    mask = None if row.mask is None else _picture(row.mask, row.where, "L")
    return PairRecord(
        id=name,
        source_image=_picture(row.source, row.where, "RGB"),
        target_image=_picture(row.target, row.where, "RGB"),
        edit_prompt=row.instruction,
        source_caption=row.source_caption,
        target_caption=row.target_caption,
        engine=IMPORTED,
        seed=0,
        params={"kind": IMPORTED, **row.params},
        split=split,
        mask=mask,
        scores=row.scores,
    )


def inside(folder: Path, name: str, where: str) -> Path:
    """The place of a file that a layout names. Raises DataError for a name that leads out of the folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"{where} names {name}, which is not inside {folder}; move the file there.")
    return folder / name


def first_text(content: Mapping[str, object], keys: tuple[str, ...]) -> str:
    """The text under the first of `keys` that is there, "" where none is."""
    return next((str(content[key]).strip() for key in keys if isinstance(content.get(key), str)), "")


Reader = Callable[[Path], list[Row]]
"""Reads a folder of a layout; raises DataError where it is none."""


def _picture(path: Path, where: str, mode: str) -> bytes:
    try:
        return png_bytes(load_image(path).pixels.convert(mode))
    except ImageError as error:
        raise DataError(f"{where}: {error}") from error
