"""An instruction with what its parts name and where its steps are, as JSON lines: what a parser learns from."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.records.lines import json_lines

PartRole = Literal["TARGET", "NEW", "ATTRIBUTE", "PLACE"]
PART_ROLES: tuple[PartRole, ...] = get_args(PartRole)

_FORM = '{"text": …, "parts": [[start, end, role], …], "steps": [[start, end], …]}'


@dataclass(frozen=True, kw_only=True)
class MarkedText:
    """A text, its parts as (start, end, role) in order, and its steps as (start, end), at least one.

    Raises DataError where the text is empty, or where a part or a step lies outside it or across another.
    """

    text: str
    parts: tuple[tuple[int, int, PartRole], ...]
    steps: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not self.text.strip() or not self.steps:
            raise DataError(f"The marked text {self.text!r} is empty or has no step; leave it out.")
        for lengths in ([part[:2] for part in self.parts], list(self.steps)):
            edges = [edge for both in lengths for edge in both]
            whole = all(start < end for start, end in lengths)
            if not whole or edges != sorted(edges) or (edges and edges[-1] > len(self.text)):
                raise DataError(f"The marks {lengths} of {self.text!r} do not lie in it one after the other.")


def save_marked(path: Path, texts: Iterable[MarkedText]) -> int:
    """Write one JSON line a text, whole or not at all; return how many."""
    lines = [
        json.dumps({"text": text.text, "parts": text.parts, "steps": text.steps}, ensure_ascii=False) for text in texts
    ]
    atomic_write(path, "".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def load_marked(path: Path) -> Iterator[MarkedText]:
    """Read such lines; empty ones are passed over. Raises DataError that names the line which is no marked text."""
    for where, content in json_lines(path, form=_FORM):
        text, parts, steps = content.get("text"), content.get("parts"), content.get("steps")
        if not isinstance(text, str) or not isinstance(parts, list) or not isinstance(steps, list):
            raise DataError(f"{where} lacks a text, its parts or its steps; give {_FORM}.")
        try:
            read: list[tuple[int, int, PartRole]] = [(int(start), int(end), _role(role)) for start, end, role in parts]
            yield MarkedText(text=text, parts=tuple(read), steps=tuple((int(start), int(end)) for start, end in steps))
        except (TypeError, ValueError) as error:
            raise DataError(f"{where} holds a part or a step of another form; give {_FORM}.") from error


def _role(name: object) -> PartRole:
    if name not in PART_ROLES:
        raise ValueError(name)
    return cast(PartRole, name)
