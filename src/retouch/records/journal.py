"""A file of JSON lines that a run adds to as it goes: whole lines stand, a torn one is taken off."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from retouch.core.errors import OutputError
from retouch.records.lines import json_lines
from retouch.records.pair import JSON


class Journal:
    """Objects noted in `path`, one line each, in the order in which they came.

    One process at a time may write (see `records.lock`); a process killed at any point loses the line at hand at the
    most. `entries` is what earlier runs noted.

    Raises DataError where a whole line is no JSON object, OutputError where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _take_off_torn_line(path)
        except OSError as error:
            raise _unwritable(path, error) from error
        self.entries: tuple[Mapping[str, object], ...] = ()
        if path.is_file():
            self.entries = tuple(entry for _, entry in json_lines(path, form="an object that an earlier run noted"))

    def add(self, entries: Iterable[Mapping[str, JSON]]) -> None:
        """Note some more, all at once."""
        lines = "".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n" for entry in entries)
        if not lines:
            return
        try:
            with self._path.open("ab") as file:
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(self._path, error) from error


def _take_off_torn_line(path: Path) -> None:
    if not path.is_file():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f'Cannot write to "{path}" ({error.strerror}); free some space or choose another folder.')
