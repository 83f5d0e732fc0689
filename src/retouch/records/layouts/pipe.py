"""PIPE (RotsteinNoam/PIPE): objects put into pictures they were removed from, joined with PIPE_Masks on both ids."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from retouch.core.errors import DataError
from retouch.core.images import load_image
from retouch.records.layouts.cutting import cropped, cut_out
from retouch.records.layouts.row import Broken, Pictures, ReadOptions, ReferenceManner, Row, Rows, first_text
from retouch.records.layouts.tables import Table, TableLayout, first_picture, open_tables, row_of

LAYOUT = TableLayout(
    source=("source_img",),
    target=("target_img",),
    instruction=("Instruction_VLM-LLM", "Instruction_Class", "Instruction_Ref_Dataset"),
    params=("object_location", "target_img_dataset", "img_id", "ann_id"),
    edit_kind="add",
)
_OBJECT, _MASK = ("Instruction_Class",), "mask"
_ARTICLES = ("a ", "an ", "the ")


def read_pipe(source: str, options: ReadOptions) -> Rows:
    """The rows of PIPE; with `options.masks`, the place of PIPE_Masks, each has its object's mask and reference.

    The reference is the object in the target, cut out on white or cropped. The masks may come in any order: those
    that are ahead of their rows wait in a temporary file. Raises DataError where either source cannot be read.
    """
    layout = LAYOUT.told(options)
    with _masks_of(options.masks) as masks:
        for table in open_tables(source):
            for row in _rows(table, layout):
                yield row if masks is None or isinstance(row, Broken) else _joined(row, masks, options.reference)


def _rows(table: Table, layout: TableLayout) -> Rows:
    wanted = tuple(dict.fromkeys((*layout.wanted(), *_OBJECT)))
    for number, values in enumerate(table.rows(wanted), 1):
        row = row_of(values, layout, where=f"Row {number} of {table.where}", split=table.split)
        named = _object_of(first_text(values, _OBJECT))
        yield row if isinstance(row, Broken) else replace(row, object=row.object or named)


def _joined(row: Row, masks: "_Masks", manner: ReferenceManner) -> Row | Broken:
    key = (str(row.params.get("img_id")), str(row.params.get("ann_id")))
    mask = masks.take(key)
    if mask is None:
        problem = f"{row.where} has no mask for img_id {key[0]} and ann_id {key[1]}"
        return Broken(where=row.where, reason="partner", problem=problem)
    return replace(row, pictures=partial(_with_reference, row, mask, manner))


def _with_reference(row: Row, mask: bytes, manner: ReferenceManner) -> Pictures:
    pictures = row.pictures()
    region = load_image(mask, base_name="mask").pixels.convert("L").point([0] * 128 + [255] * 128)
    if region.size != pictures.target.size:
        region = region.resize(pictures.target.size, Image.Resampling.NEAREST)
    box = region.getbbox()
    if box is None:
        raise DataError("its mask shows nothing")
    view = cut_out(pictures.target, region) if manner == "cut-out" else cropped(pictures.target, box)
    return replace(pictures, mask=region, object_mask=region, references=(view,))


def _object_of(instruction: str) -> str | None:
    """The object that an instruction of the class form, "add a white cat", names."""
    words = instruction.strip().rstrip(".").removeprefix("add ").removeprefix("Add ")
    for article in _ARTICLES:
        words = words.removeprefix(article)
    return words or None


class _Masks:
    """Masks by both ids, read as far as they are asked for; those not asked for yet lie in a file."""

    def __init__(self, stored: sqlite3.Connection, coming: Iterator[tuple[tuple[str, str], bytes]]) -> None:
        self.stored, self.coming = stored, coming
        stored.execute("CREATE TABLE masks (image TEXT, annotation TEXT, png BLOB, PRIMARY KEY (image, annotation))")

    def take(self, key: tuple[str, str]) -> bytes | None:
        """The mask of this image and annotation, None where there is none."""
        found = self.stored.execute("SELECT png FROM masks WHERE image = ? AND annotation = ?", key).fetchone()
        if found is not None:
            self.stored.execute("DELETE FROM masks WHERE image = ? AND annotation = ?", key)
            return found[0]
        for other, png in self.coming:
            if other == key:
                return png
            self.stored.execute("INSERT OR REPLACE INTO masks VALUES (?, ?, ?)", (*other, png))
        return None


@contextmanager
def _masks_of(source: str | None) -> Iterator[_Masks | None]:
    """The masks of `source`, or None where there is no source."""
    if source is None:
        yield None
        return
    with TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "masks", isolation_level=None)) as file:
        # The file is thrown away: it need not survive a crash.
        file.execute("PRAGMA synchronous = OFF")
        file.execute("PRAGMA journal_mode = OFF")
        yield _Masks(file, _coming(source))


def _coming(source: str) -> Iterator[tuple[tuple[str, str], bytes]]:
    for table in open_tables(source):
        if table.columns and not {_MASK, "img_id", "ann_id"} <= set(table.columns):
            raise DataError(f"{table.where} has no {_MASK}, img_id and ann_id; give PIPE_Masks with --masks.")
        for values in table.rows((_MASK, "img_id", "ann_id")):
            png = first_picture(values, (_MASK,))
            if png is not None:
                yield (str(values["img_id"]), str(values["ann_id"])), png
