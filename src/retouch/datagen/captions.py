"""Captions to write triples for: from lines of text, JSON lines, or a column of a table, here or on the hub."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from retouch.core.errors import DataError
from retouch.records.layouts.places import on_hub
from retouch.records.layouts.tables import open_tables
from retouch.records.lines import json_lines, read_text
from retouch.records.triple import SOURCE_KEYS

_FORM = "a file of captions"


def read_captions(source: str | Path, *, column: str | None = None, limit: int | None = None) -> list[str]:
    """The captions of a source, in order, without empty ones, the first `limit`.

    A source is a file, `.jsonl`, `.csv` or `.parquet` by column, any other a caption a line; or a dataset's id on the
    hub, which is streamed split by split. The column is called caption, input or source_caption unless it is named.
    Raises DataError where the source cannot be read, a row has no caption, or there is none at all.
    """
    keys = SOURCE_KEYS if column is None else (column,)
    captions = list(islice(filter(None, (caption.strip() for caption in _found(source, keys))), limit))
    if not captions:
        raise DataError(f"{source} holds no captions; give one a line.")
    return captions


def _found(source: str | Path, keys: Sequence[str]) -> Iterator[str]:
    path = Path(source).expanduser()
    if path.suffix.lower() == ".parquet" or on_hub(str(source)):
        yield from _of_tables(str(source), keys)
    elif path.suffix.lower() == ".jsonl":
        for where, content in json_lines(path, form="an object with a caption"):
            yield _caption(content, where, keys)
    elif path.suffix.lower() == ".csv":
        for number, row in enumerate(csv.DictReader(read_text(path, form=_FORM).splitlines()), 2):
            yield _caption(row, f"Line {number} of {path}", keys)
    else:
        yield from read_text(path, form=_FORM).splitlines()


def _of_tables(source: str, keys: Sequence[str]) -> Iterator[str]:
    for table in open_tables(source):
        known = tuple(key for key in keys if key in table.columns)
        if not known:
            raise DataError(f"{table.where} has no column {' or '.join(keys)}; it has {', '.join(table.columns)}.")
        for number, row in enumerate(table.rows(known), 1):
            yield _caption(row, f"Row {number} of {table.where}", known)


def _caption(content: Mapping[str, object], where: str, keys: Sequence[str]) -> str:
    value = next((content[key] for key in keys if isinstance(content.get(key), str)), None)
    if value is None:
        raise DataError(f"{where} has no text under {' or '.join(keys)}; give one.")
    return str(value)
