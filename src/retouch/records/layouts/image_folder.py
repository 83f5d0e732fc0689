"""The layout of `datasets`' image folders: pictures beside a `metadata.jsonl` whose `*_file_name` columns name them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.records.layouts.row import Row, first_text, inside
from retouch.records.lines import json_lines
from retouch.records.pair import JSON, PairRecord
from retouch.records.shards import count_records, read_records

METADATA = "metadata.jsonl"
_FORM = "an object with the files and the instruction of a pair"
SOURCE = ("source_image_file_name", "original_image_file_name", "input_image_file_name")
TARGET = ("target_image_file_name", "edited_image_file_name", "output_image_file_name")
MASK = ("mask_file_name", "mask_image_file_name")
INSTRUCTION = ("edit_prompt", "instruction", "edit")
SOURCE_CAPTION = ("source_caption", "original_prompt", "input", "caption")
TARGET_CAPTION = ("target_caption", "edited_prompt", "output")
"""Columns under the names that are in use, ours first."""


def read_image_folder(folder: Path) -> list[Row]:
    """The rows of a folder with a `metadata.jsonl`. Raises DataError where a line lacks pictures or an instruction."""
    return [_row(folder, where, content) for where, content in json_lines(folder / METADATA, form=_FORM)]


def write_image_folder(
    records: Path, out: Path, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """Write the pairs of a folder of records; return how many.

    `metadata.jsonl` comes last: a folder without it is not finished, and the same command writes it anew. Raises
    DataError where there are no records, OutputError where the folder cannot be written.
    """
    total, lines = count_records(records), []
    for number, record in enumerate(read_records(records)):
        lines.append(json.dumps(_written(record, f"{number:07d}", out), ensure_ascii=False))
        on_progress(number + 1, total)
    atomic_write(out / METADATA, "".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def _row(folder: Path, where: str, content: Mapping[str, object]) -> Row:
    source, target, mask = (first_text(content, names) for names in (SOURCE, TARGET, MASK))
    instruction = first_text(content, INSTRUCTION)
    if not (source and target and instruction):
        raise DataError(
            f"{where} lacks a picture or the instruction; give {SOURCE[0]}, {TARGET[0]} and {INSTRUCTION[0]}."
        )
    kind = first_text(content, ("kind",))
    return Row(
        where=where,
        source=inside(folder, source, where),
        target=inside(folder, target, where),
        instruction=instruction,
        source_caption=first_text(content, SOURCE_CAPTION),
        target_caption=first_text(content, TARGET_CAPTION),
        mask=inside(folder, mask, where) if mask else None,
        params={"kind": kind} if kind else {},
    )


def _written(record: PairRecord, name: str, out: Path) -> Mapping[str, JSON]:
    pictures = {"source_image": record.source_image, "target_image": record.target_image, "mask": record.mask}
    line: dict[str, JSON] = {}
    for part, data in pictures.items():
        if data is not None:
            file = f"images/{name}-{part}.png"
            atomic_write(out / file, data)
            line[f"{part}_file_name"] = file
    words: dict[str, JSON] = {
        "edit_prompt": record.edit_prompt,
        "source_caption": record.source_caption,
        "target_caption": record.target_caption,
        "kind": record.kind,
    }
    return {**line, **words, "id": record.id}
