"""Pairs that others made, as an engine: rows of a layout become records with all that a run of an engine has."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from retouch.core.errors import DataError, OutputError, SettingsError
from retouch.records.layouts.image_folder import read_image_folder, write_image_folder
from retouch.records.layouts.instruct_pix2pix import read_instruct_pix2pix, write_instruct_pix2pix
from retouch.records.layouts.row import IMPORTED, Reader, Row, to_record
from retouch.records.pair import JSON, PairRecord, Split

LAYOUTS: Mapping[str, tuple[Reader, Callable[..., int]]] = {
    "image-folder": (read_image_folder, write_image_folder),
    "instruct-pix2pix": (read_instruct_pix2pix, write_instruct_pix2pix),
}
"""Layouts by name: how one is read, and how records are written in it."""


@dataclass(frozen=True, kw_only=True)
class ImportEngine:
    """A unit is a row of a layout; its id holds a digest of the row's words and places, below `root`."""

    rows: tuple[Row, ...]
    root: Path
    layout: str
    split: Split

    @property
    def name(self) -> str:
        """The engine's name, as records carry it."""
        return IMPORTED

    @property
    def pairs_per_unit(self) -> int:
        """A row is one pair."""
        return 1

    def fingerprint(self) -> Mapping[str, JSON]:
        """Layout, split, and a digest of all rows."""
        digest = hashlib.sha256("\n".join(map(self._digest, self.rows)).encode()).hexdigest()
        return {"layout": self.layout, "split": self.split, "rows": digest}

    def make(self, unit: int) -> tuple[PairRecord, ...]:
        """The pair of one row. Raises DataError for a picture that does not open."""
        row = self.rows[unit]
        return (to_record(row, name=f"{IMPORTED}-{self._digest(row)[:16]}-{unit}", split=self.split),)

    def _digest(self, row: Row) -> str:
        places = [str(path.relative_to(self.root)) for path in (row.source, row.target)]
        words = [row.instruction, row.source_caption, row.target_caption]
        return hashlib.sha256("\0".join([*places, *words]).encode()).hexdigest()


def import_engine_factory(source: Path, *, layout: str, split: Split) -> tuple[Callable[[], ImportEngine], int]:
    """What `make_pairs` sends to its workers, and how many pairs there are: the layout is read here, once.

    Raises SettingsError for an unknown layout, DataError where the folder is none of it or is empty.
    """
    rows = tuple(_layout(layout)[0](source))
    if not rows:
        raise DataError(f"{source} lists no pairs; give a folder that does.")
    return partial(_same, ImportEngine(rows=rows, root=source, layout=layout, split=split)), len(rows)


def export_pairs(
    folder: Path, out: Path, *, layout: str, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """Write a folder of records in a layout; return how many pairs.

    Raises SettingsError for an unknown layout, OutputError where `out` holds something or cannot be written,
    DataError where there are no records.
    """
    write = _layout(layout)[1]
    if out.is_dir() and any(out.iterdir()):
        raise OutputError(f"{out} is not empty; choose a new folder to export to.")
    return write(folder, out, on_progress=on_progress)


def _layout(name: str) -> tuple[Reader, Callable[..., int]]:
    if name not in LAYOUTS:
        raise SettingsError(f"The layout '{name}' is unknown; choose {' or '.join(LAYOUTS)}.")
    return LAYOUTS[name]


def _same(engine: ImportEngine) -> ImportEngine:
    return engine
