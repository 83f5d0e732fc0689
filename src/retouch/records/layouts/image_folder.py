"""The layout of `datasets`' image folders: pictures beside a `metadata.jsonl` whose `*_file_name` columns name them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.records.layouts.places import local_folder
from retouch.records.layouts.row import (
    Broken,
    ReadOptions,
    Row,
    Rows,
    first_text,
    inside,
    known_under,
    opened,
    split_named,
)
from retouch.records.lines import json_object, text_lines
from retouch.records.pair import JSON, PairRecord, Split
from retouch.records.shards import count_records, read_records

METADATA = "metadata.jsonl"
KNOWN: Mapping[str, tuple[str, ...]] = {
    "source": ("source_image_file_name", "original_image_file_name", "input_image_file_name"),
    "target": ("target_image_file_name", "edited_image_file_name", "output_image_file_name"),
    "mask": ("mask_file_name", "mask_image_file_name"),
    "instruction": ("edit_prompt", "instruction", "edit"),
    "source_caption": ("source_caption", "original_prompt", "input", "caption"),
    "target_caption": ("target_caption", "edited_prompt", "output"),
    "object": ("object",),
    "kind": ("kind",),
    "split": ("split",),
}
"""Columns by what they hold, under the names that are in use, ours first."""
_FORM = "an object with the files and the instruction of a pair"


def read_image_folder(source: str, options: ReadOptions) -> Rows:
    """The rows of a folder with a `metadata.jsonl`, or of folders with one each in it, named after their splits.

    Raises DataError where there is none that can be read.
    """
    folder = local_folder(source)
    parts = sorted(path.parent for path in folder.glob(f"*/{METADATA}"))
    for part in parts if parts and not (folder / METADATA).exists() else [folder]:
        split = None if part == folder else split_named(part.name)
        for where, line in text_lines(part / METADATA, form=f"a folder with a {METADATA}, each line {_FORM}"):
            if line.strip():
                yield _read(part, where, line, options, split)


def write_image_folder(
    records: Path, out: Path, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """Write the pairs of a folder of records into the folder `out`; return how many.

    Raises DataError where there are no records, OutputError where the folder cannot be written.
    """
    total, lines = count_records(records), []
    for number, record in enumerate(read_records(records)):
        lines.append(json.dumps(_written(record, f"{number:07d}", out), ensure_ascii=False))
        on_progress(number + 1, total)
    atomic_write(out / METADATA, "".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def _read(folder: Path, where: str, line: str, options: ReadOptions, split: Split | None) -> Row | Broken:
    try:
        row = _row(folder, where, json_object(line, where, form=_FORM), options)
    except DataError as error:
        return Broken(where=where, reason="line", problem=str(error))
    return row if isinstance(row, Broken) else replace(row, split=row.split or split)


def _row(folder: Path, where: str, content: Mapping[str, object], options: ReadOptions) -> Row | Broken:
    texts = {name: first_text(content, known_under(options, name, keys)) for name, keys in KNOWN.items()}
    missing = [name for name in ("source", "target", "instruction") if not texts[name]]
    if missing:
        asked = [known_under(options, name, KNOWN[name])[0] for name in missing]
        return Broken(where=where, reason="missing", problem=f"{where} has nothing under {', '.join(asked)}")
    source, target, mask = (inside(folder, texts[name], where) for name in ("source", "target", "mask"))
    return Row(
        where=where,
        pictures=partial(opened, source, target, mask if texts["mask"] else None),
        instruction=texts["instruction"],
        source_caption=texts["source_caption"],
        target_caption=texts["target_caption"],
        object=texts["object"] or None,
        params={"kind": texts["kind"]} if texts["kind"] else {},
        split=split_named(texts["split"]),
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
        "split": record.split,
    }
    return {**line, **words, "id": record.id}
