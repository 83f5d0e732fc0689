"""Answers kept in a file while they are made, so that an interrupted run repeats none of them."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from retouch.core.errors import DataError, OutputError
from retouch.core.files import atomic_write


class Answers:
    """JSON values in a file, one a line, below a line that says to what; what is cut short is dropped.

    They lie beside `out`, in `out`.answers; `values` are those that are there. Of a run of `total` whose answers
    come in batches, a batch that is not complete is dropped too: it would be drawn otherwise when it is gone on
    with. Raises DataError where the file answers something else than `to`, OutputError where it cannot be used.
    """

    def __init__(self, out: Path, to: Mapping[str, object], *, batch: int = 1, total: int | None = None) -> None:
        self.path = out.with_name(f"{out.name}.answers")
        head, content = _line(to), self._content()
        lines = content.splitlines(keepends=True)
        if lines and lines[0].endswith("\n") and lines[0] != head:
            raise DataError(f"{self.path} holds answers to other captions or settings; repeat those, or remove it.")
        self.values: list[object] = _whole(lines[1:])
        if total is None or len(self.values) < total:
            self.values = self.values[: len(self.values) // batch * batch]
        kept = head + "".join(map(_line, self.values))
        if kept != content:
            atomic_write(self.path, kept.encode())

    def add(self, values: Sequence[object]) -> None:
        """Keep further answers; they are on the disk when this returns."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(map(_line, values)))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(
                f"{self.path} cannot be written ({reason}); free some space or write elsewhere."
            ) from error
        self.values += values

    def forget(self) -> None:
        """Remove the file: what was made of the answers is safe elsewhere."""
        self.path.unlink()

    def _content(self) -> str:
        try:
            # A kill may have cut a text anywhere, and so a character.
            return self.path.read_bytes().decode(errors="replace") if self.path.is_file() else ""
        except OSError as error:
            raise OutputError(f"{self.path} cannot be used ({error}); remove it, or choose another file.") from error


def _line(value: object) -> str:
    # ASCII alone: whatever ends a line, or is half a character, is escaped.
    return json.dumps(value) + "\n"


def _whole(lines: Sequence[str]) -> list[object]:
    """The values up to the first line that is none."""
    values: list[object] = []
    for line in lines:
        try:
            values.append(json.loads(line if line.endswith("\n") else ""))
        except ValueError:
            break
    return values
