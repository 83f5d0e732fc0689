"""The columns of diffusers' InstructPix2Pix trainer: input_image, edit_prompt, edited_image, in Parquet files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from retouch.records.layouts.parquet import Columns, write_tables
from retouch.records.layouts.tables import TableLayout, read_tables
from retouch.records.pair import PairRecord

LAYOUT = TableLayout(
    source=("input_image", "original_image", "source_image"),
    target=("edited_image", "output_image", "target_image"),
    instruction=("edit_prompt", "instruction", "edit"),
    source_caption=("original_prompt", "source_caption", "input_caption"),
    target_caption=("edited_prompt", "target_caption", "output_caption"),
    mask=("mask", "mask_image"),
)

read_diffusers = partial(read_tables, layout=LAYOUT)

_COLUMNS = Columns(images=("input_image", "edited_image"), texts=("edit_prompt", "original_prompt", "edited_prompt"))


def write_diffusers(
    records: Path, out: Path, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """Write the pairs of a folder of records with the trainer's column names; return how many."""
    return write_tables(records, out, schema=_COLUMNS.schema(), row=_row, on_progress=on_progress)


def _row(record: PairRecord) -> dict[str, object]:
    return {
        "input_image": {"bytes": record.source_image, "path": None},
        "edited_image": {"bytes": record.target_image, "path": None},
        "edit_prompt": record.edit_prompt,
        "original_prompt": record.source_caption,
        "edited_prompt": record.target_caption,
    }
