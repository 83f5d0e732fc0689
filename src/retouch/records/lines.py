"""JSON lines: one object a line, read one by one, each with the words that say where it is."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from retouch.core.errors import DataError


def json_lines(path: Path, *, form: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The objects of a file, with where each lies; empty lines are passed over.

    `form` says in errors what an object should be. Raises DataError where the file cannot be read as UTF-8, and
    names the line that is no JSON object.
    """
    for where, line in text_lines(path, form=f"a file of JSON lines, each {form}"):
        if line.strip():
            yield where, json_object(line, where, form=form)


def text_lines(path: Path, *, form: str) -> Iterator[tuple[str, str]]:
    """The lines of a text file, with where each lies. Raises DataError where it cannot be read as UTF-8."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                yield f"Line {number} of {path}", line.rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error, form) from error


def read_text(path: Path, *, form: str) -> str:
    """The whole of a text file. Raises DataError where it cannot be read as UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error, form) from error


def json_object(text: str, where: str, *, form: str) -> Mapping[str, object]:
    """Read one JSON object. Raises DataError where it is none."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(f"{where} is not JSON; give {form}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{where} is no JSON object; give {form}.")
    return content


def _unreadable(path: Path, error: OSError | UnicodeDecodeError, form: str) -> DataError:
    reason = getattr(error, "strerror", None) or "not UTF-8 text"
    return DataError(f"{path} cannot be read ({reason}); give {form}.")
