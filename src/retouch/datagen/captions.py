"""Captions to write triples for: from lines of text, JSON lines, or a column of a table."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from retouch.core.errors import DataError
from retouch.records.lines import json_lines, read_text
from retouch.records.triple import SOURCE_KEYS

_FORM = "a file of captions"


def read_captions(path: Path) -> list[str]:
    """The captions of a file, in order, without empty ones: `.jsonl` or `.csv` by column, else a caption a line.

    A column is called caption, input or source_caption. Raises DataError where the file cannot be read, a line
    has no caption, or there is none at all.
    """
    if path.suffix.lower() == ".jsonl":
        found = [_caption(content, where) for where, content in json_lines(path, form="an object with a caption")]
    elif path.suffix.lower() == ".csv":
        found = list(_of_table(path))
    else:
        found = read_text(path, form=_FORM).splitlines()
    captions = [caption.strip() for caption in found if caption.strip()]
    if not captions:
        raise DataError(f"{path} holds no captions; give one a line.")
    return captions


def _of_table(path: Path) -> Iterator[str]:
    for number, row in enumerate(csv.DictReader(read_text(path, form=_FORM).splitlines()), 2):
        yield _caption(row, f"Line {number} of {path}")


def _caption(content: Mapping[str, object], where: str) -> str:
    value = next((content[key] for key in SOURCE_KEYS if isinstance(content.get(key), str)), None)
    if value is None:
        raise DataError(f"{where} has no text under {' or '.join(SOURCE_KEYS)}; give one.")
    return str(value)
