"""Captions to write triples for: from lines of text, JSON lines, or a column of a table."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from retouch.core.errors import DataError
from retouch.records.triple import SOURCE_KEYS


def read_captions(path: Path) -> list[str]:
    """The captions of a file, in order, without empty ones: `.jsonl` or `.csv` by column, else a caption a line.

    A column is called caption, input or source_caption. Raises DataError where the file cannot be read, a line
    has no caption, or there is none at all.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{path} cannot be read ({reason}); give a file of captions.") from error
    if path.suffix.lower() == ".jsonl":
        found = list(_of_json(text, path))
    elif path.suffix.lower() == ".csv":
        found = list(_of_table(text, path))
    else:
        found = text.splitlines()
    captions = [caption.strip() for caption in found if caption.strip()]
    if not captions:
        raise DataError(f"{path} holds no captions; give one a line.")
    return captions


def _of_json(text: str, path: Path) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                content = json.loads(line)
            except ValueError as error:
                raise DataError(f"Line {number} of {path} is not JSON; give one object a line.") from error
            yield _caption(content if isinstance(content, dict) else {}, f"Line {number} of {path}")


def _of_table(text: str, path: Path) -> Iterator[str]:
    for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
        yield _caption(row, f"Line {number} of {path}")


def _caption(content: Mapping[str, object], where: str) -> str:
    value = next((content[key] for key in SOURCE_KEYS if isinstance(content.get(key), str)), None)
    if value is None:
        raise DataError(f"{where} has no text under {' or '.join(SOURCE_KEYS)}; give one.")
    return str(value)
